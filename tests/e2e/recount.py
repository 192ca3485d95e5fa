"""An independent recount of the real logs: the raw rows and the standard library, nothing of ours.

It answers what Barometer must answer, by the shortest way that could be right: for each instant, look at
each ticket's newest row by then. It knows no marks, no facts, no cells. Promises are recounted for the simplest
policy there is (round the clock, nothing pauses): the spans in which a ticket was open, added up.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

SERVICENOW = "servicenow-third/incident_event_log_third.csv.gz"
ITALIAN = "helpdesk-italian/helpdesk.csv.gz"

_SERVICENOW_STATES = {
    "New": "not_started", "Active": "in_progress", "Awaiting User Info": "waiting",
    "Awaiting Vendor": "waiting", "Awaiting Problem": "waiting", "Awaiting Evidence": "waiting",
    "Resolved": "gone", "Closed": "gone",
}  # fmt: skip
_ITALIAN_STATES = {
    "Insert ticket": "not_started", "Assign seriousness": "not_started", "Take in charge ticket": "in_progress",
    "Create SW anomaly": "in_progress", "Resolve SW anomaly": "in_progress",
    "Schedule intervention": "waiting", "Wait": "waiting", "Require upgrade": "waiting",
    "Resolve ticket": "gone", "VERIFIED": "gone", "RESOLVED": "gone", "INVALID": "gone", "DUPLICATE": "gone",
    "Closed": "gone",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of a log. `state` None: the line shows none that is known."""

    ticket: str
    reported: datetime
    time: datetime
    number: int
    state: str | None


@dataclass(frozen=True)
class Figures:
    """The backlog at one instant."""

    open: int
    not_started: int
    in_progress: int
    waiting: int
    by_bucket: dict[str, int]
    oldest_age_seconds: int
    average_age_seconds: float


def servicenow(event_logs: Path) -> list[Row]:
    """Return the rows of the ServiceNow log."""

    def instant(text: str) -> datetime:
        day, month, rest = text.split("/")
        year, clock = rest.split(" ")
        hour, minute = clock.split(":")
        return datetime(int(year), int(month), int(day), int(hour), int(minute), tzinfo=UTC)

    return [
        Row(
            line["number"],
            instant(line["opened_at"]),
            instant(line["sys_updated_at"]),
            int(line["sys_mod_count"]),
            _SERVICENOW_STATES.get(line["incident_state"]),
        )
        for line in _lines(event_logs / SERVICENOW)
    ]


def italian(event_logs: Path) -> list[Row]:
    """Return the rows of the Italian log; its times are wall clock in Rome, the file's order counts."""
    rome = ZoneInfo("Europe/Rome")
    rows = []
    for number, line in enumerate(_lines(event_logs / ITALIAN)):
        time = datetime.fromisoformat(line["timestamp"]).replace(tzinfo=rome).astimezone(UTC)
        rows.append(Row(line["case_id"], time, time, number, _ITALIAN_STATES.get(line["activity"])))
    return rows


def recount(rows: list[Row], at: datetime) -> Figures:
    """Return the backlog as it truly was at `at`, by the whole log."""
    created: dict[str, datetime] = {}
    newest: dict[str, tuple[datetime, int, str]] = {}
    for row in rows:
        first = min(row.reported, row.time)
        created[row.ticket] = min(created.get(row.ticket, first), first)
        if row.time <= at and row.state is not None:
            here = (row.time, row.number, row.state)
            newest[row.ticket] = max(newest.get(row.ticket, here), here)
    ages: list[timedelta] = []
    counts = {"not_started": 0, "in_progress": 0, "waiting": 0}
    for ticket, since in created.items():
        state = newest[ticket][2] if ticket in newest else "not_started"
        if since <= at and state != "gone":
            counts[state] += 1
            ages.append(at - since)
    return Figures(
        open=len(ages),
        **counts,
        by_bucket=_buckets(ages),
        oldest_age_seconds=int(max(ages, default=timedelta()).total_seconds()),
        average_age_seconds=sum(age.total_seconds() for age in ages) / len(ages) if ages else 0.0,
    )


