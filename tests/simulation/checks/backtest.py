"""Live state equals a backtest of the same log: another driver of the same cores, which knows no bus and no store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from barometer.backtest.known import Noted, Replay
from services.aging.core.mark import mark_of
from services.aging.core.note import decode_note
from services.aging.core.ticket import decode_ticket
from shared.contracts.topics import EVENTS
from tests.simulation.checks.truth import Truth
from tests.unit.aging.partitions import _stored

if TYPE_CHECKING:
    from tests.simulation.world import World

_TOLD: Final = ("told", "revision")
"""What only says what was told to survivors so far."""


def check_backtest(world: World, truth: Truth) -> None:
    """Replay each tenant's observations; only where one configuration held from the beginning, as backtests ask."""
    rows = world.aging_database.journal.partitions.of(EVENTS.name)
    if any(at_us for row in rows for _, at_us in decode_note(row.note).configs):
        return
    for tenant in sorted({tenant for tenant, _ in truth.timelines}):
        notes = sorted(
            Noted(order, id_, mark_of(one))
            for id_, line in truth.timelines.items()
            if id_[0] == tenant
            for order, one in line.observations.items()
        )
        for partition, clock_us in truth.clocks.items():
            _compare(world, truth, notes, tenant, partition, clock_us)
    world.count("backtests")


def _compare(
    world: World, truth: Truth, notes: list[Noted], tenant: str, partition: int, clock_us: int
) -> None:
    replay = Replay(tenant, truth.terms(partition, tenant), ())
    replay.run(notes, [clock_us], until_us=clock_us)
    if replay.refused:
        world.violation(f"a backtest refuses what the worker took: {replay.refused}")
    for id_, line in truth.timelines.items():
        row = world.aging_database.tickets.get(*id_)
        final = replay.final(id_)
        if id_[0] != tenant or line.partition != partition or final is None or row is None:
            continue
        found, expected = _stored(decode_ticket(row.body)), _stored(final)
        for name in found.__struct_fields__:
            if name not in _TOLD and getattr(found, name) != getattr(expected, name):
                figures = getattr(found, name), getattr(expected, name)
                world.violation(f"{id_}: {name} is (live, by a backtest) {figures}")
