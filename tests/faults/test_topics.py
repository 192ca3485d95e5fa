"""A topic that is taken away, replaced or altered under running services: they stop and say what to do.

None of that can be mended by a program: what the topic held is gone, or lies elsewhere now. What a program can do is
never to take one log for another, never to begin again in silence, and never to acknowledge what it cannot keep.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError

from shared.clock import monotonic_seconds
from tests.e2e.harness import Deployment, eventually, running, three_processes
from tests.faults.count import EVENTS
from tests.faults.raw import rows
from tests.servers.fixtures import have, record
from tests.servers.kafka import VERSION, KafkaServer

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.timeout(180)]

PARTITIONS: Final = 4
SENT: Final = 40
END_S: Final = 90.0
UNNOTICED_S: Final = 1.2
"""A process asks each second which log it reads."""
USAGE: Final = 2
"""The exit code that says: a person must mend it."""

Alter = Callable[[AIOKafkaAdminClient], Awaitable[Any]]


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest) -> Iterator[KafkaServer]:
    """Give a broker whose topics may be ruined."""
    with have(request, "Kafka", KafkaServer) as server:
        record(request, "Kafka", VERSION)
        yield server


@pytest.fixture
def served(broker: KafkaServer, postgres_url: str, tmp_path: Path) -> Iterator[Deployment]:
    """Give intake and aging at work, with some tickets; the topics go in the end."""
    three = three_processes(tmp_path, bus=broker.bus_url, databases={"aging": postgres_url})
    two = replace(three, processes={name: three.processes[name] for name in ("intake", "aging")})
    with running(two) as deployment:
        assert 202 == send(deployment)
        eventually(lambda: stored(deployment), lambda seen: seen == SENT, "the tickets")
        yield deployment
    asyncio.run(_alter(broker, _delete_all))


def send(deployment: Deployment) -> int:
    """Send some tickets; return the status."""
    items = [{"id": f"t-{number}", "event_id": "e"} for number in range(SENT)]
    return deployment.post("/v1/events", json=items).status_code


def stored(deployment: Deployment) -> int:
    """Return how many tickets there are."""
    count: int = rows(deployment.databases["aging"], "SELECT count(*) FROM tickets")[0][0]
    return count


def positions(deployment: Deployment) -> list[tuple[Any, ...]]:
    """Return where aging stands, and in which log."""
    statement = "SELECT partition, topic_id, log_partitions, position FROM partitions ORDER BY partition"
    return rows(deployment.databases["aging"], statement)


async def _alter(broker: KafkaServer, alter: Alter) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        await alter(admin)
    finally:
        await admin.close()


async def _delete_all(admin: AIOKafkaAdminClient) -> None:
    topics = [topic for topic in await admin.list_topics() if not topic.startswith("__")]
    await admin.delete_topics(topics)


async def _delete(admin: AIOKafkaAdminClient) -> None:
    await admin.delete_topics([EVENTS])


async def _replace(admin: AIOKafkaAdminClient, partitions: int) -> None:
    await _delete(admin)
    deadline = monotonic_seconds() + END_S
    while monotonic_seconds() < deadline:
        with suppress(TopicAlreadyExistsError):
            answer = await admin.create_topics([NewTopic(EVENTS, partitions, 1)])
            if not answer.topic_errors[0][1]:
                return
        await asyncio.sleep(0.1)


async def _fill(broker: KafkaServer, records: int) -> None:
    """Write so much into each partition that every old position lies inside the new log."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")
    await producer.start()
    try:
        for partition in range(PARTITIONS):
            for _ in range(records):
                with suppress(UnknownTopicOrPartitionError):
                    await producer.send(EVENTS, b"of somebody else", partition=partition)
        await producer.flush()
    finally:
        await producer.stop()


def assert_stopped(deployment: Deployment, *said: str) -> None:
    """Hold that aging ends for a person to look at, says what is the matter, and has changed nothing."""
    before = positions(deployment)
    aging = deployment.processes["aging"]
    assert aging.child is not None
    begin = monotonic_seconds()
    assert USAGE == aging.child.wait(END_S)
    print(f"aging ended after {monotonic_seconds() - begin:.1f} s")
    reasons = " ".join(line.get("reason", "") for line in aging.lines() if line["level"] == "critical")
    assert [] == [words for words in said if words not in reasons], reasons
    assert before == positions(deployment)
    assert SENT == stored(deployment)


def test_a_topic_deleted_under_running_services_stops_aging_and_nothing_more_is_acknowledged(
    served: Deployment, broker: KafkaServer
) -> None:
    asyncio.run(_alter(broker, _delete))

    assert_stopped(served, EVENTS, "does not exist")
    assert 503 == send(served)
    aging = served.processes["aging"].start()
    assert aging.child is not None
    assert USAGE == aging.child.wait(END_S)  # it made the topic anew, and will not take it for the old one
    assert SENT == stored(served)


def test_a_topic_replaced_under_running_services_is_not_taken_for_the_old_one(
    served: Deployment, broker: KafkaServer
) -> None:
    aging = served.processes["aging"].child
    assert aging is not None
    os.kill(aging.pid, signal.SIGSTOP)  # or it would notice the moment without a topic
    asyncio.run(_alter(broker, lambda admin: _replace(admin, PARTITIONS)))
    asyncio.run(_fill(broker, SENT))
    time.sleep(UNNOTICED_S)
    os.kill(aging.pid, signal.SIGCONT)

    assert_stopped(served, EVENTS)


def test_a_topic_with_fewer_partitions_than_were_read_is_refused_at_start(
    served: Deployment, broker: KafkaServer
) -> None:
    aging = served.processes["aging"]
    assert 0 == aging.stop()
    asyncio.run(_alter(broker, lambda admin: _replace(admin, PARTITIONS // 2)))
    aging.start()

    assert_stopped(served, EVENTS)


def test_partitions_added_under_running_services_stop_aging_before_a_ticket_has_two_homes(
    served: Deployment, broker: KafkaServer
) -> None:
    more = {EVENTS: NewPartitions(PARTITIONS + 1)}
    asyncio.run(_alter(broker, lambda admin: admin.create_partitions(more)))
    assert 202 == send(served)  # by the number of partitions that intake began with
    served.processes["aging"].kill9()
    served.processes["aging"].start()

    assert_stopped(served, EVENTS)
