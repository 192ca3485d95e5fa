"""May timers follow this host's wall clock? Only while it agrees with the bus's own.

A host whose clock is an hour ahead would call every ticket late. The bus has a clock too, and each
acknowledged append tells its time. So the wall clock is held against it: while the two are more than
five minutes apart, timers wait and the partition is not ready.

An append time says what the bus's clock was at that moment, and nothing about any other. So a sample is
a pair, both clocks at (nearly) one moment, and it is good for a minute of wall time; a wall clock that
has jumped since, by a step or a suspend, has left that minute, and a new sample is needed. An old
record says one thing for ever: the bus's clock was at least there.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from shared.contracts.instants import SECOND_US

APART_US_MAX: Final = 300 * SECOND_US
"""How far the wall clock may be off the bus's (docs/architecture.md)."""
SAMPLE_GOOD_US: Final = 60 * SECOND_US


class Trust(Enum):
    """What is known of the wall clock."""

    TRUSTED = "trusted"
    UNHEARD = "unheard"
    """No recent sample, and nothing that speaks against it."""
    HELD = "held"
    """More than APART_US_MAX off the bus's clock."""


class BusTime:
    """Compares the wall clock with append times."""

    def __init__(self) -> None:
        self._heard_us: int | None = None
        self._apart_us = 0
        self._at_wall_us = 0
        self._least_us = 0

    def acknowledged(self, bus_us: int | None, wall_us: int) -> None:
        """Take the newest acknowledged append time; one heard before says nothing new."""
        if bus_us is None or bus_us == self._heard_us:
            return
        self._heard_us = bus_us
        self._apart_us = abs(wall_us - bus_us)
        self._at_wall_us = wall_us
        self.read(bus_us)

    def read(self, record_us: int) -> None:
        """Take the append time of a record read, however old."""
        self._least_us = max(self._least_us, record_us)

    def trust(self, wall_us: int) -> Trust:
        """Return whether `wall_us`, the wall clock now, can drive timers."""
        if self._least_us - wall_us > APART_US_MAX:
            return Trust.HELD
        if self._heard_us is None or not 0 <= wall_us - self._at_wall_us <= SAMPLE_GOOD_US:
            return Trust.UNHEARD
        return Trust.HELD if self._apart_us > APART_US_MAX else Trust.TRUSTED
