"""A wall clock of a process's own, which can be stepped while it runs (libfaketime, Debian: faketime).

The library stands before the C library's clock calls, so Python, its threads and drivers see the stepped clock, and
nothing in the product knows of it. Monotonic clocks go on, as they do when a host's clock is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.servers.child import Unavailable

_LIBRARY: Final = "libfaketimeMT.so.1"


class SkewedClock:
    """The clock of processes that are started with `environment`."""

    def __init__(self, file: Path) -> None:
        """Keep the offset in `file`. Raises Unavailable."""
        found = sorted(Path("/usr/lib").glob(f"**/faketime/{_LIBRARY}"))
        if not found:
            raise Unavailable("clock steps: no libfaketime found (Debian: faketime)")
        self._file = file
        self.step(0)
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, offset_s: int) -> None:
        """Set the clock `offset_s` ahead of the host's; below zero behind it."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{offset_s:+d}\n", encoding="utf-8")
        fresh.rename(self._file)  # never half written
