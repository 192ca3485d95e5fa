"""A real Prometheus reads a real Barometer: every series, every shipped rule, every panel of the dashboard."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.contract.receiver import receiving
from tests.e2e.harness import ROOT, Deployment, eventually, one_machine, running
from tests.servers.prometheus import PrometheusServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

RULES: Final = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
DASHBOARD: Final = ROOT / "deploy" / "grafana" / "dashboards" / "backlog-overview.json"
RATE_INTERVAL: Final = "30s"
SPANNED_S: Final = 60.0
WORK_EVERY_S: Final = 0.5
"""Twice between two scrapes: a rate needs work that goes on, and no more of it than that."""
LONG_AGO: Final = "2026-01-01T00:00:00Z"
FIGURES: Final = {
    "backlog_tickets", "backlog_oldest_ticket_created_timestamp_seconds", "backlog_combined_ticket_age_seconds",
    "backlog_tickets_older_than", "backlog_past_sla_tickets", "backlog_at_risk_tickets",
    "backlog_tickets_opened_total", "backlog_tickets_reopened_total", "backlog_tickets_closed_total",
    "backlog_flow_corrections_total", "backlog_sla_breaches_total", "backlog_sla_met_total",
    "backlog_sla_corrections_total", "backlog_first_response_seconds_bucket",
    "backlog_resolution_seconds_bucket", "backlog_alerts_firing", "backlog_alert_notifications_total",
    "barometer_events_total", "barometer_event_lag_seconds", "barometer_timer_lateness_seconds",
    "barometer_outbox_records", "barometer_rejected_total",
}  # fmt: skip
"""What the design names, but for what needs a history."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Give a `barometer serve` with an alert that fires and somebody who is told."""
    directory = tmp_path_factory.mktemp("prometheus")
    rule = {"name": "some open", "measure": "open", "above": 0, "severity": "info"}
    config = directory / "barometer.yaml"
    with receiving() as receiver:
        document = {"rules": [rule], "receivers": [{"name": "chat", "webhook": {"url": receiver.url}}]}
        config.write_text(yaml.safe_dump(document), encoding="utf-8")
        with running(one_machine(directory, config=config)) as deployment:
            yield deployment


class Desk:
    """Makes every kind of thing happen, a little more at each call."""

    def __init__(self, served: Deployment) -> None:
        self._served = served
        self._numbers = count(1)

    def work(self) -> None:
        """Open two tickets, solve one, open it again, solve another; break promises; send what is refused."""
        number = next(self._numbers)
        late = {"id": f"c{number}", "queue": "q", "priority": "p2", "channel": "web", "created_at": LONG_AGO}
        answer = {"id": f"c{number}", "activity": "agent_message", "actor": "agent"}
        for body in (late, answer):
            assert 202 == self._served.post("/v1/events", json=body).status_code
        for ticket, status in ((f"a{number}", "new"), (f"b{number}", "new"), (f"b{number}", "solved"),
                               (f"b{number}", "in_progress"), (f"a{number}", "waiting/customer")):  # fmt: skip
            body = {"id": ticket, "status": status, "queue": "q", "priority": "p2", "channel": "web"}
            assert 202 == self._served.post("/v1/events", json=body).status_code
        body = {"id": f"b{number}", "status": "solved"}
        assert 202 == self._served.post("/v1/events", json=body).status_code
        assert 422 == self._served.post("/v1/events", json={"no": number}).status_code


def panels() -> list[tuple[str, str]]:
    """Return (title, expression) of each query of the dashboard, its variables at `all`."""
    found = []
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
            for name in ("tenant", "queue", "priority", "channel", "job"):
                expression = expression.replace(f'"${name}"', '".*"')
            assert "$" not in expression, expression
            found.append((panel["title"], expression))
    return found


def test_promtool_finds_nothing_wrong_with_the_live_output(served: Deployment, promtool: Path) -> None:
    Desk(served).work()
    eventually(lambda: "backlog_tickets{" in served.metrics(), bool, "the first ticket")
    text = served.metrics()
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, check=False, capture_output=True, text=True, timeout=60
    )
    assert (0, "") == (done.returncode, done.stdout + done.stderr)
    series = [line.rsplit(" ", 1)[0] for line in text.splitlines() if line and not line.startswith("#")]
    assert len(series) == len(set(series)), "a series twice"


def test_it_is_scraped_its_rules_load_and_every_panel_has_data(
    served: Deployment, prometheus: PrometheusServer
) -> None:
    desk = Desk(served)
    desk.work()
    target = served.url("alerting").removeprefix("http://")
    prometheus.scrape(target).rules(*RULES).start()

    assert_scraped(prometheus)
    assert_rules_hold(prometheus, desk)

    wanted = panels()
    assert len(wanted) > 20

    def empty() -> Sequence[tuple[str, str]]:
        desk.work()
        return [(title, expression) for title, expression in wanted if not prometheus.query(expression)]

    eventually(empty, lambda seen: not seen, "data in every panel", deadline_s=SPANNED_S, poll_s=WORK_EVERY_S)
    [total] = prometheus.query("tenant:backlog_tickets:sum")
    assert "default" == total["metric"]["tenant"]
    eventually(
        lambda: prometheus.query("tenant:backlog_tickets:sum")[0]["value"][1],
        lambda seen: int(seen) == served.backlog()["open"],
        "the same number of open tickets on both sides",
    )


def assert_scraped(prometheus: PrometheusServer) -> None:
    """Wait until the target is up and every figure of the design is a series."""
    eventually(lambda: values(prometheus, "up"), lambda seen: seen == ["1"], "up")
    eventually(
        lambda: sorted(FIGURES - {one["metric"]["__name__"] for one in prometheus.query('{__name__=~".+"}')}),
        lambda seen: not seen,
        "every series",
    )


def assert_rules_hold(prometheus: PrometheusServer, desk: Desk) -> None:
    """Work until each recording rule gave a value; none of the alerts about Barometer may fire."""
    recorded = [
        rule["record"]
        for file in RULES
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "record" in rule
    ]

    def silent() -> Sequence[str]:
        desk.work()
        return [name for name in recorded if not prometheus.query(name)]

    eventually(silent, lambda seen: not seen, "recorded series", deadline_s=SPANNED_S, poll_s=WORK_EVERY_S)
    assert [] == prometheus.query('ALERTS{alertstate="firing"}')


def values(prometheus: PrometheusServer, expression: str) -> list[Any]:
    """Return the values of `expression`."""
    return [one["value"][1] for one in prometheus.query(expression)]
