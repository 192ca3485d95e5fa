"""What senders were told is safe is there; what the inbox took is there, or kept as rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.codec import decode
from shared.contracts.records import Record
from shared.contracts.tickets import Observation, Rejected
from shared.contracts.topics import EVENTS, INBOX, REJECTED

if TYPE_CHECKING:
    from tests.simulation.world import World


def check_senders(world: World) -> None:
    """Nothing acknowledged is missing from the log."""
    there = {
        (event.tenant, event.id)
        for log in world.cluster.topic(EVENTS.name).logs
        for record in log.history
        if isinstance(event := decode(record), Observation)
    }
    missing = world.outside.ledger.taken - there
    if missing:
        world.violation(f"answered 202 and not on the bus: {sorted(missing)}")
    _check_inbox(world, there)


def _check_inbox(world: World, there: set[tuple[str, str]]) -> None:
    kept = {
        event.origin
        for log in world.cluster.topic(REJECTED.name).logs
        for record in log.history
        if isinstance(event := decode(record), Rejected)
    }
    for log in world.cluster.topic(INBOX.name).logs:
        for record in log.history:
            origin = f"{record.topic}/{record.partition}@{record.offset}"
            if origin not in kept and not _named(record) & there:
                world.violation(f"{origin} is neither on the bus nor kept: {record}")


def _named(record: Record) -> set[tuple[str, str]]:
    headers = dict(record.headers)
    tenant = headers.get("ce_source", b"").decode().split("/")[2:3]
    return {(name, headers.get("ce_id", b"").decode()) for name in tenant}
