"""SLA policies as people write them: whom a promise is for, how long, when to warn, what pauses it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, field_validator

from shared.configuration.problems import did_you_mean, refused
from shared.configuration.section import Section
from shared.configuration.values import (
    DURATION_PATTERN,
    InstantValue,
    Seconds,
    Title,
    Word,
    parse_seconds,
)
from shared.contracts.durations import DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS, duration_text
from shared.contracts.tickets import Priority, WaitReason

ALWAYS_OPEN: Final = "24x7"
"""The calendar that needs no definition."""
DEFAULT_TARGET: Final = "default"
"""Of tickets whose priority has no target of its own, or that show none."""

POLICIES_MAX: Final = 200
POLICY_VERSIONS_MAX: Final = 200
MATCH_VALUES_MAX: Final = 200
STAGES_MAX: Final = 8
TARGET_SECONDS_MAX: Final = 366 * DAY_SECONDS
"""A year of open time: a promise beyond it is a slip of the pen."""

REOPEN_WINDOW_SECONDS: Final = 72 * HOUR_SECONDS
MIN_NOTICE_SECONDS: Final = 15 * MINUTE_SECONDS

_TARGETS: Final = (*(one.value for one in Priority), DEFAULT_TARGET)
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*%")
_BUSINESS_DAYS: Final = re.compile(r"([0-9]{1,4})\s*bd")
_WHOLE_PERCENT: Final = 100


class Clock(str, Enum):
    """The promises there are."""

    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    UPDATE = "update"
    RESOLUTION = "resolution"
    TEAM = "team"


class MatchField(str, Enum):
    """What of a ticket a policy may ask for."""

    TENANT = "tenant"
    SOURCE = "source"
    CHANNEL = "channel"
    QUEUE = "queue"
    PRIORITY = "priority"
    SEGMENT = "segment"
    CATEGORY = "category"
    KIND = "kind"
    TAGS = "tags"


class Counted(str, Enum):
    """In which time a promise is counted."""

    BUSINESS = "business"
    WALL = "wall"


class Apply(str, Enum):
    """Whom a version of the policies reaches: promises that begin, or those that run already too."""

    NEW = "new"
    RUNNING = "running"


DEFAULT_PAUSES: Final[Mapping[Clock, tuple[WaitReason, ...]]] = {
    Clock.FIRST_RESPONSE: (),
    Clock.NEXT_RESPONSE: (),
    Clock.UPDATE: (WaitReason.CUSTOMER,),
    Clock.RESOLUTION: (WaitReason.CUSTOMER,),
    Clock.TEAM: (WaitReason.CUSTOMER,),
}
"""Nobody who waits for a first or next answer waits less because the ticket says so."""


class Target(NamedTuple):
    """How long a promise is: seconds of counted time, or days of the calendar. One of the two is 0."""

    seconds: int
    business_days: int = 0

    def __str__(self) -> str:
        return f"{self.business_days}bd" if self.business_days else duration_text(self.seconds)

    def in_seconds(self, nominal_day_seconds: int) -> int:
        """Return the target in seconds, where a day of the calendar is so long."""
        return self.seconds + self.business_days * nominal_day_seconds


def _target(value: Any) -> Target:
    if isinstance(value, Target):
        return value
    if isinstance(value, str) and value.lstrip().startswith("-"):
        raise refused(f"`{value}` lies before it begins", "write a target of at least 1s")
    if isinstance(value, str) and (days := _BUSINESS_DAYS.fullmatch(value.strip())):
        target = Target(0, int(days[1]))
    else:
        target = Target(parse_seconds(value))
    if target == Target(0):
        raise refused(f"a target of `{value}` is broken as soon as it begins", "write at least 1s")
    if target.in_seconds(0) > TARGET_SECONDS_MAX:
        what = f"`{value}` is longer than {duration_text(TARGET_SECONDS_MAX)} of counted time"
        raise refused(what, "write a shorter target")
    return target


_TARGET_PATTERN: Final = r"^[0-9]+\s*([smhd]|bd)$"
_TARGET_SCHEMA: Final = {"type": "string", "pattern": _TARGET_PATTERN, "examples": ["30m", "4h", "1bd"]}
TargetValue = Annotated[
    Target,
    BeforeValidator(_target),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(_TARGET_SCHEMA),
]
"""Written `30m`, `4h`, `3d` or `1bd`."""


class Stage(NamedTuple):
    """When to warn: once a share of the target is used, or once so much time is left. One is given."""

    share: float | None = None
    left_seconds: int | None = None

    def __str__(self) -> str:
        if self.share is not None:
            return f"{self.share * _WHOLE_PERCENT:g}%"
        assert self.left_seconds is not None
        return duration_text(self.left_seconds)


def _stage(value: Any) -> Stage:
    if isinstance(value, Stage):
        return value
    if isinstance(value, str) and (percent := _PERCENT.fullmatch(value.strip())):
        share = float(percent[1]) / _WHOLE_PERCENT
        if not 0 < share < 1:
            mend = "write a share between 0% and 100%, such as 80%"
            raise refused(f"a warning at `{value}` comes with the start or the breach itself", mend)
        return Stage(share=share)
    try:
        left_seconds = parse_seconds(value)
    except ValueError:
        mend = "write the share used, such as 80%, or the time left, such as 30m"
        raise refused(f"`{value}` is no stage of warning", mend) from None
    if left_seconds == 0:
        raise refused("a warning with no time left is the breach itself", "write the time left, such as 30m")
    return Stage(left_seconds=left_seconds)


_STAGE_PATTERN: Final = rf"^[0-9.]+\s*%$|{DURATION_PATTERN}"
StageValue = Annotated[
    Stage,
    BeforeValidator(_stage),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _STAGE_PATTERN, "examples": ["80%", "30m"]}),
]
"""Written `80%` (used) or `30m` (left)."""


def _pause(value: Any) -> Any:
    if value in {WaitReason.INTERNAL, WaitReason.INTERNAL.value}:
        what = "waiting for somebody inside never pauses a promise"
        raise refused(what, "take `internal` out; customer, vendor and scheduled may pause")
    return value


_Pauses = tuple[Annotated[WaitReason, BeforeValidator(_pause)], ...]
_Stages = Annotated[tuple[StageValue, ...], Field(max_length=STAGES_MAX)]
_DEFAULT_STAGES: Final = (Stage(share=0.8),)


def _by_priority(value: Any) -> Any:
    return value if isinstance(value, Mapping) else {DEFAULT_TARGET: value}


def _target_key(value: Any) -> str:
    if value not in _TARGETS:
        raise refused(f"`{value}` is no priority", did_you_mean(str(value), _TARGETS))
    return str(value)


_Targets = Annotated[
    Mapping[Annotated[str, BeforeValidator(_target_key)], TargetValue],
    Field(min_length=1),
    BeforeValidator(_by_priority),
    WithJsonSchema(
        {
            "anyOf": [
                _TARGET_SCHEMA,
                {
                    "type": "object",
                    "properties": dict.fromkeys(_TARGETS, _TARGET_SCHEMA),
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            ]
        }
    ),
]


class Promise(Section):
    """What a policy says of one clock."""

    targets: Annotated[_Targets, Field(alias="target")]
    """One for all, or by priority and `default`."""
    warn: _Stages | None = None
    """Without it those of the policy."""
    pauses: _Pauses | None = None
    """Wait reasons; without it the usual ones of the clock."""
    counted: Annotated[Counted, Field(alias="time")] = Counted.BUSINESS


def _as_lists(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: [one] if isinstance(one, str) else one for key, one in value.items()}


_WORD_SCHEMA: Final = {"type": "string", "minLength": 1}
_VALUES_SCHEMA: Final = {
    "anyOf": [
        _WORD_SCHEMA,
        {"type": "array", "items": _WORD_SCHEMA, "minItems": 1, "maxItems": MATCH_VALUES_MAX},
    ]
}
_Match = Annotated[
    Mapping[MatchField, Annotated[tuple[Word, ...], Field(min_length=1, max_length=MATCH_VALUES_MAX)]],
    BeforeValidator(_as_lists),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {one.value: _VALUES_SCHEMA for one in MatchField},
            "additionalProperties": False,
        }
    ),
]


class Policy(Section):
    """A named set of promises for the tickets that match; of several the first policy counts."""

    name: Title
    match: _Match = Field(default_factory=dict)
    """Field to a value or several, all of which have to match; empty matches every ticket."""
    calendar: str = ALWAYS_OPEN
    warn: _Stages = _DEFAULT_STAGES
    reopen_window_seconds: Annotated[Seconds, Field(alias="reopen_window")] = REOPEN_WINDOW_SECONDS
    min_notice_seconds: Annotated[Seconds, Field(alias="min_notice")] = MIN_NOTICE_SECONDS
    max_pause_seconds: Annotated[Seconds | None, Field(alias="max_pause", gt=0)] = None
    clocks: Mapping[Clock, Promise]

    @field_validator("clocks")
    @classmethod
    def _promises_something(cls, clocks: Mapping[Clock, Promise]) -> Mapping[Clock, Promise]:
        if not clocks:
            mend = "add a clock, such as `first_response: {target: 4h}`, or take the policy out"
            raise refused("a policy without clocks promises nothing", mend)
        return clocks

    def stages(self, clock: Clock) -> tuple[Stage, ...]:
        """Return the stages at which `clock` warns."""
        of_clock = self.clocks[clock].warn
        return self.warn if of_clock is None else of_clock

    def pauses(self, clock: Clock) -> tuple[WaitReason, ...]:
        """Return the wait reasons that pause `clock`."""
        of_clock = self.clocks[clock].pauses
        return DEFAULT_PAUSES[clock] if of_clock is None else of_clock


class PolicyVersion(Section):
    """All policies from an instant on."""

    effective_from: InstantValue
    apply: Apply = Apply.NEW
    policies: Annotated[tuple[Policy, ...], Field(max_length=POLICIES_MAX)]


class PoliciesInForce(NamedTuple):
    """All policies from an instant on; None: from the beginning of time."""

    effective_from: datetime | None
    apply: Apply
    policies: tuple[Policy, ...]
