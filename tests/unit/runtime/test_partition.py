"""The partition loop over the real log and the real journal of one machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection, select, update

from shared.bus.embedded import EmbeddedBus
from shared.bus.port import BusUnavailable, LogIdentity
from shared.contracts.topics import EVENTS, FACTS, Topic
from shared.runtime.bus_time import APART_US_MAX
from shared.runtime.partition import VERIFY_EVERY_US, Ending, Phase
from shared.runtime.port import PositionLost, PositionMismatch, StoreUnavailable
from shared.sql.engine import read, transaction
from shared.sql.journal import OUTBOX, PARTITIONS
from tests.unit.runtime.crashing import Countdown, Crash, Crashing
from tests.unit.runtime.tally import METADATA, ProbingLogic, ReticentLogic
from tests.unit.runtime.world import LIMITS, START_US, World, eventually, work_off, world_at

pytestmark = pytest.mark.asyncio

SECOND_US = 1_000_000


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_at(tmp_path) as world:
        yield world


def position(connection: Connection) -> int | None:
    found: int | None = connection.execute(select(PARTITIONS.c.position)).scalar_one()
    return found


async def test_records_take_effect_once_and_facts_are_published_in_order(world: World) -> None:
    await world.send("a:one", "b:one", "a:one")
    await work_off(world.loop(), 3)
    await world.send("a:one")
    await work_off(world.loop(), 4)
    assert {"a": 3, "b": 1} == await world.counts()
    assert ["a#1", "b#1", "a#2", "a#3"] == await world.facts()


async def test_a_kill_before_or_after_any_call_of_a_port_changes_nothing_in_the_end(tmp_path: Path) -> None:
    expected = [f"a#{n}" for n in range(1, 7)] + [f"a woke at {START_US + 1}"]
    point, crashed = 0, True
    while crashed:
        directory = tmp_path / f"{point}"
        directory.mkdir()
        async with world_at(directory) as world:
            limits = replace(LIMITS, records_max=2)
            await world.send(*["a:one"] * 6, f"a:wake {START_US + 1}")
            world.pass_time(10)
            countdown = Countdown(point)
            doomed = world.loop(
                bus=Crashing(world.bus, countdown), store=Crashing(world.store, countdown), limits=limits
            )
            crashed = await killed(world, doomed)
            await work_off(world.loop(limits=limits), 7)
            facts = await world.facts()
            assert expected == list(dict.fromkeys(facts)), f"killed at point {point}"
            assert {"a": 6} == await world.counts(), f"killed at point {point}"
        point += 1
    assert point > 30  # else the loop was not killed where it matters


async def killed(world: World, loop: Any) -> bool:
    """Run `loop` until it is killed, or has worked everything off."""
    try:
        await work_off(loop, 7)
    except Crash:
        return True
    return False


async def test_a_former_owner_writes_and_publishes_nothing_more(world: World) -> None:
    await world.send("a:one")
    zombie = world.loop()
    sleeping = asyncio.create_task(zombie.run())
    await eventually(lambda: zombie.status.caught_up)
    owner = world.loop()
    working = asyncio.create_task(owner.run())
    await eventually(lambda: owner.status.caught_up)
    await world.send("a:one", "a:one")
    assert Ending.LOST is await sleeping
    await eventually(lambda: owner.status.position == 3 and owner.status.outbox_blocks == 0)
    owner.stop()
    assert Ending.STOPPED is await working
    assert ["a#1", "a#2", "a#3"] == list(dict.fromkeys(await world.facts()))
    assert zombie.memory is None


@pytest.mark.parametrize(("stored", "why"), [(9, "shorter than when it was read")])
async def test_a_position_outside_the_log_stops_with_the_mend(world: World, stored: int, why: str) -> None:
    await world.send("a:one")
    await work_off(world.loop(), 1)
    await transaction(world.engine, lambda c: c.execute(update(PARTITIONS).values(position=stored)))
    with pytest.raises(PositionLost, match=rf"tickets.events.v1/0: .* {stored} .*\[0, 1\).*{why}.*restore"):
        await world.loop().run()
    assert stored == await read(world.engine, position)


class ReplacedBus:
    """A log in whose place another one is put, unheard."""

    def __init__(self, before: EmbeddedBus) -> None:
        self._before = before
        self.after: EmbeddedBus | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._before, name)

    async def identity(self, topic: Topic) -> LogIdentity:
        return await (self.after or self._before).identity(topic)


async def test_a_log_replaced_under_a_running_loop_is_noticed_before_anything_of_it_counts(
    world: World, tmp_path: Path
) -> None:
    bus = ReplacedBus(world.bus)
    await world.send("a:one")
    loop = world.loop(bus=bus)
    running = asyncio.create_task(loop.run())
    await eventually(lambda: loop.status.position == 1)
    async with await EmbeddedBus.open(tmp_path / "other", world.bus_clock) as other:
        await other.ensure_topics({EVENTS.name: 1, FACTS.name: 1})
        bus.after = other
        world.pass_time(2 * VERIFY_EVERY_US)
        await world.send("a:of another log")
        with pytest.raises(PositionMismatch, match="refer to another log than the one at hand"):
            await running
    assert {"a": 1} == await world.counts()


async def test_a_log_made_anew_stops_with_the_mend(world: World, tmp_path: Path) -> None:
    await world.send("a:one")
    await work_off(world.loop(), 1)
    async with await EmbeddedBus.open(tmp_path / "other", world.bus_clock) as other:
        await other.ensure_topics({EVENTS.name: 2, FACTS.name: 1})
        with pytest.raises(PositionMismatch, match="number of partitions was 1, now 2"):
            await world.loop(bus=other).run()


async def test_an_empty_database_beside_an_old_log_folds_it_again(world: World) -> None:
    await world.send("a:one")
    for _ in range(3):
        await work_off(world.loop(), 1)
    await transaction(world.engine, METADATA.drop_all)
    await transaction(world.engine, METADATA.create_all)
    await work_off(world.loop(), 1)  # its epoch is above those that the log's writers had
    assert {"a": 1} == await world.counts()


async def test_a_first_start_begins_where_the_log_begins(world: World) -> None:
    loop = world.loop()
    await world.send("a:noise", "a:noise")
    await work_off(loop, 2)
    assert 2 == await read(world.engine, position)


async def test_the_clock_never_goes_back_whatever_the_hosts_clock_does(world: World) -> None:
    await world.send("a:one")
    loop = world.loop()
    running = asyncio.create_task(loop.run())
    await eventually(lambda: loop.status.position == 1)
    for at_us in (START_US + 5 * SECOND_US, START_US - 3 * SECOND_US, START_US + 7 * SECOND_US):
        world.clock.set(at_us)
        await world.send("a:one")
        seen = len(world.logics[0].clocks)
        await eventually(lambda seen=seen: len(world.logics[0].clocks) > seen + 6)  # type: ignore[misc]
    loop.stop()
    await running
    assert sorted(world.logics[0].clocks) == world.logics[0].clocks
    assert START_US + 7 * SECOND_US == loop.status.clock_us
    await work_off(world.loop(), 4)
    assert START_US + 7 * SECOND_US == world.logics[1].clocks[0]


async def test_timers_wait_until_the_log_is_read_to_its_end(world: World) -> None:
    await world.send(f"a:wake {START_US + 10}", *["b:one"] * 10, "a:hush")
    world.clock.set(START_US + SECOND_US)  # the timer is overdue by the wall clock all the while
    await work_off(world.loop(limits=replace(LIMITS, records_max=1)), 12)
    assert [f"b#{n}" for n in range(1, 11)] == await world.facts()


async def test_a_timer_fires_without_any_record_once_its_time_has_come(world: World) -> None:
    await world.send(f"a:wake {START_US + 10}")
    loop = world.loop()
    running = asyncio.create_task(loop.run())
    await eventually(lambda: loop.status.position == 1)
    world.clock.set(START_US + 10)
    await eventually(lambda: world.logics[0].next_due_us() is None)
    loop.stop()
    await running
    assert [f"a woke at {START_US + 10}"] == await world.facts()


@pytest.mark.parametrize("off_us", [APART_US_MAX + SECOND_US, -APART_US_MAX - SECOND_US])
async def test_a_wall_clock_far_off_the_buss_holds_the_timers_until_it_is_mended(
    world: World, off_us: int
) -> None:
    world.logic = ProbingLogic
    await world.send(f"a:wake {START_US - 20 * APART_US_MAX}")
    await world.send(f"a:wake {START_US + 10}")
    world.clock.set(START_US + off_us)
    loop = world.loop()
    running = asyncio.create_task(loop.run())
    await eventually(lambda: loop.status.held and loop.status.caught_up)
    seen = len(world.logics[0].clocks)
    await eventually(lambda: len(world.logics[0].clocks) > seen + 30)
    assert START_US + 10 == world.logics[0].next_due_us()
    world.bus_clock.set(START_US + SECOND_US)
    world.clock.set(START_US + SECOND_US)
    await eventually(lambda: world.logics[0].next_due_us() is None)
    assert not loop.status.held
    loop.stop()
    await running


async def test_the_wall_clock_drives_timers_only_after_the_bus_was_heard(world: World) -> None:
    world.logic = ProbingLogic
    loop = world.loop()
    await work_off(loop, 1)  # the probe itself, read back
    assert ["noise"] == await world.all_of(EVENTS)
    assert [0, 0, 0] == world.logics[0].clocks[:3]
    assert START_US == loop.status.clock_us


async def test_idle_positions_are_written_once_a_second_and_at_the_stop(world: World) -> None:
    loop = world.loop()
    running = asyncio.create_task(loop.run())
    await eventually(lambda: loop.status.caught_up)
    before = world.store.commits
    for number in range(1, 6):
        await world.send("a:noise")
        await eventually(lambda number=number: loop.status.position == number)  # type: ignore[misc]
    assert before == world.store.commits
    world.pass_time(SECOND_US)
    await eventually(lambda: world.store.commits == before + 1)
    await world.send("a:noise")
    await eventually(lambda: loop.status.position == 6)
    assert 5 == await read(world.engine, position)
    loop.stop()
    await running
    assert 6 == await read(world.engine, position)


async def test_a_stopped_loop_leaves_an_empty_outbox(world: World) -> None:
    await world.send("a:one")
    await work_off(world.loop(), 1)
    assert [] == await read(world.engine, lambda c: list(c.execute(select(OUTBOX.c.number)).scalars()))


async def test_what_waits_to_be_shown_is_shown_at_the_stop_and_leaves_an_empty_outbox(world: World) -> None:
    world.logic = ReticentLogic
    await world.send("a:one", "b:one")
    await work_off(world.loop(), 2)
    assert ["a#1", "b#1", "2 in all"] == await world.facts()
    assert [] == await read(world.engine, lambda c: list(c.execute(select(OUTBOX.c.number)).scalars()))


async def test_memory_is_used_again_if_nobody_came_between(world: World) -> None:
    await world.send("a:one")
    first = world.loop()
    await work_off(first, 1)
    await world.send("a:one")
    second = world.loop(memory=first.memory)
    await work_off(second, 2)
    assert (1, 1) == (len(world.logics), world.logics[0].loads)
    await work_off(world.loop(), 2)
    await world.send("a:one")
    await work_off(world.loop(memory=second.memory), 3)
    assert 3 == len(world.logics)
    assert ["a#1", "a#2", "a#3"] == await world.facts()


class Failing:
    """A port one of whose calls fails for a while, before or after its effect."""

    def __init__(self, adapter: Any, call: str, error: Exception, *, times: int, after: bool) -> None:
        self._adapter, self._call, self._error = adapter, call, error
        self._left, self._after = times, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._adapter, name)
        return self._failing if name == self._call else found

    async def _failing(self, *args: Any, **kwargs: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            return await getattr(self._adapter, self._call)(*args, **kwargs)
        if self._after:
            await getattr(self._adapter, self._call)(*args, **kwargs)
        raise self._error


@pytest.mark.parametrize("after", [False, True], ids=["not committed", "committed"])
async def test_a_commit_of_unknown_outcome_is_settled_by_taking_over_anew(world: World, after: bool) -> None:
    await world.send("a:one")
    first = world.loop()
    await work_off(first, 1)
    await world.send("a:one", "a:one")
    store = Failing(world.store, "commit", StoreUnavailable("gone"), times=1, after=after)
    await work_off(world.loop(store=store, memory=first.memory), 3)
    assert 2 == len(world.logics)  # what was in memory is ahead of the store, or not: nobody knows
    assert {"a": 3} == await world.counts()
    assert ["a#1", "a#2", "a#3"] == await world.facts()


class Mute:
    """A bus whose writers take every block and deliver none: what a killed process had in flight."""

    def __init__(self, bus: EmbeddedBus) -> None:
        self._bus = bus
        self.confirmed, self.bus_time_us = -1, None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def open_writer(self, name: str, epoch: int, *, blocks_in_flight_max: int) -> Any:
        return self

    async def publish(self, number: int, records: Any) -> None: ...

    async def close(self) -> None: ...


class Away(Mute):
    """A mute bus that says at the end that it never heard a thing."""

    async def flush(self) -> None:
        raise BusUnavailable("gone")


async def test_a_stop_on_a_bus_that_is_away_leaves_what_it_shows_to_the_next_owner(world: World) -> None:
    world.logic = ReticentLogic
    await world.send("a:one")
    loop = world.loop(bus=Away(world.bus))
    running = asyncio.create_task(loop.run())
    await eventually(lambda: loop.status.position == 1)
    loop.stop()
    assert Ending.STOPPED is await running
    assert [] == await world.facts()
    await work_off(world.loop(memory=loop.memory), 1)
    assert ["a#1", "1 in all", "1 in all"] == await world.facts()  # one by either stop
    assert 1 == len(world.logics)


async def test_blocks_lost_in_flight_are_published_by_the_next_owner_in_order(world: World) -> None:
    await world.send(*["a:one"] * 6)
    doomed = world.loop(bus=Mute(world.bus), limits=replace(LIMITS, records_max=1))
    running = asyncio.create_task(doomed.run())
    await eventually(lambda: doomed.status.position == 6)
    assert (6, 6) == (doomed.status.outbox_blocks, doomed.status.outbox_records)
    running.cancel()
    await asyncio.wait([running])
    assert [] == await world.facts()
    await work_off(world.loop(), 6)
    assert [f"a#{n}" for n in range(1, 7)] == await world.facts()


async def test_a_bus_that_comes_back_finds_memory_still_good(world: World) -> None:
    await world.send("a:one")
    bus = Failing(world.bus, "open_writer", BusUnavailable("gone"), times=2, after=True)
    await work_off(world.loop(bus=bus), 1)
    assert ["a#1"] == await world.facts()


async def test_a_failure_that_lasts_ends_the_loop_with_it(world: World) -> None:
    store = Failing(world.store, "take_over", StoreUnavailable("gone"), times=99, after=False)
    loop = world.loop(store=store)
    with pytest.raises(StoreUnavailable):
        await loop.run()
    assert (LIMITS.retries_max + 1, Phase.ENDED) == (loop.status.retries, loop.status.phase)


async def test_a_loop_that_waits_for_the_database_can_be_stopped(world: World) -> None:
    limits = replace(LIMITS, retry_wait_ms=60_000, retry_wait_ms_max=60_000)
    store = Failing(world.store, "take_over", StoreUnavailable("gone"), times=99, after=False)
    loop = world.loop(store=store, limits=limits)
    running = asyncio.create_task(loop.run())
    await eventually(lambda: loop.status.phase is Phase.RETRYING)
    loop.stop()
    assert Ending.STOPPED is await running


async def test_an_unforeseen_error_is_nobodys_to_swallow(world: World) -> None:
    await world.send("a:break")
    with pytest.raises(AssertionError):
        await world.loop().run()
    assert None is await read(world.engine, position)
