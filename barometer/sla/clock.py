"""`barometer sla clock`: when is a promise due that started, paused and went on like this, and is it broken?

A question brings its promise (`target_seconds`) and its calendar, or names a policy of the configuration, whose
promise and calendar they are then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from barometer.exits import Refused
from barometer.sla.calendars import Calendars
from barometer.sla.values import amount_us, instant_us
from services.aging.core.policy import ClockName, Policy
from services.aging.core.stopwatch import Event, Move, Reading, given_policy, read_stopwatch, shown
from services.aging.core.terms import Terms
from shared.calendars.hours import Hours
from shared.configuration.problems import did_you_mean
from shared.contracts.instants import EARLIEST, LATEST, to_us

EVENTS_MAX: Final = 100_000
"""Events of one question; more fit into no line."""
_MOVES: Final = [move.value for move in Move]
_CLOCKS: Final = [clock.value for clock in ClockName]
_FIRST_US: Final = to_us(EARLIEST)
_END_US: Final = to_us(LATEST)


class Promised(NamedTuple):
    """What a question is about."""

    policy: Policy
    metric: str
    target_us: int
    hours: Hours


def answer(calendars: Calendars, question: Mapping[str, Any]) -> dict[str, object]:
    """Return the answer to a question of design.md 6. Raises Refused, NoOpening, ConfigurationInvalid."""
    return shown(reading_of(promised(calendars, question), question))


def reading_of(promise: Promised, question: Mapping[str, Any]) -> Reading:
    """Return what the clock shows. Raises Refused, NoOpening."""
    events = _events(question.get("events"))
    return read_stopwatch(*promise, events, _ticket_us("as_of", question.get("as_of")))


def promised(calendars: Calendars, question: Mapping[str, Any]) -> Promised:
    """Return the promise that `question` brings or names. Raises Refused, ConfigurationInvalid."""
    written = question.get("policy")
    if not isinstance(written, Mapping):
        raise Refused('policy: write an object such as {"metric": "resolution", "target_seconds": 14400}')
    metric = written.get("metric", ClockName.RESOLUTION.value)
    if not isinstance(metric, str):
        raise Refused("policy.metric: write a text, such as resolution")
    if "name" in written:
        return _published(calendars, question, written, metric)
    target_us = amount_us("policy.target_seconds", written.get("target_seconds"))
    if target_us <= 0:
        raise Refused("policy.target_seconds: write more than 0: a promise takes time")
    before_us = None
    if written.get("warn_before_seconds") is not None:
        before_us = amount_us("policy.warn_before_seconds", written["warn_before_seconds"])
        if before_us < 0:
            raise Refused("policy.warn_before_seconds: write 0 or more: a warning comes before the deadline")
    hours = calendars.find(question.get("calendar"))
    return Promised(given_policy(metric, target_us, before_us), metric, target_us, hours)


def _published(
    calendars: Calendars, question: Mapping[str, Any], written: Mapping[str, Any], metric: str
) -> Promised:
    """Return the promise of a policy of the configuration, by the version in force at the first start."""
    for name in ("target_seconds", "warn_before_seconds"):
        if name in written:
            raise Refused(f"policy.{name}: the policy says it; leave it out, or leave out the name")
    starts = [event.at_us for event in _events(question.get("events")) if event.move is Move.START]
    at_us = min(starts, default=_ticket_us("as_of", question.get("as_of")))
    policy = _named(calendars.terms, written["name"], at_us)
    priority = written.get("priority") or ""
    target_us = policy.target_us(metric, priority) if isinstance(priority, str) else None
    if target_us is None:
        promises = ", ".join(policy.promises) or "nothing"
        raise Refused(
            f"policy `{policy.name}` has no target of {metric} for {priority or 'no priority'}; it promises {promises}"
        )
    return Promised(policy, metric, target_us, calendars.find(question.get("calendar") or policy.calendar))


def _named(terms: Terms, name: object, at_us: int) -> Policy:
    policies = terms.version_at(at_us).policies
    for policy in policies:
        if policy.name == name:
            return policy
    mend = did_you_mean(str(name), [policy.name for policy in policies])
    raise Refused(f"there is no policy `{name}` then; {mend}")


def _events(written: object) -> list[Event]:
    if not isinstance(written, Sequence) or isinstance(written, str):
        raise Refused('events: write a list such as [{"at": "2026-03-27T09:00:00Z", "type": "start"}]')
    if len(written) > EVENTS_MAX:
        raise Refused(f"events: write at most {EVENTS_MAX}")
    return [_event(f"events[{index}]", one) for index, one in enumerate(written)]


def _event(where: str, written: object) -> Event:
    if not isinstance(written, Mapping):
        raise Refused(f'{where}: write an object such as {{"at": "2026-03-27T09:00:00Z", "type": "start"}}')
    move = written.get("type")
    if move not in _MOVES:
        raise Refused(f"{where}.type: write one of {', '.join(_MOVES)}")
    return Event(_ticket_us(f"{where}.at", written.get("at")), Move(move))


def _ticket_us(name: str, written: object) -> int:
    at_us = instant_us(name, written)
    if not _FIRST_US <= at_us < _END_US:
        raise Refused(
            f"{name} lies outside the years {EARLIEST.year} to {LATEST.year - 1}: no ticket has such a time"
        )
    return at_us
