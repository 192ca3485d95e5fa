"""A partition's loop seen from outside: what readiness and metrics read at any time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """What a loop is doing."""

    TAKING_OVER = "taking over"
    LOADING = "loading"
    RUNNING = "running"
    RETRYING = "retrying"
    ENDED = "ended"


@dataclass(slots=True)
class PartitionStatus:
    """A loop seen from outside: readiness and metrics read it at any time."""

    topic: str
    partition: int
    phase: Phase = Phase.TAKING_OVER
    epoch: int = 0
    position: int | None = None
    """Next offset to read; what is committed may be behind while nothing changes."""
    clock_us: int = 0
    at_end: bool = False
    """The last read reached the end of the log."""
    caught_up: bool = False
    """The log was read to its end at least once since the take-over."""
    held: bool = False
    """The wall clock is too far off the bus's; timers wait."""
    lateness_us: int = 0
    """How far the wall clock was past the next timer when the last step began."""
    outbox_blocks: int = 0
    """Committed, not yet confirmed by the bus."""
    outbox_records: int = 0
    stepped_s: float = 0.0
    """When the last step was completed, by `monotonic_seconds`."""
    retries: int = 0
