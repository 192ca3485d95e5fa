"""What is wrong with policies that are well written: they can never match, or promise what cannot be kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Final

from shared.configuration.calendar_checks import ascending
from shared.configuration.document import Path
from shared.configuration.models import Configuration
from shared.configuration.policies import (
    ALWAYS_OPEN,
    TARGET_SECONDS_MAX,
    Clock,
    Counted,
    MatchField,
    PoliciesInForce,
    Policy,
)
from shared.configuration.problems import did_you_mean
from shared.configuration.terms import nominal_day_seconds
from shared.configuration.validation import Finding
from shared.contracts.durations import duration_text
from shared.contracts.tickets import Channel, Kind, Priority

COMBINATIONS_MAX: Final = 10_000
"""Of the values of one policy; one with more is only compared with the earlier policies one by one."""

_CHOICES: Final[Mapping[MatchField, tuple[str, ...]]] = {
    MatchField.PRIORITY: tuple(one.value for one in Priority),
    MatchField.CHANNEL: tuple(one.value for one in Channel),
    MatchField.KIND: tuple(one.value for one in Kind),
}


def policies(configuration: Configuration) -> Iterator[Finding]:
    """Yield what is wrong with the policies of each version."""
    yield from ascending(
        ("sla", "versions"), [one.effective_from for one in configuration.sla.versions], "the policies"
    )
    for number, version in enumerate(configuration.sla.history):
        path: Path = ("sla", "versions", number - 1, "policies") if number else ("sla", "policies")
        yield from _version(path, version, configuration)


def _version(path: Path, version: PoliciesInForce, configuration: Configuration) -> Iterator[Finding]:
    names: set[str] = set()
    for index, policy in enumerate(version.policies):
        place = (*path, index)
        if policy.name in names:
            yield Finding((*place, "name"), f"policy `{policy.name}` is there twice", "rename or remove one")
        names.add(policy.name)
        yield from _values((*place, "match"), policy, configuration)
        yield from _reachable(place, policy, version.policies[:index])
        known = [*configuration.calendars, ALWAYS_OPEN]
        if policy.calendar in known:
            yield from _clocks(place, policy, version, configuration)
        else:
            what = f"policy `{policy.name}`: the calendar `{policy.calendar}` is not configured"
            yield Finding((*place, "calendar"), what, did_you_mean(policy.calendar, known))


def _values(path: Path, policy: Policy, configuration: Configuration) -> Iterator[Finding]:
    choices = {**_CHOICES, MatchField.TENANT: tuple(one.name for one in configuration.tenants)}
    for field, values in policy.match.items():
        for index, value in enumerate(values):
            if field in choices and value not in choices[field]:
                what = f"policy `{policy.name}` can never match: `{value}` is no {field.value}"
                yield Finding((*path, field.value, index), what, did_you_mean(value, choices[field]))


def _reachable(path: Path, policy: Policy, earlier: Sequence[Policy]) -> Iterator[Finding]:
    covering = [one for one in earlier if set(one.match) <= set(policy.match)]
    alone = next((one for one in covering if _covers(one, policy)), None)
    if alone is not None:
        whom = f"`{alone.name}` before it takes every ticket it asks for"
    elif len(covering) > 1 and _all_taken(policy, covering):
        whom = f"{', '.join(f'`{one.name}`' for one in covering)} before it take every ticket it asks for"
    else:
        return
    mend = "move it up, narrow the other, or take it out"
    yield Finding(path, f"policy `{policy.name}` can never match: {whom}", mend)


def _covers(one: Policy, policy: Policy) -> bool:
    return all(set(policy.match[field]) <= set(values) for field, values in one.match.items())


def _all_taken(policy: Policy, earlier: Sequence[Policy]) -> bool:
    """Return whether several policies share out all tickets of `policy` among them.

    A ticket has one value of each field, and of tags it is enough to look at tickets with one.
    """
    if prod(map(len, policy.match.values())) > COMBINATIONS_MAX:
        return False
    fields = list(policy.match)
    accepted = [{field: frozenset(values) for field, values in one.match.items()} for one in earlier]
    for values in product(*policy.match.values()):
        ticket = dict(zip(fields, values, strict=True))
        if not any(all(ticket[field] in found for field, found in one.items()) for one in accepted):
            return False
    return True


def _clocks(
    path: Path, policy: Policy, version: PoliciesInForce, configuration: Configuration
) -> Iterator[Finding]:
    day_seconds = nominal_day_seconds(policy, version.effective_from, configuration.calendars)
    for clock, promise in policy.clocks.items():
        place = (*path, "clocks", clock.value)
        has_days = promise.counted is Counted.BUSINESS and policy.calendar != ALWAYS_OPEN
        for name, target in promise.targets.items():
            at = (*place, "target", name)
            said = f"policy `{policy.name}`, {clock.value}: {target}"
            if target.business_days and not has_days:
                what = f"{said} is a business day, but the promise counts around the clock"
                yield Finding(at, what, _day_mend(policy, promise.counted))
            elif not 0 < target.in_seconds(day_seconds) <= TARGET_SECONDS_MAX:
                what = f"{said} comes to {duration_text(target.in_seconds(day_seconds))} of open time"
                yield Finding(
                    at, what, f"write up to {duration_text(TARGET_SECONDS_MAX)}, or set the calendar's `day:`"
                )
        yield from _stages(path, policy, clock, day_seconds)


def _day_mend(policy: Policy, counted: Counted) -> str:
    days = "write 1d for 24 hours"
    if counted is Counted.WALL:
        return f"{days}, or take `time: wall` out"
    return f"{days}, or name a `calendar:` with hours in `{policy.name}`"


def _stages(path: Path, policy: Policy, clock: Clock, day_seconds: int) -> Iterator[Finding]:
    promise = policy.clocks[clock]
    smallest = min(promise.targets.values(), key=lambda target: target.in_seconds(day_seconds))
    smallest_seconds = smallest.in_seconds(day_seconds)
    place = path if promise.warn is None else (*path, "clocks", clock.value)
    for index, stage in enumerate(policy.stages(clock)):
        at = (*place, "warn", index)
        if stage in policy.stages(clock)[:index]:
            yield Finding(at, f"policy `{policy.name}` warns twice at {stage}", "take one out")
        if stage.left_seconds is not None and stage.left_seconds >= smallest_seconds > 0:
            what = f"policy `{policy.name}` warns of {clock.value} when {stage} is left, but the target is {smallest}"
            yield Finding(at, what, "write less, or a share such as 80%, or `warn:` beside that target")
