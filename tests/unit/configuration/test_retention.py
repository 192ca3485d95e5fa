from __future__ import annotations

import pytest

from shared.configuration.loader import read
from tests.unit.configuration.reading import problems


def test_what_is_not_said_stays_as_it_is() -> None:
    kept = read("").retention
    assert ({}, None) == (kept.topic_days, kept.tickets)


def test_topics_are_named_with_days_and_tickets_with_seconds() -> None:
    kept = read(
        "retention: {events: 14d, inbox: 1d, rejected: 30d, facts: 48h, alerts: 365d, tickets: 400d}"
    ).retention
    assert {
        "tickets.events.v1": 14, "tickets.inbox.v1": 1, "tickets.rejected.v1": 30, "backlog.facts.v1": 2, "alerts.v1": 365,
    } == kept.topic_days  # fmt: skip
    assert 400 * 86_400 == kept.tickets


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("retention: {events: 36h}", "b.yaml:1: `retention.events`: a topic is kept for whole days; write `30d`, at least `1d`"),
        ("retention: {events: 0d}", "b.yaml:1: `retention.events`: a topic is kept for whole days; write `30d`, at least `1d`"),
        ("retention: {tickets: 2d}", "b.yaml:1: `retention.tickets`: the weekly review would miss tickets; write at least `7d`"),
        ("retention: {cells: 2d}", "b.yaml:1: unknown key `cells` in `retention`"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_line_and_mend(content: str, expected: str) -> None:
    [found] = problems(content)
    assert found.startswith(expected)
