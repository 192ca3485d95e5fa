"""A host's wall clock: off by something, drifting, and sometimes set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_MILLION: Final = 1_000_000


class SimulatedClock:
    """Virtual time as a host believes it to be."""

    def __init__(self, true_us: Callable[[], int], *, drift_ppm: int = 0) -> None:
        """`drift_ppm`: how many microseconds it gains each second."""
        self._true_us = true_us
        self._since_us = true_us()
        self._offset_us = 0
        self._drift_ppm = drift_ppm

    def now_us(self) -> int:
        """Return what it shows."""
        true_us = self._true_us()
        return true_us + self._offset_us + (true_us - self._since_us) * self._drift_ppm // _MILLION

    def jump(self, us: int) -> None:
        """Set it forward or back."""
        self._offset_us += us

    def drift(self, ppm: int) -> None:
        """Let it run faster or slower from now on."""
        off_us = self.now_us() - self._true_us()
        self._since_us, self._offset_us, self._drift_ppm = self._true_us(), off_us, ppm

    def mend(self) -> None:
        """Set it to the true time, and let it keep it."""
        self._since_us, self._offset_us, self._drift_ppm = self._true_us(), 0, 0

    @property
    def off_us(self) -> int:
        """How far it is off."""
        return self.now_us() - self._true_us()
