"""Who owns which partition, by a consumer that joins the group and reads nothing.

aiokafka hands out records while its rebalance callbacks still wait, and swallows what they raise
(docs/decisions/0003). So this consumer is for ownership only: all its partitions are paused, and reading is
done by consumers of our own (reader.py). It must be polled all the same, or it counts as idle and leaves
the group after max_poll_interval; a task does that and nothing else.

Membership is static: a process that is started again under its name within the session timeout gets its
partitions back without a rebalance. One that closes in order leaves, so that others take over at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError

from shared.bus.kafka.errors import DRIVER_ERRORS, meaning, translated
from shared.bus.kafka.reader import stop_consumer
from shared.bus.kafka.settings import REQUEST_WAIT_MS_MAX, STOP_WAIT_S_MAX, KafkaSettings
from shared.bus.port import Assigned, BusError, Revoked

SESSION_MS: Final = 15_000
"""A member that died keeps its partitions so long: a restart takes less, and a take-over no longer."""
HEARTBEAT_MS: Final = 1_000
"""How soon a member hears of a rebalance; well below a third of the session."""
REBALANCE_BUDGETS: Final = 3
REBALANCE_MARGIN_MS: Final = 10_000
"""The broker waits three revoke budgets for a member, and at least one and this: for the heartbeat that
brings the news, the callback, and the join itself. A member that is later is thrown out."""
JOIN_WAIT_S_MAX: Final = 90.0
"""A rebalance waits for every member's budget."""
HINT_EVERY_S: Final = 1.0
_POLL_MS: Final = 1_000


class KafkaMembership(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """One member of one group on one topic."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, revoke_budget_ms: int) -> None:
        """Use `join`."""
        self._consumer = consumer
        self.topic = topic
        self._budget_s = revoke_budget_ms / 1_000
        self._changes: deque[Assigned | Revoked] = deque()
        self._arrived = asyncio.Event()
        self._unreleased: set[int] = set()
        self._released = asyncio.Event()
        self._hints: dict[int, int] = {}
        self._failure: BusError | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.closed = False

    @classmethod
    async def join(
        cls, settings: KafkaSettings, topic: str, group: str, member: str, revoke_budget_ms: int
    ) -> KafkaMembership:
        """Return the membership once the group knows it. Raises BusUnavailable, BusMisconfigured."""
        with translated(f"joining {group}"):
            # The assignor keeps the last assignment on its class: two members of a process need two classes.
            state = {"member_assignment": None, "generation": StickyPartitionAssignor.DEFAULT_GENERATION_ID}
            assignor = type("StickyAssignor", (StickyPartitionAssignor,), state)
            consumer = AIOKafkaConsumer(
                **settings.options(),
                group_id=group,
                group_instance_id=member,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                partition_assignment_strategy=[assignor],
                session_timeout_ms=SESSION_MS,
                heartbeat_interval_ms=HEARTBEAT_MS,
                rebalance_timeout_ms=max(
                    REBALANCE_BUDGETS * revoke_budget_ms, revoke_budget_ms + REBALANCE_MARGIN_MS
                ),
            )
            self = cls(consumer, topic, revoke_budget_ms)
            consumer.subscribe([topic], listener=self)
            try:
                async with asyncio.timeout(JOIN_WAIT_S_MAX):
                    await consumer.start()
            except BaseException:
                await stop_consumer(consumer)
                raise
        self._tasks = [
            asyncio.create_task(self._poll(), name=f"bus-member {group}"),
            asyncio.create_task(self._commit_hints(), name=f"bus-hints {group}"),
        ]
        return self

    async def next_change(self, *, wait_ms: int) -> Assigned | Revoked | None:
        """See `Membership.next_change`. Raises BusUnavailable, BusMisconfigured when the group is lost."""
        if not self._changes and self._failure is None:
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_ms / 1_000):
                    await self._arrived.wait()
        if self._changes:
            return self._changes.popleft()
        if self._failure is not None:
            raise type(self._failure)(*self._failure.args)
        return None

    async def released(self, partitions: tuple[int, ...]) -> None:
        """See `Membership.released`."""
        self._unreleased.difference_update(partitions)
        if not self._unreleased:
            self._released.set()

    async def committed(self, partition: int) -> int | None:
        """See `Membership.committed`."""
        with translated("asking for the group's offset"):
            async with asyncio.timeout(REQUEST_WAIT_MS_MAX / 1_000):
                offset: int | None = await self._consumer.committed(TopicPartition(self.topic, partition))
        return offset

    async def commit(self, partition: int, offset: int) -> None:
        """See `Membership.commit`."""
        self._hints.pop(partition, None)
        at = TopicPartition(self.topic, partition)
        with translated("storing the group's offset"), suppress(CommitFailedError, IllegalStateError):
            async with asyncio.timeout(REQUEST_WAIT_MS_MAX / 1_000):
                await self._consumer.commit({at: offset})

    async def close(self) -> None:
        """See `Membership.close`."""
        self.closed = True
        for task in self._tasks:
            task.cancel()
        # A rebalance may be waiting for us in its callback.
        self._unreleased.clear()
        self._released.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_WAIT_S_MAX)
        # aiokafka does not send LeaveGroup for static members, and the others would wait for the session to
        # run out. The broker takes it by member id, so it must not know of the static name here.
        coordinator = self._consumer._coordinator  # noqa: SLF001
        if coordinator is not None:
            coordinator._group_instance_id = None  # noqa: SLF001
        await stop_consumer(self._consumer)

    def hint(self, partition: int, offset: int) -> None:
        """Commit `offset` for `partition` with the next round of hints, if it is ours."""
        if TopicPartition(self.topic, partition) in self._consumer.assignment():
            self._hints[partition] = offset

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Tell the worker and give it its budget. Called by aiokafka; heartbeats go on meanwhile."""
        if not (partitions := _numbers(revoked)):
            return
        self._hints.clear()
        self._unreleased = set(partitions)
        self._released.clear()
        self._tell(Revoked(partitions))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._budget_s):
                await self._released.wait()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Pause before anything is awaited, then tell the worker."""
        self._consumer.pause(*assigned)
        if partitions := _numbers(assigned):
            self._tell(Assigned(partitions))

    def _tell(self, change: Assigned | Revoked) -> None:
        self._changes.append(change)
        self._arrived.set()

    async def _poll(self) -> None:
        """Stay in `getmany` all the time: time spent there does not count as idle."""
        try:
            while True:
                await self._consumer.getmany(timeout_ms=_POLL_MS)
        except DRIVER_ERRORS as error:
            self._failure = meaning(error, "staying in the group")
            self._arrived.set()

    async def _commit_hints(self) -> None:
        while True:
            await asyncio.sleep(HINT_EVERY_S)
            hints, self._hints = self._hints, {}
            if not hints:
                continue
            offsets: dict[Any, int] = {TopicPartition(self.topic, number): at for number, at in hints.items()}
            # Best effort: a rebalance takes the partition away between any two lines here.
            with suppress(*DRIVER_ERRORS, IllegalStateError):
                async with asyncio.timeout(STOP_WAIT_S_MAX):
                    await self._consumer.commit(offsets)


def _numbers(partitions: Iterable[TopicPartition]) -> tuple[int, ...]:
    return tuple(sorted(at.partition for at in partitions))
