"""One clock alone, moved by a list of events: what would be due, with these hours and this promise?

It answers `barometer sla clock` and `POST /v1/sla/preview`. The clock is a ticket's clock, moved by what moves
those of tickets (clocks.py, movement.py), so an answer is what a ticket would get. Here is only what a list of
events may say that a ticket cannot: a pause twice, a resume of what runs, anything after the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum
from typing import Final, NamedTuple

from services.aging.core.clock import NOT, Clock, used_us
from services.aging.core.clocks import Clocks
from services.aging.core.policy import Policy, PolicyVersion, Promise, Stage
from services.aging.core.story import Story
from services.aging.core.terms import HoursVersion, Terms
from services.aging.core.ticket import Draft, Ticket
from shared.calendars.hours import Hours
from shared.contracts.backlog import FactType
from shared.contracts.instants import SECOND_US, rfc3339

_PAUSED: Final = "paused"
_GIVEN: Final = "given"


class Move(str, Enum):
    """What an event does to the clock."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


_RANKS: Final = {Move.STOP: 0, Move.PAUSE: 1, Move.START: 2, Move.RESUME: 2}
"""At one instant a stop comes before a pause, and a pause before a start, as on the timeline of a ticket."""


class Event(NamedTuple):
    """Something that happens to the clock."""

    at_us: int
    move: Move


class Reading(NamedTuple):
    """What the clock shows at an instant; amounts in open time."""

    due_us: int | None
    """None while it stands, and before its start."""
    due_if_resumed_us: int | None
    """While it stands: the deadline if it went on at this instant. None otherwise."""
    warn_us: int | None
    """When the warning begins, or began; None without one, and while it stands before it."""
    used_us: int
    paused_us: int
    left_us: int
    """Negative once it is overdue."""
    breached_us: int | None
    """The deadline that was broken."""


def given_policy(metric: str, target_us: int, warn_before_us: int | None) -> Policy:
    """Return a policy that promises only `metric`, with a warning so long before the end."""
    stages = () if warn_before_us is None else (Stage(left_us=warn_before_us),)
    return Policy(_GIVEN, {metric: Promise({"default": target_us}, stages)})


def read_stopwatch(
    policy: Policy, metric: str, target_us: int, hours: Hours, events: Iterable[Event], as_of_us: int
) -> Reading:
    """Return what a clock of `policy` for `metric` shows at `as_of_us` after `events`, in any order.

    `hours` count, unless the promise is in wall time. Events after `as_of_us` do not count; a stop ends the clock
    where it stands then, and nothing moves it after. Raises NoOpening if the hours have no deadline for it.
    """
    watch = _Stopwatch(policy, metric, target_us, hours)
    known = [event for event in events if event.at_us <= as_of_us]
    for event in sorted(known, key=lambda one: (one.at_us, _RANKS[one.move])):
        if event.move is Move.STOP and watch.clock is not None:
            return watch.reading(event.at_us)
        watch.take(event)
    return watch.reading(as_of_us)


class _Stopwatch:
    def __init__(self, policy: Policy, metric: str, target_us: int, hours: Hours) -> None:
        promise = replace(policy.promises[metric], pauses=frozenset({_PAUSED}))
        policy = replace(policy, promises={metric: promise}, match={}, calendar=_GIVEN, label=_GIVEN)
        terms = Terms(None, (PolicyVersion((policy,)),), {_GIVEN: (HoursVersion(0, hours),)})
        self.clock: Clock | None = None
        self._metric, self._target_us = metric, target_us
        self._hours = terms.promise(_GIVEN, metric)[1]
        self._drafts: list[Draft] = []
        self._story = Story()
        self._clocks = Clocks(Ticket("", 0, clocks=[]), self._drafts, terms, self._story)
        self._paused = False

    def take(self, event: Event) -> None:
        """Move the clock, if there is one to move and the event changes anything."""
        was, self._paused = self._paused, _is_paused(event.move, paused=self._paused)
        if self.clock is None:
            if event.move is Move.START:
                self._start(event.at_us)
            return
        self._clocks.pass_time(NOT, event.at_us)
        self._clocks.break_overdue(event.at_us)
        if self._paused and not was:
            self._clocks.stand(self.clock, event.at_us, _PAUSED)
        elif was and not self._paused:
            self.clock.capped = False
            if self.clock.since_us < 0:
                self._clocks.run(self.clock, event.at_us, "")

    def reading(self, at_us: int) -> Reading:
        """Return what the clock shows at `at_us`, no earlier than the newest event. Raises NoOpening."""
        clock = self.clock
        if clock is None:
            return Reading(None, None, None, 0, 0, self._target_us, None)
        self._clocks.pass_time(NOT, at_us + 1)
        used = used_us(clock, self._hours, at_us)
        stands = clock.since_us < 0
        due_us = clock.deadline_us
        if not clock.breached:
            due_us = self._hours.add(at_us if stands else clock.since_us, clock.target_us - clock.used_us)
        warned = [draft.at_us for draft in self._drafts if draft.type is FactType.SLA_WARNED]
        return Reading(
            None if stands else due_us,
            due_us if stands else None,
            clock.warn_us if clock.warn_us >= 0 else max(warned, default=None),
            used,
            self._stood_us(at_us),
            clock.target_us - used,
            clock.deadline_us if clock.breached else None,
        )

    def _start(self, at_us: int) -> None:
        self.clock = Clock(self._metric, 1, _GIVEN, self._target_us, at_us)
        self._clocks.start(self.clock, at_us, _PAUSED if self._paused else "", "")

    def _stood_us(self, at_us: int) -> int:
        spans = self._story.until(at_us, {})
        return sum(self._hours.elapsed(span.from_us, span.until_us) for span in spans if span.kind == _PAUSED)


def _is_paused(move: Move, *, paused: bool) -> bool:
    return move is Move.PAUSE or (paused and move is not Move.RESUME)


def shown(reading: Reading) -> dict[str, object]:
    """Return `reading` as answers have it: instants in UTC, amounts in seconds."""
    answer: dict[str, object] = {"due": _instant(reading.due_us)}
    if reading.due_if_resumed_us is not None:
        answer["due_if_resumed"] = _instant(reading.due_if_resumed_us)
    return {
        **answer,
        "warn_at": _instant(reading.warn_us),
        "elapsed_seconds": seconds_of(reading.used_us),
        "paused_seconds": seconds_of(reading.paused_us),
        "remaining_seconds": seconds_of(reading.left_us),
        "breached": reading.breached_us is not None,
        "breached_at": _instant(reading.breached_us),
    }


def _instant(at_us: int | None) -> str | None:
    return None if at_us is None else rfc3339(at_us)


def seconds_of(amount_us: int) -> int | float:
    """Return seconds: an int where they are whole."""
    whole, rest = divmod(amount_us, SECOND_US)
    return amount_us / SECOND_US if rest else whole
