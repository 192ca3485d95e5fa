"""What the API asks of the database: lists, counts and timelines, each on one snapshot.

Any aging process answers for all partitions, so nothing here knows who owns what. Sums of instants are
taken in two parts, seconds and microseconds: a sum of microseconds since 1970 leaves SQLite's 64 bits
at 5,000 tickets.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, not_, select, tuple_

from services.aging.adapters.tables import FLOWS, MARKS, PARTITIONS, QUARANTINE, REGISTERS, STOCK, TICKETS
from services.aging.core.attention import CONDENSED, COUNTED
from services.aging.ports import (
    BodyRow,
    Cursor,
    FlowRow,
    Group,
    MarkRow,
    Moved,
    QuarantineRow,
    RegisterRow,
    TicketFilter,
    TicketGroup,
    TicketGroups,
    TicketRow,
)
from shared.contracts.instants import SECOND_US
from shared.contracts.topics import EVENTS
from shared.sql.engine import Engine, read, stream

ROWS_PER_CHUNK: Final = 1_000
"""Rows fetched at once where an answer has no limit: about a megabyte."""
QUARANTINED_MAX: Final = 10_000
"""Quarantined tickets shown; more of them are one fault with one cause."""

DIMENSIONS: Final = (
    "source", "kind", "queue", "priority", "channel", "status", "wait_reason", "segment", "category",
    "assignee",
)  # fmt: skip
"""Columns that tickets may be filtered and grouped by."""

GROUPS: Final = ("duplicate_group", "job")
"""Columns of ids that tickets share."""

_T: Final = TICKETS.c


class SqlAgingQueries:
    """The API's side of the store. Raises StoreUnavailable, StoreMisconfigured."""

    def __init__(self, engine: Engine) -> None:
        """Ask through `engine`, whose life is the caller's."""
        self._engine = engine

    async def find(
        self, wanted: TicketFilter, *, after: Cursor | None, newest_first: bool, limit: int
    ) -> Sequence[TicketRow]:
        """Return awake tickets in order of (aged_from_us, ticket), or in the reverse order.

        But for those that retention condensed: nothing of them is worth a list.
        """
        place = tuple_(_T.aged_from_us, _T.ticket)
        statement = select(TICKETS).where(*_matching(wanted)).limit(limit)
        if not wanted.open:
            statement = statement.where(_T.flags.bitwise_and(CONDENSED) == 0)
        if newest_first:
            statement = statement.order_by(_T.aged_from_us.desc(), _T.ticket.desc())
        else:
            statement = statement.order_by(_T.aged_from_us, _T.ticket)
        if after is not None:
            end = tuple_(after.value_us, after.ticket)
            statement = statement.where(place < end if newest_first else place > end)
        return [TicketRow._make(row) for row in await self._rows(statement)]

    async def bodies(self, wanted: TicketFilter) -> AsyncGenerator[Sequence[BodyRow], None]:
        """Yield awake tickets in chunks, in no order, from one snapshot."""
        statement = select(_T.partition, _T.ticket, _T.body).where(*_matching(wanted))
        async with aclosing(self._stream(statement)) as chunks:
            async for chunk in chunks:
                yield [BodyRow._make(row) for row in chunk]

    async def ticket(self, tenant: str, ticket: str) -> TicketRow | None:
        """Return one ticket, asleep or not."""
        rows = await self._rows(select(TICKETS).where(_T.tenant == tenant, _T.ticket == ticket))
        return TicketRow._make(rows[0]) if rows else None

    async def marks(self, tenant: str, ticket: str) -> Sequence[MarkRow]:
        """Return a ticket's marks in order."""
        m = MARKS.c
        rows = await self._rows(
            select(MARKS).where(m.tenant == tenant, m.ticket == ticket).order_by(m["order"])
        )
        return [MarkRow._make(row) for row in rows]

    async def registers(self, tenant: str, ticket: str) -> Sequence[RegisterRow]:
        """Return what a ticket has absorbed, by absorbed ticket."""
        r = REGISTERS.c
        rows = await self._rows(
            select(REGISTERS).where(r.tenant == tenant, r.survivor == ticket).order_by(r.ticket)
        )
        return [RegisterRow._make(row) for row in rows]

    async def group(
        self, wanted: TicketFilter, by: Sequence[str], *, edges_us: Sequence[int], now_us: int
    ) -> Sequence[Group]:
        """Return the open, awake tickets counted by `by` (columns), each with its ages at `now_us`."""
        columns = [_dimension(name) for name in by]
        older = [_count(_T.aged_from_us <= now_us - edge) for edge in edges_us]
        statement = (
            select(
                *columns,
                func.count(),
                _count(_T.assignee == ""),
                func.sum(_T.aged_from_us // SECOND_US),
                func.sum(_T.aged_from_us % SECOND_US),
                func.min(_T.aged_from_us),
                *older,
                *(_count(_T.flags.bitwise_and(flag) != 0) for flag in COUNTED),
            )
            .where(STOCK, *_matching(wanted))
            .having(func.count() > 0)
        )
        rows = await self._rows(statement.group_by(*columns).order_by(*columns))
        return [_group_of(row, len(columns)) for row in rows]

    async def group_sizes(self, tenant: str, by: str, ids: Sequence[int]) -> Mapping[int, int]:
        """Return how many open, awake tickets have each of `ids` in the column `by`; none of them: absent."""
        group = _group_column(by)
        statement = (
            select(group, func.count()).where(STOCK, _T.tenant == tenant, group.in_(ids)).group_by(group)
        )
        return {row[0]: row[1] for row in await self._rows(statement)}

    async def largest_groups(
        self, wanted: TicketFilter, by: str, *, at_least: int, limit: int
    ) -> TicketGroups:
        """Return up to `limit` groups of at least so many open, awake tickets, the largest first."""
        group, oldest_us = _group_column(by), func.min(_T.aged_from_us)
        shared = [STOCK, *_matching(wanted), group.is_not(None)]
        largest = (
            select(
                group, func.count(), oldest_us, func.count().over(), func.sum(func.count()).over()
            ).where(*shared).group_by(group).having(func.count() >= at_least)
            .order_by(func.count().desc(), oldest_us, group).limit(limit)
        )  # fmt: skip

        def found(connection: Connection) -> TicketGroups:
            rows = connection.execute(largest).all()
            if not rows:
                return TicketGroups([], 0, 0)
            # By both alone, each of which may belong to another group: so it is a search for each in the index.
            ids, begins = {row[0] for row in rows}, {row[2] for row in rows}
            keys = select(group, _T.aged_from_us, func.min(_T.ticket)).where(
                *shared, group.in_(ids), _T.aged_from_us.in_(begins)
            )
            key_of = {
                (row[0], row[1]): row[2] for row in connection.execute(keys.group_by(group, _T.aged_from_us))
            }
            return TicketGroups(
                [TicketGroup(row[0], row[1], row[2], key_of.get((row[0], row[2]), "")) for row in rows],
                rows[0][3],
                int(rows[0][4]),
            )

        return await read(self._engine, found)

    async def alive_at(self, wanted: TicketFilter, at_us: int) -> AsyncGenerator[Sequence[TicketRow], None]:
        """Yield, in chunks, awake tickets created by `at_us` that were or may have been open then.

        Only `tenant` of `wanted` is applied: other fields may have had other values at `at_us`. One
        snapshot, held until the last chunk or `aclose`: a ticket that moves meanwhile is seen once.
        """
        born = (_T.tenant == wanted.tenant, _T.created_us <= at_us)
        still = select(TICKETS).where(STOCK, *born)
        left = select(TICKETS).where(*born, _T.left_us > at_us, not_(_T.asleep), not_(_T.open))
        async with aclosing(self._stream(still, left)) as chunks:
            async for chunk in chunks:
                yield [TicketRow._make(row) for row in chunk]

    async def moved(self, tenant: str, *, since_us: int) -> Sequence[Moved]:
        """Return the awake tickets of `tenant` created or gone after `since_us`, counted."""
        arrived, left = _T.created_us > since_us, _T.left_us > since_us
        counts = (_T.queue, _T.status, _count(arrived), _count(and_(not_(_T.open), left)))
        awake = (_T.tenant == tenant, not_(_T.asleep))
        # Whoever was created since is open or has left since, so two ranges of indexes hold them all.
        still = select(*counts).where(STOCK, *awake, arrived)
        gone = select(*counts).where(not_(_T.open), *awake, left)
        found: list[Moved] = []
        for statement in (still, gone):
            grouped = statement.group_by(_T.queue, _T.status).order_by(_T.queue, _T.status)
            found.extend(Moved._make(row) for row in await self._rows(grouped))
        return found

    async def clocks(self) -> Sequence[tuple[int, int, int]]:
        """Return (partition, clock_us, position) of every partition as last committed."""
        p = PARTITIONS.c
        rows = await self._rows(
            select(p.partition, p.clock_us, p.position)
            .where(p.topic == EVENTS.name, p.position.is_not(None))
            .order_by(p.partition)
        )
        return [(row[0], row[1], row[2]) for row in rows]

    async def notes(self) -> Mapping[int, bytes]:
        """Return the note of every partition as last committed: which terms it follows."""
        p = PARTITIONS.c
        rows = await self._rows(select(p.partition, p.note).where(p.topic == EVENTS.name))
        return {row[0]: row[1] for row in rows}

    async def flows(self) -> Sequence[FlowRow]:
        """Return all flow counters."""
        f = FLOWS.c
        return [FlowRow._make(row) for row in await self._rows(select(FLOWS).order_by(f.partition, f.key))]

    async def quarantined(self, tenant: str) -> Sequence[QuarantineRow]:
        """Return quarantined tickets of a tenant, the longest first, at most QUARANTINED_MAX."""
        q = QUARANTINE.c
        statement = select(QUARANTINE).where(q.tenant == tenant).order_by(q.since_us, q.ticket)
        rows = await self._rows(statement.limit(QUARANTINED_MAX))
        return [QuarantineRow._make(row) for row in rows]

    async def _rows(self, statement: Select[*tuple[Any, ...]]) -> Sequence[Any]:
        return await read(self._engine, lambda connection: connection.execute(statement).all())

    def _stream(self, *statements: Select[*tuple[Any, ...]]) -> AsyncGenerator[Sequence[Any], None]:
        return stream(self._engine, statements, rows_at_once=ROWS_PER_CHUNK)


def _matching(wanted: TicketFilter) -> list[ColumnElement[bool]]:
    conditions = [_T.tenant == wanted.tenant]
    if wanted.open is None:
        conditions.append(not_(_T.asleep))
    elif wanted.open:
        conditions.append(STOCK)  # written as the indexes have it, or SQLite would not use them
    else:
        conditions.append(and_(not_(_T.open), not_(_T.asleep)))
    for name, accepted in wanted.dimensions:
        if accepted:
            conditions.append(_dimension(name).in_(accepted))
    conditions += [_group_column(name).in_(ids) for name, ids in wanted.groups if ids]
    if wanted.created_before_us is not None:
        conditions.append(_T.aged_from_us <= wanted.created_before_us)
    if wanted.created_after_us is not None:
        conditions.append(_T.aged_from_us > wanted.created_after_us)
    return conditions


def _dimension(name: str) -> ColumnElement[str]:
    assert name in DIMENSIONS, name
    column: ColumnElement[str] = _T[name]
    return column


def _group_column(name: str) -> ColumnElement[int]:
    assert name in GROUPS, name
    column: ColumnElement[int] = _T[name]
    return column


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _group_of(row: Sequence[Any], width: int) -> Group:
    open_, unowned, seconds, microseconds, oldest, *counts = row[width:]
    return Group(
        values=tuple(row[:width]),
        open=open_,
        unowned=unowned,
        created_sum_us=int(seconds) * SECOND_US + int(microseconds),
        created_min_us=oldest,
        older=tuple(counts[: -len(COUNTED)]),
        flagged=tuple(counts[-len(COUNTED) :]),
    )
