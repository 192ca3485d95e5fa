"""What a ticket was at an instant, by its whole timeline.

"True then" is not "known then": a ticket reported at 9:00 and first recorded at 9:07 was open at 9:05.
So the creation is the earliest ever shown, and the fields are those shown by the instant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from services.aging.core.age import AgePolicy, AgeVersion
from services.aging.core.fold import creation_us, derive
from services.aging.core.mark import Mark
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket

BARE: Final = Terms(AgePolicy((AgeVersion(edges_seconds=(), bucket_edges_seconds=()),)))
"""Neither edges nor clocks: for whoever asks of the stock only."""


def as_of(marks: Iterable[Mark], at_us: int, *, terms: Terms = BARE) -> Ticket | None:
    """Return the ticket as it truly was at `at_us`; None if it was not created yet.

    `marks` is the whole timeline, in order. Its merge link counts as shown (cycles are not looked at).
    """
    timeline = list(marks)
    created_us = min((creation_us(mark) for mark in timeline), default=None)
    if created_us is None or created_us > at_us:
        return None
    passed = [mark for mark in timeline if mark.time_us <= at_us]
    ticket, _ = derive(passed, b"", terms=terms, until_us=at_us, created_us=created_us)
    ticket.source = timeline[0].source
    return ticket
