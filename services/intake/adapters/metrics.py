"""Outcomes as Prometheus counters, every label combination there from the start at zero."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter

from services.intake.core.rejection import Reason
from services.intake.ports import Outcome

SERVICE = "intake"


class PrometheusCounters:
    """`barometer_events_total{service="intake",outcome}` and `barometer_rejected_total{reason}`."""

    def __init__(self, events: Counter, rejected: Counter) -> None:
        """Count in `events` and `rejected`, which other services of the process may share."""
        # Children are bound once: looking one up costs four times as much as counting.
        self._outcomes = {outcome: events.labels(SERVICE, outcome.value) for outcome in Outcome}
        self._reasons = {reason: rejected.labels(reason.value) for reason in Reason}

    def count(self, outcome: Outcome, number: int = 1) -> None:
        """See `Counters.count`."""
        self._outcomes[outcome].inc(number)

    def count_rejected(self, reason: Reason) -> None:
        """See `Counters.count_rejected`."""
        self._reasons[reason].inc()


def counters(registry: CollectorRegistry) -> PrometheusCounters:
    """Return counters of their own in `registry`: for a process that runs intake alone."""
    return PrometheusCounters(
        Counter("barometer_events", "Events by outcome.", ["service", "outcome"], registry=registry),
        Counter("barometer_rejected", "Rejected events by reason.", ["reason"], registry=registry),
    )
