"""More than it can take: everything is bounded, the sender is told to come again, and nothing told 202 is lost."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
import pytest
import yaml

from tests.e2e.harness import Deployment, eventually, one_machine, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SENDERS: Final = 24
REQUESTS: Final = 4
ITEMS: Final = 100
IN_FLIGHT: Final = 4
PATIENCE: Final = 200
QUEUES: Final = 1_500
QUEUES_SHOWN: Final = 20
SOURCES: Final = 10_000
RESIDENT_KIB_MAX: Final = 700_000
"""A `serve` with ten thousand sources has some 230 MB; a copy of their names for each took ten gigabytes."""


class Flood:
    """Senders that all come at once, and come again when told to."""

    def __init__(self, deployment: Deployment) -> None:
        self._url = deployment.url("intake")
        self.answers: Counter[int] = Counter()
        self.acknowledged: set[str] = set()
        self.alive: list[float] = []
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Send everything; ask beside it whether the process is alive."""
        limits = httpx2.Limits(max_connections=SENDERS + 1)
        async with (
            httpx2.AsyncClient(base_url=self._url, timeout=30, limits=limits) as client,
            asyncio.TaskGroup() as tasks,
        ):
            watching = tasks.create_task(self._watch(client))
            await asyncio.gather(*(self._send(client, sender) for sender in range(SENDERS)))
            self._over.set()
            await watching

    async def _send(self, client: httpx2.AsyncClient, sender: int) -> None:
        for request in range(REQUESTS):
            items = [{"id": f"{sender}-{request}-{item}", "queue": "flood"} for item in range(ITEMS)]
            for _ in range(PATIENCE):
                answer = await client.post("/v1/events", json=items)
                self.answers[answer.status_code] += 1
                if answer.status_code == 202:
                    self.acknowledged |= {f"default:{item['id']}" for item in items}
                    break
                assert 429 == answer.status_code, answer.text
                assert "application/problem+json" == answer.headers["content-type"]
                wait_s = int(answer.headers["retry-after"])
                await asyncio.sleep(wait_s / 20)  # ruder than told, so that there is a crowd for longer
            else:
                raise AssertionError("told to come again for ever")

    async def _watch(self, client: httpx2.AsyncClient) -> None:
        while not self._over.is_set():
            answer = await client.get("/livez")
            assert 200 == answer.status_code
            self.alive.append(answer.elapsed.total_seconds())
            await asyncio.sleep(0.05)


def test_a_crowd_is_told_to_come_again_and_everything_acknowledged_is_there(tmp_path: Path) -> None:
    with running(one_machine(tmp_path, BAROMETER_INTAKE_IN_FLIGHT_REQUESTS_MAX=str(IN_FLIGHT))) as deployment:
        flood = Flood(deployment)
        asyncio.run(flood.run())

        assert {202, 429} == set(flood.answers)
        assert SENDERS * REQUESTS == flood.answers[202]
        assert SENDERS * REQUESTS * ITEMS == len(flood.acknowledged)
        eventually(deployment.backlog, lambda total: total["open"] == len(flood.acknowledged), "all are open")
        assert flood.acknowledged == {ticket["key"] for ticket in deployment.tickets()}
        throttled = re.search(
            r'barometer_events_total\{outcome="throttled",service="intake"\} (\d+)'
            r'|barometer_events_total\{service="intake",outcome="throttled"\} (\d+)',
            deployment.metrics("intake"),
        )
        assert throttled is not None
        assert flood.answers[429] == int(throttled[1] or throttled[2])
        assert flood.alive


def test_queues_without_end_do_not_become_series_without_end(tmp_path: Path) -> None:
    with running(one_machine(tmp_path, BAROMETER_METRICS_QUEUES_MAX=str(QUEUES_SHOWN))) as deployment:
        items = [
            {"id": str(number), "queue": f"queue-{number}", "tags": [f"tag-{number}"]}
            for number in range(QUEUES)
        ]
        assert 202 == deployment.post("/v1/events", json=items).status_code
        eventually(deployment.backlog, lambda total: total["open"] == QUEUES, "all are open")

        def series() -> list[tuple[str, float]]:
            found = re.findall(r"^backlog_tickets\{([^}]*)\} (\S+)$", deployment.metrics(), re.MULTILINE)
            return [(labels, float(value)) for labels, value in found]

        shown = eventually(
            series, lambda found: sum(value for _, value in found) == QUEUES, "all are counted"
        )
        queues = {match[1] for labels, _ in shown if (match := re.search(r'queue="([^"]*)"', labels))}
        assert QUEUES_SHOWN + 1 >= len(queues)
        assert len(deployment.metrics().splitlines()) < QUEUES
        assert QUEUES == sum(group["open"] for group in grouped(deployment))


def grouped(deployment: Deployment) -> list[dict[str, int]]:
    """Return the backlog by queue, as the API tells it: there it is never cut."""
    groups: list[dict[str, int]] = deployment.ask("aging", "/v1/backlog", by="queue")["groups"]
    return groups


@pytest.fixture
def many_sources(tmp_path: Path) -> Iterator[Deployment]:
    document = {"sources": [{"name": f"s{number}"} for number in range(SOURCES)]}
    config = tmp_path / "barometer.yaml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    with running(one_machine(tmp_path, config=config)) as deployment:
        yield deployment


def test_ten_thousand_sources_are_served_in_bounded_memory(many_sources: Deployment) -> None:
    for name in ("s0", "s4711", f"s{SOURCES - 1}"):
        answer = many_sources.post("/v1/events", params={"source": name}, json={"id": "1"})
        assert (202, f"{name}:1") == (answer.status_code, answer.json()["ticket"])
    unknown = many_sources.post("/v1/events", params={"source": "s10000"}, json={"id": "1"})
    assert 403 <= unknown.status_code < 500
    child = many_sources.processes["intake"].child
    assert child is not None
    status = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident is not None
    assert int(resident[1]) < RESIDENT_KIB_MAX
