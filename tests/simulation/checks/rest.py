"""Whether a world is at rest, still busy, or waits for time to pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.aging.core.note import decode_note
from services.alerting.ports import DeliveryState
from services.intake.worker.inbox import GROUP as INTAKE_GROUP
from shared.contracts.instants import SECOND_US
from shared.contracts.topics import EVENTS, INBOX

if TYPE_CHECKING:
    from tests.simulation.world import World

_SILENCE_US: Final = 16 * 60 * SECOND_US
"""A little more than after which a run without an end counts as over."""


def unrest(world: World) -> str:
    """Return what is still on its way, in words; empty if nothing is, or only time has to pass."""
    waiting = [task.get_name() for task in world.outside.tasks if not task.done()]
    if waiting:
        return f"not done: {', '.join(waiting)}"
    unread = _unread(world)
    if unread:
        return unread
    due_us = next_due_us(world)
    return "" if due_us is None or due_us > world.true_us() else f"overdue since {due_us}"


def next_due_us(world: World) -> int | None:
    """Return the instant for which something waits, None if nothing does."""
    dues = [row.due_us for row in world.aging_database.deferred.rows()]
    dues += [
        row.delivery.due_us
        for row in world.alerting_database.deliveries.rows()
        if row.state is DeliveryState.DUE
    ]
    for row in world.aging_database.journal.partitions.rows():
        runs = decode_note(row.note).runs if row.note else {}
        dues += [shown_us + _SILENCE_US for shown_us in runs.values()]
        if row.clock_us > world.true_us():
            # It followed a wall clock that was ahead. Rules wait for the lowest clock, so time has to catch up.
            dues.append(row.clock_us)
    return min(dues, default=None)


def _unread(world: World) -> str:
    rows = {row.partition: row for row in world.aging_database.journal.partitions.of(EVENTS.name)}
    for log in world.cluster.topic(EVENTS.name).logs:
        row = rows.get(log.partition)
        if row is None or row.position != log.end:
            return f"{log.topic}/{log.partition} is read to {row and row.position} of {log.end}"
        note = decode_note(row.note)
        if note.waking or note.judging is not None or note.adoption.telling:
            return f"{log.topic}/{log.partition} has work left: {note}"
    offsets = world.cluster.group(INBOX.name, INTAKE_GROUP).offsets
    for log in world.cluster.topic(INBOX.name).logs:
        if offsets.get(log.partition, 0) != log.end:
            return f"{log.topic}/{log.partition} is read to {offsets.get(log.partition)} of {log.end}"
    return ""
