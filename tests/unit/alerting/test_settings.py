"""From the configuration and the environment to what the core understands."""

from __future__ import annotations

from typing import Any

import pytest

from services.alerting.core.alerts import AlertRecord
from services.alerting.core.clocks import CLOCK_STALE
from services.alerting.core.defaults import DEFAULT_RULES
from services.alerting.core.routing import Route, Routing
from services.alerting.core.rules import Comparison, Measure, Rule
from services.alerting.settings import (
    ProcessSettings,
    Settings,
    routing_of,
    rule_labels,
    rules_of,
)
from shared.configuration.models import Configuration
from shared.runtime.environment import SettingsInvalid

HOUR_US = 3_600_000_000


def rules(*written: dict[str, Any]) -> tuple[Rule, ...]:
    return rules_of(Configuration.model_validate({"rules": list(written)}))


def test_ages_are_microseconds_and_counts_are_whole() -> None:
    old = {"name": "old", "measure": "oldest_age", "above": "72h", "clear": "48h", "for": "10m"}
    few = {
        "name": "few",
        "measure": "open",
        "below": 2.5,
        "by": ["queue"],
        "where": {"priority": ["p1", "p2"]},
    }
    many = {"name": "many", "measure": "open", "above": 2.5, "severity": "info", "summary": "Many."}
    assert (
        Rule("old", Measure.OLDEST_AGE, Comparison.ABOVE, 72 * HOUR_US, 48 * HOUR_US, for_us=HOUR_US // 6),
        Rule("few", Measure.OPEN, Comparison.BELOW, 3, by=("queue",), where=(("priority", ("p1", "p2")),)),
        Rule("many", Measure.OPEN, Comparison.ABOVE, 2, severity="info", summary="Many."),
    ) == rules(old, few, many)


def test_without_rules_in_the_file_there_are_defaults_that_can_fire() -> None:
    assert DEFAULT_RULES == rules_of(Configuration())
    assert () == rules()
    without_72h = Configuration.model_validate({"age": {"edges": ["24h"], "buckets": ["24h"]}})
    assert ["oldest-p1-over-24h", "urgent-not-started", "p1-past-sla"] == [
        rule.name for rule in rules_of(without_72h)
    ]


def test_every_alert_that_can_fire_has_its_series() -> None:
    labels = rule_labels(DEFAULT_RULES)
    assert ("backlog-older-than-72h", "warning") in labels
    assert (CLOCK_STALE, "critical") in labels


def test_routes_choose_receivers_each_once_and_without_routes_all_are_told() -> None:
    alert = AlertRecord(
        id="a", fingerprint="f", tenant="default", rule="many", rule_digest="", severity="critical",
        labels=(("queue", "tier1"),), measure="open", value=1.0, threshold=1.0, since_us=0, fired_at_us=0,
    )  # fmt: skip
    hook = {"webhook": {"url": "https://hooks.example.com/"}}
    receivers = [{"name": name, **hook} for name in ("chat", "pager", "mail")]
    written = {"receivers": receivers, "rules": [{"name": "many", "measure": "open", "above": 1}]}
    everybody = routing_of(Configuration.model_validate(written))
    assert ("chat", "pager", "mail") == tuple(everybody.receivers_of(alert))
    chosen = Routing(
        ("chat", "pager", "mail"),
        (
            Route("pager", (("severity", "critical"), ("queue", "tier1"))),
            Route("chat", (("rule", "many"),)),
            Route("chat"),
            Route("mail", (("queue", "tier2"),)),
        ),
    )
    assert ("chat", "pager") == tuple(chosen.receivers_of(alert))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BAROMETER_METRICS_QUEUES_MAX", "0"),
        ("BAROMETER_METRICS_QUEUES_MAX", "many"),
        ("BAROMETER_WEBHOOK_PRIVATE", "maybe"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=name):
        Settings.from_environment({name: value})


def test_the_environment_sets_a_process() -> None:
    with pytest.raises(SettingsInvalid, match="BAROMETER_BUS"):
        ProcessSettings.from_environment({})
    settings = ProcessSettings.from_environment(
        {
            "BAROMETER_BUS": "kafka://127.0.0.1:9092",
            "BAROMETER_DATABASE": "sqlite+aiosqlite:///alerting.db",
            "BAROMETER_WEBHOOK_PRIVATE": "true",
        }
    )
    assert (2, 8080, True, True) == (
        settings.cells_partitions,
        settings.port,
        settings.alerting.webhook_private,
        settings.alerting.webhook_loopback,
    )
