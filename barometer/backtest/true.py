"""What was true at an instant, by the whole log: each ticket's final timeline, looked at as of then.

A ticket reported at 9:00 and first recorded at 9:07 is open at 9:05, though nobody knew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from barometer.backtest.known import Noted
from barometer.backtest.report import Figures, figures
from services.aging.core.batch import TicketId
from services.aging.core.mark import Mark
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket
from services.aging.core.timeline import as_of
from shared.contracts.tickets import MessageMark

Timelines = dict[TicketId, list[Mark]]


def timelines(notes: Iterable[Noted]) -> Timelines:
    """Return the marks of each ticket; `notes` are sorted, so each timeline is."""
    found: Timelines = {}
    for note in notes:
        found.setdefault(note.id, []).append(note.mark)
    return found


class Known(NamedTuple):
    """What a replay of the whole log came to know, to look at when the timeline alone says too little."""

    final: Callable[[TicketId], Ticket | None]
    """What a ticket is once all its marks are seen; saves deriving it again."""
    messages: Callable[[TicketId], Sequence[MessageMark]]
    """What was said in the tickets that a ticket absorbed."""


def true_figures(marks: Timelines, instants_us: Sequence[int], terms: Terms, known: Known) -> list[Figures]:
    """Return the figures at each of `instants_us` (ascending)."""
    alive: list[list[Ticket]] = [[] for _ in instants_us]
    for id_, timeline in marks.items():
        past = _Past(id_, timeline, terms, known)
        for index, at_us in enumerate(instants_us):
            ticket = past.at(at_us)
            if ticket is not None:
                alive[index].append(ticket)
    return [
        figures(tickets, at_us, terms.age.at(at_us))
        for tickets, at_us in zip(alive, instants_us, strict=True)
    ]


class _Past:
    """One ticket at ascending instants."""

    def __init__(self, id_: TicketId, timeline: list[Mark], terms: Terms, known: Known) -> None:
        self._id = id_
        self._timeline = timeline
        self._times = [mark.time_us for mark in timeline]
        self._terms = terms
        self._known = known
        self._passed = -1
        self._stock: Ticket | None = None
        self._promised: Ticket | None = None

    def at(self, at_us: int) -> Ticket | None:
        """Return the ticket as it was at `at_us`; None if it was not open."""
        passed = bisect_right(self._times, at_us)
        if passed != self._passed or self._stock is None:
            # Between two marks a ticket stays as it is: only its age moves, and its clocks.
            self._passed, self._promised = passed, None
            self._stock = self._known.final(self._id) if passed == len(self._times) else None
            # Crossings are counted from ages, not from facts, so the derivation needs no edges.
            self._stock = self._stock or as_of(self._timeline, at_us)
        if self._stock is None or not self._stock.open:
            return None
        return self._with_clocks(at_us) if self._terms.policies else self._stock

    def _with_clocks(self, at_us: int) -> Ticket | None:
        ticket = self._promised
        if ticket is None or not self._passed or (ticket.due_us is not None and ticket.due_us <= at_us):
            messages = self._known.messages(self._id)
            ticket = as_of(self._timeline, at_us, terms=self._terms, messages=messages)
            self._promised = ticket
        return ticket
