"""Two habits of aiokafka that would lose or double records, and that ours does not depend on them.

It hands out records while a rebalance callback still waits, and it goes on after a callback has failed. Both are
shown as they are, so that a version that mends them is noticed; and beside each, that our bus keeps its word: one
consumer is a member of the group and reads nothing, another reads at offsets that we name (docs/decisions/0003).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from shared.bus.connect import connect
from shared.bus.kafka.membership import KafkaMembership
from shared.bus.port import Assigned, Bus
from shared.clock import SystemClock, monotonic_seconds
from shared.contracts.topics import Topic
from shared.runtime.group import PartitionGroup
from shared.runtime.port import Taken
from tests.contract.bus_adapters import DEADLINE_S, fresh_topic, outgoing
from tests.servers.fixtures import Kafka
from tests.unit.runtime.tally import TallyLogic
from tests.unit.runtime.world import world_at

pytestmark = pytest.mark.asyncio

RECORDS = 100
HALF = 50
WAIT_S = 1.5
BUDGET_MS = 1_000


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Takes its time on assignment, as one that asks a database does, then seeks to HALF, or fails."""

    def __init__(self, consumer: AIOKafkaConsumer, *, fails: bool) -> None:
        self._consumer = consumer
        self._fails = fails

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Nothing to do."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        if self._fails:
            raise RuntimeError("the database is away")
        await asyncio.sleep(WAIT_S)
        for place in assigned:
            self._consumer.seek(place, HALF)


@asynccontextmanager
async def filled(kafka: Kafka) -> AsyncIterator[tuple[Bus, Topic]]:
    topic = fresh_topic()
    async with await connect(kafka.bus_url, clock=SystemClock(), environment={}) as bus:
        await bus.ensure_topics({topic.name: 1}, known=[topic])
        await bus.append(outgoing(topic, *map(str, range(RECORDS))))
        yield bus, topic


async def plainly(kafka: Kafka, topic: Topic, *, fails: bool) -> list[int]:
    """Return the offsets that a plain consumer with a `Listener` gets."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap, group_id=f"trap-{uuid4().hex}", auto_offset_reset="earliest",
        enable_auto_commit=False,
    )  # fmt: skip
    await consumer.start()
    got: list[int] = []
    try:
        consumer.subscribe([topic.name], listener=Listener(consumer, fails=fails))
        deadline = monotonic_seconds() + DEADLINE_S
        while not got or got[-1] < RECORDS - 1:
            assert monotonic_seconds() < deadline, got
            got += await some(consumer, 100)
        got += await some(consumer, int(2_000 * WAIT_S))
    finally:
        await consumer.stop()
    return got


async def some(consumer: AIOKafkaConsumer, wait_ms: int) -> list[int]:
    """Return the offsets that come within `wait_ms`."""
    found = await consumer.getmany(timeout_ms=wait_ms)
    return [record.offset for records in found.values() for record in records]


async def test_aiokafka_hands_out_records_while_its_callback_still_asks_where_to_begin(kafka: Kafka) -> None:
    async with filled(kafka) as (_, topic):
        got = await plainly(kafka, topic, fails=False)
    assert len(got) > RECORDS - HALF, "it waits for its callback now: docs/decisions/0003 can be thought over"


async def test_aiokafka_reads_on_from_the_beginning_after_its_callback_failed(kafka: Kafka) -> None:
    async with filled(kafka) as (_, topic):
        got = await plainly(kafka, topic, fails=True)
    assert list(range(RECORDS)) == got, (
        "it no longer swallows the error: docs/decisions/0003 can be thought over"
    )


async def test_ours_delivers_nothing_by_membership_and_exactly_what_is_asked_for_by_reading(
    kafka: Kafka,
) -> None:
    async with filled(kafka) as (bus, topic):
        member = await bus.join(topic, f"trap-{uuid4().hex}", member="a", revoke_budget_ms=BUDGET_MS)
        assert isinstance(member, KafkaMembership)
        assert Assigned((0,)) == await member.next_change(wait_ms=10_000)
        await asyncio.sleep(WAIT_S)
        consumer = member._consumer
        place = TopicPartition(topic.name, 0)
        assert {place} == consumer.assignment() == consumer.paused()
        assert {} == await consumer.getmany(timeout_ms=500)
        reader = await bus.open_reader(topic)
        got: list[int] = []
        offset = HALF
        while offset < RECORDS:
            poll = await reader.read(0, offset, records_max=7, wait_ms=500)
            got += [record.offset for record in poll.records]
            offset = poll.next_offset
        assert list(range(HALF, RECORDS)) == got


class Unloadable(TallyLogic):
    """Cannot load what it takes over."""

    async def load(self, taken: Taken) -> None:
        raise ZeroDivisionError("by design")


async def test_ours_ends_with_the_error_of_a_take_over_and_has_read_nothing(
    kafka: Kafka, tmp_path: Path
) -> None:
    async with filled(kafka) as (bus, topic), world_at(tmp_path) as world:
        world.logic = Unloadable
        parts = world.parts(bus=bus)._replace(topic=topic)
        group = PartitionGroup(parts, group=f"trap-{uuid4().hex}", member="a", revoke_budget_ms=BUDGET_MS)
        with pytest.raises(ExceptionGroup) as caught:
            await group.run()
        assert caught.group_contains(ZeroDivisionError)
        assert {} == await world.counts()
