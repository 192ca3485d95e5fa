"""What fires in the end is what the cells of the end make fire: a rule misses nothing for good, and lets go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.alerting.core.alerts import Labels, Phase
from services.alerting.core.clocks import CLOCK_STALE
from services.alerting.core.evaluator import Evaluator
from services.alerting.settings import rules_of
from services.alerting.worker.partition import _note
from shared.codec import decode
from shared.contracts.backlog import Cell
from shared.contracts.topics import CELLS, partition_of

if TYPE_CHECKING:
    from tests.simulation.world import World


def check_firing(world: World) -> None:
    """Judge what is left of the cells once more; where a `for` may still run either is right."""
    firing = {
        (row.alert.tenant, row.alert.rule, row.alert.labels)
        for row in world.alerting_database.alerts.rows()
        if row.alert.firing and row.alert.rule != CLOCK_STALE
    }
    for log in world.cluster.topic(CELLS.name).logs:
        row = world.alerting_database.journal.partitions.get(CELLS.name, log.partition)
        judged_us = _note(row.note).judged_us if row is not None and row.note else 0
        evaluators = _evaluators(world, log.partition)
        for record in log.records:
            cell = decode(record)
            if isinstance(cell, Cell):
                evaluators[cell.tenant].apply(cell)
        for tenant, evaluator in evaluators.items():
            evaluator.begin(judged_us)
            _compare(world, tenant, evaluator, firing)
    if firing:
        world.violation(f"these fire, and nothing holds them: {sorted(firing)}")


def _evaluators(world: World, partition: int) -> dict[str, Evaluator]:
    rules, partitions = rules_of(world.configuration), world.shape.cells
    names = [tenant.name for tenant in world.configuration.tenants]
    mine = [name for name in names if partition_of(name.encode(), partitions) == partition]
    return {name: Evaluator(name, rules) for name in mine}


def _compare(world: World, tenant: str, evaluator: Evaluator, firing: set[tuple[str, str, Labels]]) -> None:
    for standing in evaluator.standing():
        key = (tenant, standing.rule.name, standing.labels)
        fires = key in firing
        firing.discard(key)
        if fires is (standing.phase is Phase.FIRING) or standing.phase is Phase.PENDING:
            continue
        world.violation(f"{key} {'fires' if fires else 'does not fire'}, and its value is {standing.value}")
