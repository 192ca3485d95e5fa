"""After everything was stopped in good order: nothing waits in an outbox, in a queue, or for its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.aging.core.note import decode_note
from shared.contracts.topics import CELLS, EVENTS
from tests.simulation.checks.truth import Truth

if TYPE_CHECKING:
    from tests.simulation.world import World


def check_end(world: World, truth: Truth) -> None:
    """Logs are read to their ends, outboxes are empty, no timer is overdue, nothing is quarantined."""
    for journal, topic in (
        (world.aging_database.journal, EVENTS.name),
        (world.alerting_database.journal, CELLS.name),
    ):
        left = list(journal.outbox.rows())
        if left:
            world.violation(f"left in the outbox: {[(row.topic, row.partition, row.number) for row in left]}")
        for log in world.cluster.topic(topic).logs:
            row = journal.partitions.get(topic, log.partition)
            if row is None or row.position != log.end:
                world.violation(f"{topic}/{log.partition} ends at {log.end}, stored is {row}")
    _check_waiting(world)
    for partition, backlog in truth.backlogs.items():
        due_us = backlog.timers.next_us()
        if due_us is not None and due_us <= truth.clocks[partition]:
            world.violation(
                f"partition {partition}: a timer of {due_us} is overdue at {truth.clocks[partition]}"
            )


def _check_waiting(world: World) -> None:
    database = world.aging_database
    for name, table in (("quarantined", database.quarantine), ("deferred", database.deferred)):
        if len(table):
            world.violation(f"{name}: {list(table.rows())}")
    asleep = [row.ticket for row in database.tickets.rows() if row.asleep]
    if asleep:
        world.violation(f"asleep for ever: {asleep}")
    for row in database.journal.partitions.rows():
        note = decode_note(row.note)
        if note.cells or note.flows or note.runs or note.waking or note.adoption.telling:
            world.violation(f"partition {row.partition} has work left: {note}")
