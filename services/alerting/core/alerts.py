"""What an evaluation comes to: alerts that fire and end, and what is on the way to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from services.alerting.core.rules import Rule

Labels = tuple[tuple[str, str], ...]


class Reason(str, Enum):
    """Why an alert is over."""

    RECOVERED = "recovered"
    RULE_REMOVED = "rule_removed"
    RULE_CHANGED = "rule_changed"


class Phase(Enum):
    """Where a rule stands on one group."""

    QUIET = "quiet"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert as it fired, or as it was resolved: then `resolved_at_us` is set, the rest is as before.

    `value` is the measure when the state changed; ages are seconds.
    """

    id: str
    fingerprint: str
    tenant: str
    rule: str
    rule_digest: str
    severity: str
    labels: Labels
    measure: str
    value: float
    threshold: float
    since_us: int
    fired_at_us: int
    summary: str = ""
    resolved_at_us: int | None = None
    reason: str = ""

    @property
    def firing(self) -> bool:
        """Not over yet."""
        return self.resolved_at_us is None


@dataclass(frozen=True, slots=True)
class Pending:
    """The condition holds, its `for` still runs; `since_us` None: no longer."""

    tenant: str
    rule: str
    rule_digest: str
    labels: Labels
    since_us: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule on one group, for people to look at."""

    rule: Rule
    labels: Labels
    phase: Phase
    value: float
    since_us: int | None


def ended(alert: AlertRecord, at_us: int, value: float, reason: Reason) -> AlertRecord:
    """Return `alert` as it was resolved at `at_us`, never before it fired."""
    return replace(alert, resolved_at_us=max(at_us, alert.fired_at_us), value=value, reason=reason.value)
