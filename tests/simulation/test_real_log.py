"""Slices of a real log, drawn together to seconds, in worlds with faults: real tickets move in ways nobody draws."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pytest

from shared.contracts.instants import SECOND_US, from_us, to_us
from tests.simulation.desk import Shown
from tests.simulation.run import replay, simulate
from tests.simulation.settings import TENANTS
from tests.simulation.violation import Violation
from tests.simulation.workload import SECONDS
from tests.simulation.world import START_US

ROWS: Final = 120
SLICES: Final = 8
STATUS: Final[dict[str, dict[str, str]]] = {
    "New": {"status": "new"},
    "Active": {"status": "in_progress"},
    "Awaiting User Info": {"status": "waiting", "wait_reason": "customer"},
    "Awaiting Vendor": {"status": "waiting", "wait_reason": "vendor"},
    "Awaiting Problem": {"status": "waiting", "wait_reason": "internal"},
    "Awaiting Evidence": {"status": "waiting", "wait_reason": "internal"},
    "Resolved": {"status": "solved"},
    "Closed": {"status": "closed"},
}
PRIORITY: Final = {"1 - Critical": "p1", "2 - High": "p2", "3 - Moderate": "p3", "4 - Low": "p4"}


@pytest.mark.slow
@pytest.mark.parametrize("number", range(SLICES))
def test_real_tickets_survive_faults(shared_data: Path, number: int) -> None:
    path = shared_data / "event-logs" / "servicenow-third" / "incident_event_log_third.csv.gz"
    with gzip.open(path, "rt", newline="") as file:
        rows = list(islice(csv.DictReader(file), number * ROWS, (number + 1) * ROWS))
    try:
        simulate(number, history=drawn_together(rows))
    except Violation as violation:
        pytest.fail(f"{violation}\nwith slice {number} beside what this draws: {replay(number)}")


def drawn_together(rows: list[dict[str, str]]) -> list[Shown]:
    """Return what `rows` show, spread over the shortest world as it was over months."""
    instants = [
        to_us(datetime.strptime(row["sys_updated_at"], "%d/%m/%Y %H:%M").replace(tzinfo=UTC)) for row in rows
    ]
    first_us, last_us = min(instants), max(instants)
    span_us = (min(SECONDS) - 1) * SECOND_US
    shown = [
        _shown(number, row, START_US + (at_us - first_us) * span_us // max(1, last_us - first_us))
        for number, (row, at_us) in enumerate(zip(rows, instants, strict=True))
    ]
    return sorted(shown, key=lambda one: one.at_us)


def _shown(number: int, row: dict[str, str], at_us: int) -> Shown:
    plain: dict[str, Any] = {
        "id": row["number"], "event_id": f"real-{number}", "time": from_us(at_us).isoformat(),
        "sequence": int(row["sys_mod_count"]), **STATUS.get(row["incident_state"], {}),
        "priority": PRIORITY.get(row["priority"]), "queue": _known(row["assignment_group"]),
        "assignee": _known(row["assigned_to"]), "category": _known(row["category"]),
    }  # fmt: skip
    return Shown(at_us, TENANTS[0], row["number"], f"real-{number}", json.dumps(plain).encode())


def _known(text: str) -> str | None:
    return None if text in {"?", ""} else text
