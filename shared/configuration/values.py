"""The small values a configuration is made of: spans, names, canonical statuses, thresholds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BeforeValidator, PlainSerializer, StringConstraints, WithJsonSchema

from shared.configuration.problems import did_you_mean, refused
from shared.contracts.durations import parse_duration
from shared.contracts.instants import EARLIEST, LATEST
from shared.contracts.tickets import SHOWABLE_STATUSES, TEXT_CHARACTERS_MAX, Status, WaitReason

DURATION_PATTERN: Final = r"^[0-9]+\s*[smhd]$"
SPAN_SECONDS_MAX: Final = 10 * 366 * 86_400
"""Ten years: anything longer is a slip of the pen."""

NAME_CHARACTERS_MAX: Final = 64
TITLE_CHARACTERS_MAX: Final = 128


class ShownStatus(NamedTuple):
    """A canonical status with its wait reason, written `waiting/customer`."""

    status: Status
    wait_reason: WaitReason | None = None

    def __str__(self) -> str:
        reason = f"/{self.wait_reason.value}" if self.wait_reason else ""
        return f"{self.status.value}{reason}"


STATUS_TEXTS: Final = (
    *(status.value for status in SHOWABLE_STATUSES),
    *(f"{Status.WAITING.value}/{reason.value}" for reason in WaitReason),
)


def parse_status(written: str) -> ShownStatus | None:
    """Return what `new` or `waiting/customer` says; None if it says nothing known.

    `waiting` alone waits for somebody inside, which never pauses a clock.
    """
    if written not in STATUS_TEXTS:
        return None
    status, _, reason = written.partition("/")
    if status == Status.WAITING.value:
        return ShownStatus(Status.WAITING, WaitReason(reason) if reason else WaitReason.INTERNAL)
    return ShownStatus(Status(status))


def _status(value: Any) -> ShownStatus:
    if isinstance(value, ShownStatus):
        return value
    shown = parse_status(value) if isinstance(value, str) else None
    if shown is None:
        raise refused(f"`{value}` is no status", did_you_mean(str(value), STATUS_TEXTS))
    return shown


def parse_seconds(value: Any) -> int:
    """Return the seconds of a span such as `24h`. Raises the error of a validator."""
    seconds = parse_duration(value) if isinstance(value, str) else None
    if seconds is None:
        mend = "write a number and a unit, such as 90s, 10m, 24h or 7d"
        raise refused(f"`{value}` is no span of time", mend)
    if seconds > SPAN_SECONDS_MAX:
        raise refused(f"`{value}` is longer than ten years", "write a shorter span")
    return seconds


def parse_threshold(value: Any, *, is_age: bool) -> float:
    """Return a rule's number; for ages seconds, written as a span or as a bare number of seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise refused(f"`{value}` is no number", "write a number such as 50")
    if not isinstance(value, str):
        if not 0 <= value < float("inf"):
            raise refused(f"`{value}` is no count or age", "write a number of at least 0")
        return float(value)
    if is_age:
        return float(parse_seconds(value))
    mend = "write a bare number; spans of time belong to oldest_age and average_age"
    raise refused(f"`{value}` is no number", mend)


def _instant(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            mend = "write an instant such as 2026-01-01T00:00:00Z"
            raise refused(f"`{value}` is no instant", mend) from None
    if not isinstance(value, datetime):
        raise refused(f"`{value}` is no instant", "write an instant such as 2026-01-01T00:00:00Z")
    if value.tzinfo is None:
        shown = value.isoformat()
        raise refused(
            f"`{shown}` has no offset, so nobody knows which instant it is",
            f"write {shown}Z, or with +02:00 at its end",
        )
    if not EARLIEST <= value < LATEST:
        raise refused(f"`{value.isoformat()}` is no time of tickets", "write a year from 1970 to 2199")
    return value.astimezone(UTC)


_SPAN_SCHEMA: Final = {"type": "string", "pattern": DURATION_PATTERN, "examples": ["10m", "24h", "7d"]}

Seconds = Annotated[int, BeforeValidator(parse_seconds), WithJsonSchema(_SPAN_SCHEMA)]
"""Whole seconds, written as a span: `24h`."""

InstantValue = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-01T00:00:00Z"]}),
]
"""An aware instant in UTC, written with its offset."""

StatusValue = Annotated[
    ShownStatus,
    BeforeValidator(_status),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "enum": list(STATUS_TEXTS)}),
]
"""Written `new` or `waiting/customer`."""

ThresholdSchema = WithJsonSchema(
    {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": DURATION_PATTERN}]}
)

Name = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=NAME_CHARACTERS_MAX)
]
"""Goes into record keys and addresses, so: letters, digits, dot, underscore, hyphen."""

Title = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=TITLE_CHARACTERS_MAX)]
"""A name people read: anything on one line."""

Word = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_CHARACTERS_MAX)]
"""A source's own word."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
