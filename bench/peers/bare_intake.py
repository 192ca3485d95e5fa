"""The peer of intake: what a day's work with FastAPI, pydantic and aiokafka gives.

It validates the same plain ticket, encodes it, and answers once Kafka has acknowledged it (`acks="all"`,
as intake does). It knows no sources, maps, keys, limits, rejected input, CloudEvents or event ids.

    /single   one ticket, `send_and_wait`: what the documentation of aiokafka shows
    /gather   a list; `send` each, then wait for all: what somebody does who looked at a profile
    /naive    a list; `send_and_wait` each in turn

Run by uvicorn with one worker; BENCH_KAFKA names the broker.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Final, Literal

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError
from fastapi import FastAPI
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

TOPIC: Final = "bench.bare.v1"
PARTITIONS: Final = 4

Text = Annotated[str, Field(min_length=1, max_length=512)]
Word = Text | int


class Ticket(BaseModel):
    """The plain ticket of services/intake/core/ticket.py, in pydantic."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(min_length=1, max_length=400)] | int
    event_id: Text | None = None
    subject: Annotated[str, Field(max_length=1_000)] | None = None
    status: Word | None = None
    wait_reason: Literal["customer", "vendor", "internal", "scheduled"] | None = None
    raw_status: Text | None = None
    priority: Word | None = None
    raw_priority: Text | None = None
    queue: Text | None = None
    assignee: Text | None = None
    channel: Literal["email", "chat", "phone", "web", "messaging", "social", "api"] | None = None
    kind: Literal["operational", "task", "project"] | None = None
    segment: Text | None = None
    category: Text | None = None
    requester: Text | None = None
    tags: Annotated[tuple[Text, ...], Field(max_length=64)] | None = None
    url: Annotated[str, Field(max_length=2_000)] | None = None
    created_at: AwareDatetime | None = None
    time: AwareDatetime | None = None
    activity: (
        Literal[
            "created", "updated", "customer_message", "agent_message", "internal_note", "merged", "deleted",
            "spam", "restored",
        ]
        | None
    ) = None  # fmt: skip
    actor: Literal["customer", "agent", "bot", "system", "vendor"] | None = None
    visibility: Literal["public", "internal"] | None = None
    sequence: int | None = None
    merged_into: Text | int | None = None
    reason: Annotated[str, Field(max_length=1_000)] | None = None


class Accepted(BaseModel):
    """The answer to one ticket."""

    ticket: str | int
    time: datetime | None


class Counted(BaseModel):
    """The answer to a list."""

    accepted: int


producer: AIOKafkaProducer


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    global producer  # noqa: PLW0603 - a bare app, as people write them
    broker = os.environ["BENCH_KAFKA"]
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    except TopicAlreadyExistsError:
        pass
    finally:
        await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all")
    await producer.start()
    yield
    await producer.stop()


app = FastAPI(lifespan=_lifespan)


def _value(ticket: Ticket) -> bytes:
    return ticket.model_dump_json(exclude_unset=True).encode()


@app.get("/readyz")
async def ready() -> Counted:
    """Answer once the app runs."""
    return Counted(accepted=0)


@app.post("/single", status_code=202)
async def single(ticket: Ticket) -> Accepted:
    """Take one ticket."""
    await producer.send_and_wait(TOPIC, _value(ticket), key=str(ticket.id).encode())
    return Accepted(ticket=ticket.id, time=ticket.time)


@app.post("/gather", status_code=202)
async def gather(tickets: list[Ticket]) -> Counted:
    """Take a list, waiting once."""
    sent = [await producer.send(TOPIC, _value(ticket), key=str(ticket.id).encode()) for ticket in tickets]
    await asyncio.gather(*sent)
    return Counted(accepted=len(tickets))


@app.post("/naive", status_code=202)
async def naive(tickets: list[Ticket]) -> Counted:
    """Take a list, waiting for each."""
    for ticket in tickets:
        await producer.send_and_wait(TOPIC, _value(ticket), key=str(ticket.id).encode())
    return Counted(accepted=len(tickets))
