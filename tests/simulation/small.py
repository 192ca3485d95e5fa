"""Limits made small: what a large installation does in slices, a small world then does in slices too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import ModuleType
from typing import Final

from services.aging.core import adoption, backlog, memory
from services.aging.worker import adopting, logic, waiting
from services.alerting.worker import courier, partition
from shared.runtime import configurations

_LIMITS: Final[tuple[tuple[ModuleType, str], ...]] = (
    (adoption, "TIMED_MAX"), (memory, "TIMED_MAX"), (adoption, "TOLD_MAX"), (adoption, "JUDGED_MAX"),
    (adopting, "JUDGED_MAX"), (backlog, "TIMERS_MAX"), (logic, "WAKING_MAX"), (waiting, "DUE_MAX"),
    (logic, "BEHIND_RECORDS_MIN"), (logic, "HIDDEN_RECORDS_MAX"), (partition, "RECORDS_PER_READ"),
    (courier, "DELIVERIES_PER_ROUND"), (configurations, "READ_MAX"),
)  # fmt: skip


@contextmanager
def small_limits(random: Random) -> Iterator[None]:
    """Make each limit small with an even chance, for one seed."""
    former = [(module, name, getattr(module, name)) for module, name in _LIMITS]
    try:
        for module, name in _LIMITS:
            if random.random() < 0.5:
                setattr(module, name, random.choice((1, 2, 5)))
        yield
    finally:
        for module, name, value in former:
            setattr(module, name, value)
