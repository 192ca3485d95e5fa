"""What only Kafka can show: a broker that goes away and comes back."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.bus.connect import connect
from shared.bus.kafka import producers, reader, settings
from shared.bus.kafka import writer as writers
from shared.bus.port import Bus, BusUnavailable, Fenced, Outgoing, Writer
from shared.clock import SystemClock, monotonic_seconds
from tests.contract.bus_adapters import DEADLINE_S, Member, fresh_topic, outgoing, read_all, settle, values
from tests.servers.fixtures import Kafka
from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.asyncio

WAIT_S = 3.0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (producers, writers):
        monkeypatch.setattr(module, "ACK_WAIT_S_MAX", WAIT_S)
        monkeypatch.setattr(module, "STOP_WAIT_S_MAX", 1.0)
    for module in (settings, reader):
        monkeypatch.setattr(module, "REQUEST_WAIT_MS_MAX", 3_000)


async def test_while_the_broker_is_away_calls_fail_in_time_and_after_it_is_back_they_work(
    impatient: None, kafka_server: KafkaServer
) -> None:
    topic = fresh_topic()
    async with await connect(kafka_server.bus_url, clock=SystemClock(), environment={}) as bus:
        await bus.ensure_topics({topic.name: 1}, known=[topic])
        await bus.append(outgoing(topic, "before"))
        log = await bus.open_reader(topic)
        member = Member(await bus.join(topic, "g", member="a", revoke_budget_ms=1_000))
        publisher = await bus.open_writer("w", 1, blocks_in_flight_max=1)
        await publisher.publish(0, outgoing(topic, "block"))
        await publisher.flush()
        kafka_server.kill9()
        before = monotonic_seconds()
        with pytest.raises(BusUnavailable):
            await bus.append(outgoing(topic, "lost, or not"))
        with pytest.raises(BusUnavailable):
            await _published(publisher, outgoing(topic, "lost, or not"))
        assert monotonic_seconds() - before < 4 * WAIT_S
        kafka_server.start()
        await _retried(lambda: bus.append(outgoing(topic, "after")))
        await _retried(lambda: _publish(bus, outgoing(topic, "next")))
        await settle(lambda: member.owned == {0}, member)
        found = [value for value in values(await read_all(log)) if value != "lost, or not"]
        assert ["before", "block", "after", "next"] == found


async def test_a_fenced_writer_leaves_no_error_that_nobody_heard(kafka: Kafka) -> None:
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    topic = fresh_topic()
    async with await connect(kafka.bus_url, clock=SystemClock(), environment={}) as bus:
        await bus.ensure_topics({topic.name: 2}, known=[topic])
        block = [*outgoing(topic, "late", partition=0), *outgoing(topic, "late", partition=1)]
        for _ in range(3):
            overtaken = await bus.open_writer("w", 1, blocks_in_flight_max=1)
            newest = await bus.open_writer("w", 2, blocks_in_flight_max=1)
            await overtaken.publish(0, block)
            with pytest.raises(Fenced):
                await overtaken.flush()
            await overtaken.close()
            await newest.close()
            del overtaken
    gc.collect()  # asyncio complains when such a future is thrown away
    await asyncio.sleep(0)
    assert [] == unheard


async def test_a_cluster_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(BusUnavailable, match=r"connecting to 127\.0\.0\.1:1"):
        await connect("kafka://127.0.0.1:1", clock=SystemClock(), environment={})


async def _publish(bus: Bus, records: list[Outgoing]) -> None:
    fresh = await bus.open_writer("w", 2, blocks_in_flight_max=1)
    await _published(fresh, records)
    await fresh.close()


async def _published(writer: Writer, records: list[Outgoing]) -> None:
    await writer.publish(1, records)
    await writer.flush()


async def _retried(call: Callable[[], Awaitable[None]]) -> None:
    deadline = monotonic_seconds() + DEADLINE_S
    while True:
        try:
            await call()
        except BusUnavailable:
            assert monotonic_seconds() < deadline
            await asyncio.sleep(0.2)
        else:
            return
