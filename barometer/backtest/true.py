"""What was true at an instant, by the whole log: each ticket's final timeline, looked at as of then.

A ticket reported at 9:00 and first recorded at 9:07 is open at 9:05, though nobody knew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

from barometer.backtest.known import Noted
from barometer.backtest.report import Figures, figures
from services.aging.core.batch import TicketId
from services.aging.core.mark import Mark
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket
from services.aging.core.timeline import as_of

Timelines = dict[TicketId, list[Mark]]


def timelines(notes: Iterable[Noted]) -> Timelines:
    """Return the marks of each ticket; `notes` are sorted, so each timeline is."""
    found: Timelines = {}
    for note in notes:
        found.setdefault(note.id, []).append(note.mark)
    return found


def true_figures(
    marks: Timelines,
    instants_us: Sequence[int],
    terms: Terms,
    *,
    final: Callable[[TicketId], Ticket | None] = lambda _: None,
) -> list[Figures]:
    """Return the figures at each of `instants_us` (ascending).

    `final` may know what a ticket is once all its marks are seen; that saves deriving it again.
    """
    # Crossings are counted from ages, not from facts, so the derivation needs no edges.
    alive: list[list[Ticket]] = [[] for _ in instants_us]
    for id_, timeline in marks.items():
        times = [mark.time_us for mark in timeline]
        seen, ticket = -1, None
        for index, at_us in enumerate(instants_us):
            passed = bisect_right(times, at_us)
            if passed != seen or ticket is None:
                # Between two marks a ticket stays as it is: only its age moves.
                seen = passed
                ticket = final(id_) if passed == len(times) else None
                ticket = ticket or as_of(timeline, at_us)
            if ticket is not None and ticket.open:
                alive[index].append(ticket)
    return [
        figures(tickets, at_us, terms.age.at(at_us))
        for tickets, at_us in zip(alive, instants_us, strict=True)
    ]
