"""When a notification is tried again, and when not."""

from __future__ import annotations

from services.alerting.core.delivery import ATTEMPTS_MAX, RETRY_AFTER_MAX_US, SCHEDULE_US, next_attempt_us

SECOND_US = 1_000_000


def test_waits_grow_as_the_standard_says_and_end() -> None:
    waits = [next_attempt_us(attempts, 1_000, jitter=0.0) for attempts in range(1, ATTEMPTS_MAX + 1)]
    assert [1_000 + wait_us for wait_us in SCHEDULE_US[1:]] == waits[:-1]
    assert waits[-1] is None


def test_jitter_only_lengthens_a_wait_by_up_to_a_tenth() -> None:
    assert 5 * SECOND_US == next_attempt_us(1, 0, jitter=0.0)
    assert 5 * SECOND_US + SECOND_US // 2 == next_attempt_us(1, 0, jitter=1.0)


def test_a_receiver_may_ask_for_more_time_but_not_for_less_or_for_ever() -> None:
    assert 60 * SECOND_US == next_attempt_us(1, 0, jitter=0.0, retry_after_us=60 * SECOND_US)
    assert SCHEDULE_US[2] == next_attempt_us(2, 0, jitter=0.0, retry_after_us=SECOND_US)
    assert RETRY_AFTER_MAX_US == next_attempt_us(1, 0, jitter=0.0, retry_after_us=10**18)
