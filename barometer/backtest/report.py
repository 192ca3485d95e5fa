"""What a backtest prints, in the shape of docs/import.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from services.aging.core.age import AgeVersion
from services.aging.core.ticket import Ticket
from services.alerting.core.alerts import AlertRecord
from shared.contracts.durations import bucket_labels, duration_text
from shared.contracts.instants import SECOND_US, rfc3339
from shared.contracts.tickets import Priority, Status

NO_PRIORITY: Final = "none"
"""Tickets that never showed a priority; left out where there are none."""


class Figures(msgspec.Struct, kw_only=True):
    """The backlog at one instant. Ages in seconds; 0 where there is no ticket."""

    at: str
    open: int = 0
    not_started: int = 0
    in_progress: int = 0
    waiting: int = 0
    by_bucket: dict[str, int]
    by_priority: dict[str, int]
    older_than: dict[str, int]
    oldest_age_seconds: int | float = 0
    average_age_seconds: float = 0.0
    past_sla: int = 0
    at_risk: int = 0


class ClockCounts(msgspec.Struct):
    """How many instances of an SLA clock were met, and how many breached; what is neither is not over."""

    met: int = 0
    breached: int = 0


class AlertShown(msgspec.Struct, kw_only=True):
    """An alert that would have fired."""

    rule: str
    labels: dict[str, str]
    fired_at: str
    resolved_at: str | None


class Report(msgspec.Struct, kw_only=True):
    """The whole answer."""

    tickets: int
    observations: int
    instants: list[Figures]
    sla: dict[str, ClockCounts]
    alerts: list[AlertShown]


_BY_STATUS: Final = {
    Status.NEW.value: "not_started",
    Status.IN_PROGRESS.value: "in_progress",
    Status.WAITING.value: "waiting",
}


def figures(tickets: Iterable[Ticket], at_us: int, age: AgeVersion) -> Figures:
    """Return the figures of the open ones of `tickets`, whose clocks are as of `at_us`."""
    edges = age.edges_seconds
    labels = bucket_labels(age.bucket_edges_seconds)
    bucket_of = _bucket_by_edges_passed(age)
    passed_counts = [0] * (len(edges) + 1)
    shown = Figures(
        at=rfc3339(at_us),
        by_bucket=dict.fromkeys(labels, 0),
        by_priority={priority.value: 0 for priority in Priority},
        older_than={},
    )
    starts: list[int] = []
    for ticket in tickets:
        if not ticket.open:
            continue
        start_us = age.start_us(ticket.created_us, ticket.episode_us or ticket.created_us)
        starts.append(start_us)
        passed_counts[age.passed(start_us, at_us)] += 1
        member = _BY_STATUS[ticket.status]
        setattr(shown, member, getattr(shown, member) + 1)
        shown.past_sla += ticket.past_sla
        shown.at_risk += ticket.at_risk
        priority = ticket.priority or NO_PRIORITY
        shown.by_priority[priority] = shown.by_priority.get(priority, 0) + 1
    for passed, count in enumerate(passed_counts):
        shown.by_bucket[labels[bucket_of[passed]]] += count
    shown.older_than = {
        duration_text(edge): sum(passed_counts[index + 1 :]) for index, edge in enumerate(edges)
    }
    shown.open = len(starts)
    if starts:
        shown.oldest_age_seconds = _seconds(at_us - min(starts))
        shown.average_age_seconds = (at_us * len(starts) - sum(starts)) / len(starts) / SECOND_US
    return shown


def _bucket_by_edges_passed(age: AgeVersion) -> list[int]:
    """Return, for each number of edges passed, how many bucket edges that is."""
    buckets = age.bucket_edges_seconds
    return [
        sum(1 for edge in age.edges_seconds[:passed] if edge in buckets)
        for passed in range(len(age.edges_seconds) + 1)
    ]


def _seconds(us: int) -> int | float:
    return us // SECOND_US if us % SECOND_US == 0 else us / SECOND_US


def alerts_shown(changes: Sequence[AlertRecord]) -> list[AlertShown]:
    """Return the alerts in the order they fired, from what the evaluator said one after another."""
    alerts: dict[str, AlertRecord] = {}
    for change in changes:
        alerts[change.id] = change
    return [
        AlertShown(
            rule=alert.rule,
            labels=dict(alert.labels),
            fired_at=rfc3339(alert.fired_at_us),
            resolved_at=None if alert.resolved_at_us is None else rfc3339(alert.resolved_at_us),
        )
        for alert in sorted(alerts.values(), key=lambda one: (one.fired_at_us, one.rule, one.labels))
    ]
