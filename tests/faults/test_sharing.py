"""Several aging processes under load: they come, go, die, and one sleeps through the loss of its partitions."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.e2e.harness import Process, eventually, with_aging
from tests.faults.count import EVENTS
from tests.faults.raw import rows
from tests.faults.world import LOOK_EVERY_S, World

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(300)]

PARTITIONS: Final = {0, 1, 2, 3}
SHARED_S: Final = 90.0


def owners(world: World) -> dict[int, tuple[str, int]]:
    """Return who owns each partition of the events, and the epoch, as the rows say."""
    statement = f"SELECT partition, owner, epoch FROM partitions WHERE topic = '{EVENTS}'"
    found = rows(world.deployment.databases["aging"], statement)
    return {partition: (owner, epoch) for partition, owner, epoch in found}


def owned(world: World, member: str) -> set[int]:
    """Return the partitions of `member`."""
    return {partition for partition, (owner, _) in owners(world).items() if owner == member}


def shared_by(world: World, members: set[str]) -> None:
    """Return once exactly `members` own partitions, all of them."""
    eventually(
        lambda: owners(world),
        lambda seen: set(seen) == PARTITIONS and {owner for owner, _ in seen.values()} == members,
        f"the partitions with {members}", deadline_s=SHARED_S, poll_s=LOOK_EVERY_S,
    )  # fmt: skip


@contextmanager
def joined(world: World, number: int) -> Iterator[Process]:
    """Give another aging process, not started; it leaves in order."""
    world.deployment = with_aging(world.deployment, number)
    name = f"aging-{number}"
    process = world.processes[name]
    try:
        yield process
    finally:
        if process.alive:
            process.stop()
        kept = {other: each for other, each in world.processes.items() if other != name}
        world.deployment.processes = kept


def test_aging_processes_come_and_go_and_die_under_load(world: World) -> None:
    with joined(world, 2) as second:
        world.suffer("a second aging process joins", second.start)
        shared_by(world, {"aging-1", "aging-2"})
        with joined(world, 3) as third:
            world.suffer("a third aging process joins", third.start)
            shared_by(world, {"aging-1", "aging-2", "aging-3"})
            world.suffer("one of three is killed and stays away", third.kill9)
            shared_by(world, {"aging-1", "aging-2"})
        world.suffer("one of two leaves in order", lambda: assert_clean(second))
        shared_by(world, {"aging-1"})


def assert_clean(process: Process) -> None:
    """End it in order."""
    assert 0 == process.stop()


def test_a_zombie_that_wakes_after_its_partitions_moved_writes_and_publishes_nothing(world: World) -> None:
    with joined(world, 2) as second:
        second.start()
        shared_by(world, {"aging-1", "aging-2"})
        first = world.processes["aging"]
        assert first.child is not None
        lost = owned(world, "aging-1")
        said = len(first.lines())
        pid = first.child.pid

        try:
            world.suffer("an aging process stands still", lambda: os.kill(pid, signal.SIGSTOP))
            shared_by(world, {"aging-2"})
        except BaseException:
            os.kill(pid, signal.SIGCONT)  # the world is used again
            raise
        before, begin = owners(world), time.monotonic()
        with world.desk.sending():
            os.kill(pid, signal.SIGCONT)
            # It joins again and gets its share, by the group and not by itself.
            shared_by(world, {"aging-1", "aging-2"})
            print(f"a zombie is a member again after {time.monotonic() - begin:.1f} s")
        world.settled()
        said_since = first.lines()[said:]
        assert {line["partition"] for line in said_since if line["event"] == "partition lost"} <= lost
        assert [] == [line for line in said_since if line["event"] == "partition abandoned"]
        after = owners(world)
        assert all(after[partition][1] >= epoch for partition, (_, epoch) in before.items())
    shared_by(world, {"aging-1"})
