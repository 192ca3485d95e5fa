"""Whether a run is only to see that everything works."""

from __future__ import annotations

import os
from typing import Final, TypeVar

T = TypeVar("T")

QUICK: Final = bool(os.environ.get("BENCH_QUICK"))


def sized(full: T, quick: T) -> T:
    """Return what a run takes: `full`, or `quick` where BENCH_QUICK is set."""
    return quick if QUICK else full
