"""Partitions come and go with the group; an error of one loop is the end of all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared.clock import monotonic_seconds
from shared.runtime.group import REGAIN_WAIT_MS, STALLED_S_MAX, PartitionGroup, complaint
from shared.runtime.partition import PartitionStatus, Phase
from shared.runtime.port import Taken
from tests.unit.runtime.tally import TallyChanges, TallyLogic
from tests.unit.runtime.world import World, eventually, world_at

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_at(tmp_path, partitions=3) as world:
        yield world


def group(world: World, member: str, *, revoke_budget_ms: int = 5_000) -> PartitionGroup[TallyChanges]:
    return PartitionGroup(world.parts(), group="tally", member=member, revoke_budget_ms=revoke_budget_ms)


def works_on(group: PartitionGroup[TallyChanges], *partitions: int) -> bool:
    ready = [status.partition for status in group.statuses() if status.caught_up]
    return list(partitions) == ready and not group.complaints()


async def test_a_lone_member_works_on_everything_and_leaves_everything_committed(world: World) -> None:
    alone = group(world, "a")
    assert ("tally: not yet a member of the group",) == alone.complaints()
    running = asyncio.create_task(alone.run())
    await eventually(lambda: works_on(alone, 0, 1, 2))
    for partition in range(3):
        await world.send("a:one", partition=partition)
    await eventually(lambda: all(s.position == 1 for s in alone.statuses()))
    alone.stop()
    assert ("stopping",) == alone.complaints()
    await running
    assert [1, 1, 1] == [(await world.store.load(p))["a"].count for p in range(3)]
    assert [] == alone.statuses()


async def test_a_second_member_takes_its_share_and_gives_it_back(world: World) -> None:
    first, second = group(world, "a"), group(world, "b")
    one = asyncio.create_task(first.run())
    await eventually(lambda: works_on(first, 0, 1, 2))
    two = asyncio.create_task(second.run())
    await eventually(lambda: works_on(first, 0, 1) and works_on(second, 2))
    await world.send("a:one", partition=2)
    await eventually(lambda: second.statuses()[0].position == 1)
    second.stop()
    await two
    await eventually(lambda: works_on(first, 0, 1, 2))
    assert 1 == (await world.store.load(2))["a"].count
    first.stop()
    await one


async def test_a_partition_that_comes_back_untouched_needs_no_load(world: World) -> None:
    alone = group(world, "a")
    running = asyncio.create_task(alone.run())
    await eventually(lambda: works_on(alone, 0, 1, 2))
    # The other member never asks for its partition, so nobody works on it in between.
    other = await world.bus.join(world.parts().topic, "tally", member="b", revoke_budget_ms=5_000)
    await eventually(lambda: works_on(alone, 0, 1))
    await other.close()
    await eventually(lambda: works_on(alone, 0, 1, 2))
    assert [1, 1, 1] == [logic.loads for logic in world.logics]
    alone.stop()
    await running


async def test_an_error_of_one_loop_ends_them_all(world: World) -> None:
    broken = group(world, "a")
    running = asyncio.create_task(broken.run())
    await eventually(lambda: works_on(broken, 0, 1, 2))
    await world.send("a:break", partition=1)
    with pytest.raises(ExceptionGroup) as caught:
        await running
    assert caught.group_contains(AssertionError)


class StuckLogic(TallyLogic):
    """Never done with loading."""

    async def load(self, taken: Taken) -> None:
        await asyncio.sleep(3_600)


async def test_a_loop_that_does_not_finish_within_the_budget_is_abandoned(world: World) -> None:
    world.logic = StuckLogic
    stuck = group(world, "a", revoke_budget_ms=50)
    running = asyncio.create_task(stuck.run())
    await eventually(lambda: [s.phase for s in stuck.statuses()] == [Phase.LOADING] * 3)
    stuck.stop()
    await running


async def test_a_partition_found_lost_while_it_is_given_up_is_not_regained(world: World) -> None:
    replaced = group(world, "a")
    running = asyncio.create_task(replaced.run())
    await eventually(lambda: works_on(replaced, 0, 1, 2))
    identity = await world.bus.identity(world.parts().topic)
    await world.store.take_over(identity, 1, owner="b", known=None)
    replaced.stop()
    async with asyncio.timeout(REGAIN_WAIT_MS / 4_000):
        await running
    assert [1, 1, 1] == [logic.loads for logic in world.logics]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, None),
        ({"phase": Phase.LOADING}, "loading"),
        ({"held": True}, "clock is more than 5 minutes off"),
        ({"caught_up": False}, "still reading"),
        ({"stepped_s": -STALLED_S_MAX - 1}, "no step completed"),
    ],
)
async def test_readiness_says_what_is_missing(change: dict[str, object], says: str | None) -> None:
    now_s = monotonic_seconds()
    status = PartitionStatus("t", 0, phase=Phase.RUNNING, caught_up=True, stepped_s=now_s)
    for name, value in change.items():
        setattr(status, name, value + now_s if isinstance(value, float) else value)
    found = complaint(status, now_s)
    assert (says is None) == (found is None)
    assert (says or "") in (found or "")
