"""One partition of alerting, step by step: a real embedded log, a store real and simulated, a clock of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from services.alerting.adapters.store import SqlAlertingStore
from services.alerting.core.clocks import CLOCK_STALE, STALE_AFTER_US
from services.alerting.core.routing import Route, Routing
from services.alerting.core.rules import Comparison, Measure, Rule
from services.alerting.ports import AlertingChanges, AlertingStore, AlertQueries
from services.alerting.worker import AlertingLogic, Knock, Parts
from shared.bus.embedded import EmbeddedBus
from shared.bus.port import Outgoing
from shared.clock import ManualClock
from shared.codec import decode, to_cells, to_every_partition
from shared.contracts.alerts import Alert, AlertState
from shared.contracts.backlog import Cell
from shared.contracts.instants import SECOND_US, to_us
from shared.contracts.records import Record
from shared.contracts.topics import ALERTS, CELLS
from shared.runtime.port import Commit, Folded
from shared.sql.engine import opened
from tests.simulation.point import go_on
from tests.simulation.stores.alerting import SimulatedAlertingStore
from tests.simulation.stores.alerting_database import AlertingDatabase
from tests.unit.alerting.cells import HOUR_US, NOW_US, a_cell, a_clock

pytestmark = pytest.mark.asyncio

MANY = Rule("many", Measure.OPEN, Comparison.ABOVE, 2, by=("queue",), severity="critical")
FEW = Rule("few", Measure.OPEN, Comparison.BELOW, 1)
SLOW = Rule("slow", Measure.OPEN, Comparison.ABOVE, 2, for_us=60 * SECOND_US)
OLD = Rule("old", Measure.OLDEST_AGE, Comparison.ABOVE, 24 * HOUR_US)


@dataclass
class Tally:
    """Remembers what was counted."""

    records: list[str] = field(default_factory=list)

    def record(self, outcome: str) -> None:
        self.records.append(outcome)

    def notification(self, receiver: str, outcome: str) -> None:
        raise AssertionError((receiver, outcome))


class Store(AlertingStore, AlertQueries, Protocol):
    """The worker's side, and what shows of it."""


class World:
    """A log, a store, and the partition under test as the loop would drive it."""

    def __init__(self, bus: EmbeddedBus, store: Store, clock: ManualClock) -> None:
        self.bus, self.store, self.clock = bus, store, clock
        self.tally = Tally()
        self.rules: tuple[Rule, ...] = (MANY,)
        self.routing = Routing(("chat", "mail"), (Route("chat", (("queue", "tier1"),)),))
        self.said: list[Alert] = []
        self.versions = 0

    async def publish(self, *records: Outgoing) -> None:
        await self.bus.append(records)

    async def cells(self, *cells: Cell) -> None:
        await self.publish(*(to_cells(cell, 1) for cell in cells))

    async def tick(self, at_us: int, *, partition: int = 0, partitions: int = 1) -> None:
        self.versions += 1
        clock = a_clock(self.versions, at_us=at_us, partition=partition, partitions=partitions)
        await self.publish(*to_every_partition(clock, 1))

    async def start(self) -> None:
        """Take over, as after a restart."""
        log = await self.bus.identity(CELLS)
        taken = await self.store.take_over(log, 0, owner="a", known=None)
        self.epoch, self.next_block = taken.epoch, taken.next_block
        self.logic = AlertingLogic(
            0,
            Parts(
                store=self.store, open_reader=lambda: self.bus.open_reader(CELLS), rules=self.rules,
                routing=self.routing, buckets_seconds=(86_400,), tenants_of=lambda _: ("default",),
                tally=self.tally, queues_max=10, knock=Knock(),
            ),
        )  # fmt: skip
        await self.logic.load(taken)
        self.position = taken.position or 0
        self.clock_us = taken.clock_us

    async def step(self, until_us: int | None = None) -> list[Alert]:
        """Fold what is in the log, commit, and return what was said."""
        reader = await self.bus.open_reader(CELLS)
        poll = await reader.read(0, self.position, records_max=1_000, wait_ms=0)
        await reader.close()
        self.clock_us = max(self.clock_us, until_us or self.clock.now_us())
        folded = await self.logic.fold(poll.records, from_us=self.clock_us, until_us=self.clock_us)
        self.position = poll.next_offset
        await self._commit(folded)
        said = [_event(one) for one in folded.outgoing]
        self.said += said
        return said

    async def _commit(self, folded: Folded[AlertingChanges]) -> None:
        commit = Commit(
            CELLS.name, 0, self.epoch, self.position, self.clock_us, folded.note, -1, None, folded.changes
        )
        await self.store.commit(commit)

    async def told(self, alert: Alert) -> list[tuple[str, bool]]:
        return [(one[0], one[1]) for one in await self.store.deliveries(alert.id)]


