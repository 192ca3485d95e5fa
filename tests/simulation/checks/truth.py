"""What a world without faults would have come to, told from what is in the log and from nothing else.

For each ticket all that was ever observed of it, in the order of its timeline and each thing once; for each
partition the terms it followed and the clock it came to.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from services.aging.core.backlog import Backlog
from services.aging.core.batch import Dated, TicketId
from services.aging.core.erasure import without_content
from services.aging.core.mark import mark_of, order_of
from services.aging.core.terms import Terms
from services.aging.settings import default_terms
from services.aging.worker import AgingLogic, Placement
from shared.codec import decode
from shared.contracts.tickets import Absorbed, Observation, Rejected
from shared.contracts.topics import EVENTS, REJECTED
from shared.runtime.configurations import Configurations
from shared.runtime.port import Taken
from tests.simulation.bus import SimulatedBus
from tests.simulation.point import go_on
from tests.simulation.stores.aging import SimulatedAgingStore

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")


@dataclass(slots=True)
class Timeline:
    """All that was observed of one ticket."""

    key: str
    partition: int
    observations: dict[bytes, Observation] = field(default_factory=dict)
    """By order; each once."""
    registers: dict[str, Absorbed] = field(default_factory=dict)
    """What it was told of tickets merged into it, the newest of each."""

    @property
    def dated(self) -> Sequence[Dated]:
        """The marks, in order, without their content if a deletion is among them."""
        dated = [Dated(order, mark_of(one)) for order, one in sorted(self.observations.items())]
        return without_content(self.key, dated)


@dataclass(slots=True)
class Truth:
    """What there is to compare with."""

    timelines: dict[TicketId, Timeline]
    clocks: dict[int, int]
    """By partition, as last committed."""
    backlogs: dict[int, Backlog]
    """By partition, as whoever took over would load it."""

    def terms(self, partition: int, tenant: str) -> Terms:
        """Return the terms that a partition has followed."""
        return self.backlogs[partition].terms.of(tenant)


def truth_of(world: World) -> Truth:
    """Return what `world` should have come to."""
    timelines: dict[TicketId, Timeline] = {}
    refused = _refused(world)
    for log in world.cluster.topic(EVENTS.name).logs:
        for record in log.history:
            event = decode(record)
            if (
                isinstance(event, Observation)
                and f"{log.topic}/{log.partition}@{record.offset}" not in refused
            ):
                timeline = timelines.setdefault(
                    (event.tenant, event.ticket), Timeline(event.ticket, log.partition)
                )
                timeline.observations.setdefault(order_of(mark_of(event)), event)
            elif isinstance(event, Absorbed):
                timeline = timelines.setdefault(
                    (event.tenant, event.survivor), Timeline(event.survivor, log.partition)
                )
                known = timeline.registers.get(event.ticket)
                if known is None or known.revision < event.revision:
                    timeline.registers[event.ticket] = event
    rows = {row.partition: row for row in world.aging_database.journal.partitions.of(EVENTS.name)}
    return Truth(
        timelines,
        {partition: row.clock_us for partition, row in rows.items()},
        {partition: _loaded(world, partition) for partition in sorted(rows)},
    )


def _refused(world: World) -> set[str]:
    """Return the origins of what aging refused."""
    found = set()
    for log in world.cluster.topic(REJECTED.name).logs:
        for record in log.history:
            event = decode(record)
            if isinstance(event, Rejected) and event.stage == "aging":
                found.add(event.origin)
    return found


def _loaded(world: World, partition: int) -> Backlog:
    """Return the backlog as the next owner would load it."""
    row = world.aging_database.journal.partitions.get(EVENTS.name, partition)
    assert row is not None
    logic = AgingLogic(
        SimulatedAgingStore(world.aging_database, go_on),
        Configurations(SimulatedBus(world.cluster, go_on), _no_pause),
        Placement(partition, world.shape.events, world.shape.cells),
        default_terms(),
    )
    driven(
        logic.load(
            Taken(row.epoch, row.position, row.clock_us, row.next_block, row.note, (), unchanged=False)
        )
    )
    return logic.backlog


async def _no_pause(wait_ms: int) -> None:
    raise AssertionError(f"nothing is to be waited for here ({wait_ms} ms)")


def driven(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` comes to, which waits for nothing."""
    try:
        work.send(None)
    except StopIteration as over:
        result: T = over.value
        return result
    raise AssertionError("it waits for something")


__all__ = ["Timeline", "Truth", "driven", "truth_of"]
