"""What an answer asks for: to be used, to come again later, or to stop because a person is needed.

Vendors say "not so fast" in many ways: 429, or 403 with what is left of the limit at zero, or a second limit
without numbers (GitHub). When to come again stands in Retry-After, or in a header that counts seconds since 1970
(GitHub, GitLab) or seconds from now (Zendesk). All of it is measured by the vendor's own clock, the header Date.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from typing import Final, NamedTuple

from services.intake.core.pull.port import Answer, Unreached

WAIT_SECONDS_MAX: Final = 3_600
"""However long a vendor asks to wait: its limits are by the hour at most, and a wrong header must not be for ever."""
BACKOFF_SECONDS_MAX: Final = 60
LIMITED_SECONDS: Final = 60
"""Where a vendor says that it was too much and not for how long; GitHub asks for at least a minute."""
_EPOCH_FROM: Final = 1_000_000_000
"""A reset from here on is an instant; below it is a span."""
_REMAINING: Final = ("x-ratelimit-remaining", "ratelimit-remaining")
_RESET: Final = ("x-ratelimit-reset", "ratelimit-reset")
_SECONDARY: Final = b"secondary rate limit"
_MENDS: Final = {
    HTTPStatus.UNAUTHORIZED: "the token is not taken: it is wrong, expired or revoked",
    HTTPStatus.FORBIDDEN: "the token may not read this: give it the rights in docs/pull.md",
    HTTPStatus.NOT_FOUND: "there is no such list: check `url` and `projects`, and whether the token may see them",
    HTTPStatus.GONE: "the vendor took this list away",
}


class Wait(NamedTuple):
    """Come again after so many seconds. `why` is for people."""

    seconds: float
    why: str


class Refused(NamedTuple):
    """Coming again will not help; `why` tells a person what to mend."""

    why: str


class Outcome(str, Enum):
    """What became of a request, label `outcome` of `barometer_pull_requests_total`."""

    OK = "ok"
    NOT_MODIFIED = "not_modified"
    LIMITED = "limited"
    """The vendor asked to come later: its rate limit."""
    FAILED = "failed"
    """5xx: the vendor has a problem of its own."""
    REFUSED = "refused"
    """A person has to mend something: rights, the address, the configuration."""
    UNREACHED = "unreached"
    """No answer."""


def outcome_of(reply: Answer | Unreached) -> Outcome:
    """Return what became of a request."""
    if isinstance(reply, Unreached):
        return Outcome.UNREACHED
    if reply.status == HTTPStatus.OK:
        return Outcome.OK
    if reply.status == HTTPStatus.NOT_MODIFIED:
        return Outcome.NOT_MODIFIED
    if _is_limited(reply):
        return Outcome.LIMITED
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status == HTTPStatus.REQUEST_TIMEOUT:
        return Outcome.FAILED
    return Outcome.REFUSED


def judge(reply: Answer | Unreached, *, tries: int) -> Answer | Wait | Refused:
    """Return the answer if it can be used, or what to do instead. `tries` is how often it was asked in vain."""
    if isinstance(reply, Unreached):
        return Wait(_backoff(tries), f"no answer: {reply.why}")
    match outcome_of(reply):
        case Outcome.LIMITED:
            seconds = _asked(reply) or _until_reset(reply) or LIMITED_SECONDS
            return Wait(min(seconds, WAIT_SECONDS_MAX), f"rate limit: the answer was {reply.status}")
        case Outcome.FAILED:
            seconds = min(_asked(reply) or _backoff(tries), WAIT_SECONDS_MAX)
            return Wait(seconds, f"the vendor answered {reply.status}")
        case Outcome.REFUSED:
            return Refused(_mend(reply.status))
        case _:
            return reply


def spent(answer: Answer) -> Wait | None:
    """Return how long to wait before the next request because this one was the last one allowed, None for not."""
    if _header(answer, _REMAINING) != "0":
        return None
    seconds = _until_reset(answer)
    return None if seconds is None else Wait(min(seconds, WAIT_SECONDS_MAX), "rate limit: it is used up")


def vendor_now(answer: Answer) -> datetime:
    """Return the vendor's own time of an answer: its clock made the times in it, not ours."""
    try:
        found = parsedate_to_datetime(answer.header("date"))
    except ValueError:
        return answer.at
    return found.astimezone(UTC) if found.tzinfo is not None else answer.at


def _is_limited(answer: Answer) -> bool:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    if answer.status != HTTPStatus.FORBIDDEN:
        return False
    is_spent = _header(answer, _REMAINING) == "0"
    return is_spent or bool(answer.header("retry-after")) or _SECONDARY in answer.body.lower()


def _asked(answer: Answer) -> float | None:
    """Return how long Retry-After asks to wait: seconds, or an HTTP date; None if it says neither."""
    value = answer.header("retry-after").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        wanted = parsedate_to_datetime(value)
    except ValueError:
        return None
    if wanted.tzinfo is None:
        return None
    return max(0.0, (wanted - vendor_now(answer)).total_seconds())


def _until_reset(answer: Answer) -> float | None:
    value = _header(answer, _RESET)
    if not (value.isascii() and value.isdigit()):
        return None
    reset = float(value[:12])
    # One more: the limit is counted anew from the instant on, and both clocks are whole seconds.
    return max(1.0, reset - vendor_now(answer).timestamp() + 1) if reset >= _EPOCH_FROM else max(1.0, reset)


def _header(answer: Answer, names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := answer.header(name).strip())), "")


def _backoff(tries: int) -> float:
    return float(min(2**tries, BACKOFF_SECONDS_MAX))


def _mend(status: int) -> str:
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return f"the answer was {status}: the list has moved; write its new name or address"
    mend = _MENDS.get(HTTPStatus(status)) if status in HTTPStatus._value2member_map_ else None
    return f"the answer was {status}: {mend or 'the vendor does not take the request'}"
