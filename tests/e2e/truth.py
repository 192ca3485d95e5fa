"""What a deployment came to, and the raw rows it is held against.

Two deployments that took in the same observations, in whatever order, with whatever accidents, must come to
the same tickets, the same marks and the same standing facts; and both must count what tests/e2e/recount.py
counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e import recount
from tests.e2e.harness import Deployment
from tests.e2e.records import Standing, facts, mark_orders, rejected, settled, standing, ticket_rows

AVERAGE_WITHIN_S: Final = 1e-6
INSTANTS: Final = 5


@dataclass(frozen=True)
class Log:
    """A real log, how it is mapped, and its raw rows."""

    path: Path
    mapping: str
    source: str
    rows: list[recount.Row] = field(repr=False)

    def instants(self) -> list[datetime]:
        """Return the instants asked for."""
        return recount.instants(self.rows, INSTANTS)


def real_logs(shared_data: Path) -> list[Log]:
    """Return both logs."""
    event_logs = shared_data / "event-logs"
    return [
        Log(event_logs / recount.ITALIAN, "helpdesk-italian.yaml", "helpdesk", recount.italian(event_logs)),
        Log(event_logs / recount.SERVICENOW, "servicenow.yaml", "servicenow", recount.servicenow(event_logs)),
    ]


@dataclass(frozen=True)
class Known:
    """What a deployment came to."""

    tickets: dict[str, tuple[Any, ...]]
    marks: set[tuple[str, bytes]]
    facts: set[Standing]


def of(known: Known, log: Log) -> Known:
    """Return the part of `known` that is about `log`."""
    prefix = f"{log.source}:"
    return Known(
        {key: row for key, row in known.tickets.items() if key.startswith(prefix)},
        {mark for mark in known.marks if mark[0].startswith(prefix)},
        {fact for fact in known.facts if fact.ticket.startswith(prefix)},
    )


def known(deployment: Deployment) -> Known:
    """Return what `deployment` came to, once it is at rest; on the way, what must hold for any."""
    settled(deployment)
    published = facts(deployment)
    ids = Counter((fact.ticket, fact.type, fact.clock, fact.instance, fact.at) for fact in published)
    assert len(ids) == len({fact.id for fact in published}), "one thing said under two ids"
    assert [] == rejected(deployment)
    return Known(ticket_rows(deployment), mark_orders(deployment), standing(published))


def assert_same(expected: Known, got: Known) -> None:
    """Hold two ways against each other, ticket by ticket and fact by fact."""
    assert expected.tickets.keys() == got.tickets.keys()
    assert {} == {
        key: (row, got.tickets[key]) for key, row in expected.tickets.items() if row != got.tickets[key]
    }
    assert expected.marks == got.marks
    assert (set(), set()) == (expected.facts - got.facts, got.facts - expected.facts)


def assert_figures(expected: recount.Figures, got: dict[str, Any], where: str) -> None:
    """Hold figures against the recount: integers exactly."""
    wanted = asdict(expected)
    average = wanted.pop("average_age_seconds")
    assert wanted == {name: got[name] for name in wanted}, where
    assert average == pytest.approx(got["average_age_seconds"], abs=AVERAGE_WITHIN_S), where


def live_figures_are_true(deployment: Deployment, logs: Sequence[Log]) -> None:
    """Ask the running service for past instants."""
    for log in logs:
        for instant in log.instants():
            got = deployment.backlog(at=instant.isoformat(), source=log.source)
            assert_figures(recount.recount(log.rows, instant), got, f"{log.source} at {instant}")
