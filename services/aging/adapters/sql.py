"""Aging's store on SQLite and Postgres: what the worker loads, and the one commit of each batch.

The commit is the ceiling of the whole service, so it is a handful of statements, each for all rows of
its table. The check of the epoch comes first: it locks the partition's row, and a former owner stops
there, before it touched a ticket.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, not_, select, tuple_, type_coerce
from sqlalchemy.types import NullType

from services.aging.adapters.queries import SqlAgingQueries
from services.aging.adapters.tables import (
    ASLEEP,
    DEFERRED,
    FLOWS,
    INDEXED,
    MARKS,
    QUARANTINE,
    REGISTERS,
    STOCK,
    TICKETS,
)
from services.aging.ports import (
    AgingChanges,
    DeferredRow,
    FlowRow,
    MarkRow,
    OpenRow,
    QuarantineRow,
    RegisterRow,
    TicketId,
    TicketRow,
)
from shared.bus.port import LogIdentity
from shared.runtime.port import Commit, Taken
from shared.sql import journal
from shared.sql.engine import opened, read, transaction
from shared.sql.migrate import prepare
from shared.sql.upsert import Rows, delete_by_keys, insert_missing, select_by_keys, upsert

MIGRATIONS: Final = Path(__file__).resolve().parent.parent / "migrations"


class SqlAgingStore(SqlAgingQueries):
    """Both sides of aging's store, the worker's and the API's, over one engine."""

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[SqlAgingStore]:
        """Give a store on the database at `url`, whose schema is the newest; close it at the end.

        An SQLite file is brought to the newest schema, a Postgres database only checked. Raises
        StoreUnavailable, StoreMisconfigured.
        """
        async with opened(url) as engine:
            await prepare(engine, MIGRATIONS)
            yield cls(engine)

    async def take_over(
        self, identity: LogIdentity, partition: int, *, owner: str, known: tuple[int, int] | None
    ) -> Taken:
        """Raise the partition's epoch and return what was committed."""
        return await transaction(
            self._engine,
            lambda connection: journal.take_over(connection, identity, partition, owner=owner, known=known),
        )

    async def commit(self, commit: Commit[AgingChanges]) -> None:
        """Write all of `commit`, or nothing. Raises NotOwner, StoreUnavailable."""
        await transaction(self._engine, lambda connection: _write(connection, commit))

    async def load_open(self, partition: int) -> AsyncIterator[Sequence[OpenRow]]:
        """Yield the partition's open, awake tickets in chunks, from one snapshot, in no order."""
        t = TICKETS.c
        body = type_coerce(t.body, NullType())  # as the driver gives it, not copied once more
        statement = select(t.tenant, t.ticket, body).where(STOCK, t.partition == partition)
        async with aclosing(self._stream(statement)) as chunks:
            async for chunk in chunks:
                yield [OpenRow._make(row) for row in chunk]

    async def load_flows(self, partition: int) -> Sequence[FlowRow]:
        """Return all flow counters of the partition."""
        rows = await self._rows(select(FLOWS).where(FLOWS.c.partition == partition).order_by(FLOWS.c.key))
        return [FlowRow._make(row) for row in rows]

    async def load_deferred(self, partition: int) -> Sequence[DeferredRow]:
        """Return all waiting observations of the partition, the first due first."""
        d = DEFERRED.c
        rows = await self._rows(
            select(DEFERRED)
            .where(d.partition == partition)
            .order_by(d.due_us, d.tenant, d.ticket, d["order"])
        )
        return [DeferredRow._make(row) for row in rows]

    async def load_quarantined(self, partition: int) -> Sequence[QuarantineRow]:
        """Return the partition's quarantined tickets, by key."""
        q = QUARANTINE.c
        rows = await self._rows(
            select(QUARANTINE).where(q.partition == partition).order_by(q.tenant, q.ticket)
        )
        return [QuarantineRow._make(row) for row in rows]

    async def load_asleep(self, partition: int, *, limit: int) -> Sequence[TicketRow]:
        """Return up to `limit` sleeping tickets of the partition, by key."""
        t = TICKETS.c
        rows = await self._rows(
            select(TICKETS).where(ASLEEP, t.partition == partition).order_by(t.tenant, t.ticket).limit(limit)
        )
        return [TicketRow._make(row) for row in rows]

    async def load_left(
        self, partition: int, *, since_us: int, after: TicketId, limit: int
    ) -> Sequence[TicketRow]:
        """Return up to `limit` awake tickets that left at `since_us` or later, by key, those behind `after`."""
        t = TICKETS.c
        rows = await self._rows(
            select(TICKETS)
            .where(
                t.partition == partition, not_(t.open), not_(t.asleep), t.left_us >= since_us,
                tuple_(t.tenant, t.ticket) > after,
            )
            .order_by(t.tenant, t.ticket)
            .limit(limit)
        )  # fmt: skip
        return [TicketRow._make(row) for row in rows]

    async def load_gone(
        self, partition: int, *, before_us: int, after: tuple[str, int, str], limit: int
    ) -> Sequence[TicketRow]:
        """Return up to `limit` closed, awake tickets of the partition that left before `before_us`."""
        t = TICKETS.c
        rows = await self._rows(
            select(TICKETS)
            .where(
                t.left_us.is_not(None), t.left_us < before_us, t.partition == partition, not_(t.open),
                not_(t.asleep), tuple_(t.tenant, t.left_us, t.ticket) > after,
            )
            .order_by(t.tenant, t.left_us, t.ticket)
            .limit(limit)
        )  # fmt: skip
        return [TicketRow._make(row) for row in rows]

    async def load_tickets(self, ids: Sequence[TicketId]) -> Mapping[TicketId, TicketRow]:
        """Return those of `ids` that exist."""
        rows = await self._select(TICKETS, ids, by=("tenant", "ticket"))
        return {(row[0], row[1]): TicketRow._make(row) for row in rows}

    async def load_marks(self, ids: Sequence[TicketId]) -> Mapping[TicketId, Sequence[MarkRow]]:
        """Return the marks of `ids`, each in order; a ticket without marks is absent."""
        found: defaultdict[TicketId, list[MarkRow]] = defaultdict(list)
        for row in await self._select(MARKS, ids, by=("tenant", "ticket"), order=("order",)):
            found[row[0], row[1]].append(MarkRow._make(row))
        return dict(found)

    async def load_registers(self, ids: Sequence[TicketId]) -> Mapping[TicketId, Sequence[RegisterRow]]:
        """Return what each survivor of `ids` has absorbed, by absorbed ticket."""
        found: defaultdict[TicketId, list[RegisterRow]] = defaultdict(list)
        for row in await self._select(REGISTERS, ids, by=("tenant", "survivor"), order=("ticket",)):
            found[row[0], row[1]].append(RegisterRow._make(row))
        return dict(found)

    async def _select(
        self, table: Table, ids: Sequence[TicketId], *, by: tuple[str, str], order: tuple[str, ...] = ()
    ) -> list[tuple[Any, ...]]:
        keys = list(dict.fromkeys(ids))  # one given twice would give its rows twice
        return await read(
            self._engine, lambda connection: select_by_keys(connection, table, keys, by=by, order=order)
        )


def _write(connection: Connection, commit: Commit[AgingChanges]) -> None:
    journal.advance(connection, commit)
    changes = commit.changes
    upsert(connection, TICKETS, changes.tickets, apart=INDEXED)
    insert_missing(connection, MARKS, changes.marks)
    upsert(connection, MARKS, changes.rewritten)
    delete_by_keys(connection, MARKS, [row[:2] for row in changes.condensed], by=("tenant", "ticket"))
    insert_missing(connection, MARKS, changes.condensed)
    upsert(connection, REGISTERS, changes.registers, unless_lower="revision")
    upsert(connection, FLOWS, changes.flows)
    # A ticket that is released and fails again in one batch stays; an observation that was put off and
    # came due in one batch is done. Each is the order in which that can happen.
    delete_by_keys(connection, QUARANTINE, changes.released)
    upsert(connection, QUARANTINE, changes.quarantined)
    upsert(connection, DEFERRED, changes.deferred)
    delete_by_keys(connection, DEFERRED, _keys_of(changes.deferred_done))


def _keys_of(rows: Sequence[DeferredRow]) -> Rows:
    return [row[:-1] for row in rows]
