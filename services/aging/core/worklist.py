"""The order of work: which open ticket to take next, and why it has its place.

Emergencies first, then what is due first, then the customers who are promised more, then who came first.
Paused promises do not press, and whom we only wait for comes last. A team may weigh these reasons itself; then
one score takes their place. docs/worklist.md tells all of it to people.

A place depends on the ticket and on one instant, so for one instant the order of tickets that do not change is
the same for whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from services.aging.core.age import AgeVersion
from services.aging.core.clock import Clock
from services.aging.core.clocks import why_it_stands
from services.aging.core.ticket import Ticket
from shared.contracts.instants import SECOND_US
from shared.contracts.tickets import Kind, Priority, WaitReason

VIP: Final = "vip"
"""The segment that goes first among tickets that are due together."""
TOGETHER_US: Final = 60 * SECOND_US
"""Deadlines within one minute of the clock press alike: nobody works to the microsecond."""
NEAR_US: Final = 86_400 * SECOND_US
"""The weight `time_left` grows from nothing, this long before a deadline, to all of it at the deadline."""
MOSCOW: Final = ("must", "should", "could", "", "wont")
"""Planned work by its tag; what has none is not ruled out."""

_EMERGENCY, _WORK, _PLANNED, _OTHERS_TURN = range(4)
_OTHERS: Final = frozenset({WaitReason.CUSTOMER.value, WaitReason.VENDOR.value, WaitReason.SCHEDULED.value})
_NO_DEADLINE: Final = 1 << 62
_MOSCOW_PREFIX: Final = "moscow:"
_DIGITS: Final = 6
"""Of a score; rounding errors must not decide."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each reason counts, 0 to 1,000."""

    emergency: float = 0.0
    past_sla: float = 0.0
    time_left: float = 0.0
    vip: float = 0.0
    age: float = 0.0


class Position(NamedTuple):
    """What sorts a ticket; the least comes first. No two tickets of a tenant share one."""

    group: int
    moscow: int
    score: float
    """Negative, so that more points come first."""
    due: int
    """The minute in which the tightest running clock is due."""
    standing: int
    """0 for VIP."""
    start_us: int
    """The instant its age counts from."""
    key: str


class Reason(NamedTuple):
    """One reason for a place. `points`: what it adds to the score, where scores decide."""

    code: str
    text: str
    clock: str | None = None
    due_us: int | None = None
    points: float | None = None


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """The order at `now_us`. `age` says what is old; without `weights` the standard order holds."""

    now_us: int
    age: AgeVersion
    weights: Weights | None = None
    moscow: bool = True

    def position(self, key: str, ticket: Ticket) -> Position:
        """Return what sorts `ticket`, which is open."""
        tightest, weights = _tightest(ticket), self.weights
        group = self._group(ticket, tightest)
        points = {} if weights is None else self._points(ticket, tightest, weights)
        return Position(
            group,
            MOSCOW.index(_moscow(ticket)) if group == _PLANNED else 0,
            -round(sum(points.values()), _DIGITS),
            _NO_DEADLINE if tightest is None else tightest.deadline_us // TOGETHER_US,
            int(not _is_vip(ticket)),
            self.age.start_us(ticket.created_us, ticket.episode_us),
            key,
        )

    def reasons(self, ticket: Ticket) -> list[Reason]:
        """Return why `ticket` has its place, what decides first coming first."""
        tightest = _tightest(ticket)
        points = {} if self.weights is None else self._points(ticket, tightest, self.weights)
        found: list[Reason] = []
        if _waits(ticket, tightest):
            whom = "the date it is scheduled for" if ticket.wait_reason == "scheduled" else ticket.wait_reason
            found.append(Reason("others_turn", f"waits for {whom}, and no promise runs"))
        if ticket.priority == Priority.P1.value:
            found.append(Reason("emergency", "p1: an emergency", points=points.get("emergency")))
        if self.moscow and ticket.kind == Kind.PROJECT.value:
            tag = _moscow(ticket)
            found.append(Reason("moscow", f"planned work: {tag or 'without must, should, could or wont'}"))
        found.append(self._time_left(tightest, points))
        if _is_vip(ticket):
            found.append(Reason("vip", "VIP", points=points.get("vip")))
        age_us = self.now_us - self.age.start_us(ticket.created_us, ticket.episode_us)
        found.append(Reason("age", f"open for {span(max(0, age_us))}", points=points.get("age")))
        return found

    def _group(self, ticket: Ticket, tightest: Clock | None) -> int:
        if _waits(ticket, tightest):
            return _OTHERS_TURN
        if ticket.priority == Priority.P1.value and self.weights is None:
            return _EMERGENCY
        return _PLANNED if self.moscow and ticket.kind == Kind.PROJECT.value else _WORK

    def _time_left(self, tightest: Clock | None, points: dict[str, float]) -> Reason:
        if tightest is None:
            return Reason("no_deadline", "no promise runs")
        name, due_us = tightest.name, tightest.deadline_us
        left_us = due_us - self.now_us
        if left_us < 0:
            value = points["past_sla"] + points["time_left"] if points else None
            return Reason("past_due", f"{name} was due {span(-left_us)} ago", name, due_us, value)
        return Reason("time_left", f"{name} is due in {span(left_us)}", name, due_us, points.get("time_left"))

    def _points(self, ticket: Ticket, tightest: Clock | None, weights: Weights) -> dict[str, float]:
        left_us = NEAR_US if tightest is None else tightest.deadline_us - self.now_us
        edges = self.age.bucket_edges_seconds or self.age.edges_seconds
        old_us = (edges[-1] if edges else NEAR_US // SECOND_US) * SECOND_US
        age_us = self.now_us - self.age.start_us(ticket.created_us, ticket.episode_us)
        return {
            "emergency": weights.emergency * (ticket.priority == Priority.P1.value),
            "past_sla": weights.past_sla * (left_us < 0),
            "time_left": weights.time_left * _share(NEAR_US - left_us, NEAR_US),
            "vip": weights.vip * _is_vip(ticket),
            "age": weights.age * _share(age_us, old_us),
        }


def span(us: int) -> str:
    """Return a span of time in its two largest units: `3d 4h`, `45m`, `0s`."""
    seconds = us // SECOND_US
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number}{unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0s"


def _tightest(ticket: Ticket) -> Clock | None:
    """Return the running clock that is due first; a standing one does not press."""
    running = [clock for clock in ticket.clocks if clock.since_us >= 0 and clock.deadline_us >= 0]
    return min(running, key=lambda clock: (clock.deadline_us, clock.name), default=None)


def _waits(ticket: Ticket, tightest: Clock | None) -> bool:
    return tightest is None and why_it_stands(ticket) in _OTHERS


def _is_vip(ticket: Ticket) -> bool:
    return ticket.segment.casefold() == VIP


def _moscow(ticket: Ticket) -> str:
    """Return the strongest of the ticket's tags, as MOSCOW has them; empty if it has none."""
    tags = {tag.casefold().removeprefix(_MOSCOW_PREFIX) for tag in ticket.tags}
    return next((name for name in MOSCOW if name in tags), "")


def _share(part_us: int, whole_us: int) -> float:
    return min(1.0, max(0.0, part_us / whole_us))
