"""What is known of an event beside the ticket itself: when it came, and what its envelope says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
"""Clocks differ. Up to here an observation waits in aging for its time; beyond, the time is wrong."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a request came, and the latest time its events may claim. Aware, UTC."""

    received_at: datetime
    latest: datetime

    @classmethod
    def at(cls, received_at: datetime, *, now: datetime | None = None) -> Arrival:
        """Return the arrival at `received_at`. `now`: a later look at it (a retry), which knows more."""
        return cls(received_at, max(received_at, now or received_at) + FUTURE_TOLERANCE)


class Defaults(NamedTuple):
    """What the envelope says where the ticket is silent: a CloudEvent's id, subject, time, sequence."""

    event_id: str
    ticket_id: str | None = None
    time: datetime | None = None
    sequence: int | None = None
    run: str | None = None
    is_fresh: bool = False
    """`event_id` was drawn for this request: nobody can send it again."""
