"""Intake on a real embedded log, asked over ASGI: what the tests of its HTTP surface share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx2
from prometheus_client import CollectorRegistry

from services.intake.adapters.metrics import counters
from services.intake.app import Reading, Service, application, service
from services.intake.ports import Threads
from services.intake.settings import Limits, MailPorts
from shared.bus.embedded import EmbeddedBus
from shared.bus.port import BusUnavailable, Outgoing, Record
from shared.clock import ManualClock
from shared.codec.decoding import decode
from shared.configuration.models import Configuration
from shared.contracts.instants import to_us
from shared.contracts.tickets import Observation, Rejected
from shared.contracts.topics import EVENTS, INBOX, REJECTED, Topic

NOW: Final = datetime.fromisoformat("2026-03-02T10:00:00+00:00")
KEYS: Final = {"desk": "bk_desk", "tenant": "bk_tenant", "reader": "bk_reader", "other": "bk_other"}


ENVIRONMENT: Final = {"HOOK_SECRET": "topsecret", "HOOK_NEXT": "next secret"}
"""What the secrets of webhooks are read from."""


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


OPEN: Final = Configuration()
GUARDED: Final = Configuration.model_validate(
    {
        "tenants": [
            {
                "name": "default",
                "keys": [
                    {"name": "tenant", "sha256": digest(KEYS["tenant"]), "scopes": ["publish", "admin"]},
                    {"name": "reader", "sha256": digest(KEYS["reader"]), "scopes": ["read"]},
                ],
            },
            {"name": "acme", "keys": [{"name": "o", "sha256": digest(KEYS["other"]), "scopes": ["publish"]}]},
        ],
        "sources": [
            {
                "name": "desk",
                "keys": [{"name": "desk", "sha256": digest(KEYS["desk"])}],
                "status": {"map": {"Awaiting User Info": "waiting/customer", "Active": "in_progress"}},
                "priority": {"map": {"1 - Critical": "p1"}, "default": "p3"},
                "channel": "email",
                "inbox": True,
            },
            {"name": "tracker"},
        ],
    }
)


class FragileBus(EmbeddedBus):
    """The embedded log, which may go away: nothing is appended then, as with a broker out of reach."""

    away = False

    async def append(self, records: Sequence[Outgoing]) -> None:
        if self.away:
            raise BusUnavailable("out of reach")
        await super().append(records)


@dataclass(frozen=True)
class World:
    """A running intake: ask it over `http`, look at what it put on the bus."""

    bus: FragileBus
    clock: ManualClock
    http: httpx2.AsyncClient
    intake: Service
    registry: CollectorRegistry

    async def post(self, body: Any, key: str | None = None, **headers: str) -> httpx2.Response:
        """Post `body` as JSON (bytes: as they are), with headers written in snake case."""
        shown = {name.replace("_", "-"): value for name, value in headers.items()}
        shown.setdefault("content-type", "application/json")
        if key is not None:
            shown["authorization"] = f"Bearer {KEYS[key]}"
        if isinstance(body, bytes):
            return await self.http.post("/v1/events", content=body, headers=shown)
        return await self.http.post("/v1/events", json=body, headers=shown)

    async def records(self, topic: Topic) -> list[Record]:
        reader = await self.bus.open_reader(topic)
        found: list[Record] = []
        for partition in range((await self.bus.identity(topic)).partitions):
            offset = 0
            while True:
                poll = await reader.read(partition, offset, records_max=1_000, wait_ms=0)
                found += poll.records
                offset = poll.next_offset
                if poll.at_end:
                    break
        await reader.close()
        return found

    async def observations(self) -> list[Observation]:
        events = [decode(record) for record in await self.records(EVENTS)]
        assert all(isinstance(event, Observation) for event in events)
        return events  # type: ignore[return-value]

    async def rejected(self) -> list[Rejected]:
        events = [decode(record) for record in await self.records(REJECTED)]
        assert all(isinstance(event, Rejected) for event in events)
        return events  # type: ignore[return-value]

    def counted(self, outcome: str) -> float:
        labels = {"service": "intake", "outcome": outcome}
        return self.registry.get_sample_value("barometer_events_total", labels) or 0.0

    def counted_rejected(self, reason: str) -> float:
        return self.registry.get_sample_value("barometer_rejected_total", {"reason": reason}) or 0.0


@asynccontextmanager
async def world(
    directory: Path,
    configuration: Configuration = OPEN,
    limits: Mapping[str, int] | None = None,
    *,
    threads: Threads | None = None,
    reads: Reading | None = None,
    mail: MailPorts | None = None,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> AsyncIterator[World]:
    clock, registry = ManualClock(to_us(NOW)), CollectorRegistry()
    async with await FragileBus.open(directory, clock) as bus:
        await bus.ensure_topics({EVENTS.name: 1, INBOX.name: 1, REJECTED.name: 1})
        intake = service(
            bus,
            configuration,
            environment=environment,
            clock=clock,
            counted=counters(registry),
            member="intake-test",
            limits=Limits(**(limits or {})),
            threads=threads,
            reading=reads,
            mail=mail,
        )
        transport = httpx2.ASGITransport(app=application(intake, registry))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
            yield World(bus, clock, http, intake, registry)
