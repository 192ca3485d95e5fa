"""What only a cluster of several brokers can do to a client."""

from __future__ import annotations

import asyncio

import pytest

from shared.bus.connect import connect
from shared.clock import SystemClock
from tests.contract.bus_adapters import fresh_topic, outgoing
from tests.faults.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(120)]

TRIES = 3


async def _begin(url: str, times: int) -> None:
    """Begin as a process does, on topics that nobody has heard of."""
    for _ in range(times):
        topic = fresh_topic()
        async with await connect(url, clock=SystemClock(), environment={}) as bus:
            await bus.ensure_topics({topic.name: 3}, known=[topic])
            for _ in range(3):  # each may be answered by another broker
                assert 3 == (await bus.identity(topic)).partitions
            await bus.append(outgoing(topic, "a"))


def test_a_topic_just_made_is_known_to_whichever_broker_is_asked_next(world: World) -> None:
    asyncio.run(_begin(world.cluster.bus_url, TRIES))


def test_with_one_of_three_brokers_away_a_process_can_begin(world: World) -> None:
    node = world.cluster.nodes[3]
    node.kill9()
    try:
        asyncio.run(_begin(world.cluster.bus_url, TRIES))
    finally:
        node.start()