def _event(outgoing: Outgoing) -> Alert:
    assert outgoing.topic == ALERTS.name
    event = decode(Record(ALERTS.name, 0, 0, 0, outgoing.key, outgoing.value, outgoing.headers))
    assert isinstance(event, Alert)
    return event


def states(alerts: Sequence[Alert]) -> list[tuple[str, str, str]]:
    return [(alert.rule, alert.state.value, alert.resolve_reason) for alert in alerts]


@pytest_asyncio.fixture(params=["simulated", "sqlite"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    clock = ManualClock(NOW_US)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(await EmbeddedBus.open(tmp_path / "bus", clock))
        await bus.ensure_topics({CELLS.name: 1, ALERTS.name: 1})
        if request.param == "simulated":
            store: Store = SimulatedAlertingStore(AlertingDatabase(lambda: clock.now_us() // 1_000), go_on)
        else:
            engine = await stack.enter_async_context(opened(f"sqlite+aiosqlite:///{tmp_path}/alerting.db"))
            real = SqlAlertingStore(engine)
            await real.prepare()
            store = real
        yield World(bus, store, clock)


def created(count: int, at_us: int = NOW_US) -> list[int]:
    return [at_us] * count


async def test_an_alert_fires_and_ends_at_the_instants_of_the_cells(world: World) -> None:
    await world.start()
    await world.cells(a_cell(1, at_us=NOW_US, created_us=created(2)))
    await world.tick(NOW_US)
    assert [] == await world.step()
    await world.cells(a_cell(2, at_us=NOW_US + 5, created_us=created(3)))
    await world.tick(NOW_US + SECOND_US)
    [fired] = await world.step()
    assert ("firing", 3.0, NOW_US + 5) == (fired.state.value, fired.value, to_us(fired.fired_at))
    assert {"queue": "tier1", "tenant": "default"} == fired.labels
    assert [("chat", False)] == await world.told(fired)
    await world.cells(a_cell(3, at_us=NOW_US + 2 * SECOND_US + 7, created_us=created(1)))
    await world.tick(NOW_US + 3 * SECOND_US)
    [resolved] = await world.step()
    assert (fired.id, "recovered", NOW_US + 2 * SECOND_US + 7) == (
        resolved.id, resolved.resolve_reason, to_us(resolved.resolved_at or resolved.fired_at),
    )  # fmt: skip


async def test_nothing_is_judged_before_the_clocks_of_all_aging_partitions_are_known(world: World) -> None:
    world.rules = (FEW, MANY)
    await world.start()
    await world.cells(a_cell(1, created_us=created(3)))
    await world.tick(NOW_US, partition=0, partitions=2)
    assert [] == await world.step()
    assert not world.logic.begun
    await world.tick(NOW_US, partition=1, partitions=2)
    assert [("many", "firing", "")] == states(await world.step())


async def test_the_slowest_clock_counts(world: World) -> None:
    await world.start()
    for partition in (0, 1):
        await world.tick(NOW_US, partition=partition, partitions=2)
    assert [] == await world.step()
    await world.cells(a_cell(1, at_us=NOW_US + 5, created_us=created(3)))
    await world.tick(NOW_US + SECOND_US, partition=0, partitions=2)
    assert [] == await world.step()
    await world.tick(NOW_US + 5, partition=1, partitions=2)
    [fired] = await world.step()
    assert NOW_US + 5 == to_us(fired.fired_at)


async def test_after_a_restart_an_alert_goes_on_and_is_not_said_again(world: World) -> None:
    await world.start()
    await world.cells(a_cell(1, created_us=created(3)))
    await world.tick(NOW_US)
    [fired] = await world.step()
    await world.start()
    assert [] == await world.step()
    assert [fired.id] == list(world.logic.firing)
    await world.cells(a_cell(2, at_us=NOW_US + 9, created_us=[]))
    await world.tick(NOW_US + 9)
    [resolved] = await world.step()
    assert (fired.id, "resolved") == (resolved.id, resolved.state.value)


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_fires_again_in_the_instant_in_which_it_ended_is_another_alert(
    world: World, *, restarts: bool
) -> None:
    await world.start()
    said: list[Alert] = []
    for version, tickets in enumerate((3, 0, 3, 0, 3), start=1):
        await world.cells(a_cell(version, created_us=created(tickets)))
        await world.tick(NOW_US)
        if restarts:
            await world.start()
        said += await world.step()
    assert ["firing", "resolved"] * 2 + ["firing"] == [alert.state.value for alert in said]
    ids = [alert.id for alert in said if alert.state is AlertState.FIRING]
    assert 3 == len(set(ids))
    assert [ids[-1]] == list(world.logic.firing)
    assert [("chat", False)] == await world.told(said[-1])


async def test_what_was_not_committed_is_said_the_same_after_a_restart(world: World) -> None:
    await world.start()
    await world.cells(a_cell(1, created_us=created(3)))
    await world.tick(NOW_US)
    reader = await world.bus.open_reader(CELLS)
    poll = await reader.read(0, 0, records_max=10, wait_ms=0)
    await reader.close()
    lost = await world.logic.fold(poll.records, from_us=NOW_US, until_us=NOW_US)
    await world.start()
    assert [_event(one) for one in lost.outgoing] == await world.step()


async def test_what_is_pending_waits_on_from_its_first_instant_after_a_restart(world: World) -> None:
    world.rules = (SLOW,)
    await world.start()
    await world.cells(a_cell(1, created_us=created(3)))
    await world.tick(NOW_US)
    assert [] == await world.step()
    await world.cells(a_cell(2, at_us=NOW_US + SECOND_US, created_us=created(4)))
    await world.start()
    await world.tick(NOW_US + 61 * SECOND_US)
    [fired] = await world.step()
    assert (NOW_US, NOW_US + 60 * SECOND_US) == (to_us(fired.since), to_us(fired.fired_at))


async def test_an_alert_of_a_rule_that_is_gone_or_changed_ends_with_the_reason(world: World) -> None:
    world.rules = (MANY, OLD)
    await world.start()
    await world.cells(a_cell(1, created_us=created(3, NOW_US - 30 * HOUR_US)))
    await world.tick(NOW_US)
    assert 2 == len(await world.step())
    world.rules = (Rule("many", Measure.OPEN, Comparison.ABOVE, 1, by=("queue",)),)
    await world.start()
    said = await world.step()
    assert [
        ("many", "firing", ""),
        ("many", "resolved", "rule_changed"),
        ("old", "resolved", "rule_removed"),
    ] == sorted(states(said))
    assert 3 == len({alert.id for alert in said})


async def test_an_age_is_crossed_between_two_clocks_at_its_exact_instant(world: World) -> None:
    world.rules = (OLD,)
    await world.start()
    await world.cells(a_cell(1, created_us=[NOW_US - 24 * HOUR_US + 1_234]))
    await world.tick(NOW_US)
    assert [] == await world.step()
    await world.tick(NOW_US + SECOND_US)
    [fired] = await world.step()
    assert NOW_US + 1_234 == to_us(fired.fired_at)


async def test_a_clock_that_stands_still_freezes_the_rules_and_says_so_once(world: World) -> None:
    await world.start()
    await world.cells(a_cell(1, created_us=created(1)))
    await world.tick(NOW_US)
    assert [] == await world.step(NOW_US)
    stale_us = NOW_US + STALE_AFTER_US
    assert stale_us == world.logic.next_due_us()
    assert [] == await world.step(stale_us - 1)
    [fired] = await world.step(stale_us + 5 * SECOND_US)
    assert (CLOCK_STALE, {"partition": "0"}, stale_us) == (fired.rule, fired.labels, to_us(fired.fired_at))
    await world.cells(a_cell(2, at_us=NOW_US + 60 * SECOND_US, created_us=created(9)))
    assert [] == await world.step(stale_us + 40 * SECOND_US)
    await world.start()
    assert [] == await world.step(stale_us + 41 * SECOND_US)
    await world.tick(NOW_US + 75 * SECOND_US)
    said = await world.step(NOW_US + 76 * SECOND_US)
    assert [("many", "firing", ""), (CLOCK_STALE, "resolved", "recovered")] == states(said)


async def test_downtime_of_everything_is_no_stale_clock(world: World) -> None:
    await world.tick(NOW_US - HOUR_US)
    await world.start()
    assert [] == await world.step(NOW_US)
    assert [] == await world.step(NOW_US + STALE_AFTER_US - 1)
    assert [(CLOCK_STALE, "firing", "")] == states(await world.step(NOW_US + STALE_AFTER_US))


async def test_a_record_that_cannot_be_read_is_skipped_and_counted(world: World) -> None:
    await world.start()
    broken = to_cells(a_cell(1, created_us=created(9)), 1)._replace(value=b"{")
    await world.publish(broken)
    await world.cells(a_cell(1, created_us=created(3)))
    await world.tick(NOW_US)
    assert 1 == len(await world.step())
    assert ["undecodable", "applied", "applied"] == world.tally.records


async def test_a_below_rule_holds_for_a_tenant_without_any_ticket(world: World) -> None:
    world.rules = (FEW,)
    await world.start()
    await world.tick(NOW_US)
    [fired] = await world.step()
    assert ("few", {"tenant": "default"}, NOW_US) == (fired.rule, fired.labels, to_us(fired.fired_at))


async def test_tenants_are_judged_apart(world: World) -> None:
    await world.start()
    await world.tick(NOW_US)
    await world.step()
    await world.cells(
        a_cell(1, at_us=NOW_US + 1, created_us=created(2)),
        a_cell(1, at_us=NOW_US + 1, tenant="other", created_us=created(3)),
    )
    await world.tick(NOW_US + 2)
    [fired] = await world.step()
    assert {"queue": "tier1", "tenant": "other"} == fired.labels
