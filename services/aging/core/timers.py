"""Timers: which ticket's time comes next. An index of instants, never a sweep.

One entry for each ticket that has something to come, in a heap; a ticket whose instant moved gets a new
entry, and the old one is thrown away when it comes to the top.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final

TicketId = tuple[str, str]

_STALE_ENTRIES_MIN: Final = 10_000
"""The heap is cleaned once more than half of it, and more than this, is stale."""


class Timers:
    """The next instant of each ticket, earliest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, TicketId]] = []
        self._due_us: dict[TicketId, int] = {}

    def arm(self, id_: TicketId, due_us: int | None) -> None:
        """Set a ticket's next instant; None for none."""
        if due_us is None:
            self._due_us.pop(id_, None)
            return
        if self._due_us.get(id_) == due_us:
            return
        self._due_us[id_] = due_us
        heappush(self._heap, (due_us, id_))
        if len(self._heap) > 2 * len(self._due_us) + _STALE_ENTRIES_MIN:
            self._heap = [(due, ticket) for ticket, due in self._due_us.items()]
            heapify(self._heap)

    def next_us(self) -> int | None:
        """Return the earliest instant armed."""
        heap = self._heap
        while heap and self._due_us.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else None

    def due(self, until_us: int, *, limit: int) -> Iterator[tuple[int, TicketId]]:
        """Disarm and yield up to `limit` tickets due by `until_us`, earliest first."""
        for _ in range(limit):
            next_us = self.next_us()
            if next_us is None or next_us > until_us:
                return
            due_us, id_ = heappop(self._heap)
            del self._due_us[id_]
            yield due_us, id_

    def __len__(self) -> int:
        """Return how many tickets have something to come."""
        return len(self._due_us)
