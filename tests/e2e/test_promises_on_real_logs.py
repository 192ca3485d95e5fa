"""Promises on real logs: a backtest, an import and live events come to the verdicts of the raw rows.

The policy is the simplest there is, so that tests/e2e/recount.py can count it by adding up spans: round the
clock, and nothing pauses. How much pauses and hours do is held to other references (tests/unit).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
import yaml

from shared.clock import SystemClock
from shared.contracts.instants import from_us
from tests.e2e import recount
from tests.e2e.harness import MAPPINGS, Deployment, eventually, one_machine, run, running
from tests.e2e.records import Standing
from tests.e2e.truth import Log, known, of, real_logs

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CONFIGURATION: Final = {
    "rules": [],
    "sla": {
        "policies": [
            {
                "name": "simple",
                "clocks": {
                    "first_response": {"target": "8h", "warn": ["4h"]},
                    "resolution": {"target": "5d", "warn": ["80%"], "pauses": []},
                },
            }
        ]
    },
}
PROMISES: Final = {
    "first_response": recount.Promise(timedelta(hours=8), timedelta(hours=4), None, kept=False),
    "resolution": recount.Promise(timedelta(days=5), timedelta(days=4), timedelta(hours=72), kept=True),
}
STATUSES: Final = {
    "not_started": "new",
    "in_progress": "in_progress",
    "waiting": "waiting/vendor",
    "gone": "solved",
}
VERDICTS: Final = ("sla.met", "sla.breached")
BATCH: Final = 1_000


@pytest.fixture(scope="module")
def logs(shared_data: Path) -> list[Log]:
    """Give both logs."""
    return real_logs(shared_data)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the configuration."""
    path = tmp_path_factory.mktemp("promises") / "barometer.yaml"
    path.write_text(yaml.safe_dump(CONFIGURATION), encoding="utf-8")
    return path


def backtested(log: Log, config: Path, *flags: str, at: Sequence[datetime] = ()) -> dict[str, Any]:
    """Return what `barometer backtest` says of `log`."""
    instants = [flag for instant in at for flag in ("--at", instant.isoformat())]
    done = run(
        "backtest", log.path, "--mapping", MAPPINGS / log.mapping, "--config", config, "--json", *instants, *flags,
        directory=config.parent,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def verdicts(facts: set[Standing]) -> dict[str, dict[str, int]]:
    """Return how many instances of each clock were met and breached; a breached one was not met."""
    instances: dict[tuple[str, str, int], set[str]] = {}
    for fact in facts:
        if fact.type in VERDICTS:
            instances.setdefault((fact.ticket, fact.clock, fact.instance), set()).add(fact.type)
    counts = Counter((clock, "sla.breached" in said) for (_, clock, _), said in instances.items())
    return {clock: {"met": counts[clock, False], "breached": counts[clock, True]} for clock in PROMISES}


def recounted(log: Log, until: datetime) -> dict[str, dict[str, int]]:
    """Return the same of the raw rows."""
    return {clock: recount.verdicts(log.rows, promise, until) for clock, promise in PROMISES.items()}


def long_after() -> datetime:
    """Return now: whatever is still open was broken long ago."""
    return from_us(SystemClock().now_us())


@pytest.mark.parametrize("number", [0, 1], ids=["italian", "servicenow"])
def test_a_backtest_counts_the_promises_of_the_raw_rows(number: int, logs: list[Log], config: Path) -> None:
    log = logs[number]
    answer = backtested(log, config, at=log.instants())
    for instant, figures in zip(log.instants(), answer["instants"], strict=True):
        expected = recount.promises_at(log.rows, list(PROMISES.values()), instant)
        assert expected == {name: figures[name] for name in expected}, instant
    assert recounted(log, max(row.time for row in log.rows)) == answer["sla"]


def test_what_was_known_of_promises_is_what_was_true_where_everything_was_recorded_at_once(
    logs: list[Log], config: Path
) -> None:
    log = logs[0]  # each row of it is recorded when it happens
    true, as_known = (backtested(log, config, *flags, at=log.instants()) for flags in ((), ("--as-known",)))
    assert true == as_known


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, logs: list[Log], config: Path) -> Iterator[Deployment]:
    """Give a `barometer serve` into which both logs were imported."""
    with running(one_machine(tmp_path_factory.mktemp("imported"), config=config)) as deployment:
        for log in logs:
            assert {} == deployment.import_log(log.path, log.mapping)["rejected"]
        yield deployment


