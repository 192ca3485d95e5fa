"""The shipped files, on parts that run natively: Compose's settings, the prepared configuration, its keys.

No container engine is needed to know that the settings named in docker-compose.yml start three services, that
the keys deploy/prepare.sh makes open what they should, and that the shipped Prometheus finds all of them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import yaml

from shared.clock import SystemClock
from shared.contracts.instants import from_us
from tests.e2e.harness import ROOT, SERVICES, Deployment, eventually, running, three_processes
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer
from tests.servers.prometheus import PrometheusServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SHIPPED: Final = ROOT / "deploy" / "prometheus"


@dataclass(frozen=True)
class Prepared:
    """What deploy/prepare.sh made."""

    config: Path
    publish_key: str
    scrape_key: str


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Give a configuration with fresh keys."""
    directory = tmp_path_factory.mktemp("prepared")
    shutil.copytree(ROOT / "deploy", directory / "deploy")
    said = subprocess.run(
        [directory / "deploy" / "prepare.sh"], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    settings = (directory / ".env").read_text(encoding="utf-8")
    publish_key, scrape_key = (
        re.search(r"^bk_\S+$", said, re.MULTILINE),
        re.search(r"SCRAPE_KEY=(\S+)", settings),
    )
    assert publish_key is not None
    assert scrape_key is not None
    return Prepared(directory / "deploy" / "barometer.local.yaml", publish_key[0], scrape_key[1])


@pytest.fixture(scope="module")
def composed(
    prepared: Prepared, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Give the three services as Compose would run them."""
    urls = {service: postgres.new_database() for service in ("aging", "alerting")}
    directory = tmp_path_factory.mktemp("composed")
    with KafkaServer() as kafka:
        deployment = three_processes(directory, bus=kafka.bus_url, databases=urls, config=prepared.config)
        deployment.key = prepared.publish_key
        with running(deployment):
            yield deployment
    for url in urls.values():
        postgres.drop_database(url)


def hours_ago(hours: int) -> str:
    """Return an instant."""
    now = from_us(SystemClock().now_us()).astimezone(UTC)
    return (now - timedelta(hours=hours)).isoformat()


def test_nobody_without_a_key_gets_in(composed: Deployment) -> None:
    asked = [("intake", "/v1/events"), ("aging", "/v1/tickets"), ("alerting", "/v1/alerts")]
    for service, path in asked:
        method = "POST" if service == "intake" else "GET"
        assert 401 == httpx2.request(method, composed.url(service, path)).status_code
    assert 401 == httpx2.get(composed.url("alerting", "/metrics")).status_code
    for service in SERVICES:
        assert 200 == httpx2.get(composed.url(service, "/readyz")).status_code


def test_a_shipped_rule_fires_for_an_urgent_ticket_that_is_a_day_old(composed: Deployment) -> None:
    body: dict[str, Any] = {"id": "1", "priority": "p1", "queue": "network", "created_at": hours_ago(30)}
    assert 202 == composed.post("/v1/events", json=body).status_code
    [alert] = eventually(
        lambda: composed.ask("alerting", "/v1/alerts", state="firing")["alerts"], bool, "the alert"
    )
    assert ("oldest-p1-over-24h", {"queue": "network"}) == (alert["rule"], alert["labels"])
    assert 1 == composed.backlog(queue="network")["by_bucket"]["24-72h"]
    assert 202 == composed.post("/v1/events", json={"id": "1", "status": "solved"}).status_code
    eventually(
        lambda: composed.ask("alerting", "/v1/alerts", state="firing")["alerts"],
        lambda seen: not seen,
        "the end of the alert",
    )
    [over] = composed.ask("alerting", "/v1/alerts", state="resolved")["alerts"]
    assert alert["id"] == over["id"]


@pytest.mark.parametrize(
    ("service", "path", "status"),
    [
        ("aging", "/v1/tickets/%00", 404),
        ("aging", "/v1/tickets?queue=%00", 422),
        ("aging", "/v1/tickets?assignee=%F0%9F%92%A5", 200),
        ("aging", "/v1/backlog?by=queue&by=priority&by=status&by=assignee", 200),
        ("aging", "/v1/backlog?at=1970-01-01T00:00:00Z", 200),
        ("aging", "/v1/backlog/morning", 200),
        ("alerting", "/v1/alerts/%00", 404),
        ("alerting", "/v1/alerts?rule=%00", 422),
        ("alerting", "/v1/alerts?cursor=9223372036854775807.a", 200),
        ("alerting", "/v1/alerts?cursor=9223372036854775808.a", 422),
        ("alerting", "/v1/rules", 200),
    ],
)
def test_postgres_is_asked_nothing_that_it_cannot_answer(
    composed: Deployment, service: str, path: str, status: int
) -> None:
    answer = httpx2.get(composed.url(service, path), headers=composed.headers())
    assert status == answer.status_code, answer.text


def test_the_shipped_prometheus_finds_all_three(
    composed: Deployment, prepared: Prepared, prometheus: PrometheusServer, tmp_path: Path
) -> None:
    assert 202 == composed.post("/v1/events", json={"id": "2", "queue": "network"}).status_code
    key = tmp_path / "scrape_key"
    key.write_text(prepared.scrape_key, encoding="utf-8")
    text = (SHIPPED / "prometheus.yml").read_text(encoding="utf-8")
    for service in SERVICES:
        assert f"{service}:8080" in text
        text = text.replace(f"{service}:8080", composed.url(service).removeprefix("http://"))
    text = text.replace("/run/secrets/scrape_key", str(key)).replace(
        "/etc/prometheus/rules", str(SHIPPED / "rules")
    )
    document = yaml.safe_load(text)
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    del document["alerting"]
    prometheus.configure(yaml.safe_dump(document)).start()

    jobs = {f"barometer-{service}": "1" for service in SERVICES}
    eventually(
        lambda: {one["metric"]["job"]: one["value"][1] for one in prometheus.query("up")},
        lambda seen: seen == jobs,
        "all three jobs up",
    )
    eventually(
        lambda: {
            one["metric"]["tenant"]: one["value"][1] for one in prometheus.query("tenant:backlog_tickets:sum")
        },
        lambda seen: seen == {"default": str(composed.backlog()["open"])},
        "the stock",
    )
    services = {one["metric"]["service"] for one in prometheus.query("barometer_events_total")}
    assert set(SERVICES) == services
    assert [] == prometheus.query('ALERTS{alertstate="firing"}')


def test_the_time_of_the_answers_is_now(composed: Deployment) -> None:
    shown = composed.ask("aging", "/v1/backlog")
    known_until = datetime.fromisoformat(shown["known_until"])
    assert datetime.fromisoformat(shown["at"]) - known_until < timedelta(seconds=10)
