"""What is ahead of the clock, until its time comes: observations, and messages of absorbed tickets.

Both are rows as well (`DeferredRow`), so they survive a crash. The same may come several times while it waits:
it waits once. A register waits for the next of its messages, and if more are left it waits again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Final

from services.aging.core.backlog import AHEAD_US_MAX
from services.aging.core.batch import (
    DEFERRED_ORIGIN,
    REGISTER_ORDER,
    Arrival,
    Item,
    Register,
    TicketId,
)
from services.aging.core.mark import decode_mark, encode_mark, observation_of
from services.aging.core.merges import decode_register, encode_register
from services.aging.ports import DeferredRow
from shared.contracts.tickets import Absorbed, Observation

DUE_MAX: Final = 1_000
"""How many of those whose time has come, per batch."""


class Waiting:
    """What waits in one partition, the first due first."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, TicketId, bytes]] = []
        self._items: dict[tuple[TicketId, bytes], Item] = {}

    def add(self, items: Iterable[Item]) -> list[Item]:
        """Let `items` wait; return those that did not wait already."""
        added = []
        for item in items:
            key = (item.id, item.order)
            if key not in self._items:
                self._items[key] = item
                heappush(self._heap, (item.due_us, *key))
                added.append(item)
        return added

    def next_us(self) -> int | None:
        """Return when the first of them is due."""
        return self._heap[0][0] if self._heap else None

    def take(self, *, from_us: int, until_us: int) -> list[Item]:
        """Return those due by `until_us` (DUE_MAX at most), at their instants or at `from_us`.

        Each has an origin of its own, below zero: `due[DEFERRED_ORIGIN - origin]` is the item.
        """
        due: list[Item] = []
        while self._heap and self._heap[0][0] <= until_us and len(due) < DUE_MAX:
            due_us, id_, order = heappop(self._heap)
            item = self._items.pop((id_, order))
            due.append(item._replace(clock_us=max(from_us, due_us), origin=DEFERRED_ORIGIN - len(due)))
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


def row_of(partition: int, item: Item) -> DeferredRow:
    """Return the row of what waits."""
    body = encode_register(item.absorbed) if isinstance(item, Register) else encode_mark(item.mark)
    return DeferredRow(partition, item.due_us, *item.id, item.order, body)


def item_of(row: DeferredRow) -> Item:
    """Return what waits by `row`."""
    if row.order.startswith(REGISTER_ORDER):
        return Register(0, decode_register(row.body), DEFERRED_ORIGIN, row.due_us)
    return Arrival(0, (row.tenant, row.ticket), decode_mark(row.body), row.order, DEFERRED_ORIGIN)


def event_of(item: Item) -> Observation | Absorbed:
    """Return the event that `item` came by."""
    return item.absorbed if isinstance(item, Register) else observation_of(*item.id, item.mark)
