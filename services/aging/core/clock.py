"""One SLA clock of a ticket: how much of its target is used, and when time will bring something about.

A clock runs or stands. What was used before its last change is a number; since then it counts open time of
its calendar. So its deadline and the next warning are instants that stay put until something happens, and
a timer can wait for them. The deadline second itself is met: a breach is true strictly after it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from services.aging.core.policy import Promise, Stage
from shared.calendars.hours import Hours, NoOpening

NOT: Final = -1
"""No such instant."""
NEVER: Final = -2
"""The calendar has no opening in which the deadline could fall: said aloud (`no_opening`), never wall time."""


class Clock(msgspec.Struct, array_like=True, gc=False):
    """An instance of a promise. Instants and amounts are microseconds, amounts in its calendar's open time."""

    name: str
    instance: int
    policy: str
    """Label of the policy version it follows."""
    target_us: int
    started_us: int
    used_us: int = 0
    """Used until `since_us`; all that is used while it stands."""
    since_us: int = NOT
    """Runs since then."""
    why: str = ""
    """Why it stands: a wait reason, or how the ticket left the stock."""
    stood_us: int = NOT
    """Since when it stands, over all reasons without a break."""
    deadline_us: int = NOT
    """While it runs; of a breached one, the deadline it broke."""
    warn_us: int = NOT
    """When the next warning stage begins."""
    resume_us: int = NOT
    """When the longest pause is over."""
    stage: int = 0
    """Warning stages begun."""
    told: int = 0
    """Warning stages ever stated."""
    notice_us: int = NOT
    """Nobody is paged for it before."""
    breached: bool = False
    capped: bool = False
    """It runs although the ticket waits: the longest pause was over."""


class ClockDetail(NamedTuple):
    """What a fact about a clock says beside its instant."""

    policy: str
    target_us: int
    used_us: int
    deadline_us: int = NOT
    reason: str = ""
    stage: str = ""
    notify_us: int = NOT
    started_us: int = NOT
    """When its instance began."""


def used_us(clock: Clock, hours: Hours, at_us: int) -> int:
    """Return how much of the target is used at `at_us`."""
    if clock.since_us < 0:
        return clock.used_us
    return clock.used_us + hours.elapsed(clock.since_us, at_us)


def stages_of(promise: Promise, target_us: int) -> list[tuple[int, Stage]]:
    """Return the warning stages with the amount used when each begins, the first to begin first."""
    return sorted(((stage.used_us(target_us), stage) for stage in promise.stages), key=lambda one: one[0])


def retime(clock: Clock, promise: Promise, hours: Hours) -> None:
    """Work out anew when time brings something about, from what is used and since when it runs."""
    clock.warn_us = NOT
    if clock.since_us < 0:
        clock.deadline_us = clock.deadline_us if clock.breached else NOT
        return
    if clock.breached:
        return
    clock.deadline_us = instant(hours, clock.since_us, clock.target_us - clock.used_us)
    next_warning(clock, promise, hours)


def end_of_pause(clock: Clock, hours: Hours, longest_us: int, *, at_us: int) -> int:
    """Return when a pause that may last `longest_us` of open time ends, not before `at_us`; NEVER if it does not."""
    end_us = instant(hours, clock.stood_us, longest_us)
    return max(at_us, end_us) if end_us >= 0 else end_us


def next_warning(clock: Clock, promise: Promise, hours: Hours) -> None:
    """Set which stage comes next, and when, for a running clock."""
    stages = stages_of(promise, clock.target_us)
    if clock.stage < len(stages):
        wanted_us = max(0, stages[clock.stage][0] - clock.used_us)
        clock.warn_us = instant(hours, clock.since_us, wanted_us)
    else:
        clock.warn_us = NOT


def next_us(clock: Clock) -> int | None:
    """Return when time next brings something about; None if it does not."""
    dues = [due for due in (clock.warn_us, clock.resume_us) if due >= 0]
    if not clock.breached and clock.deadline_us >= 0:
        dues.append(clock.deadline_us + 1)
    return min(dues, default=None)


def instant(hours: Hours, since_us: int, amount_us: int) -> int:
    """Return when `amount_us` of open time have passed since `since_us`; NEVER if that never comes."""
    try:
        return hours.add(since_us, amount_us)
    except NoOpening:
        return NEVER
