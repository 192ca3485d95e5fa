"""From a ticket over HTTP to somebody who is told: once when it fires, once when it is over."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from standardwebhooks import Webhook

from shared.clock import monotonic_seconds
from tests.contract.receiver import Answer, Receiver, receiving
from tests.e2e.harness import Deployment, eventually, one_machine, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SECRET: Final = "whsec_" + base64.b64encode(bytes(range(32))).decode()
RULE: Final = {
    "name": "many open", "measure": "open", "by": ["queue"], "above": 2, "clear": 1, "severity": "critical",
    "summary": "More than two.",
}  # fmt: skip
TOLD_WITHIN_S: Final = 5.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give somebody to tell."""
    with receiving() as opened:
        yield opened


@pytest.fixture
def served(receiver: Receiver, tmp_path: Path) -> Iterator[Deployment]:
    """Give a `barometer serve` with one rule and one receiver."""
    hook = {"url": receiver.url, "secret": {"env": "HOOK_SECRET"}}
    config = tmp_path / "barometer.yaml"
    document = {"rules": [RULE], "receivers": [{"name": "chat", "webhook": hook}]}
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    with running(one_machine(tmp_path, config=config, HOOK_SECRET=SECRET)) as deployment:
        yield deployment


def send(served: Deployment, ticket: str, **shown: Any) -> None:
    """Show something of a ticket."""
    answer = served.post("/v1/events", json={"id": ticket, "queue": "first line", **shown})
    assert 202 == answer.status_code, answer.text


def told(receiver: Receiver, number: int) -> list[dict[str, Any]]:
    """Return the messages, once `number` have come; every signature is right."""
    eventually(lambda: len(receiver.received), lambda seen: seen >= number, f"{number} messages")
    return [Webhook(SECRET).verify(each.body, each.headers) for each in receiver.received]


def test_an_alert_is_told_once_and_its_end_once(served: Deployment, receiver: Receiver) -> None:
    for number in (1, 2):
        send(served, str(number))
    eventually(lambda: served.backlog()["open"], lambda seen: seen == 2, "two open tickets")
    begin = monotonic_seconds()
    send(served, "3")
    [fired] = told(receiver, 1)
    latency = monotonic_seconds() - begin
    print(f"from ticket to alert: {latency:.3f} s")
    assert latency < TOLD_WITHIN_S
    assert ("barometer.alert.fired.v1", "many open", "firing", "critical", 3.0) == (
        fired["type"], *(fired["data"][name] for name in ("rule", "state", "severity", "value")),
    )  # fmt: skip
    assert {"queue": "first line", "tenant": "default"} == fired["data"]["labels"]

    [alert] = served.ask("alerting", "/v1/alerts", state="firing")["alerts"]
    assert fired["data"]["id"] == alert["id"]
    assert 'backlog_alerts_firing{rule="many open",severity="critical"} 1.0' in served.metrics()

    send(served, "1", status="solved")
    eventually(lambda: served.backlog()["open"], lambda seen: seen == 2, "two open tickets")
    send(served, "4")  # three again: the same alert goes on
    eventually(lambda: served.backlog()["open"], lambda seen: seen == 3, "three open tickets")
    for ticket in ("2", "3"):
        send(served, ticket, status="solved")
    _, resolved = told(receiver, 2)
    assert ("barometer.alert.resolved.v1", fired["data"]["id"], fired["data"]["fired_at"]) == (
        resolved["type"], resolved["data"]["id"], resolved["data"]["fired_at"],
    )  # fmt: skip
    assert [] == served.ask("alerting", "/v1/alerts", state="firing")["alerts"]


def test_a_restart_tells_nobody_again_and_a_receiver_that_was_away_is_told_later(
    served: Deployment, receiver: Receiver
) -> None:
    receiver.answers = [Answer(status=503), Answer()]
    for number in range(3):
        send(served, str(number))
    told(receiver, 1)
    process = served.processes["alerting"]
    process.kill9()
    process.start().wait_ready()
    told(receiver, 2)  # five seconds after the first attempt
    eventually(lambda: deliveries(served), lambda seen: seen == ["delivered"], "the delivery")
    judged = served.ask("alerting", "/v1/rules")["judged_at"]
    assert 0 == process.stop()
    process.start().wait_ready()
    eventually(
        lambda: served.ask("alerting", "/v1/rules")["judged_at"] or "",
        lambda seen: seen > judged,
        "rules judged after the restart",
    )
    assert 1 == len({each.headers["webhook-id"] for each in receiver.received})
    assert 2 == len(receiver.received)


def deliveries(served: Deployment) -> list[str]:
    """Return what became of telling of the one alert."""
    [alert] = served.ask("alerting", "/v1/alerts")["alerts"]
    detail = served.ask("alerting", f"/v1/alerts/{alert['id']}")
    return [each["state"] for each in detail["deliveries"]]
