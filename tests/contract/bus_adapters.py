"""The adapters of the bus port under test, and what the contract needs beyond the port.

Each test names its topics, groups and writers afresh, since all share one broker.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.bus.connect import connect
from shared.bus.embedded import EmbeddedBus
from shared.bus.embedded.upkeep import Limits
from shared.bus.kafka.metadata import topic_config
from shared.bus.port import Assigned, Bus, Membership, Outgoing, Reader, Record, Revoked
from shared.clock import SystemClock, monotonic_seconds
from shared.contracts.topics import Cleanup, PartitionedBy, Topic

DEADLINE_S: Final = 20.0
_QUICK: Final = Limits(round_pause_s=0.05, dirty_records_min=10, keys_seen_max=7)
_ROOT: Final = Path(__file__).parents[2]


def fresh_topic(*, cleanup: Cleanup = Cleanup.DELETE, retention_days: int | None = 1) -> Topic:
    """Return a topic nobody else uses."""
    return Topic(f"contract.{uuid4().hex}", "any", cleanup, PartitionedBy.ONE, retention_days, "of a test")


class Lines(Protocol):
    """What a child says, line by line."""

    def readline(self) -> str: ...

    def read(self) -> str: ...

    def close(self) -> None: ...

    def __iter__(self) -> Iterator[str]: ...


class Child(Protocol):
    """Another process on the bus: as much of `Popen` as the suites use."""

    @property
    def stdout(self) -> Lines | None: ...

    def kill(self) -> None: ...

    def wait(self) -> int: ...


@dataclass
class Adapter:
    """One adapter of the port: opens connections, closes them with the test."""

    url: str
    directory: Path | None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def open(self) -> Bus:
        """Return a connection of its own, as another process would have."""
        if self.directory is not None:
            bus: Bus = await EmbeddedBus.open(self.directory, SystemClock(), limits=_QUICK)
        else:
            bus = await connect(self.url, clock=SystemClock(), environment={})
        return await self.stack.enter_async_context(bus)

    async def topic(self, bus: Bus, *, partitions: int = 1, quick: bool = False, **shape: object) -> Topic:
        """Return a new topic; `quick` lets retention and compaction act within seconds."""
        topic = fresh_topic(**shape)  # type: ignore[arg-type]
        await bus.ensure_topics({topic.name: partitions}, known=[topic])
        if quick and self.directory is None:
            await self._hurry(topic)
        return topic

    async def recreate(self, topic: Topic) -> Bus:
        """Lose `topic` and create it again; return a new connection."""
        await self.stack.aclose()
        self.stack = AsyncExitStack()
        if self.directory is not None:
            shutil.rmtree(self.directory)
            bus = await self.open()
            await bus.ensure_topics({topic.name: 1}, known=[topic])
            return bus
        admin = await self._admin()
        await admin.delete_topics([topic.name])
        await admin.close()
        bus = await self.open()
        before = monotonic_seconds()
        while monotonic_seconds() - before < DEADLINE_S:
            await bus.ensure_topics({topic.name: 1}, known=[topic])
            await asyncio.sleep(0.2)
            if (await bus.identity(topic)).partitions == 1:
                break
        return bus

    def child(self, *arguments: str) -> Child:
        """Start tests/contract/bus_child.py on this bus."""
        return self.popen(*arguments)

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        """Start tests/contract/bus_child.py on this bus, as a process of the system."""
        command = [sys.executable, "-m", "tests.contract.bus_child", self.url, *arguments]
        return subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)

    async def _hurry(self, topic: Topic) -> None:
        quick = {"segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "100"}
        config = topic_config(topic, 1) | quick
        admin = await self._admin()
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, config)])
        await admin.close()

    async def _admin(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.url.removeprefix("kafka://"))
        await admin.start()
        return admin


def outgoing(topic: Topic, *values: str, key: str = "k", partition: int | None = None) -> list[Outgoing]:
    """Return a record for each of `values`."""
    return [Outgoing(topic.name, key.encode(), value.encode(), (), partition) for value in values]


def values(records: Sequence[Record]) -> list[str]:
    """Return the values as text."""
    return [(record.value or b"").decode() for record in records]


async def read_all(
    reader: Reader, partition: int = 0, offset: int = 0, *, records_max: int = 500
) -> list[Record]:
    """Return everything from `offset` to the end."""
    records: list[Record] = []
    deadline = monotonic_seconds() + DEADLINE_S
    while True:
        poll = await reader.read(partition, offset, records_max=records_max, wait_ms=50)
        records.extend(poll.records)
        offset = poll.next_offset
        if poll.at_end:
            return records
        assert monotonic_seconds() < deadline, f"no end after {len(records)} records"


async def read_until(
    reader: Reader, done: Callable[[list[Record]], bool], *, wait_s: float = DEADLINE_S
) -> list[Record]:
    """Return the records from the beginning on, once they satisfy `done`."""
    records: list[Record] = []
    offset = 0
    deadline = monotonic_seconds() + wait_s
    while not done(records):
        poll = await reader.read(0, offset, records_max=500, wait_ms=100)
        records.extend(poll.records)
        offset = poll.next_offset
        assert monotonic_seconds() < deadline, f"only {len(records)} records came"
    return records


class Member:
    """A member that follows its changes and lets go at once when asked."""

    def __init__(self, membership: Membership) -> None:
        self.membership = membership
        self.owned: set[int] = set()
        self.given_up: list[int] = []

    async def follow(self, *, wait_ms: int = 100) -> None:
        """Hear one change."""
        change = await self.membership.next_change(wait_ms=wait_ms)
        match change:
            case Assigned(partitions):
                assert not self.owned & set(partitions), "assigned what was owned already"
                self.owned |= set(partitions)
            case Revoked(partitions):
                assert set(partitions) <= self.owned, "revoked what was not owned"
                self.owned -= set(partitions)
                self.given_up.extend(partitions)
                await self.membership.released(partitions)
            case None:
                pass


async def settle(done: Callable[[], bool], *members: Member) -> None:
    """Let `members` follow until `done`."""
    deadline = monotonic_seconds() + DEADLINE_S
    while not done():
        await asyncio.gather(*(member.follow() for member in members))
        assert monotonic_seconds() < deadline, f"the group did not settle: {[m.owned for m in members]}"
