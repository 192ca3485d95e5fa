"""What the log forgets, and what it keeps: retention and compaction, by every adapter."""

from __future__ import annotations

import asyncio

import pytest

from shared.bus.port import Bus, OffsetOutOfRange, Outgoing
from shared.clock import monotonic_seconds
from shared.contracts.topics import Cleanup
from tests.contract.bus_adapters import DEADLINE_S, Adapter, outgoing, read_all, values

pytestmark = pytest.mark.asyncio


async def test_an_offset_that_retention_took_is_out_of_range(adapter: Adapter, bus: Bus) -> None:
    topic = await adapter.topic(bus, retention_days=0, quick=True)
    await bus.append(outgoing(topic, "old", "older"))
    reader = await bus.open_reader(topic)
    deadline = monotonic_seconds() + DEADLINE_S
    while (await reader.range(0)).begin == 0:
        assert monotonic_seconds() < deadline, "nothing was deleted"
        await asyncio.sleep(0.1)
    with pytest.raises(OffsetOutOfRange) as caught:
        await (await bus.open_reader(topic)).read(0, 0, records_max=1, wait_ms=3_000)
    assert (0, 2) == (caught.value.offset, caught.value.end)
    assert 0 < caught.value.begin
    assert 2 == (await reader.read(0, 2, records_max=1, wait_ms=0)).next_offset


async def test_compaction_keeps_the_newest_record_of_each_key_and_its_offset(
    adapter: Adapter, bus: Bus
) -> None:
    topic = await adapter.topic(bus, cleanup=Cleanup.COMPACT, retention_days=None, quick=True)
    for round_number in range(6):
        await bus.append(
            [Outgoing(topic.name, f"k{n}".encode(), f"{round_number}".encode()) for n in range(20)]
        )
    await bus.append([Outgoing(topic.name, b"k3", None)])
    reader = await bus.open_reader(topic)
    before = await read_all(reader)
    newest = {record.key: record for record in before}
    deadline = monotonic_seconds() + DEADLINE_S
    rest = before
    while len([record for record in rest if record.key in newest]) > len(newest):
        assert monotonic_seconds() < deadline, f"{len(rest)} records are left"
        # Kafka compacts closed segments only; another record closes one.
        await bus.append(outgoing(topic, "tick", key="ticker"))
        await asyncio.sleep(0.2)
        rest = await read_all(await bus.open_reader(topic), records_max=3)
    kept = [record for record in rest if record.key in newest]
    assert sorted(newest.values(), key=lambda record: record.offset) == kept
    assert None is newest[b"k3"].value
    assert ["tick"] == values(rest[-1:])
