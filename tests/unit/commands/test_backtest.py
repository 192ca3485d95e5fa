"""The backtest against obvious models, on a small log and on the real ones."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from barometer.cli import run

MAPPINGS = Path(__file__).parents[2] / "data" / "mappings"
LOG = """\
id,at,state,opened,prio,queue
a,2026-01-01T09:07:00Z,new,2026-01-01T09:00:00Z,p1,x
b,2026-01-01T10:00:00Z,new,,p3,x
a,2026-01-01T12:00:00Z,in_progress,2026-01-01T09:00:00Z,p1,x
b,2026-01-02T10:30:00Z,solved,,p3,x
a,2026-01-03T09:00:00Z,solved,2026-01-01T09:00:00Z,p1,x
b,2026-01-03T12:00:00Z,waiting/customer,,p3,x
"""
MAPPING = """\
ticket: id
time: at
source: s
fields:
  status: state
  created_at: opened
  priority: prio
  queue: queue
"""


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "m.yaml").write_text(MAPPING)

    def asked(*arguments: str, config: str = "rules: []") -> dict[str, Any]:
        (tmp_path / "c.yaml").write_text(config)
        fixed = [str(tmp_path / "log.csv"), "--mapping", str(tmp_path / "m.yaml")]
        assert 0 == run(["backtest", *fixed, "--config", str(tmp_path / "c.yaml"), "--json", *arguments])
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return asked


Ask = Callable[..., dict[str, Any]]


def test_the_answer_has_the_shape_of_the_design(ask: Ask) -> None:
    answer = ask("--at", "2026-01-02T10:00:00Z")
    assert {
        "tickets": 2,
        "observations": 6,
        "instants": [
            {
                "at": "2026-01-02T10:00:00Z",
                "open": 2,
                "not_started": 1,
                "in_progress": 1,
                "waiting": 0,
                "by_bucket": {"0-24h": 0, "24-72h": 2, "72h+": 0},
                "by_priority": {"p1": 1, "p2": 0, "p3": 1, "p4": 0},
                "older_than": {"24h": 2, "48h": 0, "72h": 0, "7d": 0, "30d": 0},
                "oldest_age_seconds": 90_000,
                "average_age_seconds": 88_200.0,
                "past_sla": 1,
                "at_risk": 0,
            }
        ],
        "sla": {
            "first_response": {"met": 0, "breached": 0},
            "next_response": {"met": 0, "breached": 0},
            "resolution": {"met": 1, "breached": 1},
        },
        "alerts": [],
    } == answer


def test_figures_are_true_by_the_whole_log_or_as_they_were_known(ask: Ask) -> None:
    at = ("--at", "2026-01-01T09:05:00Z")
    assert 1 == ask(*at)["instants"][0]["open"]
    assert 0 == ask(*at, "--as-known")["instants"][0]["open"]


def test_without_instants_the_end_of_the_log_is_asked_for(ask: Ask) -> None:
    instants = ask()["instants"]
    assert [("2026-01-03T12:00:00Z", 1, 1)] == [(one["at"], one["open"], one["waiting"]) for one in instants]


DAY = "rules: []\nsla: {policies: [{name: day, clocks: {resolution: {target: 24h, warn: [30m]}}}]}"


@pytest.mark.parametrize("known", [(), ("--as-known",)])
@pytest.mark.parametrize(
    ("at", "past_sla", "at_risk"),
    [
        ("2026-01-02T08:29:59.999999Z", 0, 0),
        ("2026-01-02T08:30:00Z", 0, 1),
        ("2026-01-02T09:00:00Z", 0, 1),  # the deadline itself is met
        ("2026-01-02T09:00:00.000001Z", 1, 0),
        ("2026-01-02T09:30:00Z", 1, 1),
        ("2026-01-02T10:15:00Z", 2, 0),
        ("2026-01-02T10:30:00Z", 1, 0),
        ("2026-01-03T10:00:00Z", 0, 0),
        ("2026-01-03T12:00:00Z", 1, 0),  # opened again, and broken before
    ],
)
def test_promises_are_counted_as_of_each_instant(
    ask: Ask, at: str, past_sla: int, at_risk: int, known: tuple[str, ...]
) -> None:
    (figures,) = ask("--at", at, *known, config=DAY)["instants"]
    assert (past_sla, at_risk) == (figures["past_sla"], figures["at_risk"])


@pytest.mark.slow
def test_many_instants_at_once_say_the_same_of_promises_as_each_alone(ask: Ask) -> None:
    instants = [f"2026-01-0{day}T{hour:02}:{minute}:00Z" for day in (1, 2, 3) for hour in range(24)
                for minute in ("00", "31")]  # fmt: skip
    together = ask("--at", *instants, config=DAY)["instants"]
    known = ask("--at", *instants, "--as-known", config=DAY)["instants"]
    for shown, then in zip(together, known, strict=True):
        (alone,) = ask("--at", shown["at"], config=DAY)["instants"]
        assert alone == shown
        assert (shown["past_sla"], shown["at_risk"]) == (then["past_sla"], then["at_risk"]), shown["at"]


def test_a_promise_is_broken_though_the_ticket_was_recorded_later(ask: Ask) -> None:
    config = "rules: []\nsla: {policies: [{name: p, clocks: {first_response: {target: 5m}}}]}"
    at = ("--at", "2026-01-01T09:06:00Z")
    assert (1, 1) == tuple(ask(*at, config=config)["instants"][0][name] for name in ("open", "past_sla"))
    assert 0 == ask(*at, "--as-known", config=config)["instants"][0]["past_sla"]


def test_verdicts_are_those_of_the_whole_log_and_of_the_time_asked_for_after_it(ask: Ask) -> None:
    assert {"resolution": {"met": 0, "breached": 2}} == ask(config=DAY)["sla"]
    week = DAY.replace("24h", "7d")
    assert {"resolution": {"met": 2, "breached": 0}} == ask("--at", "2026-01-01T09:30:00Z", config=week)[
        "sla"
    ]
    # It was met, opened again and paused; without the pause it breaks when 7 days of open time are used.
    running = week.replace("warn: [30m]", "pauses: []")
    assert {"resolution": {"met": 1, "breached": 1}} == ask("--at", "2026-03-01T00:00:00Z", config=running)[
        "sla"
    ]


def test_without_policies_nothing_is_promised(ask: Ask) -> None:
    answer = ask(config="rules: []\nsla: {policies: []}")
    assert ({}, 0, 0) == (
        answer["sla"],
        answer["instants"][0]["past_sla"],
        answer["instants"][0]["at_risk"],
    )


def test_rules_on_promises_fire_at_the_instant_one_breaks(ask: Ask) -> None:
    rules = "rules: [{name: late, measure: past_sla, by: queue, above: 1}, {name: soon, measure: at_risk, above: 0}]"
    alerts = ask(config=DAY.replace("rules: []", rules))["alerts"]
    assert [
        ("soon", "2026-01-02T08:30:00Z", "2026-01-02T09:00:00.000001Z"),
        ("soon", "2026-01-02T09:30:00Z", "2026-01-02T10:00:00.000001Z"),
        ("late", "2026-01-02T10:00:00.000001Z", "2026-01-02T10:30:00Z"),
    ] == [(one["rule"], one["fired_at"], one["resolved_at"]) for one in alerts]


def test_the_table_shows_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("log.csv", LOG), ("m.yaml", MAPPING), ("c.yaml", DAY)):
        (tmp_path / name).write_text(text)
    assert 0 == run([
        "backtest", str(tmp_path / "log.csv"), "--mapping", str(tmp_path / "m.yaml"), "--config",
        str(tmp_path / "c.yaml"), "--at", "2026-01-02T09:30:00Z",
    ])  # fmt: skip
    shown = [
        [cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()
    ]
    assert ["past SLA", "1"] in shown
    assert ["at risk", "1"] in shown
    assert ["resolution", "0", "2"] in shown


def test_several_instants_come_in_order_and_an_edge_belongs_to_the_older_side(ask: Ask) -> None:
    answer = ask(
        "--at", "2026-01-02T09:00:00Z", "2026-01-02T08:59:59.999999Z", "--at", "2025-01-01T00:00:00Z"
    )
    assert [("2025-01-01T00:00:00Z", 0), ("2026-01-02T08:59:59.999999Z", 0), ("2026-01-02T09:00:00Z", 1)] == [
        (one["at"], one["older_than"]["24h"]) for one in answer["instants"]
    ]


def test_age_can_count_from_the_last_reopening(ask: Ask) -> None:
    answer = ask("--at", "2026-01-03T13:00:00Z", config="rules: []\nage: {from: episode}")
    assert 3_600 == answer["instants"][0]["oldest_age_seconds"]


@pytest.mark.parametrize(
    ("rule", "alerts"),
    [
        (
            "{name: r, measure: oldest_age, above: 24h, where: {priority: p1}}",
            [("2026-01-02T09:00:00Z", "2026-01-03T09:00:00Z")],
        ),
        (
            "{name: r, measure: older_than, edge: 24h, above: 1, by: queue}",
            [("2026-01-02T10:00:00Z", "2026-01-02T10:30:00Z")],
        ),
        (
            "{name: r, measure: open, above: 1, for: 30m, by: queue}",
            [("2026-01-01T10:30:00Z", "2026-01-02T10:30:00Z")],
        ),
        ("{name: r, measure: waiting, above: 0, by: queue}", [("2026-01-03T12:00:00Z", None)]),
        ("{name: r, measure: open, above: 2, by: queue}", []),
    ],
)
def test_alerts_fire_at_exact_instants_of_what_was_known(
    ask: Ask, rule: str, alerts: list[tuple[str, str | None]]
) -> None:
    told = ask(config=f"rules: [{rule}]")["alerts"]
    assert alerts == [(one["fired_at"], one["resolved_at"]) for one in told]


def test_nothing_is_said_of_the_time_before_the_log(ask: Ask) -> None:
    config = (
        "rules: [{name: few, measure: not_started, below: 3, for: 1h}, {name: none, measure: open, below: 1}]"
    )
    alerts = ask(config=config)["alerts"]
    assert [("few", "2026-01-01T10:07:00Z"), ("none", "2026-01-03T09:00:00Z")] == [
        (one["rule"], one["fired_at"]) for one in alerts
    ]


def test_an_instant_without_offset_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text(MAPPING)
    arguments = ["backtest", "log.csv", "--mapping", str(mapping), "--at", "2026-01-01T00:00:00"]
    assert 2 == run(arguments)
    assert "add the offset" in capsys.readouterr().err


def _servicenow_model(log: Path, at: datetime) -> dict[str, Any]:
    """Return the figures at `at` by reading the log the slow and obvious way."""
    statuses = {"New": "not_started", "Active": "in_progress", "Resolved": "", "Closed": ""}
    rows = defaultdict(list)
    with gzip.open(log, "rt", encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            moment = datetime.strptime(row["sys_updated_at"], "%d/%m/%Y %H:%M").replace(tzinfo=UTC)
            rows[row["number"]].append((moment, int(row["sys_mod_count"]), row))
    ages: list[float] = []
    by_status: dict[str, int] = defaultdict(int)
    for known in rows.values():
        opened = [
            datetime.strptime(row["opened_at"], "%d/%m/%Y %H:%M").replace(tzinfo=UTC) for *_, row in known
        ]
        created = min(*opened, *(moment for moment, *_ in known))
        if created > at:
            continue
        status = "not_started"
        for moment, _, row in sorted(known, key=lambda one: one[:2]):
            if moment <= at and row["incident_state"] != "-100":
                status = statuses.get(row["incident_state"], "waiting")
        if status:
            by_status[status] += 1
            ages.append((at - created).total_seconds())
    return {
        "open": len(ages),
        **{name: by_status[name] for name in ("not_started", "in_progress", "waiting")},
        "older_than": {f"{hours}h": sum(age >= hours * 3_600 for age in ages) for hours in (24, 48, 72)},
        "oldest_age_seconds": max(ages, default=0),
        "average_age_seconds": pytest.approx(sum(ages) / len(ages)) if ages else 0,
    }


@pytest.mark.slow
def test_the_real_log_agrees_with_a_slow_and_obvious_reading(
    shared_data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = shared_data / "event-logs" / "servicenow-third" / "incident_event_log_third.csv.gz"
    mapping = MAPPINGS / "servicenow.yaml"
    (tmp_path / "c.yaml").write_text("rules: []\nage: {edges: [24h, 48h, 72h]}\n")
    written = ("2016-03-07T08:00:00Z", "2016-04-15T10:30:00Z", "2016-07-01T00:00:00Z")
    arguments = [str(log), "--mapping", str(mapping), "--config", str(tmp_path / "c.yaml"), "--json"]
    assert 0 == run(["backtest", *arguments, "--at", *written])
    answer = json.loads(capsys.readouterr().out)
    assert (8_185, 46_700) == (answer["tickets"], answer["observations"])
    for shown in answer["instants"]:
        expected = _servicenow_model(log, datetime.fromisoformat(shown["at"]))
        assert expected == {name: shown[name] for name in expected}


@pytest.mark.slow
def test_the_second_real_log_is_read_with_its_zone(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = shared_data / "event-logs" / "helpdesk-italian" / "helpdesk.csv.gz"
    mapping = str(MAPPINGS / "helpdesk-italian.yaml")
    assert 0 == run(["backtest", str(log), "--mapping", mapping, "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert 4_580 == answer["tickets"]
    assert 0 < answer["instants"][0]["open"] < 100
