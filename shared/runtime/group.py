"""Which partitions this process works on: the consumer group says so, and a task each does it.

Losing a partition is normal (a rebalance, a rolling update) and must be quick: Kafka waits for every
member, and throws out one that takes longer than its rebalance timeout. So a loop gets a budget to
finish; what it has not committed by then it never will, and the next owner does it again. Its memory is
kept for a while, since static membership mostly gives a partition back to the process that had it.

An error of one loop ends the process: whatever it is, the platform restarts us in a known state, and a
worker that died beside a healthy looking server is the one failure nobody notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

import structlog

from shared.bus.port import Assigned, Membership, Revoked
from shared.clock import monotonic_seconds
from shared.runtime.partition import Ending, Memory, PartitionLoop, PartitionStatus, Parts, Phase
from shared.runtime.tasks import OpenTasks, Task, Tasks, asyncio_tasks

Changes = TypeVar("Changes")

REVOKE_BUDGET_MS: Final = 20_000
"""For the last batch, flush and commit of revoked partitions; a third of the rebalance timeout."""
REGAIN_WAIT_MS: Final = 10_000
"""A partition that was taken from us while the group still says it is ours: mostly the group is about to
revoke it. If not, somebody has to work on it, and after this time that is us again."""
STALLED_S_MAX: Final = 60.0
"""A loop that completed no step for so long is not ready; longer than any batch or retry wait."""
_CHANGE_WAIT_MS: Final = 250
"""How soon `stop` is heard while the membership is quiet."""

_log = structlog.get_logger(__name__)


async def pause(wait_ms: int) -> None:
    """Let `wait_ms` pass: the `Pause` of a real process."""
    await asyncio.sleep(wait_ms / 1_000)


class PartitionGroup(Generic[Changes]):
    """Runs a loop for each partition that the group assigns to this member."""

    new_loop = PartitionLoop
    """What works on a partition; a test replaces it in a subclass."""

    def __init__(
        self,
        parts: Parts[Changes],
        *,
        group: str,
        member: str,
        revoke_budget_ms: int = REVOKE_BUDGET_MS,
        open_tasks: OpenTasks = asyncio_tasks,
    ) -> None:
        self._parts = parts
        self._group, self._member = group, member
        self._budget_ms = revoke_budget_ms
        self._open_tasks = open_tasks
        self._stopping = False
        self._joined = False
        self._loops: dict[int, PartitionLoop[Changes]] = {}
        self._tasks: dict[int, Task] = {}
        self._memories: dict[int, Memory[Changes]] = {}

    def stop(self) -> None:
        """Let `run` finish the batches in hand, commit, leave the group and return."""
        self._stopping = True

    async def run(self) -> None:
        """Work on what is assigned until stopped. An error of any loop ends it, and all others."""
        membership = await self._parts.bus.join(
            self._parts.topic, self._group, member=self._member, revoke_budget_ms=self._budget_ms
        )
        self._joined = True
        try:
            async with self._open_tasks() as tasks:
                while not self._stopping:
                    await self._follow(membership, tasks)
                await self._end(tuple(self._tasks), tasks)
        finally:
            await membership.close()

    def statuses(self) -> Sequence[PartitionStatus]:
        """Return the status of every partition worked on, in order."""
        return [self._loops[partition].status for partition in sorted(self._loops)]

    def complaints(self) -> Sequence[str]:
        """Return why this worker is not ready, in words; empty if it is."""
        if self._stopping:
            return ("stopping",)
        if not self._joined:
            return (f"{self._group}: not yet a member of the group",)
        now_s = monotonic_seconds()
        found = (complaint(status, now_s) for status in self.statuses())
        return tuple(text for text in found if text is not None)

    async def _follow(self, membership: Membership, tasks: Tasks) -> None:
        match await membership.next_change(wait_ms=_CHANGE_WAIT_MS):
            case Assigned(partitions):
                self._begin(partitions, tasks)
            case Revoked(partitions):
                await self._end(partitions, tasks)
                await membership.released(partitions)
            case None:
                pass

    def _begin(self, partitions: tuple[int, ...], tasks: Tasks) -> None:
        for partition in sorted(set(partitions) - self._tasks.keys()):
            name = f"{self._parts.service}-{partition}"
            self._tasks[partition] = tasks.start(self._work(partition), name=name)
        # Memory is kept for partitions that come back with the next assignment, not for all time.
        self._memories = {p: memory for p, memory in self._memories.items() if p in self._tasks}

    async def _work(self, partition: int) -> None:
        while True:
            loop = self.new_loop(self._parts, partition, memory=self._memories.pop(partition, None))
            self._loops[partition] = loop
            ending = await loop.run()
            if ending is Ending.STOPPED and loop.memory is not None:
                self._memories[partition] = loop.memory
            # A loop that was told to stop may find out in its last commit that it was replaced long ago: a
            # process that slept does. To regain the partition then would rob its rightful owner.
            if ending is Ending.STOPPED or partition not in self._tasks:
                return
            await self._parts.pause(REGAIN_WAIT_MS)

    async def _end(self, partitions: tuple[int, ...], tasks: Tasks) -> None:
        """Stop the loops of `partitions` within the budget; what is not done by then is abandoned."""
        ending = {p: self._tasks.pop(p) for p in partitions if p in self._tasks}
        for partition, task in ending.items():
            loop = self._loops.get(partition)
            if loop is None or loop.status.phase is Phase.ENDED:
                task.cancel()  # not begun, or waiting to regain what was lost: nothing is in hand
            else:
                loop.stop()
        if not ending:
            return
        late = await tasks.ended(tuple(ending.values()), within_ms=self._budget_ms)
        for task in late:
            _log.warning("partition abandoned", task=task.get_name(), budget_ms=self._budget_ms)
            task.cancel()
        await tasks.ended(late, within_ms=None)
        for partition in ending:
            self._loops.pop(partition, None)


def complaint(status: PartitionStatus, now_s: float) -> str | None:
    """Return why a partition is not ready, None if it is. `now_s` by `monotonic_seconds`."""
    name = f"{status.topic}/{status.partition}"
    if status.phase is not Phase.RUNNING:
        return f"{name}: {status.phase.value}"
    if status.held:
        return f"{name}: this host's clock is more than 5 minutes off the bus's; timers wait"
    if not status.caught_up:
        return f"{name}: still reading what was waiting (at offset {status.position})"
    if now_s - status.stepped_s > STALLED_S_MAX:
        return f"{name}: no step completed for {now_s - status.stepped_s:.0f} s"
    return None
