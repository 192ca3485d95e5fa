"""Aging's read API over a real SQLite store, with tickets folded by the real core."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx2
from fastapi import FastAPI

from services.aging.adapters.sql import SqlAgingStore
from services.aging.api import router
from services.aging.api.surface import Arrange
from services.aging.core.age import AgePolicy, AgeVersion
from services.aging.core.attention import flags_of
from services.aging.core.fold import derive
from services.aging.core.groups import groups_of
from services.aging.core.mark import Mark, encode_mark, order_of
from services.aging.core.merges import encode_register
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket, encode_ticket
from services.aging.core.timeline import as_of
from services.aging.core.worklist import WorkOrder
from services.aging.ports import AgingChanges, MarkRow, RegisterRow, TicketRow
from shared.clock import ManualClock
from shared.contracts.instants import to_us
from shared.contracts.tickets import Absorbed, Activity, Priority, Status, TicketFields, WaitReason
from shared.http import problems
from shared.http.keys import Key, Keyring, Principal, Scope
from tests.contract.aging_rows import Owner

NOW: Final = datetime.fromisoformat("2026-03-03T08:00:00+00:00")
AGE: Final = AgeVersion()
TERMS: Final = Terms(AgePolicy((AGE,)))
KEYRING: Final = Keyring(
    Key(sha256(f"bk_{name}".encode()).hexdigest(), Principal(name, tenant, None, frozenset({scope})))
    for name, tenant, scope in (
        ("reader", "acme", Scope.READ),
        ("publisher", "acme", Scope.PUBLISH),
        ("other", "default", Scope.READ),
    )
)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def shown(hours_ago: float, activity: Activity = Activity.UPDATED, **fields: Any) -> Mark:
    """An observation so many hours ago."""
    status = fields.get("status")
    if isinstance(status, str):
        name, _, reason = status.partition("/")
        fields["status"] = Status(name)
        if reason:
            fields["wait_reason"] = WaitReason(reason)
    if "priority" in fields:
        fields["priority"] = Priority(fields["priority"])
    at_us = to_us(ago(hours_ago))
    return Mark(
        at_us, f"evt-{hours_ago}", "desk", activity, fields=TicketFields(**fields), received_us=at_us + 5
    )


@dataclass
class World:
    """A store with tickets, and the API on it."""

    store: SqlAgingStore
    owner: Owner
    http: httpx2.AsyncClient
    clock: ManualClock
    terms: Terms = TERMS
    """By which all tickets are judged."""

    async def terms_now(self) -> Mapping[int, Terms]:
        """What the partitions' notes would say."""
        return {0: self.terms}

    async def ticket(
        self,
        key: str,
        *marks: Mark,
        tenant: str = "default",
        asleep: bool = False,
        terms: Terms | None = None,
        at: datetime = NOW,
    ) -> None:
        """Store a ticket as these observations make it, known up to `at`; `terms` hold from then on."""
        self.terms = terms or self.terms
        timeline = sorted(marks, key=order_of)
        ticket, _ = derive(timeline, order_of(timeline[-1]), terms=self.terms, until_us=to_us(at))
        row = a_row(tenant, key, ticket, asleep=asleep)
        rows = [MarkRow(tenant, key, order_of(mark), encode_mark(mark)) for mark in marks]
        await self.owner.commit(AgingChanges(tickets=[row], marks=rows))

    async def absorbed(self, survivor: str, key: str, at: datetime, *, withdrawn: bool = False) -> None:
        register = Absorbed(
            tenant="default", ticket=key, survivor=survivor, revision=1, at=at, withdrawn=withdrawn
        )
        row = RegisterRow("default", survivor, key, 1, encode_register(register))
        await self.owner.commit(AgingChanges(registers=[row]))

    async def get(self, path: str, key: str | None = None, **query: Any) -> httpx2.Response:
        headers = {} if key is None else {"authorization": f"Bearer bk_{key}"}
        return await self.http.get(path, params=query, headers=headers)

    async def json(self, path: str, **query: Any) -> Any:
        answer = await self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def keys(self, **query: Any) -> list[str]:
        """The keys of a list."""
        return [each["key"] for each in (await self.json("/v1/tickets", **query))["tickets"]]


def a_row(tenant: str, key: str, ticket: Ticket, *, asleep: bool) -> TicketRow:
    row = TicketRow(
        tenant=tenant, ticket=key, partition=0, source=ticket.source, open=ticket.open, asleep=asleep,
        created_us=ticket.created_us, aged_from_us=AGE.start_us(ticket.created_us, ticket.episode_us),
        updated_us=ticket.updated_us, left_us=ticket.left_us, status=ticket.status,
        wait_reason=ticket.wait_reason, kind=ticket.kind, priority=ticket.priority, channel=ticket.channel,
        queue=ticket.queue, assignee=ticket.assignee, segment=ticket.segment, category=ticket.category,
        subject=ticket.subject, version=1, body=encode_ticket(ticket), flags=flags_of(ticket),
        **groups_of(tenant, ticket)._asdict(),
    )  # fmt: skip
    return row._replace(body=b"", open=False, status="new", left_us=None) if asleep else row


@asynccontextmanager
async def a_world(
    directory: Path,
    keyring: Keyring = Keyring(()),  # noqa: B008
    arrange: Arrange = WorkOrder,
) -> AsyncIterator[World]:
    """Open a store in `directory` and the API on it."""
    clock = ManualClock(to_us(NOW))
    async with SqlAgingStore.open(f"sqlite+aiosqlite:///{directory}/aging.db") as store:
        app = FastAPI()
        problems.install(app)
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
            world = World(store, await Owner.of(store), http, clock)
            app.include_router(
                router(
                    store,
                    clock=clock,
                    keyring=keyring,
                    age=lambda: AGE,
                    as_of=as_of,
                    arrange=arrange,
                    terms=world.terms_now,
                )
            )
            yield world


def parameters(answer: httpx2.Response) -> Sequence[str]:
    """The parameters a problem complains of."""
    assert answer.headers["content-type"] == "application/problem+json"
    return [fault["parameter"] for fault in answer.json()["errors"]]
