"""What shared/bus/port.py promises of fenced writers, kept by every adapter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from shared.bus.port import Bus, Fenced, Outgoing, Record, RecordTooLarge, Writer
from shared.clock import monotonic_seconds
from shared.contracts.topics import Topic
from tests.contract.bus_adapters import DEADLINE_S, Adapter, Child, outgoing, read_all, read_until, values

pytestmark = pytest.mark.asyncio


def _name() -> str:
    return f"contract/{uuid4().hex}"


def _block(topic: Topic, number: int, records: int = 6) -> list[Outgoing]:
    return [Outgoing(topic.name, b"k", f"{number}/{n}".encode(), (), n % 2) for n in range(records)]


async def test_blocks_are_read_in_order_and_confirmed_once_flushed(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus, partitions=2)
    writer = await bus.open_writer(_name(), 1, blocks_in_flight_max=3)
    assert (-1, None) == (writer.confirmed, writer.bus_time_us)
    for number in range(40):
        await writer.publish(number, _block(topic, number))
    await writer.flush()
    assert 39 == writer.confirmed
    reader = await bus.open_reader(topic)
    for partition in (0, 1):
        expected = [f"{number}/{n}" for number in range(40) for n in range(partition, 6, 2)]
        records = await read_all(reader, partition, records_max=11)
        assert expected == values(records)
        assert writer.bus_time_us is not None
        assert records[-1].time_us <= writer.bus_time_us


async def test_what_is_confirmed_can_be_read(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus, partitions=2)
    writer = await bus.open_writer(_name(), 1, blocks_in_flight_max=8)
    other = await (await adapter.open()).open_reader(topic)
    for number in range(10):
        await writer.publish(number, _block(topic, number))
        expected = 3 * (writer.confirmed + 1)
        # Kafka confirms once the commit is durable; readers see it some milliseconds later.
        assert expected <= len(await read_until(other, _at_least(expected), wait_s=2))
    await writer.flush()


async def test_the_end_is_told_truly_after_blocks_though_they_leave_gaps(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus, partitions=2)
    writer = await bus.open_writer(_name(), 1, blocks_in_flight_max=1)
    reader = await bus.open_reader(topic)
    offset = 0
    for number in range(5):
        await writer.publish(number, _block(topic, number))
        await writer.flush()
        records: list[Record] = []
        at_end, deadline = False, monotonic_seconds() + DEADLINE_S
        while not (at_end and len(records) >= 3) and monotonic_seconds() < deadline:
            poll = await reader.read(0, offset, records_max=2, wait_ms=100)
            offset, at_end = poll.next_offset, poll.at_end
            records.extend(poll.records)
        assert [f"{number}/{n}" for n in (0, 2, 4)] == values(records)
        assert at_end
        assert offset == (await reader.range(0)).end


async def test_a_fenced_writer_is_told_and_its_records_never_appear(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus, partitions=2)
    name = _name()
    old = await bus.open_writer(name, 1, blocks_in_flight_max=4)
    await old.publish(0, _block(topic, 0))
    await old.flush()
    new = await (await adapter.open()).open_writer(name, 2, blocks_in_flight_max=4)
    with pytest.raises(Fenced):
        await _publish_until_told(old, topic)
    with pytest.raises(Fenced):
        await old.flush()
    await new.publish(1, _block(topic, 1))
    await new.flush()
    found = values(await read_all(await bus.open_reader(topic)))
    assert ["0/0", "0/2", "0/4", "1/0", "1/2", "1/4"] == found
    assert 0 == old.confirmed


async def test_writers_of_other_names_do_not_fence_each_other(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus)
    writers = [await bus.open_writer(_name(), epoch, blocks_in_flight_max=1) for epoch in (7, 3)]
    for writer in writers:
        await writer.publish(0, outgoing(topic, "x"))
        await writer.flush()
    assert [0, 0] == [writer.confirmed for writer in writers]


async def test_publishing_waits_only_while_too_many_blocks_are_in_flight(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus, partitions=2)
    writer = await bus.open_writer(_name(), 1, blocks_in_flight_max=3)
    for number in range(12):
        await writer.publish(number, _block(topic, number))
        assert number - writer.confirmed <= 3
    await writer.flush()


async def test_a_block_with_a_record_over_the_limit_is_refused_and_the_writer_lives(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus)
    writer = await bus.open_writer(_name(), 1, blocks_in_flight_max=1)
    with pytest.raises(RecordTooLarge):
        await writer.publish(0, [Outgoing(topic.name, b"k", b"x" * 5_000_000)])
    await writer.publish(0, outgoing(topic, "fits"))
    await writer.flush()
    assert ["fits"] == values(await read_all(await bus.open_reader(topic)))


async def test_an_empty_block_is_confirmed_too(adapter: Adapter, bus: Bus) -> None:
    writer = await bus.open_writer(_name(), 1, blocks_in_flight_max=1)
    await writer.publish(0, [])
    await writer.flush()
    assert 0 == writer.confirmed


async def test_killed_with_kill_9_a_writer_leaves_whole_blocks_in_order_and_all_it_confirmed(
    adapter: Adapter, bus: Bus
) -> None:
    # The child says a number when a block is done, so a kill at once would always hit the same moment.
    for published, later_s in ((8, 0.0), (9, 0.01), (10, 0.025), (11, 0.04)):
        topic = await adapter.topic(bus, partitions=2)
        name = _name()
        child = adapter.child("publish", topic.name, name)
        confirmed = await asyncio.to_thread(_killed_after, child, published, later_s)
        # The next owner ends what the dead one left open.
        await bus.open_writer(name, 2, blocks_in_flight_max=1)
        reader = await bus.open_reader(topic)
        even, odd = [values(await read_all(reader, partition)) for partition in (0, 1)]
        blocks = len(even) // 20
        assert [f"{number}/{n}" for number in range(blocks) for n in range(0, 40, 2)] == even
        assert [f"{number}/{n}" for number in range(blocks) for n in range(1, 40, 2)] == odd
        assert confirmed < blocks
        assert published - 4 <= blocks


def _at_least(count: int) -> Callable[[list[Record]], bool]:
    return lambda found: len(found) >= count


def _killed_after(child: Child, published: int, later_s: float) -> int:
    """Kill `child` some time after so many blocks; return the highest number it called confirmed."""
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(published)]
    time.sleep(later_s)
    child.kill()
    said.extend(child.stdout)
    child.stdout.close()
    child.wait()
    return max(int(line) for line in said)


async def _publish_until_told(writer: Writer, topic: Topic) -> None:
    for number in range(1, 4):
        await writer.publish(number, _block(topic, number))
        await writer.flush()
