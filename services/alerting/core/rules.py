"""What a rule says, and when its condition holds: pure arithmetic on totals and instants.

A count is above a threshold when it is greater, below when it is less. An age is above a threshold from
the instant it reaches it on (an edge belongs to the older side, as with age edges), and below before.
Ages grow by themselves, so the instant at which one reaches a threshold is computed, never waited for in
steps: `reaches_us` is exact to the microsecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from operator import attrgetter
from typing import Final

from services.alerting.core.sums import MAIN_DIMENSIONS, SIDE_DIMENSIONS, Totals, ViewKey
from shared.contracts.backlog import CellKind
from shared.contracts.event_id import derived_id
from shared.contracts.instants import SECOND_US
from shared.contracts.tickets import Status


class Measure(str, Enum):
    """What a rule looks at."""

    OPEN = "open"
    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    UNOWNED = "unowned"
    OLDER_THAN = "older_than"
    OLDEST_AGE = "oldest_age"
    AVERAGE_AGE = "average_age"
    PAST_SLA = "past_sla"
    AT_RISK = "at_risk"


class Comparison(str, Enum):
    """Which side of the threshold is the bad one."""

    ABOVE = "above"
    BELOW = "below"


AGES: Final = frozenset({Measure.OLDEST_AGE, Measure.AVERAGE_AGE})

_STATUS_MEASURES: Final = {
    Measure.NOT_STARTED: Status.NEW.value,
    Measure.IN_PROGRESS: Status.IN_PROGRESS.value,
    Measure.WAITING: Status.WAITING.value,
}


_COUNTED: Final = {
    Measure.UNOWNED: attrgetter("unowned"),
    Measure.PAST_SLA: attrgetter("past_sla"),
    Measure.AT_RISK: attrgetter("at_risk"),
}
_ALL_OPEN: Final = attrgetter("open")


class BadRule(ValueError):
    """The rule cannot be evaluated; the message says what to mend."""


@dataclass(frozen=True)
class Rule:
    """A condition on one measure of each group of tickets.

    `threshold` and `clear` are counts, or microseconds for ages. An alert begins once the condition held
    for `for_us` without a break and is over when the value is back at `clear` (None: at the threshold).
    """

    name: str
    measure: Measure
    comparison: Comparison
    threshold: int
    clear: int | None = None
    edge_seconds: int = 0
    """For `older_than`: one of the configured age edges."""
    by: tuple[str, ...] = ()
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    for_us: int = 0
    severity: str = "warning"
    summary: str = ""

    def __post_init__(self) -> None:
        self._check_dimensions()
        if (self.measure is Measure.OLDER_THAN) != (self.edge_seconds > 0):
            raise BadRule(f"rule {self.name}: `edge` goes with older_than, and only with it")
        if self.for_us < 0:
            raise BadRule(f"rule {self.name}: `for` is less than nothing")
        above = self.comparison is Comparison.ABOVE
        if self.clear is not None and (self.clear > self.threshold if above else self.clear < self.threshold):
            raise BadRule(f"rule {self.name}: `clear` must lie on the good side of the threshold")

    def _check_dimensions(self) -> None:
        named = [*self.by, *(name for name, _ in self.where)]
        unknown = [name for name in named if name not in MAIN_DIMENSIONS and name not in SIDE_DIMENSIONS]
        if unknown:
            raise BadRule(f"rule {self.name}: no such dimension: {', '.join(unknown)}")
        side = {name for name in named if name in SIDE_DIMENSIONS}
        if len(self.by) != len(set(self.by)):
            raise BadRule(f"rule {self.name}: a dimension is named twice in `by`")
        if not side:
            return
        if len(side) > 1 or not set(named) <= side | {"queue"} or self.measure in _STATUS_MEASURES:
            raise BadRule(
                f"rule {self.name}: category and assignee are counted by queue only, not with each other, "
                f"other dimensions or a status"
            )

    @cached_property
    def is_age(self) -> bool:
        """The measure grows by itself."""
        return self.measure in AGES

    @cached_property
    def is_above(self) -> bool:
        """The bad side is the upper one."""
        return self.comparison is Comparison.ABOVE

    @cached_property
    def clear_at(self) -> int:
        """The limit at which a firing alert is over."""
        return self.threshold if self.clear is None else self.clear

    @cached_property
    def view(self) -> ViewKey:
        """The cells this rule adds up."""
        where = list(self.where)
        if self.measure in _STATUS_MEASURES:
            where.append(("status", (_STATUS_MEASURES[self.measure],)))
        side = [name for name in (*self.by, *(name for name, _ in where)) if name in SIDE_DIMENSIONS]
        kind = SIDE_DIMENSIONS[side[0]] if side else CellKind.MAIN
        return ViewKey(kind, self.by, tuple(sorted((name, tuple(sorted(values))) for name, values in where)))

    @cached_property
    def digest(self) -> str:
        """Identifies the condition: a rule with another digest is another rule under the same name."""
        where = ";".join(f"{name}={','.join(values)}" for name, values in self.view.where)
        numbers = (self.threshold, self.clear_at, self.edge_seconds, self.for_us)
        return derived_id(
            self.measure.value, self.comparison.value, self.severity, ",".join(self.by), where,
            *(str(number) for number in numbers),
        )  # fmt: skip

    @cached_property
    def _counted(self) -> attrgetter[int]:
        return _COUNTED.get(self.measure, _ALL_OPEN)

    def holds(self, totals: Totals, limit: int, now_us: int) -> bool:
        """Return whether the measure is on the bad side of `limit` at `now_us`.

        The age of nothing is neither above nor below.
        """
        if not self.is_age:
            count = self.count(totals)
            return count > limit if self.is_above else count < limit
        reaches = self.reaches_us(totals, limit)
        if reaches is None:
            return False
        return reaches <= now_us if self.is_above else reaches > now_us

    def count(self, totals: Totals) -> int:
        """Return the number of tickets the measure counts (ages: of all of them)."""
        if self.edge_seconds:
            return totals.older.get(self.edge_seconds, 0)
        count: int = self._counted(totals)
        return count

    def reaches_us(self, totals: Totals, age_us: int) -> int | None:
        """Return the first instant at which the oldest or average age is `age_us` or more.

        None if there is no ticket. Exact: the average reaches it when `open * now - sum` reaches
        `open * age_us`, rounded up to the next microsecond.
        """
        if self.measure is Measure.OLDEST_AGE:
            created = totals.created_min_us()
            return None if created is None else created + age_us
        if totals.open <= 0:
            return None
        return age_us - (-totals.created_sum_us // totals.open)

    def value(self, totals: Totals, now_us: int) -> float:
        """Return the measure at `now_us`: a count, or an age in seconds (0 if there is no ticket)."""
        if not self.is_age:
            return float(self.count(totals))
        if self.measure is Measure.OLDEST_AGE:
            created = totals.created_min_us()
            return 0.0 if created is None else max(0, now_us - created) / SECOND_US
        if totals.open <= 0:
            return 0.0
        return max(0, totals.open * now_us - totals.created_sum_us) / totals.open / SECOND_US

    def shown(self, limit: int) -> float:
        """Return a limit in the unit of `value`."""
        return limit / SECOND_US if self.is_age else float(limit)


def fingerprint(tenant: str, rule: str, labels: tuple[tuple[str, str], ...]) -> str:
    """Return what identifies a problem: the same rule on the same group, whenever it occurs."""
    return derived_id("alert", tenant, rule, *(part for pair in sorted(labels) for part in pair))


def alert_id(of: str, fired_at_us: int) -> str:
    """Return what identifies one alert: the problem of this fingerprint, this time."""
    return derived_id("alert", of, str(fired_at_us))
