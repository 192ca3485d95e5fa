"""What must hold: some of it at every step (safety), the rest once the faults stopped (liveness, and the sums)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.checks.alerts import check_alerts
from tests.simulation.checks.backtest import check_backtest
from tests.simulation.checks.cells import check_cells, check_states
from tests.simulation.checks.end import check_end
from tests.simulation.checks.facts import check_facts
from tests.simulation.checks.firing import check_firing
from tests.simulation.checks.heard import check_heard
from tests.simulation.checks.outside import check_senders
from tests.simulation.checks.recount import check_recount
from tests.simulation.checks.truth import truth_of

if TYPE_CHECKING:
    from tests.simulation.world import World


def all_sums(world: World) -> None:
    """Check everything that has to come out right in a world that is at rest. Raises Violation."""
    truth = truth_of(world)
    check_end(world, truth)
    check_senders(world)
    check_facts(world, truth)
    check_recount(world, truth)
    check_states(world)
    check_cells(world, truth)
    check_alerts(world)
    check_firing(world)
    check_backtest(world, truth)
    check_heard(world)
