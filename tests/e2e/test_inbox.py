"""The second way in: an upstream system that publishes straight onto a real Kafka, with its own client.

Intake is killed in the middle. What lay in tickets.inbox.v1 must all become tickets, and what could not be
used must be kept whole.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaProducer

from tests.e2e.harness import Deployment, eventually, run, running, three_processes
from tests.servers.kafka import KafkaServer

pytestmark = [pytest.mark.e2e, pytest.mark.kafka, pytest.mark.timeout(180)]

TICKETS: Final = 2_000
CONFIG: Final = """
sources:
  - name: desk
    inbox: true
    status: {map: {Parked: waiting/vendor}}
  - name: closed-shop
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[tuple[Deployment, str]]:
    config = tmp_path / "barometer.yaml"
    config.write_text(CONFIG)
    databases = {name: f"sqlite+aiosqlite:///{tmp_path / name}.db" for name in ("aging", "alerting")}
    with KafkaServer() as broker:
        bus = f"kafka://{broker.bootstrap}"
        with running(three_processes(tmp_path, bus=bus, databases=databases, config=config)) as up:
            yield up, broker.bootstrap


async def publish(bootstrap: str, values: list[tuple[bytes, list[tuple[str, bytes]]]]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        waiting = [
            await producer.send("tickets.inbox.v1", value, key=b"any", headers=headers)
            for value, headers in values
        ]
        await asyncio.gather(*waiting)


def event(number: int, source: str = "desk") -> tuple[bytes, list[tuple[str, bytes]]]:
    headers = {
        "ce_specversion": "1.0", "ce_id": f"e{number}", "ce_source": f"/sources/default/{source}",
        "ce_type": "barometer.ticket.observed.v1", "content-type": "application/json",
    }  # fmt: skip
    value = json.dumps({"id": number, "status": "Parked", "queue": f"q{number % 3}"}).encode()
    return value, [(name, text.encode()) for name, text in headers.items()]


def test_what_upstream_systems_write_to_the_inbox_becomes_tickets_though_intake_is_killed(
    deployment: tuple[Deployment, str], tmp_path: Path
) -> None:
    up, bootstrap = deployment
    half = TICKETS // 2

    asyncio.run(publish(bootstrap, [event(number) for number in range(half)]))
    up.processes["intake"].kill9()
    useless = [(b"{not json", event(0)[1]), event(1, source="closed-shop")]
    asyncio.run(publish(bootstrap, [event(number) for number in range(half, TICKETS)] + useless))
    up.processes["intake"].start().wait_ready()
    waiting = eventually(
        lambda: up.backlog(wait_reason="vendor"),
        lambda total: total["open"] >= TICKETS,
        "all tickets of the inbox",
    )

    assert TICKETS == waiting["open"] == waiting["waiting"]
    kept = eventually(lambda: rejected(tmp_path, up.bus), lambda found: len(found) >= 2, "the rejected")
    assert {"malformed_json", "forbidden_source"} == {one["reason"] for one in kept}


def rejected(directory: Path, bus: str) -> list[dict[str, Any]]:
    done = run("rejected", "list", "--bus", bus, "--json", directory=directory)
    assert 0 == done.returncode, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
