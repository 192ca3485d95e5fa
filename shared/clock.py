"""The one place that reads the clock. Everything else is told the time (docs/architecture.md).

Instants inside the core are integers, microseconds since 1970 UTC, named `*_us`: exact, small and
fast. At every edge they are aware datetimes.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The wall clock, as a port."""

    def now_us(self) -> int:
        """Return the instant, microseconds since 1970 UTC. May step back."""
        ...


class SystemClock:
    """The host's wall clock."""

    def now_us(self) -> int:
        """Return the host's time."""
        return time.time_ns() // 1_000


class ManualClock:
    """A clock that stands still until told otherwise: tests and virtual time."""

    def __init__(self, now_us: int = 0) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        """Return the instant last set."""
        return self._now_us

    def set(self, now_us: int) -> None:
        """Move to `now_us`, forward or back."""
        self._now_us = now_us


def monotonic_seconds() -> float:
    """Return seconds of a clock that never steps back: only for measuring spans."""
    return time.monotonic()