@dataclass(frozen=True)
class Promise:
    """A promise of `target` for each ticket, of time in which it is open; it warns after `warn` of it."""

    target: timedelta
    warn: timedelta
    reopen_window: timedelta | None
    """Opened again later than this, a ticket is promised anew. None: it goes on for ever."""
    kept: bool
    """Leaving the backlog keeps it. In these logs nobody is ever seen to answer, so nothing keeps the others."""


@dataclass
class Run:
    """One run of a promise for one ticket: the spans in which it was open, the last one perhaps to this day."""

    spans: list[tuple[datetime, datetime | None]]

    def used(self, at: datetime) -> timedelta:
        """Return how long it was open by `at`."""
        ended = [(begin, at if end is None else min(end, at)) for begin, end in self.spans]
        return sum((end - begin for begin, end in ended if begin <= at), timedelta())

    def is_open(self, at: datetime) -> bool:
        """Return whether the ticket was open at `at`, in this run."""
        return any(begin <= at and (end is None or at < end) for begin, end in self.spans)

    def ended(self, at: datetime) -> bool:
        """Return whether it was ended by `at`, if only for a while."""
        return any(end is not None and end <= at for _, end in self.spans)


def runs(rows: list[Row], promise: Promise) -> dict[str, list[Run]]:
    """Return the runs of `promise`, one after the other, of each ticket."""
    timelines: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.time, row.number)):
        timelines.setdefault(row.ticket, []).append(row)
    return {ticket: _runs(timeline, promise.reopen_window) for ticket, timeline in timelines.items()}


def _runs(timeline: list[Row], window: timedelta | None) -> list[Run]:
    since: datetime | None = min(min(row.reported, row.time) for row in timeline)
    found = [Run([(since, None)])] if since is not None else []
    for row in timeline:
        spans = found[-1].spans
        if row.state == "gone" and since is not None:
            spans[-1] = (since, row.time)
            since = None
        elif row.state not in {"gone", None} and since is None:
            left = spans[-1][1]
            since = row.time
            if window is not None and left is not None and row.time - left > window:
                found.append(Run([]))
            found[-1].spans.append((since, None))
    return found


def verdicts(rows: list[Row], promise: Promise, until: datetime) -> dict[str, int]:
    """Return how many runs were met and how many breached by `until`; a breached one was not met."""
    every = [run for runs_ in runs(rows, promise).values() for run in runs_ if run.spans[0][0] <= until]
    breached = sum(run.used(until) > promise.target for run in every)
    met = sum(promise.kept and run.ended(until) and run.used(until) <= promise.target for run in every)
    return {"met": met, "breached": breached}


def promises_at(rows: list[Row], promises: list[Promise], at: datetime) -> dict[str, int]:
    """Return how many open tickets were past SLA at `at`, and how many at risk."""
    past: set[str] = set()
    warned: set[str] = set()
    for promise in promises:
        for ticket, its_runs in runs(rows, promise).items():
            for run in its_runs:
                if run.is_open(at):
                    past |= {ticket} if run.used(at) > promise.target else set()
                    warned |= {ticket} if run.used(at) >= promise.warn else set()
    return {"past_sla": len(past), "at_risk": len(warned - past)}


def instants(rows: list[Row], count: int) -> list[datetime]:
    """Return `count` instants spread over the log, each where a row happened or a second beside it."""
    times = sorted({row.time for row in rows})
    step = len(times) // (count + 1)
    return [times[step * (n + 1)] + timedelta(seconds=n % 3 - 1) for n in range(count)]


def _buckets(ages: list[timedelta]) -> dict[str, int]:
    day, three = timedelta(hours=24), timedelta(hours=72)
    return {
        "0-24h": sum(age < day for age in ages),
        "24-72h": sum(day <= age < three for age in ages),
        "72h+": sum(age >= three for age in ages),
    }


def _lines(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
