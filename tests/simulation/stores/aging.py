"""Aging's store in memory: the worker's side, over the API's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

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
from tests.simulation.stores.aging_queries import AgingQueriesInMemory, chunks_of


class SimulatedAgingStore(AgingQueriesInMemory):
    """AgingStore and AgingQueries over a database in memory."""

    async def take_over(
        self, identity: LogIdentity, partition: int, *, owner: str, known: tuple[int, int] | None
    ) -> Taken:
        """Raise the partition's epoch and return what was committed."""
        return await self._write(
            "take_over", lambda: self._db.journal.take_over(identity, partition, owner=owner, known=known)
        )

    async def commit(self, commit: Commit[AgingChanges]) -> None:
        """Write all of `commit`, or nothing."""
        await self._write("commit", lambda: self._db.write(commit))

    async def load_open(self, partition: int) -> AsyncIterator[Sequence[OpenRow]]:
        """Yield the partition's open, awake tickets in chunks, from one snapshot."""
        await self._point("store.load_open", done=False)
        rows = [
            OpenRow(row.tenant, row.ticket, row.body)
            for row in self._db.tickets.of(partition)
            if row.open and not row.asleep
        ]
        for chunk in chunks_of(rows):
            yield chunk
        await self._point("store.load_open", done=True)

    async def load_flows(self, partition: int) -> Sequence[FlowRow]:
        """Return all flow counters of the partition."""
        return await self._read("load_flows", lambda: self._db.flows.of(partition))

    async def load_deferred(self, partition: int) -> Sequence[DeferredRow]:
        """Return all waiting observations of the partition, the first due first."""
        return await self._read("load_deferred", lambda: self._db.deferred.of(partition))

    async def load_quarantined(self, partition: int) -> Sequence[QuarantineRow]:
        """Return the partition's quarantined tickets, by key."""
        return await self._read("load_quarantined", lambda: self._db.quarantine.of(partition))

    async def load_asleep(self, partition: int, *, limit: int) -> Sequence[TicketRow]:
        """Return up to `limit` sleeping tickets of the partition, by key."""
        return await self._read(
            "load_asleep", lambda: [row for row in self._db.tickets.of(partition) if row.asleep][:limit]
        )

    async def load_left(
        self, partition: int, *, since_us: int, after: TicketId, limit: int
    ) -> Sequence[TicketRow]:
        """Return up to `limit` awake tickets that left at `since_us` or later, by key, those behind `after`."""

        def left() -> list[TicketRow]:
            return [
                row
                for row in self._db.tickets.of(partition)
                if not row.open
                and not row.asleep
                and row.left_us is not None
                and row.left_us >= since_us
                and (row.tenant, row.ticket) > after
            ][:limit]

        return await self._read("load_left", left)

    async def load_gone(
        self, partition: int, *, before_us: int, after: tuple[str, int, str], limit: int
    ) -> Sequence[TicketRow]:
        """Return up to `limit` closed, awake tickets of the partition that left before `before_us`."""

        def gone() -> list[TicketRow]:
            closed = [row for row in self._db.tickets.of(partition) if not row.open and not row.asleep]
            left = [
                ((row.tenant, row.left_us, row.ticket), row)
                for row in closed
                if row.left_us is not None and row.left_us < before_us
            ]
            return [row for place, row in sorted(left) if place > after][:limit]

        return await self._read("load_gone", gone)

    async def load_tickets(self, ids: Sequence[TicketId]) -> Mapping[TicketId, TicketRow]:
        """Return those of `ids` that exist."""
        return await self._read(
            "load_tickets",
            lambda: {one: row for one in ids if (row := self._db.tickets.get(*one)) is not None},
        )

    async def load_marks(self, ids: Sequence[TicketId]) -> Mapping[TicketId, Sequence[MarkRow]]:
        """Return the marks of `ids`, each in order; a ticket without marks is absent."""
        return await self._read(
            "load_marks", lambda: {one: marks for one in ids if (marks := self._db.marks.of(*one))}
        )

    async def load_registers(self, ids: Sequence[TicketId]) -> Mapping[TicketId, Sequence[RegisterRow]]:
        """Return what each survivor of `ids` has absorbed, by absorbed ticket."""
        return await self._read(
            "load_registers", lambda: {one: found for one in ids if (found := self._db.registers.of(*one))}
        )
