"""What fires in the end is what the rules say of the figures that lie there for everybody to read.

Told by judging the whole of the cells once more, from nothing: an alert that fired too early or too late is not
seen here, but one that fires over a picture that was never whole is, and one that nobody raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from services.alerting.core.alerts import Labels, Phase
from services.alerting.core.evaluator import Evaluator
from services.alerting.settings import rules_of
from services.alerting.worker.partition import Note
from shared.codec import decode
from shared.contracts.backlog import Cell
from shared.contracts.topics import CELLS, partition_of

if TYPE_CHECKING:
    from tests.simulation.world import World

Condition = tuple[str, str, Labels]
"""(tenant, rule, labels)."""


def check_judged(world: World) -> None:
    """A condition holds if and only if its alert fires, or waits for its `for` to run out."""
    rules = {rule.name for rule in rules_of(world.configuration)}
    database = world.alerting_database
    for row in database.journal.partitions.of(CELLS.name):
        judged_us = msgspec.json.decode(row.note, type=Note).judged_us
        known: set[Condition] = {
            (each.alert.tenant, each.alert.rule, each.alert.labels)
            for each in database.alerts.of(row.partition)
            if each.alert.firing and each.alert.rule in rules
        }
        known |= {(each.tenant, each.rule, each.labels) for each in database.pending.of(row.partition)}
        holding = _holding(world, row.partition, judged_us)
        for condition in sorted(known ^ holding):
            told = (
                "is an alert, or will be, and does not hold"
                if condition in known
                else "holds, and is no alert"
            )
            world.violation(f"at {judged_us} {condition} {told}")


def _holding(world: World, partition: int, judged_us: int) -> set[Condition]:
    rules = rules_of(world.configuration)
    tenants = [tenant.name for tenant in world.configuration.tenants]
    evaluators = {
        tenant: Evaluator(tenant, rules)
        for tenant in tenants
        if partition_of(tenant.encode(), world.shape.cells) == partition
    }
    for record in world.cluster.topic(CELLS.name).logs[partition].history:
        cell = decode(record)
        if isinstance(cell, Cell):
            evaluators[cell.tenant].apply(cell)
    found: set[Condition] = set()
    for tenant, evaluator in evaluators.items():
        evaluator.begin(judged_us)
        found |= {
            (tenant, each.rule.name, each.labels)
            for each in evaluator.standing()
            if each.phase is not Phase.QUIET
        }
    return found
