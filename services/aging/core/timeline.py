"""What a ticket was at an instant, by its whole timeline.

"True then" is not "known then": a ticket reported at 9:00 and first recorded at 9:07 was open at 9:05.
So the creation is the earliest ever shown, and the fields are those shown by the instant. Promises count from
the creation too: who reads at 9:07 what the ticket is about knows what it was promised since 9:00.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from services.aging.core.age import AgePolicy, AgeVersion
from services.aging.core.clock import Clock
from services.aging.core.clocks import Clocks
from services.aging.core.fold import creation_us, derive
from services.aging.core.mark import Mark
from services.aging.core.shown import show_fields
from services.aging.core.story import Story
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket
from shared.contracts.tickets import MessageMark

BARE: Final = Terms(AgePolicy((AgeVersion(edges_seconds=(), bucket_edges_seconds=()),)))
"""Neither edges nor clocks: for whoever asks of the stock only."""


def as_of(
    marks: Iterable[Mark], at_us: int, *, terms: Terms = BARE, messages: Sequence[MessageMark] = ()
) -> Ticket | None:
    """Return the ticket as it truly was at `at_us`; None if it was not created yet.

    `marks` is the whole timeline, in order. Its merge link counts as shown (cycles are not looked at).
    `messages` are those of absorbed tickets, by time.
    """
    timeline = list(marks)
    created_us = min((creation_us(mark) for mark in timeline), default=None)
    if created_us is None or created_us > at_us:
        return None
    passed = [mark for mark in timeline if mark.time_us <= at_us]
    ticket, _ = derive(passed, b"", terms=terms, until_us=at_us, created_us=created_us, messages=messages)
    ticket.source = timeline[0].source
    if not passed and terms.policies:
        ticket.clocks = _running(timeline[0], created_us, at_us, terms)
    return ticket


def _running(first: Mark, created_us: int, at_us: int, terms: Terms) -> list[Clock]:
    """Return the clocks at an instant from the creation on and before the first mark, which says what they are."""
    ticket = Ticket(first.source, created_us, clocks=[])
    show_fields(ticket, first.fields)
    Clocks(ticket, [], terms, Story()).begin(replace(first, time_us=at_us + 1))
    return ticket.clocks
