"""When to try again to deliver a notification, and when to stop: a pure plan.

The schedule is that of Standard Webhooks: at once, then 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h
and 24 h after the attempt before. A receiver that answers 429 or 503 may ask for more time
(`Retry-After`) and gets it, within a day. What can never succeed is not repeated: a redirect (never
followed, since it could lead the signed body elsewhere), a client error, and 410, which says that the
receiver wants nothing any more and disables it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from shared.contracts.instants import SECOND_US

_MINUTE_US: Final = 60 * SECOND_US
_HOUR_US: Final = 60 * _MINUTE_US

SCHEDULE_US: Final = (
    0, 5 * SECOND_US, 5 * _MINUTE_US, 30 * _MINUTE_US, 2 * _HOUR_US,
    5 * _HOUR_US, 10 * _HOUR_US, 14 * _HOUR_US, 20 * _HOUR_US, 24 * _HOUR_US,
)  # fmt: skip
"""Wait before each attempt, counted from the one before."""
ATTEMPTS_MAX: Final = len(SCHEDULE_US)
RETRY_AFTER_MAX_US: Final = 24 * _HOUR_US
JITTER: Final = 0.1
"""Waits grow by up to a tenth, so that receivers that failed together are not tried together."""

_OK: Final = range(200, 300)
_REDIRECT: Final = range(300, 400)
_RETRYABLE: Final = frozenset({408, 425, 429})
_GONE: Final = 410
_SERVER_ERROR: Final = 500


class Outcome(str, Enum):
    """What an attempt came to; the label of `backlog_alert_notifications_total`."""

    DELIVERED = "delivered"
    RETRY = "retry"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt. `detail` is for people and never holds the receiver's answer."""

    outcome: Outcome
    detail: str
    retry_after_us: int | None = None


def judge(status: int, retry_after_us: int | None = None) -> Attempt:
    """Return what the HTTP status of an answer means."""
    if status in _OK:
        return Attempt(Outcome.DELIVERED, f"HTTP {status}")
    if status == _GONE:
        return Attempt(Outcome.GONE, "HTTP 410: the receiver wants nothing any more")
    if status in _REDIRECT:
        return Attempt(Outcome.FAILED, f"HTTP {status}: redirects are not followed")
    if status >= _SERVER_ERROR or status in _RETRYABLE:
        return Attempt(Outcome.RETRY, f"HTTP {status}", retry_after_us)
    return Attempt(Outcome.FAILED, f"HTTP {status}")


def next_attempt_us(
    attempts: int, now_us: int, *, jitter: float, retry_after_us: int | None = None
) -> int | None:
    """Return when to try again after `attempts` attempts, None if that was the last one.

    `jitter` is drawn by the caller, from 0 up to 1.
    """
    assert 0.0 <= jitter <= 1.0, jitter
    assert attempts > 0, attempts
    if attempts >= ATTEMPTS_MAX:
        return None
    wait_us = SCHEDULE_US[attempts]
    if retry_after_us is not None:
        wait_us = max(wait_us, min(retry_after_us, RETRY_AFTER_MAX_US))
    return now_us + wait_us + int(wait_us * JITTER * jitter)
