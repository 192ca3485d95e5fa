"""What shared/bus/port.py promises of the log, kept by every adapter."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from shared.bus.port import (
    RECORD_BYTES_MAX,
    Bus,
    BusMisconfigured,
    OffsetOutOfRange,
    Outgoing,
    RecordTooLarge,
)
from shared.clock import SystemClock, monotonic_seconds
from shared.contracts.topics import Cleanup, partition_of
from tests.contract.bus_adapters import Adapter, fresh_topic, outgoing, read_all, read_until, values

pytestmark = pytest.mark.asyncio


async def test_records_of_one_key_are_read_in_the_order_they_were_appended(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus, partitions=3)
    for value in ("opened", "replied", "closed"):
        await bus.append(outgoing(topic, value, key="t-1"))
    reader = await bus.open_reader(topic)
    assert ["opened", "replied", "closed"] == values(await read_all(reader, partition_of(b"t-1", 3)))


async def test_a_reader_that_starts_over_sees_the_same_records_at_the_same_offsets(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus)
    await bus.append(outgoing(topic, *(f"{n}" for n in range(300))))
    reader = await bus.open_reader(topic)
    first = await read_all(reader, records_max=7)
    assert [f"{n}" for n in range(300)] == values(first)
    assert first == await read_all(reader, records_max=100)
    assert first[123:] == await read_all(reader, offset=first[123].offset)
    assert first == await read_all(await (await adapter.open()).open_reader(topic))


async def test_many_records_over_several_partitions_arrive_once_each_and_in_order(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus, partitions=4)
    records = [Outgoing(topic.name, f"k{n % 50}".encode(), f"{n}".encode()) for n in range(5_000)]
    await bus.append(records)
    reader = await bus.open_reader(topic)
    for partition in range(4):
        expected = [n for n in range(5_000) if partition_of(f"k{n % 50}".encode(), 4) == partition]
        assert expected == [int(value) for value in values(await read_all(reader, partition))]


async def test_an_append_of_many_batches_is_acknowledged_once_all_of_it_is_there(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus)
    reader = await bus.open_reader(topic)
    await bus.append([Outgoing(topic.name, b"k", b"x" * 50_000) for _ in range(200)])
    assert 200 == (await reader.range(0)).end
    assert 200 == len(await read_all(reader))


async def test_keys_values_and_headers_come_back_byte_for_byte(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus)
    raw = bytes(range(256))
    headers = (("ce_id", b"1"), ("ce_id", raw), ("empty", b""), ("größe", "ü".encode()))
    await bus.append([Outgoing(topic.name, raw, raw * 9, headers), Outgoing(topic.name, b"", b"")])
    first, second = await read_all(await bus.open_reader(topic))
    assert (topic.name, 0, raw, raw * 9, headers) == (
        first.topic, first.partition, first.key, first.value, first.headers,
    )  # fmt: skip
    assert (b"", b"", ()) == (second.key, second.value, second.headers)


async def test_a_null_value_is_read_as_null(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus, cleanup=Cleanup.COMPACT, retention_days=None)
    await bus.append([Outgoing(topic.name, b"gone", None)])
    (record,) = await read_all(await bus.open_reader(topic))
    assert record.value is None


async def test_a_named_partition_is_taken_instead_of_the_keys(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus, partitions=3)
    await bus.append([record for n in range(3) for record in outgoing(topic, f"{n}", partition=n)])
    reader = await bus.open_reader(topic)
    assert [["0"], ["1"], ["2"]] == [values(await read_all(reader, n)) for n in range(3)]


async def test_no_more_records_are_returned_than_asked_for(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus)
    await bus.append(outgoing(topic, *(f"{n}" for n in range(25))))
    reader = await bus.open_reader(topic)
    offset, sizes = 0, []
    for _ in range(3):
        poll = await reader.read(0, offset, records_max=10, wait_ms=5_000)
        sizes.append((len(poll.records), poll.at_end))
        offset = poll.next_offset
    assert [(10, False), (10, False), (5, True)] == sizes


async def test_an_acknowledged_append_survives_kill_9(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus)
    child = adapter.child("append", topic.name, "100000")
    assert child.stdout is not None
    said = [int(await asyncio.to_thread(child.stdout.readline)) for _ in range(30)]
    child.kill()
    # What it said before it died counts too.
    said += [int(line) for line in child.stdout.read().splitlines()]
    child.wait()
    child.stdout.close()
    found = [int(value) for value in values(await read_all(await (await adapter.open()).open_reader(topic)))]
    assert found[: len(said)] == said
    assert list(range(len(found))) == found


async def test_an_append_may_be_repeated_and_is_then_read_twice(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus)
    for _ in range(2):
        await bus.append(outgoing(topic, "once"))
    assert ["once", "once"] == values(await read_all(await bus.open_reader(topic)))


async def test_an_offset_never_appears_below_one_shown_with_processes_that_append_at_once(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus)
    children = [adapter.child("append", topic.name, "200") for _ in range(2)]

    async def append() -> None:
        for n in range(100):
            await bus.append(outgoing(topic, f"{n}"))

    reader = await bus.open_reader(topic)
    shown, *_ = await asyncio.gather(
        read_until(reader, lambda records: len(records) == 800), *(append() for _ in range(4))
    )
    for child in children:
        assert child.stdout is not None
        child.stdout.close()
        child.wait()
    assert shown == await read_all(await bus.open_reader(topic))
    assert sorted({record.offset for record in shown}) == [record.offset for record in shown]


async def test_two_readers_of_one_partition_are_both_served(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus)
    await bus.append(outgoing(topic, *(f"{n}" for n in range(100))))
    readers = [await bus.open_reader(topic), await bus.open_reader(topic), await bus.open_reader(topic)]
    found = await asyncio.gather(*(read_all(reader, records_max=9) for reader in readers))
    assert [[f"{n}" for n in range(100)]] * 3 == [values(records) for records in found]


async def test_partitions_of_one_reader_are_read_side_by_side(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus, partitions=2)
    reader = await bus.open_reader(topic)
    await read_all(reader, 1)
    waiting = asyncio.create_task(reader.read(0, 0, records_max=1, wait_ms=8_000))
    before = monotonic_seconds()
    for n in range(5):
        await bus.append(outgoing(topic, f"{n}", partition=1))
        assert [f"{n}"] == values((await reader.read(1, n, records_max=9, wait_ms=8_000)).records)
    assert monotonic_seconds() - before < 4
    await bus.append(outgoing(topic, "at last", partition=0))
    assert ["at last"] == values((await waiting).records)


async def test_a_read_at_the_end_waits_as_long_as_allowed_and_then_returns_empty(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus)
    reader = await bus.open_reader(topic)
    await read_all(reader)
    before = monotonic_seconds()
    poll = await reader.read(0, 0, records_max=10, wait_ms=300)
    spent_s = monotonic_seconds() - before
    assert ([], 0, True) == (list(poll.records), poll.next_offset, poll.at_end)
    assert 0.25 < spent_s < 3


async def test_a_waiting_read_returns_as_soon_as_a_record_comes_also_from_another_connection(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus)
    other = await adapter.open()
    reader = await bus.open_reader(topic)
    for offset, appender in enumerate((bus, other)):
        before = monotonic_seconds()
        waiting = asyncio.create_task(reader.read(0, offset, records_max=10, wait_ms=10_000))
        await asyncio.sleep(0.1)
        await appender.append(outgoing(topic, "here"))
        assert ["here"] == values((await waiting).records)
        assert monotonic_seconds() - before < 5


async def test_a_read_never_claims_the_end_before_a_record_acknowledged_earlier(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus)
    reader = await bus.open_reader(topic)
    offset = 0
    for n in range(60):
        await bus.append(outgoing(topic, f"{n}"))
        poll = await reader.read(0, offset, records_max=10, wait_ms=0)
        offset = poll.next_offset
        assert not poll.at_end or offset == n + 1


async def test_an_offset_beyond_the_log_is_out_of_range(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus)
    await bus.append(outgoing(topic, "a", "b"))
    reader = await bus.open_reader(topic)
    with pytest.raises(OffsetOutOfRange) as caught:
        await reader.read(0, 17, records_max=1, wait_ms=3_000)
    assert (17, 0, 2) == (caught.value.offset, caught.value.begin, caught.value.end)
    assert ["a", "b"] == values(await read_all(reader))


async def test_the_range_is_from_the_first_record_to_the_next_one(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus)
    reader = await bus.open_reader(topic)
    assert (0, 0) == await reader.range(0)
    await bus.append(outgoing(topic, "a", "b"))
    assert (0, 2) == await reader.range(0)


async def test_append_times_are_the_clocks_and_do_not_go_back(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus)
    before_us = SystemClock().now_us()
    for n in range(20):
        await bus.append(outgoing(topic, f"{n}"))
    times = [record.time_us for record in await read_all(await bus.open_reader(topic))]
    assert sorted(times) == times
    # Kafka's times are milliseconds.
    assert before_us - 1_000 <= times[0] <= times[-1] <= SystemClock().now_us() + 1_000


async def test_a_record_over_the_limit_is_refused_and_nothing_of_its_append_is_there(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus)
    large = Outgoing(topic.name, b"k", b"x" * (RECORD_BYTES_MAX - 1))
    with pytest.raises(RecordTooLarge):
        await bus.append([*outgoing(topic, "small"), large._replace(key=b"kk")])
    await bus.append([large])
    assert [large.value] == [record.value for record in await read_all(await bus.open_reader(topic))]


async def test_topics_are_created_once_and_left_as_they_are(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus, partitions=2)
    identity = await bus.identity(topic)
    await bus.append(outgoing(topic, "kept"))
    await bus.ensure_topics({topic.name: 5}, known=[topic])
    assert identity == await bus.identity(topic)
    assert 2 == identity.partitions


async def test_a_retention_is_altered_where_it_was_another_and_is_told(adapter: Adapter, bus: Bus) -> None:
    short, for_ever = (
        await adapter.topic(bus, retention_days=1),
        await adapter.topic(bus, retention_days=None),
    )
    asked = {short.name: 3, for_ever.name: 7}
    await bus.append(outgoing(short, "kept"))

    assert {short.name: 1, for_ever.name: None} == await bus.retain(asked)
    assert {} == await bus.retain(asked)
    assert {for_ever.name: 7} == await bus.retain({short.name: 3, for_ever.name: 8})

    await bus.ensure_topics({short.name: 1}, known=[short])
    assert [b"kept"] == [record.value for record in await read_all(await bus.open_reader(short))]
    assert {} == await bus.retain({})


async def test_a_topic_with_another_cleanup_is_a_misconfiguration(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus)
    with pytest.raises(BusMisconfigured, match="cleanup"):
        await bus.ensure_topics({topic.name: 1}, known=[replace(topic, cleanup=Cleanup.COMPACT)])


async def test_a_missing_topic_is_a_misconfiguration(adapter: Adapter, bus: Bus) -> None:
    missing = fresh_topic()
    with pytest.raises(BusMisconfigured, match="does not exist"):
        await bus.identity(missing)
    with pytest.raises(BusMisconfigured, match="does not exist"):
        await bus.append(outgoing(missing, "lost"))
    with pytest.raises(BusMisconfigured, match="does not exist"):
        await bus.retain({missing.name: 3})
    with pytest.raises(BusMisconfigured, match="does not exist"):
        await bus.open_reader(missing)


async def test_the_identity_outlives_connections_and_tells_a_recreated_topic(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus)
    identity = await bus.identity(topic)
    assert identity == await (await adapter.open()).identity(topic)
    assert identity.topic_id
    again = await (await adapter.recreate(topic)).identity(topic)
    assert (identity.topic, identity.partitions) == (again.topic, again.partitions)
    assert identity.topic_id != again.topic_id
