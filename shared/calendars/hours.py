"""What the clocks ask of a calendar: how much open time lies between two instants, and when it is used up.

Everything is exact, in integer microseconds since 1970 UTC. Which days are open, and in which zone, is the
business of the implementations.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol


class NoOpening(Exception):
    """The calendar has not so much open time within its horizon, or none at all."""


class Hours(Protocol):
    """Open time."""

    def add(self, start_us: int, amount_us: int) -> int:
        """Return the instant at which `amount_us` of open time have passed since `start_us`.

        Positive: the earliest such instant, so time used up exactly at closing gives that closing. Zero:
        `start_us` if it is open, else the next opening. Negative: the latest such instant before. Raises
        NoOpening.
        """
        ...

    def elapsed(self, start_us: int, end_us: int) -> int:
        """Return the open microseconds in [start_us, end_us); negative if the end comes first."""
        ...

    def openings(self, start_us: int, end_us: int) -> list[Opening]:
        """Return the open intervals within [start_us, end_us), clipped to it, in order."""
        ...


class Opening(NamedTuple):
    """An interval without a gap in which time counts: [start_us, end_us)."""

    start_us: int
    end_us: int


class Always:
    """24x7: every second counts."""

    def add(self, start_us: int, amount_us: int) -> int:
        """Return `start_us + amount_us`."""
        return start_us + amount_us

    def elapsed(self, start_us: int, end_us: int) -> int:
        """Return `end_us - start_us`."""
        return end_us - start_us

    def openings(self, start_us: int, end_us: int) -> list[Opening]:
        """Return the whole interval as one."""
        return [Opening(start_us, end_us)] if start_us < end_us else []


ALWAYS: Final = Always()
"""The calendar `24x7`."""
