"""What the API asks of aging's store, answered by counting rows the plain way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

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
from shared.contracts.topics import EVENTS
from tests.simulation.point import Point
from tests.simulation.stores.aging_database import AgingDatabase
from tests.simulation.stores.session import Session

Item = TypeVar("Item")

ROWS_PER_CHUNK: Final = 100
"""Small, so that even the stocks of a simulation come in several."""


class AgingQueriesInMemory(Session):
    """AgingQueries, but for what the worker asks too."""

    def __init__(self, database: AgingDatabase, point: Point) -> None:
        super().__init__(database, point)
        self._db = database

    async def find(
        self, wanted: TicketFilter, *, after: Cursor | None, newest_first: bool, limit: int
    ) -> Sequence[TicketRow]:
        """Return awake tickets in order of (aged_from_us, ticket), or in the reverse order."""

        def page() -> list[TicketRow]:
            whole = (row for row in self._matching(wanted) if not row.flags & CONDENSED)
            rows = sorted(whole, key=_place, reverse=newest_first)
            if after is not None:
                end = (after.value_us, after.ticket)
                rows = [row for row in rows if (_place(row) < end if newest_first else _place(row) > end)]
            return rows[:limit]

        return await self._read("find", page)

    async def bodies(self, wanted: TicketFilter) -> AsyncGenerator[Sequence[BodyRow], None]:
        """Yield awake tickets in chunks, in no order, from one snapshot."""
        await self._point("store.bodies", done=False)
        rows = [BodyRow(row.partition, row.ticket, row.body) for row in self._matching(wanted)]
        for chunk in chunks_of(rows):
            yield chunk
        await self._point("store.bodies", done=True)

    async def ticket(self, tenant: str, ticket: str) -> TicketRow | None:
        """Return one ticket, asleep or not."""
        return await self._read("ticket", lambda: self._db.tickets.get(tenant, ticket))

    async def marks(self, tenant: str, ticket: str) -> Sequence[MarkRow]:
        """Return a ticket's marks in order."""
        return await self._read("marks", lambda: self._db.marks.of(tenant, ticket))

    async def registers(self, tenant: str, ticket: str) -> Sequence[RegisterRow]:
        """Return what a ticket has absorbed, by absorbed ticket."""
        return await self._read("registers", lambda: self._db.registers.of(tenant, ticket))

    async def group(
        self, wanted: TicketFilter, by: Sequence[str], *, edges_us: Sequence[int], now_us: int
    ) -> Sequence[Group]:
        """Return the open, awake tickets counted by `by` (columns), each with its ages at `now_us`."""

        def counted() -> list[Group]:
            rows = (row for row in self._matching(wanted) if row.open)
            groups = _grouped(rows, lambda row: tuple(getattr(row, name) for name in by))
            return [_group_of(values, groups[values], edges_us, now_us) for values in sorted(groups)]

        return await self._read("group", counted)

    async def group_sizes(self, tenant: str, by: str, ids: Sequence[int]) -> Mapping[int, int]:
        """Return how many open, awake tickets have each of `ids` in the column `by`; none of them: absent."""

        def counted() -> dict[int, int]:
            rows = self._matching(TicketFilter(tenant, open=True))
            sizes = Counter(getattr(row, by) for row in rows)
            return {id_: sizes[id_] for id_ in ids if sizes[id_]}

        return await self._read("group_sizes", counted)

    async def largest_groups(
        self, wanted: TicketFilter, by: str, *, at_least: int, limit: int
    ) -> TicketGroups:
        """Return up to `limit` groups of at least so many open, awake tickets, the largest first."""

        def counted() -> TicketGroups:
            rows: defaultdict[int, list[TicketRow]] = defaultdict(list)
            for row in self._matching(wanted):
                if row.open and (group := getattr(row, by)) is not None:
                    rows[group].append(row)
            found = [_ticket_group(id_, of) for id_, of in rows.items() if len(of) >= at_least]
            found.sort(key=lambda each: (-each.tickets, each.oldest_us, each.id))
            return TicketGroups(found[:limit], len(found), sum(each.tickets for each in found))

        return await self._read("largest_groups", counted)

    async def alive_at(self, wanted: TicketFilter, at_us: int) -> AsyncGenerator[Sequence[TicketRow], None]:
        """Yield, in chunks, awake tickets created by `at_us` that were or may have been open then."""
        await self._point("store.alive_at", done=False)
        rows = [
            row
            for row in self._matching(TicketFilter(wanted.tenant))
            if row.created_us <= at_us and (row.open or (row.left_us is not None and row.left_us > at_us))
        ]
        for chunk in chunks_of(rows):
            yield chunk
        await self._point("store.alive_at", done=True)

    async def moved(self, tenant: str, *, since_us: int) -> Sequence[Moved]:
        """Return the awake tickets of `tenant` created or gone after `since_us`, counted."""

        def counted() -> list[Moved]:
            found: list[Moved] = []
            for open_ in (True, False):
                rows = (
                    row
                    for row in self._matching(TicketFilter(tenant, open=open_))
                    if _moved_since(row, since_us)
                )
                groups = _grouped(rows, lambda row: (row.queue, row.status))
                for queue, status in sorted(groups):
                    of = groups[queue, status]
                    arrived = sum(row.created_us > since_us for row in of)
                    found.append(Moved(queue, status, arrived, 0 if open_ else len(of)))
            return found

        return await self._read("moved", counted)

    async def clocks(self) -> Sequence[tuple[int, int, int]]:
        """Return (partition, clock_us, position) of every partition as last committed."""
        return await self._read(
            "clocks",
            lambda: [
                (row.partition, row.clock_us, row.position)
                for row in self._db.journal.partitions.of(EVENTS.name)
                if row.position is not None
            ],
        )

    async def notes(self) -> Mapping[int, bytes]:
        """Return the note of every partition as last committed."""
        return await self._read(
            "notes", lambda: {row.partition: row.note for row in self._db.journal.partitions.of(EVENTS.name)}
        )

    async def flows(self) -> Sequence[FlowRow]:
        """Return all flow counters."""
        return await self._read("flows", lambda: sorted(self._db.flows.rows()))

    async def quarantined(self, tenant: str) -> Sequence[QuarantineRow]:
        """Return quarantined tickets of a tenant, the longest first."""
        return await self._read(
            "quarantined",
            lambda: sorted(
                (row for row in self._db.quarantine.rows() if row.tenant == tenant),
                key=lambda row: (row.since_us, row.ticket),
            ),
        )

    def _matching(self, wanted: TicketFilter) -> list[TicketRow]:
        return [row for row in self._db.tickets.rows() if not row.asleep and _matches(row, wanted)]


