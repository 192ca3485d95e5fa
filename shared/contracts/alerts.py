"""What alerting says: an alert begins and ends, once each, under one id."""

from __future__ import annotations

from enum import Enum

import msgspec

from shared.contracts.instants import Instant


class AlertState(str, Enum):
    """An alert fires, and is over."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`barometer.alert.fired.v1` / `barometer.alert.resolved.v1`.

    `id` is derived from rule, labels and `fired_at`; `fingerprint` from rule and labels alone, so the
    next alert of the same problem has the same fingerprint. `value` is the measure when the state
    changed; it is never part of the identity. Values of ages are seconds.
    """

    id: str
    fingerprint: str
    rule: str
    severity: str
    state: AlertState
    labels: dict[str, str]
    measure: str
    value: float
    threshold: float
    since: Instant
    """When the condition began to hold without a break."""
    fired_at: Instant
    resolved_at: Instant | None = None
    resolve_reason: str = ""
    """`recovered`, `rule_removed` or `rule_changed`."""
    summary: str = ""
