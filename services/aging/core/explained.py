"""What is told of a ticket's age and promises: intervals that add up to the figures, and what caused each."""

from __future__ import annotations

from typing import NamedTuple

from services.aging.core.age import AgeVersion
from services.aging.core.clock import Clock, ClockDetail
from services.aging.core.mark import Mark
from services.aging.core.policy import Policy
from services.aging.core.terms import HoursVersion
from services.aging.core.ticket import Draft, Ticket
from shared.calendars.special import SpecialDay


class Cause(NamedTuple):
    """What began or ended an interval, or brought a fact about."""

    by: str
    """observation, absorbed (said in a ticket merged into this one), time, or configuration."""
    mark: Mark | None = None
    version: str = ""
    """Label of the policies that came into force."""


class Interval(NamedTuple):
    """A span of time and what of it counted. Instants and amounts in microseconds."""

    kind: str
    """`running`, `paused:` and the wait reason, or how the ticket left the stock."""
    from_us: int
    until_us: int
    counted_us: int
    """What it adds to the figure; 0 for one in which the clock stood."""
    open_us: int
    """Open time in it, by the hours of its policy; all of it for the age and in wall time."""
    policy: str
    """Label of the policy it followed; empty for the age."""
    began: Cause
    ended: Cause | None
    """None while it lasts."""
    special: tuple[SpecialDay, ...] = ()
    """Holidays and exceptional hours among its dates."""

    @property
    def wall_us(self) -> int:
        """How long it was."""
        return self.until_us - self.from_us


class FactTold(NamedTuple):
    """A fact of the ticket and whether it stands."""

    id: str
    type: str
    clock: str
    instance: int
    at_us: int
    turn: int
    draft: Draft | None
    """What it says; None of a withdrawn one, which nothing says any more."""
    cause: Cause | None
    """None of a withdrawn one."""

    @property
    def stands(self) -> bool:
        """Whether it is true."""
        return self.turn % 2 == 0

    @property
    def detail(self) -> ClockDetail | None:
        """What it says of a clock."""
        return self.draft.detail if self.draft is not None else None


class ClockTold(NamedTuple):
    """One instance of a promise, with the intervals that add up to what is used of it."""

    clock: Clock
    """As it is now, or as it was when it ended."""
    policy: Policy
    business: bool
    versions: tuple[HoursVersion, ...]
    """Of its calendar, those in force while it lasted."""
    state: str
    """running, paused, no_opening, met, breached (and finished) or superseded."""
    ended_us: int | None
    used_us: int
    deadline_us: int | None
    """In force; of a breached one, the deadline it broke; of an ended one, the deadline it had."""
    due_if_resumed_us: int | None
    intervals: tuple[Interval, ...]
    facts: tuple[FactTold, ...]
    """Those that stand, by time."""

    @property
    def left_us(self) -> int:
        """What is left of the target; negative once it is overdue."""
        return self.clock.target_us - self.used_us

    @property
    def at_risk(self) -> bool:
        """Whether it runs inside its warning window."""
        clock = self.clock
        return self.ended_us is None and not clock.breached and clock.since_us >= 0 and clock.stage > 0


class AgeTold(NamedTuple):
    """The age and what it is made of."""

    version: AgeVersion
    from_us: int
    until_us: int
    """Now, or when the ticket left the stock."""
    next_edge_us: int | None
    intervals: tuple[Interval, ...]


class Condition(NamedTuple):
    """What a policy asks of a field."""

    field: str
    accepted: tuple[str, ...]
    shown: tuple[str, ...]
    holds: bool


class PolicyTried(NamedTuple):
    """A policy in force and whether the ticket has what it asks for."""

    label: str
    conditions: tuple[Condition, ...]

    @property
    def matches(self) -> bool:
        """Whether all conditions hold."""
        return all(condition.holds for condition in self.conditions)


class Absent(NamedTuple):
    """Why an open ticket has no running clock of this name."""

    clock: str
    reason: str
    """no_policy, not_promised, no_target (for its priority), not_begun or ended."""


class Explanation(NamedTuple):
    """All there is to say of a ticket's age and promises at an instant."""

    ticket: Ticket
    at_us: int
    age: AgeTold
    clocks: tuple[ClockTold, ...]
    absent: tuple[Absent, ...]
    policies: tuple[PolicyTried, ...]
    """Those in force, in their order, up to the first that matches."""
    facts: tuple[FactTold, ...]
