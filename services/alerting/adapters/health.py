"""What alerting says of itself to Prometheus: its own health, alerts that fire, notifications.

The figures of the backlog are not here (core/picture.py): there are too many for instruments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.alerting.core.delivery import Outcome
from shared.contracts.instants import SECOND_US
from shared.runtime.partition import PartitionStatus

SERVICE: Final = "alerting"
RECORD_OUTCOMES: Final = ("applied", "undecodable")
NOTIFICATION_OUTCOMES: Final = (*(outcome.value for outcome in Outcome), "exhausted")


class Health:
    """Tally, and the gauges that are set before each scrape."""

    def __init__(
        self, registry: CollectorRegistry, *, rules: Sequence[tuple[str, str]], receivers: Sequence[str]
    ) -> None:
        """`rules` are (name, severity). All label values are known, so all series begin at zero."""
        events = Counter(
            "barometer_events_total",
            "Events and records handled, by what became of them.",
            ("service", "outcome"),
            registry=registry,
        )
        self._records = {name: events.labels(SERVICE, name) for name in RECORD_OUTCOMES}
        notifications = Counter(
            "backlog_alert_notifications_total",
            "Attempts to notify, by what they came to.",
            ("receiver", "outcome"),
            registry=registry,
        )
        self._notifications = {
            (receiver, outcome): notifications.labels(receiver, outcome)
            for receiver in receivers
            for outcome in NOTIFICATION_OUTCOMES
        }
        firing = Gauge(
            "backlog_alerts_firing", "Alerts that fire now.", ("rule", "severity"), registry=registry
        )
        self._firing = {rule: firing.labels(*rule) for rule in rules}
        self._lag = Gauge(
            "barometer_event_lag_seconds",
            "How far behind the clock the service's picture is.",
            ("service",),
            registry=registry,
        ).labels(SERVICE)
        self._lateness = Gauge(
            "barometer_timer_lateness_seconds",
            "How late the last timer was noticed.",
            ("service",),
            registry=registry,
        ).labels(SERVICE)
        self._outbox = Gauge(
            "barometer_outbox_records",
            "Records committed and not yet confirmed by the bus.",
            ("service",),
            registry=registry,
        ).labels(SERVICE)

    def record(self, outcome: str) -> None:
        """Count one record of the cells topic."""
        self._records[outcome].inc()

    def notification(self, receiver: str, outcome: str) -> None:
        """Count one attempt to deliver."""
        self._notifications[(receiver, outcome)].inc()

    def refresh(
        self,
        *,
        firing: Mapping[tuple[str, str], int],
        statuses: Sequence[PartitionStatus],
        judged_us: int | None,
        now_us: int,
    ) -> None:
        """Set the gauges. `firing` counts alerts by (rule, severity); those of former rules are left out."""
        for rule, gauge in self._firing.items():
            gauge.set(firing.get(rule, 0))
        if judged_us is not None:
            self._lag.set(max(0, now_us - judged_us) / SECOND_US)
        self._lateness.set(max((status.lateness_us for status in statuses), default=0) / SECOND_US)
        self._outbox.set(sum(status.outbox_records for status in statuses))