def test_an_import_comes_to_the_verdicts_of_the_raw_rows_and_of_a_backtest(
    imported: Deployment, logs: list[Log], config: Path
) -> None:
    everything = known(imported)
    for log in logs:
        found = verdicts(of(everything, log).facts)
        assert recounted(log, long_after()) == found
        assert backtested(log, config, at=[long_after()])["sla"] == found


def test_imported_verdicts_move_no_counter_and_what_is_past_sla_is_shown(
    imported: Deployment, logs: list[Log]
) -> None:
    expected = sum(
        recount.promises_at(log.rows, list(PROMISES.values()), long_after())["past_sla"] for log in logs
    )
    known(imported)
    eventually(
        lambda: figure(imported, "backlog_past_sla_tickets"), lambda seen: seen == expected, "all past SLA"
    )
    for name in ("met", "breaches", "corrections"):
        assert 0 == figure(imported, f"backlog_sla_{name}_total")


def figure(deployment: Deployment, name: str, *labels: str) -> float:
    """Return the sum of a metric's samples that have `labels`."""
    samples = (line.rpartition(" ") for line in deployment.metrics().splitlines())
    return sum(
        float(value)
        for series, _, value in samples
        if series.startswith(f"{name}{{") and all(label in series for label in labels)
    )


def said_of(log: Log) -> list[dict[str, Any]]:
    """Return the rows of `log` as somebody would send them one by one."""
    sent = []
    for row in log.rows:
        shown = {} if row.state is None else {"status": STATUSES[row.state]}
        sent.append({
            "id": row.ticket, "time": row.time.isoformat(), "created_at": row.reported.isoformat(),
            "sequence": row.number, "event_id": f"{row.ticket}/{row.number}", **shown,
        })  # fmt: skip
    return sent


def told(facts: set[Standing], types: Sequence[str]) -> set[tuple[Any, ...]]:
    """Return what facts say, whatever source the ticket came by."""
    return {
        (fact.ticket.partition(":")[2], fact.type, fact.clock, fact.instance, fact.at)
        for fact in facts
        if fact.type in types
    }


def test_live_events_in_any_order_come_to_the_facts_of_the_import_and_are_counted(
    imported: Deployment, logs: list[Log], config: Path, tmp_path: Path
) -> None:
    log = logs[0]
    events = said_of(log)
    Random(7).shuffle(events)
    with running(one_machine(tmp_path, config=config)) as live:
        for begin in range(0, len(events), BATCH):
            assert 202 == live.post("/v1/events", json=events[begin : begin + BATCH]).status_code
        facts = known(live).facts
        types = (*VERDICTS, "sla.started", "sla.finished", "sla.warned")
        assert told(of(known(imported), log).facts, types) == told(facts, types)
        eventually(lambda: counted(live), lambda seen: seen == verdicts_stated(facts), "the same counters")


def counted(deployment: Deployment) -> dict[str, tuple[float, float]]:
    """Return the counters of both verdicts without their corrections, by clock."""
    return {clock: (net(deployment, clock, "met", "met"), net(deployment, clock, "breaches", "breached"))
            for clock in PROMISES}  # fmt: skip


def net(deployment: Deployment, clock: str, counter: str, verdict: str) -> float:
    """Return one counter of a clock without its corrections."""
    labels = (f'clock="{clock}"', f'verdict="{verdict}"')
    corrected = figure(deployment, "backlog_sla_corrections_total", *labels)
    return figure(deployment, f"backlog_sla_{counter}_total", labels[0]) - corrected


def verdicts_stated(facts: set[Standing]) -> dict[str, tuple[int, int]]:
    """Return how many facts say `met` and `breached`, by clock."""
    counts = Counter((fact.clock, fact.type) for fact in facts)
    return {clock: (counts[clock, "sla.met"], counts[clock, "sla.breached"]) for clock in PROMISES}
