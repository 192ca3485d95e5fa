"""The rules of somebody who has written none, at the figures they are about."""

from __future__ import annotations

from services.alerting.core.alerts import AlertRecord
from services.alerting.core.defaults import DEFAULT_RULES
from services.alerting.core.evaluator import Evaluator
from tests.unit.alerting.cells import HOUR_US, NOW_US, a_cell

NOTICE_US = HOUR_US // 4


def judged(*counts: tuple[int, int], priority: str = "p1") -> list[AlertRecord]:
    """Return what is said if `past_sla` of one queue is (microseconds after NOW_US, count) in turn."""
    evaluator = Evaluator("default", DEFAULT_RULES)
    evaluator.begin(NOW_US - 1)
    said: list[AlertRecord] = []
    for version, (after_us, past_sla) in enumerate(counts):
        at_us = NOW_US + after_us
        evaluator.apply(
            a_cell(version, at_us=at_us, created_us=[NOW_US], priority=priority, past_sla=past_sla)
        )
        said += evaluator.advance(at_us)
    return said + evaluator.advance(NOW_US + HOUR_US)


def test_a_broken_promise_of_the_highest_priority_is_told_once_people_had_their_notice() -> None:
    [fired, over] = judged((0, 1), (NOTICE_US // 2, 2), (2 * NOTICE_US, 0))
    assert ("p1-past-sla", "critical", (("queue", "tier1"),)) == (fired.rule, fired.severity, fired.labels)
    assert (NOW_US, NOW_US + NOTICE_US) == (fired.since_us, fired.fired_at_us)
    assert (fired.id, NOW_US + 2 * NOTICE_US) == (over.id, over.resolved_at_us)


def test_what_was_put_right_in_time_or_is_not_urgent_is_not_told() -> None:
    assert [] == judged((0, 1), (NOTICE_US - 1, 0))
    assert [] == judged((0, 9), priority="p2")
