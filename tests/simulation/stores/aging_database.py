"""The tables of aging in memory, and what one commit writes to them."""

from __future__ import annotations

from collections.abc import Callable

from services.aging.ports import (
    AgingChanges,
    DeferredRow,
    FlowRow,
    MarkRow,
    QuarantineRow,
    RegisterRow,
    TicketRow,
)
from shared.runtime.port import Commit
from tests.simulation.stores.journal import Journal
from tests.simulation.stores.tables import Database, Table


class AgingDatabase(Database):
    """What a database of aging holds. Survives the processes that use it."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        super().__init__(now_ms)
        self.journal = Journal(self)
        self.tickets = Table(self, TicketRow, key=("tenant", "ticket"), by=("partition",))
        self.marks = Table(self, MarkRow, key=("tenant", "ticket", "order"), by=("tenant", "ticket"))
        self.deferred = Table(
            self, DeferredRow, key=("partition", "due_us", "tenant", "ticket", "order"), by=("partition",)
        )
        self.registers = Table(
            self, RegisterRow, key=("tenant", "survivor", "ticket"), by=("tenant", "survivor")
        )
        self.flows = Table(self, FlowRow, key=("partition", "key"), by=("partition",))
        self.quarantine = Table(self, QuarantineRow, key=("tenant", "ticket"), by=("partition",))

    def write(self, commit: Commit[AgingChanges]) -> None:
        """Write all of `commit`, inside a transaction. Raises NotOwner."""
        self.journal.advance(commit)
        self.write_rows(commit.changes)

    def write_rows(self, changes: AgingChanges) -> None:
        """Write what a commit changes beside its place in the log."""
        for ticket in changes.tickets:
            self.tickets.put(ticket)
        self._write_marks(changes)
        for register in changes.registers:
            known = self.registers.get(register.tenant, register.survivor, register.ticket)
            if known is None or known.revision <= register.revision:
                self.registers.put(register)
        for flow in changes.flows:
            self.flows.put(flow)
        self._write_waiting(changes)

    def _write_marks(self, changes: AgingChanges) -> None:
        for mark in changes.marks:
            self.marks.put_missing(mark)
        for mark in changes.rewritten:
            self.marks.put(mark)
        for mark in changes.condensed:
            for gone in self.marks.of(mark.tenant, mark.ticket):
                self.marks.remove(gone.tenant, gone.ticket, gone.order)
            self.marks.put(mark)

    def _write_waiting(self, changes: AgingChanges) -> None:
        for tenant, ticket in changes.released:
            self.quarantine.remove(tenant, ticket)
        for failed in changes.quarantined:
            self.quarantine.put(failed)
        for waiting in changes.deferred:
            self.deferred.put(waiting)
        for done in changes.deferred_done:
            self.deferred.remove(*done[:-1])
