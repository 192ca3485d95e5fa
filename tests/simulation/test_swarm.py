"""Seeds of the simulation, each a world of its own with faults of its own. See docs/simulation.md."""

from __future__ import annotations

import pytest

from tests.simulation.run import commit, replay, simulate
from tests.simulation.violation import Violation

QUICK = range(10)
"""In each `make check`."""
BULK = range(10, 500)
SEEDS_PER_TEST = 5


def run(seeds: range) -> None:
    for seed in seeds:
        try:
            simulate(seed)
        except Violation as violation:
            pytest.fail(f"{violation}\nat commit {commit()}; replay it with: {replay(seed)}")


def split(seeds: range) -> list[range]:
    return [seeds[at : at + SEEDS_PER_TEST] for at in range(0, len(seeds), SEEDS_PER_TEST)]


@pytest.mark.parametrize("seeds", split(QUICK), ids=str)
def test_nothing_is_lost_doubled_or_false_whatever_happens(seeds: range) -> None:
    run(seeds)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", split(BULK), ids=str)
def test_nor_in_many_more_worlds(seeds: range) -> None:
    run(seeds)
