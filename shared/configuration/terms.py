"""Calendars and policies as they are published: plain JSON, every span in seconds, every holiday a date.

What people may leave out or write in several ways (defaults, `1bd`, a country) is settled here, so all
processes and all later versions of this program read the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.configuration.calendars import Calendar
from shared.configuration.policies import ALWAYS_OPEN, Clock, Counted, PoliciesInForce, Policy, Stage
from shared.configuration.sla import Sla
from shared.contracts.durations import DAY_SECONDS
from shared.contracts.instants import rfc3339, to_us


def calendars_document(calendars: Mapping[str, Calendar]) -> dict[str, list[dict[str, Any]]]:
    """Return {NAME: [version, ...]}, oldest first.

    A version is the calendar's document (timezone, weekly, holidays, overrides) with `effective_from`
    (None: from the beginning of time) and `retroactive` (the reason, or None).
    """
    return {
        name: [
            {
                **hours.document(),
                "effective_from": _instant(hours.effective_from),
                "retroactive": hours.retroactive,
            }
            for hours in calendar.history
        ]
        for name, calendar in calendars.items()
    }


def sla_document(sla: Sla, calendars: Mapping[str, Calendar]) -> dict[str, Any]:
    """Return {"versions": [{"effective_from", "apply", "policies": [...]}], "attention": {...}}."""
    attention = sla.attention
    return {
        "versions": [
            {
                "effective_from": _instant(version.effective_from),
                "apply": version.apply.value,
                "policies": [_policy(version, policy, calendars) for policy in version.policies],
            }
            for version in sla.history
        ],
        "attention": {
            "stuck_after": attention.stuck_after_seconds,
            "stale_after": attention.stale_after_seconds,
            "bounces": attention.bounces,
            "close_after": attention.close_after_seconds,
            "escalate": attention.escalate,
        },
    }


def nominal_day_seconds(
    policy: Policy, effective_from: datetime | None, calendars: Mapping[str, Calendar]
) -> int:
    """Return what `1bd` is to a policy: a day of its calendar as it is when the policy begins."""
    if policy.calendar == ALWAYS_OPEN:
        return DAY_SECONDS
    return calendars[policy.calendar].at(effective_from).nominal_day_seconds


def _policy(version: PoliciesInForce, policy: Policy, calendars: Mapping[str, Calendar]) -> dict[str, Any]:
    day_seconds = nominal_day_seconds(policy, version.effective_from, calendars)
    return {
        "name": policy.name,
        "match": {field.value: sorted(set(values)) for field, values in policy.match.items()},
        "calendar": policy.calendar,
        "reopen_window": policy.reopen_window_seconds,
        "min_notice": policy.min_notice_seconds,
        "max_pause": policy.max_pause_seconds,
        "clocks": {clock.value: _clock(policy, clock, day_seconds) for clock in policy.clocks},
    }


def _clock(policy: Policy, clock: Clock, day_seconds: int) -> dict[str, Any]:
    promise = policy.clocks[clock]
    return {
        "targets": {name: target.in_seconds(day_seconds) for name, target in promise.targets.items()},
        "warn": [_stage(stage) for stage in policy.stages(clock)],
        "pauses": sorted({reason.value for reason in policy.pauses(clock)}),
        "business": promise.counted is Counted.BUSINESS,
    }


def _stage(stage: Stage) -> dict[str, Any]:
    return {"left": stage.left_seconds} if stage.share is None else {"share": stage.share}


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(to_us(instant))
