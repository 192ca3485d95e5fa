"""Cells: the open tickets of a partition counted by what they share, kept up to date change by change.

A cell is summable: alerting adds the cells of all partitions up. So it holds counts, a sum and a
minimum, never an average or an age. At any time the cells equal a recount of the open tickets
(`recount`, compared in tests and by the property suite).

The minimum is the hard one, because tickets leave. Each cell keeps a heap with the ticket's entry in
it; an entry whose ticket has left, or moved on, is thrown away when it comes to the top.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from services.aging.core.age import AgeVersion
from services.aging.core.ticket import Ticket
from shared.contracts.backlog import CellKind

TicketId = tuple[str, str]
"""(tenant, ticket key)."""

_STALE_ENTRIES_MIN: Final = 64
"""A heap is cleaned once more than half of it, and more than this, is stale."""


class CellKey(NamedTuple):
    """The dimensions of a cell; side cells use tenant, queue and value."""

    kind: CellKind
    tenant: str
    source: str
    ticket_kind: str
    queue: str
    priority: str
    channel: str
    status: str
    wait_reason: str
    segment: str
    value: str


class Entry(NamedTuple):
    """A ticket in a cell: sorts by the instant its age counts from."""

    start_us: int
    id: TicketId


class Placed(NamedTuple):
    """How a ticket is counted now."""

    keys: tuple[CellKey, ...]
    entry: Entry
    passed: int
    """How many age edges it is counted beyond."""
    unowned: bool


class CellSums:
    """The sums of one cell."""

    __slots__ = ("heap", "older", "open", "start_sum_us", "unowned")

    def __init__(self, edges: int) -> None:
        self.open = 0
        self.unowned = 0
        self.start_sum_us = 0
        self.older = [0] * edges
        self.heap: list[Entry] = []

    def add(self, placed: Placed) -> None:
        """Count a ticket in."""
        self.open += 1
        self.unowned += placed.unowned
        self.start_sum_us += placed.entry.start_us
        for index in range(placed.passed):
            self.older[index] += 1
        heappush(self.heap, placed.entry)

    def remove(self, placed: Placed) -> None:
        """Count a ticket out; its heap entry becomes stale."""
        self.open -= 1
        self.unowned -= placed.unowned
        self.start_sum_us -= placed.entry.start_us
        for index in range(placed.passed):
            self.older[index] -= 1
        assert self.open >= 0


class CellBook:
    """The cells of one partition, which of them changed, and how each open ticket is counted."""

    def __init__(self, age: AgeVersion) -> None:
        self.age = age
        self.cells: dict[CellKey, CellSums] = {}
        self.placed: dict[TicketId, Placed] = {}
        self.unpublished: set[CellKey] = set()

    def place(self, id_: TicketId, ticket: Ticket) -> None:
        """Count `ticket` as it is now: in, out, or moved. Its age edges are those passed by advanced_us."""
        now = self._placing(id_, ticket) if ticket.open else None
        was = self.placed.get(id_)
        if was == now:
            return
        # Counted alike before and after, it leaves the cells alone that it stays in.
        same = was is not None and now is not None and was[1:] == now[1:]
        if was is not None:
            self._take_out(was, now.keys if now is not None and same else ())
        if now is None:
            self.placed.pop(id_, None)
            return
        self.placed[id_] = now
        self._put_in(now, was.keys if was is not None and same else ())

    def _take_out(self, was: Placed, stays_in: tuple[CellKey, ...]) -> None:
        for key in was.keys:
            if key not in stays_in:
                self.cells[key].remove(was)
                self.unpublished.add(key)

    def _put_in(self, now: Placed, was_in: tuple[CellKey, ...]) -> None:
        for key in now.keys:
            if key not in was_in:
                sums = self.cells.get(key)
                if sums is None:
                    sums = self.cells[key] = CellSums(len(self.age.edges_seconds))
                sums.add(now)
                self.unpublished.add(key)

    def min_start_us(self, key: CellKey) -> int | None:
        """Return the earliest instant an age in the cell counts from; None if the cell is empty."""
        sums = self.cells.get(key)
        if sums is None:
            return None
        heap = sums.heap
        if len(heap) > 2 * sums.open + _STALE_ENTRIES_MIN:
            sums.heap = heap = [entry for entry in set(heap) if self._counts(key, entry)]
            heapify(heap)
        while heap and not self._counts(key, heap[0]):
            heappop(heap)
        return heap[0].start_us if heap else None

    def forget_if_empty(self, key: CellKey) -> None:
        """Drop an emptied cell, after its zeros were published."""
        sums = self.cells.get(key)
        if sums is not None and not sums.open:
            del self.cells[key]

    def _counts(self, key: CellKey, entry: Entry) -> bool:
        placed = self.placed.get(entry.id)
        return placed is not None and placed.entry == entry and key in placed.keys

    def _placing(self, id_: TicketId, ticket: Ticket) -> Placed:
        start_us = self.age.start_us(ticket.created_us, ticket.episode_us)
        tenant = id_[0]
        keys = [
            CellKey(
                CellKind.MAIN, tenant, ticket.source, ticket.kind, ticket.queue, ticket.priority,
                ticket.channel, ticket.status, ticket.wait_reason, ticket.segment, "",
            )
        ]  # fmt: skip
        if ticket.category:
            keys.append(_side(CellKind.CATEGORY, tenant, ticket.queue, ticket.category))
        if ticket.assignee:
            keys.append(_side(CellKind.ASSIGNEE, tenant, ticket.queue, ticket.assignee))
        return Placed(
            tuple(keys),
            Entry(start_us, id_),
            self.age.passed(start_us, ticket.advanced_us),
            not ticket.assignee,
        )


def _side(kind: CellKind, tenant: str, queue: str, value: str) -> CellKey:
    return CellKey(kind, tenant, "", "", queue, "", "", "", "", "", value)


def recount(tickets: dict[TicketId, Ticket], age: AgeVersion) -> CellBook:
    """Return the cells of `tickets` counted from scratch."""
    book = CellBook(age)
    for id_, ticket in tickets.items():
        book.place(id_, ticket)
    return book
