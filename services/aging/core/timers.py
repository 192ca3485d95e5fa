"""Timers: which ticket's time comes next. An index of instants, never a sweep.

Nearly all instants are days away, and most of them will have moved before they come. So a ticket is only
noted in the slot its instant falls into (one reference in a list), and a slot is put in order when its
time comes, in a heap. A ticket whose instant moved is noted anew; the old note is recognised as stale by
what the ticket is armed for now, which its owner tells (`armed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from shared.contracts.instants import SECOND_US

TicketId = tuple[str, str]

SLOT_US: Final = 600 * SECOND_US
"""With a million tickets armed within a month a slot holds some hundred."""
_STALE_NOTES_MIN: Final = 10_000
"""Notes are tidied once more than half of them, and more than this, may be stale."""


class Timers:
    """The next instant of each ticket, earliest first."""

    def __init__(self, armed: Callable[[TicketId], int | None]) -> None:
        """`armed` says what instant a ticket is armed for; None: for none."""
        self._armed = armed
        self._near: list[tuple[int, TicketId]] = []
        """All that is noted before `_far_slot`, as a heap."""
        self._far: dict[int, list[TicketId]] = {}
        self._far_slots: list[int] = []
        self._far_slot: int | None = None
        """The first slot that is not in order yet; None before the first look."""
        self._notes = 0
        self._tidy_notes = 0
        """How many notes were left when they were tidied last."""
        self._untidy: list[int] = []

    def arm(self, id_: TicketId, due_us: int) -> None:
        """Note that a ticket is armed for `due_us`, and was not before."""
        slot = due_us // SLOT_US
        self._notes += 1
        if self._far_slot is not None and slot < self._far_slot:
            heappush(self._near, (due_us, id_))
        elif (ids := self._far.get(slot)) is not None:
            ids.append(id_)
        else:
            self._far[slot] = [id_]
            heappush(self._far_slots, slot)
        if self._untidy or self._notes > 2 * self._tidy_notes + _STALE_NOTES_MIN:
            self._tidy()

    def next_us(self) -> int | None:
        """Return the earliest instant armed."""
        near = self._near
        while True:
            while near and self._armed(near[0][1]) != near[0][0]:
                heappop(near)
                self._notes -= 1
            if near:
                return near[0][0]
            if not self._far_slots:
                return None
            self._order(heappop(self._far_slots))

    def due(self, until_us: int, *, limit: int) -> Iterator[tuple[int, TicketId]]:
        """Yield up to `limit` tickets due by `until_us`, earliest first; the caller disarms them."""
        near = self._near
        for _ in range(limit):
            next_us = self.next_us()
            if next_us is None or next_us > until_us:
                return
            first = heappop(near)
            self._notes -= 1
            while near and near[0] == first:  # armed for this instant twice, and for another in between
                heappop(near)
                self._notes -= 1
            yield first

    def _order(self, slot: int) -> None:
        self._far_slot = slot + 1
        ids = self._far.pop(slot)
        kept = self._valid(slot, ids)
        self._notes += len(kept) - len(ids)
        self._near += kept
        heapify(self._near)

    def _valid(self, slot: int, ids: list[TicketId]) -> list[tuple[int, TicketId]]:
        dues = ((self._armed(id_), id_) for id_ in set(ids))
        return [(due_us, id_) for due_us, id_ in dues if due_us is not None and due_us // SLOT_US == slot]

    def _tidy(self) -> None:
        """Throw stale notes away, one slot at a time, so that no batch pauses for it."""
        if not self._untidy:
            self._untidy = list(self._far)
            self._notes -= len(self._near)
            self._near[:] = [note for note in set(self._near) if self._armed(note[1]) == note[0]]
            heapify(self._near)
            self._notes += len(self._near)
        if self._untidy:
            slot = self._untidy.pop()
            if (ids := self._far.get(slot)) is not None:
                kept = [id_ for _, id_ in self._valid(slot, ids)]
                self._notes += len(kept) - len(ids)
                self._far[slot] = kept
        if not self._untidy:
            self._tidy_notes = self._notes
