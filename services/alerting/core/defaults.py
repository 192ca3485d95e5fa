"""The rules of somebody who has written none: few, and each worth a look.

They say that a backlog grows old, that urgent work is not taken up or that an urgent promise stays broken,
and stay silent for a queue that is merely busy. A configuration file without a `rules` section, or none at all, means these; an empty
list (`rules: []`) means no rules.
"""

from __future__ import annotations

from typing import Final

from services.alerting.core.rules import Comparison, Measure, Rule
from shared.contracts.instants import SECOND_US

_HOUR_US: Final = 3_600 * SECOND_US
_DAY_US: Final = 24 * _HOUR_US
_MINUTE_US: Final = 60 * SECOND_US

DEFAULT_RULES: Final = (
    Rule(
        name="backlog-older-than-72h",
        measure=Measure.OLDER_THAN,
        edge_seconds=72 * 3_600,
        by=("queue",),
        comparison=Comparison.ABOVE,
        threshold=25,
        clear=20,
        for_us=30 * _MINUTE_US,
        severity="warning",
        summary="More than 25 open tickets of one queue are older than 72 hours.",
    ),
    Rule(
        name="oldest-p1-over-24h",
        measure=Measure.OLDEST_AGE,
        by=("queue",),
        where=(("priority", ("p1",)),),
        comparison=Comparison.ABOVE,
        threshold=_DAY_US,
        severity="critical",
        summary="A ticket of the highest priority has been open for 24 hours.",
    ),
    Rule(
        name="urgent-not-started",
        measure=Measure.NOT_STARTED,
        by=("queue",),
        where=(("priority", ("p1",)),),
        comparison=Comparison.ABOVE,
        threshold=5,
        clear=2,
        for_us=15 * _MINUTE_US,
        severity="critical",
        summary="More than 5 tickets of the highest priority wait for somebody to start.",
    ),
    Rule(
        name="p1-past-sla",
        measure=Measure.PAST_SLA,
        by=("queue",),
        where=(("priority", ("p1",)),),
        comparison=Comparison.ABOVE,
        threshold=0,
        # The notice that policies give when a change alone breaks a promise, such as a raised priority; an
        # answer a minute late wakes nobody either.
        for_us=15 * _MINUTE_US,
        severity="critical",
        summary="A promise for a ticket of the highest priority has been broken for 15 minutes.",
    ),
)
