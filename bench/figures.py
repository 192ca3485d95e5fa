"""The arithmetic of a comparison: medians, spreads, and ratios taken pair by pair.

On a shared machine two runs of one program differ by more than most changes do. What is worth telling is
a median with its spread, and the ratio of runs that stood next to each other in time: whatever slowed the
machine down slowed both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple, TypeVar

Figures = Mapping[str, float]
"""What one run measured, by name; the unit is in the name."""

S = TypeVar("S")


class Spread(NamedTuple):
    """The median of several runs, and the extremes."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of `values`, of which there is at least one."""
    return Spread(median(values), min(values), max(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return the spread of ours divided by theirs, each run by the one that stood beside it."""
    return spread([mine / peer for mine, peer in zip(ours, theirs, strict=True)])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values` that at least `share` (0 to 1) of them do not exceed."""
    assert values, "a percentile of nothing"
    assert 0 <= share <= 1, share
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def interleaved(
    sides: Mapping[str, Callable[[], Figures]], rounds: int, told: Callable[[str, int, Figures], None]
) -> dict[str, list[Figures]]:
    """Run every side once a round, in turn (A B A B ...), and return its runs in order.

    The order turns round with each round, so that none always comes first. `told` hears of each run.
    """
    names = list(sides)
    runs: dict[str, list[Figures]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            found = sides[name]()
            runs[name].append(found)
            told(name, number, found)
    return runs


def column(runs: Sequence[Figures], name: str) -> list[float]:
    """Return one figure of each run."""
    return [run[name] for run in runs]
