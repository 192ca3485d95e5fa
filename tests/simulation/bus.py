"""The simulated adapter of the bus port: one process's connection to a `Cluster`.

No event loop, no thread, no socket: each call awaits its `Point` before and after its effect, and waits only
through the cluster's `Network`. The contract suites of the bus hold it to what the real adapters promise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from shared.bus.port import (
    Assigned,
    BusUnavailable,
    LogIdentity,
    LogRange,
    Outgoing,
    Poll,
    Revoked,
    check_sizes,
)
from shared.contracts.topics import TOPICS, Topic
from tests.simulation.cluster import Block, Cluster
from tests.simulation.coordinator import Coordinator, Session
from tests.simulation.point import Point

ACKNOWLEDGED_WITHIN_MS: Final = 30_000
"""A block without an answer for so long counts as lost."""


class SimulatedBus:
    """A connection to the cluster."""

    def __init__(self, cluster: Cluster, point: Point) -> None:
        self._cluster, self._point = cluster, point
        self._writers: list[SimulatedWriter] = []
        self.memberships: list[SimulatedMembership] = []

    def die(self) -> None:
        """The process is gone: of what its writers had on the way some arrives, then none."""
        for writer in self._writers:
            writer.die()

    def vanish(self, session_timeout_ms: int) -> None:
        """Nobody hears of its memberships any more: the groups wait so long, then they go on without."""
        for membership in self.memberships:
            self._cluster.network.later(membership.expel, session_timeout_ms)

    async def ensure_topics(self, partitions: Mapping[str, int], *, known: Sequence[Topic] = TOPICS) -> None:
        """See the port."""
        await self._point("bus.ensure_topics", done=False)
        self._cluster.ensure(partitions, known)
        await self._point("bus.ensure_topics", done=True)

    async def retain(self, days: Mapping[str, int]) -> Mapping[str, int | None]:
        """See the port."""
        await self._point("bus.retain", done=False)
        former = self._cluster.retain(days)
        await self._point("bus.retain", done=True)
        return former

    async def identity(self, topic: Topic) -> LogIdentity:
        """See the port."""
        await self._point("bus.identity", done=False)
        found = self._cluster.identity(topic.name)
        await self._point("bus.identity", done=True)
        return found

    async def append(self, records: Sequence[Outgoing]) -> None:
        """See the port. Partition by partition, so a failure in between leaves a part of it."""
        check_sizes(records)
        await self._point("bus.append", done=False)
        for log, outs in self._cluster.placed(records):
            self._cluster.append(log, outs)
            await self._point("bus.append", done=True)

    async def open_reader(self, topic: Topic) -> SimulatedReader:
        """See the port."""
        await self._point("bus.open_reader", done=False)
        self._cluster.topic(topic.name)
        return SimulatedReader(self._cluster, self._point, topic.name)

    async def open_writer(self, name: str, epoch: int, *, blocks_in_flight_max: int) -> SimulatedWriter:
        """See the port."""
        await self._point("bus.open_writer", done=False)
        fence = self._cluster.own(name, epoch)
        writer = SimulatedWriter(self._cluster, self._point, name, fence, blocks_in_flight_max)
        self._writers.append(writer)
        await self._point("bus.open_writer", done=True)
        return writer

    async def join(
        self, topic: Topic, group: str, *, member: str, revoke_budget_ms: int
    ) -> SimulatedMembership:
        """See the port."""
        await self._point("bus.join", done=False)
        coordinator = self._cluster.group(topic.name, group)
        session = coordinator.join(member, revoke_budget_ms)
        membership = SimulatedMembership(self._cluster, self._point, coordinator, session)
        self.memberships.append(membership)
        return membership

    async def close(self) -> None:
        """See the port."""
        await self._point("bus.close", done=False)
        self.die()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class SimulatedReader:
    """Reads one topic."""

    def __init__(self, cluster: Cluster, point: Point, topic: str) -> None:
        self._cluster, self._point, self._topic = cluster, point, topic

    async def read(self, partition: int, offset: int, *, records_max: int, wait_ms: int) -> Poll:
        """See the port."""
        await self._point("bus.read", done=False)
        log = self._cluster.log(self._topic, partition)
        poll = log.read(offset, records_max)
        if not poll.records and wait_ms > 0:
            end = log.end
            await self._cluster.network.until(lambda: log.end > end or log.begin > offset, wait_ms)
            poll = log.read(offset, records_max)
        await self._point("bus.read", done=True)
        return poll

    async def range(self, partition: int) -> LogRange:
        """See the port."""
        await self._point("bus.range", done=False)
        found = self._cluster.range(self._topic, partition)
        await self._point("bus.range", done=True)
        return found

    async def hint(self, partition: int, offset: int) -> None:
        """See the port: nobody listens here."""
        await self._point("bus.hint", done=True)

    async def close(self) -> None:
        """See the port."""
        await self._point("bus.close", done=True)


class SimulatedWriter:
    """The fenced writer of one owner."""

    def __init__(
        self, cluster: Cluster, point: Point, name: str, fence: tuple[int, int], blocks_in_flight_max: int
    ) -> None:
        self._cluster, self._point = cluster, point
        self._name, self._fence, self._max = name, fence, blocks_in_flight_max
        self._unconfirmed = 0
        self._error: Exception | None = None
        self.confirmed = -1
        self.bus_time_us: int | None = None

    def die(self) -> None:
        """Stop: of the blocks on the way some arrive, then none."""
        self._error = self._error or BusUnavailable(f"{self._name}: the writer is closed")
        if self._unconfirmed:
            self._cluster.lose(self._name, self._fence, self._error)

    async def publish(self, number: int, records: Sequence[Outgoing]) -> None:
        """See the port."""
        check_sizes(records)
        try:
            await self._point("bus.publish", done=False)
            await self._settled(self._max - 1)
            self._hand_over(number, records)
            await self._point("bus.publish", done=True)
        except BusUnavailable:
            self.die()
            raise

    async def flush(self) -> None:
        """See the port."""
        try:
            await self._point("bus.flush", done=False)
            await self._settled(0)
            await self._point("bus.flush", done=True)
        except BusUnavailable:
            self.die()
            raise

    async def close(self) -> None:
        """See the port."""
        await self._point("bus.close", done=False)
        self.die()

    async def _settled(self, unconfirmed_max: int) -> None:
        """Return once at most so many blocks are without an answer."""

        def settled() -> bool:
            return self._error is not None or self._unconfirmed <= unconfirmed_max

        if not settled():
            await self._cluster.network.until(settled, ACKNOWLEDGED_WITHIN_MS)
        if self._error is not None:
            raise self._error
        if self._unconfirmed > unconfirmed_max:
            raise BusUnavailable(f"{self._name}: no acknowledgement within {ACKNOWLEDGED_WITHIN_MS} ms")

    def _hand_over(self, number: int, records: Sequence[Outgoing]) -> None:
        def told(time_us: int | None, error: Exception | None) -> None:
            self._unconfirmed -= 1
            self._cluster.changes += 1
            if error is not None:
                self._error = self._error or error
            elif self._error is None:
                self.confirmed = max(self.confirmed, number)
                # An empty block has no time of its own.
                self.bus_time_us = max(self.bus_time_us or 0, time_us or 0) or None

        self._unconfirmed += 1
        self._cluster.send(self._name, Block(self._fence, records, told))


class SimulatedMembership:
    """Membership in a group."""

    def __init__(self, cluster: Cluster, point: Point, coordinator: Coordinator, session: Session) -> None:
        self._cluster, self._point = cluster, point
        self._coordinator, self._session = coordinator, session

    def expel(self) -> None:
        """The group has not heard of this member for too long."""
        self._coordinator.expel(self._session)

    async def next_change(self, *, wait_ms: int) -> Assigned | Revoked | None:
        """See the port."""
        await self._point("bus.next_change", done=False)
        session = self._session
        if not session.news and not session.inside and not session.over:
            self._coordinator.readmit(session)
        if not session.news:
            await self._cluster.network.until(lambda: bool(session.news), wait_ms)
        return session.hear()

    async def released(self, partitions: tuple[int, ...]) -> None:
        """See the port."""
        await self._point("bus.released", done=False)
        self._coordinator.release(self._session, partitions)

    async def committed(self, partition: int) -> int | None:
        """See the port."""
        await self._point("bus.committed", done=False)
        return self._coordinator.offsets.get(partition)

    async def commit(self, partition: int, offset: int) -> None:
        """See the port."""
        await self._point("bus.commit", done=False)
        self._coordinator.commit(self._session, partition, offset)
        await self._point("bus.commit", done=True)

    async def close(self) -> None:
        """See the port."""
        await self._point("bus.close", done=False)
        self._coordinator.leave(self._session)
