"""A backtest for people: one column an instant, then the alerts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.table import Table

from barometer.backtest.report import Figures, Report

ALERTS_SHOWN_MAX: Final = 50
_HOUR_SECONDS: Final = 3_600
_DAY_HOURS: Final = 24

_ROWS: Final[tuple[tuple[str, Callable[[Figures], object]], ...]] = (
    ("open", lambda one: one.open),
    ("not started", lambda one: one.not_started),
    ("in progress", lambda one: one.in_progress),
    ("waiting", lambda one: one.waiting),
    ("oldest", lambda one: _age(one.oldest_age_seconds)),
    ("average age", lambda one: _age(one.average_age_seconds)),
    ("past SLA", lambda one: one.past_sla),
    ("at risk", lambda one: one.at_risk),
)


def show(report: Report, console: Console) -> None:
    """Print `report` as tables."""
    console.print(f"{report.tickets} tickets, {report.observations} observations")
    table = Table("")
    for one in report.instants:
        table.add_column(one.at, justify="right")
    for label, value in _ROWS:
        table.add_row(label, *(str(value(one)) for one in report.instants))
    for title, member in (("age", "by_bucket"), ("older than", "older_than"), ("priority", "by_priority")):
        table.add_section()
        for name in {name: None for one in report.instants for name in getattr(one, member)}:
            counts = (str(getattr(one, member).get(name, 0)) for one in report.instants)
            table.add_row(f"{title} {name}", *counts)
    console.print(table)
    if report.sla:
        _show_promises(report, console)
    _show_alerts(report, console)


def _show_promises(report: Report, console: Console) -> None:
    table = Table("promise", title="the whole log")
    for heading in ("met", "broken"):
        table.add_column(heading, justify="right")
    for clock, counts in report.sla.items():
        table.add_row(clock.replace("_", " "), str(counts.met), str(counts.breached))
    console.print(table)


def _show_alerts(report: Report, console: Console) -> None:
    if not report.alerts:
        console.print("No alert would have fired.")
        return
    table = Table("alert", "labels", "fired", "resolved", title=f"{len(report.alerts)} alerts")
    for alert in report.alerts[:ALERTS_SHOWN_MAX]:
        labels = ", ".join(f"{name}={value}" for name, value in alert.labels.items())
        table.add_row(alert.rule, labels, alert.fired_at, alert.resolved_at or "-")
    console.print(table)
    if len(report.alerts) > ALERTS_SHOWN_MAX:
        console.print(f"... and {len(report.alerts) - ALERTS_SHOWN_MAX} more; --json has them all")


def _age(seconds: float) -> str:
    """Return `6d 20h`, or `7h 05m` within the first day."""
    hours, rest = divmod(int(seconds), _HOUR_SECONDS)
    days, hours_left = divmod(hours, _DAY_HOURS)
    return f"{days}d {hours_left:02}h" if days else f"{hours}h {rest // 60:02}m"
