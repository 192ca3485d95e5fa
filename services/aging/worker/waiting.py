"""Observations ahead of the clock, until their time comes.

They are rows as well (`DeferredRow`), so they survive a crash. The same observation may come several
times while it waits: it waits once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Final

from services.aging.core.backlog import AHEAD_US_MAX
from services.aging.core.batch import DEFERRED_ORIGIN, Arrival, Item, TicketId

DUE_MAX: Final = 1_000
"""Observations whose time has come, per batch."""


class Waiting:
    """What waits in one partition, the first due first."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, TicketId, bytes]] = []
        self._arrivals: dict[tuple[TicketId, bytes], Arrival] = {}

    def add(self, arrivals: Iterable[Arrival]) -> list[Arrival]:
        """Let `arrivals` wait; return those that did not wait already."""
        added = []
        for arrival in arrivals:
            key = (arrival.id, arrival.order)
            if key not in self._arrivals:
                self._arrivals[key] = arrival
                heappush(self._heap, (arrival.mark.time_us, *key))
                added.append(arrival)
        return added

    def next_us(self) -> int | None:
        """Return when the first of them is due."""
        return self._heap[0][0] if self._heap else None

    def take(self, *, from_us: int, until_us: int) -> list[Arrival]:
        """Return those due by `until_us` (DUE_MAX at most), at their instants or at `from_us`.

        Each has an origin of its own, below zero: `due[DEFERRED_ORIGIN - origin]` is the arrival.
        """
        due: list[Arrival] = []
        while self._heap and self._heap[0][0] <= until_us and len(due) < DUE_MAX:
            time_us, id_, order = heappop(self._heap)
            arrival = self._arrivals.pop((id_, order))
            due.append(arrival._replace(clock_us=max(from_us, time_us), origin=DEFERRED_ORIGIN - len(due)))
        return due


def in_time(items: Sequence[Item], until_us: int) -> list[Item]:
    """Return `items` in the order of the clock; what comes due within the batch counts at its instant.

    Otherwise a timer of a later instant, fired by the same batch, would not have heard of it.
    """
    return sorted((_punctual(item, until_us) for item in items), key=lambda item: item.clock_us)


def _punctual(item: Item, until_us: int) -> Item:
    if not isinstance(item, Arrival):
        return item
    time_us = item.mark.time_us
    waits = item.clock_us < time_us <= min(until_us, item.clock_us + AHEAD_US_MAX)
    return item._replace(clock_us=time_us) if waits else item
