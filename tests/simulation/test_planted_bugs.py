"""Bugs that such services really have, planted one at a time: does the simulation notice each of them, and soon?

It measures the simulation, not the code. A bug that is no longer found says that a checker, a fault or a
workload has become blind; look at which seeds found it before.
"""

from __future__ import annotations

import pytest

from tests.simulation.bugs import BUGS, SWARMS, Bug
from tests.simulation.build import Build
from tests.simulation.faults import Swarm
from tests.simulation.planted import planted
from tests.simulation.run import simulate
from tests.simulation.violation import Violation

SOUND = range(12)
BROKEN = (NameError, TypeError, AttributeError, ImportError)
"""What an edit dies of that is no bug but nonsense."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_bug_is_planted_in_the_code_as_it_is(bug: Bug) -> None:
    with planted(bug.edits):
        pass


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_each_bug_is_found_within_its_number_of_seeds(bug: Bug) -> None:
    with planted(bug.edits):
        violation = next((found for seed in range(bug.seeds) if (found := fault(seed, bug.faults))), None)
    assert violation is not None, f"not found in {bug.seeds} seeds: {bug.name}"
    assert not isinstance(violation.__cause__, BROKEN), f"the edit itself is broken: {violation}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SWARMS)
def test_the_code_without_a_bug_passes_under_the_same_faults(name: str) -> None:
    assert [] == [str(found) for seed in SOUND if (found := fault(seed, SWARMS[name]))]


def fault(seed: int, faults: Swarm) -> Violation | None:
    try:
        simulate(seed, Build(swarm=lambda _: faults))
    except Violation as violation:
        return violation
    return None
