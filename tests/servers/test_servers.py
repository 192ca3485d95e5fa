"""The real servers start, answer, survive a kill with their data, and leave nothing behind."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.servers.child import accepts, wait_until
from tests.servers.fixtures import Kafka
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.prometheus import PrometheusServer

_ROOT = Path(__file__).resolve().parents[2]


async def _create_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def _append(bootstrap: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _first_value(bootstrap: str, topic: str) -> bytes:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        record = await asyncio.wait_for(consumer.getone(), timeout=20)
    finally:
        await consumer.stop()
    value: bytes = record.value
    return value


@pytest.mark.asyncio
async def test_kafka_gives_back_what_was_appended(kafka: Kafka) -> None:
    await _create_topic(kafka.bootstrap, "servers.given-back")

    await _append(kafka.bootstrap, "servers.given-back", b"said")

    assert await _first_value(kafka.bootstrap, "servers.given-back") == b"said"


def test_a_killed_kafka_comes_back_on_the_same_address_with_its_data(kafka_server: KafkaServer) -> None:
    before = kafka_server.bootstrap
    asyncio.run(_create_topic(before, "kept"))
    asyncio.run(_append(before, "kept", b"still here"))

    kafka_server.kill9()
    kafka_server.start()

    assert kafka_server.bootstrap == before
    assert asyncio.run(_first_value(before, "kept")) == b"still here"


@pytest.mark.asyncio
async def test_every_test_gets_an_empty_postgres_database(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    try:
        tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()

    assert tables == 0


@pytest.mark.postgres
def test_a_killed_postgres_comes_back_on_the_same_port_with_its_data() -> None:
    with PostgresServer(fsync=True) as server:
        url = server.new_database("kept")
        server.kill9()
        assert not accepts(server.port)
        server.start()

        assert asyncio.run(_database_of(url)) == "kept"


async def _database_of(url: str) -> str:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        name: str = await connection.fetchval("SELECT current_database()")
    finally:
        await connection.close()
    return name


def test_prometheus_scrapes_what_it_is_told_to(prometheus: PrometheusServer, free_port: int) -> None:
    prometheus.scrape(f"127.0.0.1:{free_port}").start()

    wait_until(lambda: bool(prometheus.query("up")), "a first scrape", deadline_s=20)

    assert [("barometer", "0")] == [
        (sample["metric"]["job"], sample["value"][1]) for sample in prometheus.query("up")
    ]


@pytest.mark.postgres
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_a_server_ends_with_the_process_that_started_it(end: signal.Signals) -> None:
    program = (
        "import signal, time\n"
        "from tests.servers.postgres import PostgresServer\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # shells start what runs beside without it
        "with PostgresServer() as server:\n"
        "    print(server.port, server.log.parent, flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as owner:
        assert owner.stdout is not None
        port_text, directory = owner.stdout.readline().split()
        port = int(port_text)
        assert accepts(port)

        owner.send_signal(end)
        owner.wait(30)

    wait_until(lambda: not accepts(port), "the end of the server", deadline_s=20)
    shutil.rmtree(directory, ignore_errors=True)  # nobody else can, after a kill
