"""What only the embedded log can show: a clock that steps back, a second process, compaction to the letter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from shared.bus.embedded import EmbeddedBus, upkeep
from shared.bus.embedded.schema import FILE_NAME
from shared.bus.embedded.upkeep import Limits
from shared.bus.port import Bus, BusMisconfigured, Fenced, Outgoing, Writer
from shared.clock import ManualClock, monotonic_seconds
from shared.contracts.topics import Cleanup, Topic
from tests.contract.bus_adapters import DEADLINE_S, Adapter, fresh_topic, outgoing, read_all, values

pytestmark = pytest.mark.asyncio

DAY_US = 86_400 * 1_000_000
YEARS_US = 5_000 * DAY_US


@pytest_asyncio.fixture
async def here(tmp_path: Path) -> AsyncIterator[Adapter]:
    adapter = Adapter(f"embedded:{tmp_path}", tmp_path)
    yield adapter
    await adapter.stack.aclose()


async def test_append_times_do_not_go_back_though_the_clock_does(tmp_path: Path) -> None:
    clock = ManualClock(1_000)
    topic = fresh_topic()
    async with await EmbeddedBus.open(tmp_path, clock) as bus:
        await bus.ensure_topics({topic.name: 1}, known=[topic])
        await bus.append(outgoing(topic, "a"))
        clock.set(10)
        await bus.append(outgoing(topic, "b"))
        clock.set(2_000)
        await bus.append(outgoing(topic, "c"))
        times = [record.time_us for record in await read_all(await bus.open_reader(topic))]
    assert [1_000, 1_000, 2_000] == times


async def test_a_second_process_may_append_but_not_join(here: Adapter) -> None:
    bus = await here.open()
    topic = await here.topic(bus)
    membership = await bus.join(topic, "g", member="a", revoke_budget_ms=1_000)
    assert "another barometer serve uses" in await _said(here, topic.name)
    await membership.close()


async def test_another_process_may_join_after_the_first_has_ended(here: Adapter) -> None:
    bus = await here.open()
    topic = await here.topic(bus)
    await bus.join(topic, "g", member="a", revoke_budget_ms=1_000)
    await bus.close()
    assert "joined" == await _said(here, topic.name)


async def test_two_members_of_one_name_are_refused(here: Adapter) -> None:
    bus = await here.open()
    topic = await here.topic(bus)
    await bus.join(topic, "g", member="a", revoke_budget_ms=1_000)
    with pytest.raises(BusMisconfigured, match="has a member a already"):
        await bus.join(topic, "g", member="a", revoke_budget_ms=1_000)


async def test_an_epoch_below_one_opened_before_is_fenced_at_once(here: Adapter) -> None:
    bus = await here.open()
    await bus.open_writer("w", 5, blocks_in_flight_max=1)
    with pytest.raises(Fenced):
        await bus.open_writer("w", 4, blocks_in_flight_max=1)


async def test_the_same_epoch_opened_again_fences_the_first(here: Adapter) -> None:
    bus = await here.open()
    topic = await here.topic(bus)
    first = await bus.open_writer("w", 5, blocks_in_flight_max=1)
    second = await bus.open_writer("w", 5, blocks_in_flight_max=1)
    with pytest.raises(Fenced):
        await _published(first, outgoing(topic, "first"))
    await second.publish(0, outgoing(topic, "second"))
    await second.flush()
    assert ["second"] == values(await read_all(await bus.open_reader(topic)))


async def test_a_file_that_is_no_log_is_a_misconfiguration(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 1_000)
    with pytest.raises(BusMisconfigured, match="not a database"):
        await EmbeddedBus.open(tmp_path, ManualClock())


async def test_a_directory_that_cannot_be_made_is_a_misconfiguration(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BusMisconfigured, match="cannot be used"):
        await EmbeddedBus.open(tmp_path / "file" / "data", ManualClock())


@pytest.mark.parametrize("seed", range(12))
async def test_compaction_leaves_exactly_the_newest_and_the_young_tombstones(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "SLICE_RECORDS_MAX", 7)
    monkeypatch.setattr(upkeep, "SLICE_PAUSE_S", 0)
    chance = random.Random(seed)
    clock = ManualClock(DAY_US)
    topic = fresh_topic(cleanup=Cleanup.COMPACT, retention_days=None)
    limits = Limits(round_pause_s=0.01, dirty_records_min=1, keys_seen_max=5, tombstone_us=YEARS_US)
    async with await EmbeddedBus.open(tmp_path, clock, limits=limits) as bus:
        await bus.ensure_topics({topic.name: 1}, known=[topic])
        newest: dict[bytes, bytes | None] = {}
        for _ in range(40):
            batch = [_drawn(chance, topic.name) for _ in range(chance.randint(1, 12))]
            await bus.append(batch)
            newest.update({record.key: record.value for record in batch})
        await _comes_to(newest, bus, topic, clock)
        clock.set(clock.now_us() + YEARS_US)
        await _comes_to({key: value for key, value in newest.items() if value is not None}, bus, topic, clock)


def _drawn(chance: random.Random, topic: str) -> Outgoing:
    value = None if chance.random() < 0.2 else f"{chance.random()}".encode()
    return Outgoing(topic, f"k{chance.randrange(25)}".encode(), value)


async def _comes_to(expected: dict[bytes, bytes | None], bus: Bus, topic: Topic, clock: ManualClock) -> None:
    """Wait until the log holds `expected`, each key once; a day passes with each look, and has its pass."""
    deadline = monotonic_seconds() + DEADLINE_S
    while True:
        records = await read_all(await bus.open_reader(topic))
        offsets = [record.offset for record in records]
        assert sorted(set(offsets)) == offsets
        standing = {record.key: record.value for record in records}
        if len(records) == len(expected):
            assert expected == standing
            return
        assert expected.items() <= standing.items(), "a newest record was lost"
        assert monotonic_seconds() < deadline, f"{len(records)} records are left, not {len(expected)}"
        clock.set(clock.now_us() + DAY_US)
        await asyncio.sleep(0.02)


async def _published(writer: Writer, records: Sequence[Outgoing]) -> None:
    await writer.publish(0, records)
    await writer.flush()


async def _said(adapter: Adapter, topic: str) -> str:
    child = adapter.popen("join", topic, "g")
    text, _ = await asyncio.to_thread(child.communicate)
    return text.strip()
