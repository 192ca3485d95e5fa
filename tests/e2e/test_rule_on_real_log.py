"""Rules on a real log in virtual time: they fire and resolve at the very instants the raw rows give.

The expected alerts are computed here from the rows alone, by going through the instants at which something
was recorded. Alerts follow what was known: a ticket counts from its first row on, though it says that it was
opened earlier.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from tests.e2e import recount
from tests.e2e.harness import MAPPINGS, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

MANY: Final = {"name": "many", "measure": "open", "above": 480, "clear": 470}
MANY_LONG: Final = {"name": "many for long", "measure": "open", "above": 470, "clear": 465, "for": "6h"}
OLD: Final = {"name": "old", "measure": "oldest_age", "where": {"priority": "p1"}, "above": "48h"}
FEW: Final = {"name": "few", "measure": "not_started", "below": 100, "for": "2h"}
OLD_AFTER: Final = timedelta(hours=48)
CRITICAL: Final = "1 - Critical"


class Span(NamedTuple):
    """An alert: when it fired, when it was over."""

    fired: datetime
    resolved: datetime | None


class Known(NamedTuple):
    """What is known from `at` on."""

    at: datetime
    states: Mapping[str, str]
    created: Mapping[str, datetime]
    critical: set[str]
    numbers: Counter[str]
    """Tickets by state."""


@pytest.fixture(scope="module")
def event_logs(shared_data: Path) -> Path:
    """Give the directory of the logs."""
    return shared_data / "event-logs"


def story(event_logs: Path) -> Iterator[Known]:
    """Yield what is known after each instant of the log; the same objects, moved on."""
    lines = list(recount._lines(event_logs / recount.SERVICENOW))
    rows = zip(recount.servicenow(event_logs), [line["priority"] for line in lines], strict=True)
    states: dict[str, str] = {}
    created: dict[str, datetime] = {}
    critical: set[str] = set()
    numbers: Counter[str] = Counter()
    ordered = sorted(rows, key=lambda one: (one[0].time, one[0].number))
    for at, group in groupby(ordered, key=lambda one: one[0].time):
        for row, priority in group:
            before = states.get(row.ticket)
            states[row.ticket] = now = row.state or before or "not_started"
            numbers[now] += 1
            if before is not None:
                numbers[before] -= 1
            first = min(row.reported, row.time)
            created[row.ticket] = min(created.get(row.ticket, first), first)
            (critical.add if priority == CRITICAL else critical.discard)(row.ticket)
        yield Known(at, states, created, critical, numbers)


def counts(event_logs: Path, *, only: str | None = None) -> list[tuple[datetime, int]]:
    """Return how many tickets are open (or in one state) from each instant on."""
    return [
        (known.at, known.numbers[only] if only else known.numbers.total() - known.numbers["gone"])
        for known in story(event_logs)
    ]


def crossings(
    steps: list[tuple[datetime, int]], *, bad: range, still_bad: range, lasting: timedelta
) -> list[Span]:
    """Return the alerts of a count: `bad` for `lasting`, until it is no longer in `still_bad`."""
    spans: list[Span] = []
    since: datetime | None = None
    firing = False
    end = steps[-1][0]
    for (at, count), (following, _) in zip(steps, [*steps[1:], (end, 0)], strict=True):
        if firing and count not in still_bad:
            spans[-1] = spans[-1]._replace(resolved=at)
            firing, since = False, None
        elif not firing:
            since = (since or at) if count in bad else None
        if since is not None and not firing:
            due = max(at, since + lasting)
            # At the following instant itself it is the new count that decides.
            if due < following or at == end:
                spans.append(Span(due, None))
                firing = True
    return spans


def aged(event_logs: Path) -> list[Span]:
    """Return the alerts of the oldest critical ticket: they begin when it reaches the age, exactly."""
    steps = []
    for known in story(event_logs):
        since = [known.created[key] for key in known.critical if known.states[key] != "gone"]
        steps.append((known.at, min(since, default=None)))
    spans: list[Span] = []
    firing = False
    for (at, oldest), following in zip(steps, [*(at for at, _ in steps[1:]), None], strict=True):
        reached = None if oldest is None else max(at, oldest + OLD_AFTER)
        if firing and reached != at:
            spans[-1] = spans[-1]._replace(resolved=at)
            firing = False
        in_time = reached is not None and (reached < following if following else reached == at)
        if reached is not None and not firing and in_time:
            spans.append(Span(reached, None))
            firing = True
    return spans


@pytest.fixture(scope="module")
def alerts(event_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Span]]:
    """Give the alerts that `barometer backtest` shows, by rule."""
    directory = tmp_path_factory.mktemp("rules")
    config = directory / "rules.yaml"
    config.write_text(yaml.safe_dump({"rules": [MANY, MANY_LONG, OLD, FEW]}), encoding="utf-8")
    arguments: list[str | Path] = [
        event_logs / recount.SERVICENOW,
        "--mapping",
        MAPPINGS / "servicenow.yaml",
        "--config",
        config,
    ]
    done = run("backtest", *arguments, "--json", directory=directory)
    assert 0 == done.returncode, done.stderr
    found: dict[str, list[Span]] = {}
    for alert in json.loads(done.stdout)["alerts"]:
        found.setdefault(alert["rule"], []).append(
            Span(instant(alert["fired_at"]), instant(alert["resolved_at"]))
        )
    return found


def instant(written: str | None) -> Any:
    """Return an instant, or None."""
    return None if written is None else datetime.fromisoformat(written)


def test_a_count_fires_when_it_first_goes_above_and_resolves_when_it_is_back(
    event_logs: Path, alerts: dict[str, list[Span]]
) -> None:
    expected = crossings(
        counts(event_logs), bad=range(481, 10**6), still_bad=range(471, 10**6), lasting=timedelta()
    )
    assert len(expected) > 1
    assert expected == alerts["many"]


def test_a_count_that_must_last_fires_when_it_has_lasted(
    event_logs: Path, alerts: dict[str, list[Span]]
) -> None:
    expected = crossings(
        counts(event_logs), bad=range(471, 10**6), still_bad=range(466, 10**6), lasting=timedelta(hours=6)
    )
    assert len(expected) > 1
    assert expected == alerts["many for long"]


def test_a_count_below_fires_too(event_logs: Path, alerts: dict[str, list[Span]]) -> None:
    expected = crossings(
        counts(event_logs, only="not_started"),
        bad=range(100),
        still_bad=range(100),
        lasting=timedelta(hours=2),
    )
    assert len(expected) > 1
    assert expected == alerts["few"]


def test_an_age_fires_when_the_oldest_ticket_reaches_it_to_the_second(
    event_logs: Path, alerts: dict[str, list[Span]]
) -> None:
    expected = aged(event_logs)
    assert len(expected) > 1
    assert expected == alerts["old"]