def _matches(row: TicketRow, wanted: TicketFilter) -> bool:
    before_us, after_us = wanted.created_before_us, wanted.created_after_us
    return (
        row.tenant == wanted.tenant
        and (wanted.open is None or row.open is wanted.open)
        and all(getattr(row, name) in accepted for name, accepted in wanted.dimensions if accepted)
        and all(getattr(row, name) in ids for name, ids in wanted.groups if ids)
        and (before_us is None or row.aged_from_us <= before_us)
        and (after_us is None or row.aged_from_us > after_us)
    )


def _ticket_group(id_: int, rows: Sequence[TicketRow]) -> TicketGroup:
    oldest = min(rows, key=_place)
    return TicketGroup(id_, len(rows), oldest.aged_from_us, oldest.ticket)


def _place(row: TicketRow) -> tuple[int, str]:
    return row.aged_from_us, row.ticket


def _moved_since(row: TicketRow, since_us: int) -> bool:
    moved_us = row.created_us if row.open else row.left_us
    return moved_us is not None and moved_us > since_us


def _grouped(
    rows: Iterator[TicketRow], key_of: Callable[[TicketRow], tuple[str, ...]]
) -> Mapping[tuple[str, ...], list[TicketRow]]:
    groups: defaultdict[tuple[str, ...], list[TicketRow]] = defaultdict(list)
    for row in rows:
        groups[key_of(row)].append(row)
    return groups


def _group_of(
    values: tuple[str, ...], rows: Sequence[TicketRow], edges_us: Sequence[int], now_us: int
) -> Group:
    from_us = [row.aged_from_us for row in rows]
    return Group(
        values=values,
        open=len(rows),
        unowned=sum(row.assignee == "" for row in rows),
        created_sum_us=sum(from_us),
        created_min_us=min(from_us),
        older=tuple(sum(each <= now_us - edge for each in from_us) for edge in edges_us),
        flagged=tuple(sum(bool(row.flags & flag) for row in rows) for flag in COUNTED),
    )


def chunks_of(rows: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield `rows` a chunk at a time."""
    for begin in range(0, len(rows), ROWS_PER_CHUNK):
        yield rows[begin : begin + ROWS_PER_CHUNK]
