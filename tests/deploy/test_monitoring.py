"""Rules, their own tests, and the dashboard: parsed by Prometheus' tool and held to Grafana's conventions."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.tree import PACKAGES, ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "backlog-overview.json"
METRIC = re.compile(r"(?<![:\w])(?:backlog|barometer)_[a-z_]+\b(?!:)")
NOT_METRICS = {"barometer_"}


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    """Give the dashboard."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def _drawn(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def _queries(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in _drawn(dashboard):
        for target in panel["targets"]:
            yield target["expr"]


def test_the_rules_are_valid(promtool: Path) -> None:
    _run(promtool, "check", "rules", *RULES)


def test_the_configuration_is_valid(promtool: Path) -> None:
    _run(promtool, "check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml")


def test_the_rules_do_what_their_tests_say(promtool: Path) -> None:
    _run(promtool, "test", "rules", PROMETHEUS / "tests" / "rules.yml")


def test_every_rule_is_under_test() -> None:
    tested = (PROMETHEUS / "tests" / "rules.yml").read_text(encoding="utf-8")
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    names = {rule.get("alert") or rule["record"] for group in groups for rule in group["rules"]}

    assert {"tenant_queue:backlog_tickets:sum"} >= {name for name in names if name not in tested}


def test_the_configuration_of_alertmanager_is_valid() -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("no amtool on the PATH (Debian: prometheus-alertmanager)")
    _run(amtool, "check-config", ROOT / "deploy" / "alertmanager" / "alertmanager.yml")


def test_every_query_of_the_dashboard_is_understood_by_prometheus(
    dashboard: dict[str, Any], promtool: Path, tmp_path: Path
) -> None:
    rules = [
        {
            "record": f"query:{number}",
            "expr": expr.replace("$__rate_interval", "5m").replace("${datasource}", ""),
        }
        for number, expr in enumerate(_queries(dashboard))
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")

    _run(promtool, "check", "rules", file)


def test_every_metric_named_is_one_that_the_services_expose(dashboard: dict[str, Any]) -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8") for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    )
    texts = [*_queries(dashboard), *(file.read_text(encoding="utf-8") for file in RULES)]
    named = {name for text in texts for name in METRIC.findall(text)} - NOT_METRICS

    # The client library adds the `_total` of some counters; a histogram has buckets.
    assert set() == {
        name
        for name in named
        if not any(f'"{name.removesuffix(ending)}"' in source for ending in ("", "_total", "_bucket"))
    }


def test_every_panel_says_what_it_shows_in_which_unit(dashboard: dict[str, Any]) -> None:
    for panel in _drawn(dashboard):
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        for part in (panel, *panel["targets"]):
            assert {"type": "prometheus", "uid": "${datasource}"} == part["datasource"]


def test_panels_have_ids_of_their_own_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in dashboard["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(set(ids)) == len(ids)
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


def test_the_dashboard_is_provisioned_and_not_edited_in_place(dashboard: dict[str, Any]) -> None:
    assert ("backlog-overview", 42, False, ["backlog"]) == tuple(
        dashboard[key] for key in ("uid", "schemaVersion", "editable", "tags")
    )


def test_variables_are_chosen_from_what_is_there_at_the_time_shown(dashboard: dict[str, Any]) -> None:
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}

    assert {"datasource", "job", "tenant", "queue", "priority", "channel"} == set(variables)
    for each in variables.values():
        if each["type"] == "query":
            assert each["query"].startswith("label_values(")
            assert 2 == each["refresh"]


def test_counters_are_drawn_as_rates_of_the_right_span(dashboard: dict[str, Any]) -> None:
    for expr in _queries(dashboard):
        for name in re.findall(r"\w+_total", expr):
            assert re.search(rf"rate\({name}\{{[^}}]*\}}\[\$__rate_interval\]\)", expr), expr


def test_every_query_listens_to_the_variables(dashboard: dict[str, Any]) -> None:
    for expr in _queries(dashboard):
        for selector in re.findall(r"\{([^}]*)\}", expr):
            assert 'tenant=~"$tenant"' in selector or 'job=~"$job"' in selector, expr
