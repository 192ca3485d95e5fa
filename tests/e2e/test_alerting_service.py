"""Alerting as a whole in one process: cells in, alerts out, over HTTP and to a receiver."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from prometheus_client import CollectorRegistry
from standardwebhooks import Webhook

from services.alerting.app import Given, application, open_alerting
from services.alerting.settings import Settings
from shared.bus.embedded import EmbeddedBus
from shared.clock import SystemClock, monotonic_seconds
from shared.codec import to_cells, to_every_partition
from shared.configuration.models import Configuration
from shared.contracts.backlog import Cell
from shared.contracts.topics import ALERTS, CELLS
from shared.http.configured import keyring_of
from tests.contract.receiver import Receiver, receiving
from tests.unit.alerting.cells import HOUR_US, a_cell, a_clock

pytestmark = pytest.mark.asyncio

DEADLINE_S = 15.0
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], good: Callable[[T], bool]) -> T:
    end_s = monotonic_seconds() + DEADLINE_S
    while True:
        seen = await look()
        if good(seen):
            return seen
        assert monotonic_seconds() < end_s, seen
        await asyncio.sleep(0.02)


@dataclass
class Running:
    """Alerting at work."""

    bus: EmbeddedBus
    http: httpx2.AsyncClient
    versions: int = 0

    async def publish(self, *cells: Cell) -> None:
        self.versions += 1
        clock = a_clock(self.versions, at_us=SystemClock().now_us())
        await self.bus.append([*(to_cells(cell, 1) for cell in cells), *to_every_partition(clock, 1)])

    async def get(self, path: str, **headers: str) -> Any:
        answer = await self.http.get(path, headers=headers)
        assert 200 == answer.status_code, answer.text
        return answer.json()


@asynccontextmanager
async def running(directory: Path, document: dict[str, Any]) -> AsyncIterator[Running]:
    configuration = Configuration.model_validate(document)
    async with await EmbeddedBus.open(directory / "bus", SystemClock()) as bus:
        await bus.ensure_topics({CELLS.name: 1, ALERTS.name: 1})
        given = Given(
            bus=bus,
            clock=SystemClock(),
            registries=(CollectorRegistry(),),
            keyring=keyring_of(configuration),
            configuration=configuration,
            environment={"HOOK_SECRET": SECRET},
            database_url=f"sqlite+aiosqlite:///{directory}/alerting.db",
        )
        async with open_alerting(given, Settings()) as alerting, asyncio.TaskGroup() as tasks:
            for worker in alerting.workers.values():
                tasks.create_task(worker.run())
            transport = httpx2.ASGITransport(app=application(alerting))
            async with httpx2.AsyncClient(transport=transport, base_url="http://barometer") as http:
                try:
                    yield Running(bus, http)
                finally:
                    for worker in alerting.workers.values():
                        worker.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def a_document(receiver: Receiver) -> dict[str, Any]:
    return {
        "rules": [{"name": "many", "measure": "open", "by": ["queue"], "above": 2, "severity": "critical"}],
        "receivers": [{"name": "chat", "webhook": {"url": receiver.url, "secret": {"env": "HOOK_SECRET"}}}],
    }


async def test_a_crossing_is_told_listed_measured_and_ended(tmp_path: Path, receiver: Receiver) -> None:
    now_us = SystemClock().now_us()
    async with running(tmp_path, a_document(receiver)) as alerting:
        await alerting.publish(a_cell(1, at_us=now_us, created_us=[now_us - HOUR_US] * 3))
        page = await eventually(
            lambda: alerting.get("/v1/alerts?state=firing"), lambda seen: bool(seen["alerts"])
        )
        [alert] = page["alerts"]
        assert ("many", {"queue": "tier1"}, "firing", 3.0) == (
            alert["rule"], alert["labels"], alert["state"], alert["value"],
        )  # fmt: skip
        detail = await eventually(
            lambda: alerting.get(f"/v1/alerts/{alert['id']}"),
            lambda seen: (
                [("delivered", 1)] == [(one["state"], one["attempts"]) for one in seen["deliveries"]]
            ),
        )
        assert "chat" == detail["deliveries"][0]["receiver"]
        arrived = receiver.received[0]
        said = Webhook(SECRET).verify(arrived.body, arrived.headers)
        assert alert["id"] == said["data"]["id"]

        rules = await alerting.get("/v1/rules")
        assert [{"labels": {"queue": "tier1"}, "state": "firing", "value": 3.0, "since": alert["since"]}] == (
            rules["rules"][0]["groups"]
        )
        text = (await alerting.http.get("/metrics")).text
        assert 'backlog_alerts_firing{rule="many",severity="critical"} 1.0' in text
        assert 'backlog_alerts_firing{rule="barometer_clock_stale",severity="critical"} 0.0' in text
        assert 'queue="tier1",priority="p1",channel="email",status="new",age_bucket="0-24h"} 3' in text
        assert 'backlog_alert_notifications_total{outcome="delivered",receiver="chat"} 1.0' in text
        assert 200 == (await alerting.http.get("/readyz")).status_code

        now_us = SystemClock().now_us()
        await alerting.publish(a_cell(2, at_us=now_us))
        await eventually(lambda: _bodies(receiver), lambda seen: 2 == len(seen))
        page = await alerting.get("/v1/alerts?state=resolved")
        assert [alert["id"]] == [one["id"] for one in page["alerts"]]
        assert ["firing", "resolved"] == [one["data"]["state"] for one in await _bodies(receiver)]

    async with running(tmp_path, a_document(receiver)) as alerting:
        alerting.versions = 10
        await alerting.publish()
        await eventually(lambda: alerting.get("/v1/rules"), lambda seen: seen["judged_at"] is not None)
        assert 1 == len((await alerting.get("/v1/alerts"))["alerts"])
        assert 2 == len(await _bodies(receiver))


async def _bodies(receiver: Receiver) -> list[Any]:
    return [json.loads(one.body) for one in receiver.received]


async def test_a_key_reads_its_own_tenant_only(tmp_path: Path, receiver: Receiver) -> None:
    def keyed(name: str, scope: str) -> dict[str, Any]:
        return {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": [scope]}

    document = {
        **a_document(receiver),
        "tenants": [
            {"name": "default", "keys": [keyed("reader", "read"), keyed("root", "admin")]},
            {"name": "other", "keys": [keyed("stranger", "read"), keyed("writer", "publish")]},
        ],
    }
    now_us = SystemClock().now_us()
    async with running(tmp_path, document) as alerting:
        await alerting.publish(a_cell(1, at_us=now_us, created_us=[now_us] * 3))
        page = await eventually(
            lambda: alerting.get("/v1/alerts", authorization="Bearer reader"),
            lambda seen: bool(seen["alerts"]),
        )
        assert [] == (await alerting.get("/v1/alerts", authorization="Bearer stranger"))["alerts"]
        path = f"/v1/alerts/{page['alerts'][0]['id']}"
        statuses = [
            (await alerting.http.get(url, headers={"x-api-key": key})).status_code
            for url, key in (
                (path, "reader"), (path, "stranger"), ("/v1/alerts?tenant=default", "stranger"),
                (path, "writer"), (path, ""), ("/metrics", ""), ("/v1/alerts?cursor=x", "reader"),
            )
        ]  # fmt: skip
        assert [200, 404, 403, 403, 401, 401, 422] == statuses
        shown = {
            key: 'backlog_tickets{tenant="default"'
            in (await alerting.http.get("/metrics", headers={"x-api-key": key})).text
            for key in ("reader", "stranger", "root")
        }
        assert {"reader": True, "stranger": False, "root": True} == shown


async def test_what_no_database_can_hold_is_refused_and_not_asked_for(
    tmp_path: Path, receiver: Receiver
) -> None:
    asked = {
        "/v1/alerts?rule=%00": 422,
        "/v1/alerts?tenant=a%00": 422,
        "/v1/rules?tenant=%00": 422,
        "/v1/alerts?cursor=9223372036854775807.a": 200,
        "/v1/alerts?cursor=9223372036854775808.a": 422,
        "/v1/alerts?cursor=1.%00": 422,
        "/v1/alerts/%00": 404,
        "/v1/alerts/a?tenant=%00": 422,
    }
    async with running(tmp_path, a_document(receiver)) as alerting:
        assert asked == {path: (await alerting.http.get(path)).status_code for path in asked}
