"""The tables of alerting in memory, and what one commit and one attempt write to them.

A courier's claim races with the commit that ends its alert, which is where notifications get lost or doubled.
Here as on SQL each of the two is one step, and what an alert's end means is decided by what is stored then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from services.alerting.core.alerts import AlertRecord, Labels, Pending
from services.alerting.ports import AlertingChanges, Delivery, DeliveryState
from shared.runtime.port import Commit
from tests.simulation.stores.journal import Journal
from tests.simulation.stores.tables import Database, Table


class AlertRow(NamedTuple):
    """An alert as it stands now."""

    id: str
    partition: int
    alert: AlertRecord


class PendingRow(NamedTuple):
    """A condition that holds, whose `for` still runs."""

    partition: int
    tenant: str
    rule: str
    labels: Labels
    pending: Pending


class DeliveryRow(NamedTuple):
    """A delivery and what became of it."""

    id: str
    alert_id: str
    delivery: Delivery
    state: DeliveryState
    settled_us: int | None
    detail: str


class DisabledRow(NamedTuple):
    """A receiver that wants nothing any more, and the digest of its address."""

    receiver: str
    address: str
    at_us: int


class AlertingDatabase(Database):
    """What a database of alerting holds. Survives the processes that use it."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        super().__init__(now_ms)
        self.journal = Journal(self)
        self.alerts = Table(self, AlertRow, key=("id",), by=("partition",))
        self.pending = Table(
            self, PendingRow, key=("partition", "tenant", "rule", "labels"), by=("partition",)
        )
        self.deliveries = Table(self, DeliveryRow, key=("id",), by=("alert_id",))
        self.disabled = Table(self, DisabledRow, key=("receiver",))

    def write(self, commit: Commit[AlertingChanges]) -> None:
        """Write all of `commit`, inside a transaction. Raises NotOwner."""
        self.journal.advance(commit)
        changes = commit.changes
        for alert in changes.alerts:
            self.alerts.put(AlertRow(alert.id, commit.partition, alert))
        for each in changes.pending:
            self._write_pending(commit.partition, each)
        newest = {alert.id: alert for alert in changes.alerts}
        over = sorted(alert.id for alert in newest.values() if not alert.firing)
        for alert_id in over:
            self._end_firing(alert_id)
        for delivery in changes.deliveries:
            if delivery.alert_id not in over or (delivery.resolves and self._heard(delivery)):
                self.deliveries.put_missing(
                    DeliveryRow(delivery.id, delivery.alert_id, delivery, DeliveryState.DUE, None, "")
                )

    def settle(
        self, delivery: Delivery, state: DeliveryState, *, due_us: int, settled_us: int | None, detail: str
    ) -> None:
        """Record what an attempt came to, unless another one was made since."""
        row = self.standing(delivery)
        if row is not None:
            self.deliveries.put(
                row._replace(
                    delivery=row.delivery._replace(due_us=due_us),
                    state=state, settled_us=settled_us, detail=detail,
                )
            )  # fmt: skip

    def standing(self, delivery: Delivery) -> DeliveryRow | None:
        """Return the row of `delivery` if it is due and no attempt was counted since it was read."""
        row = self.deliveries.get(delivery.id)
        unchanged = (
            row is not None and row.state is DeliveryState.DUE and row.delivery.attempts == delivery.attempts
        )
        return row if unchanged else None

    def _write_pending(self, partition: int, each: Pending) -> None:
        if each.since_us is None:
            self.pending.remove(partition, each.tenant, each.rule, each.labels)
        else:
            self.pending.put(PendingRow(partition, each.tenant, each.rule, each.labels, each))

    def _end_firing(self, alert_id: str) -> None:
        for row in self.deliveries.of(alert_id):
            if row.delivery.resolves or row.state is not DeliveryState.DUE:
                continue
            state, detail = DeliveryState.SUPERSEDED, "over before it could be delivered"
            if row.delivery.attempts == 0:
                state, detail = DeliveryState.QUIET, "over before it was sent"
            self.deliveries.put(row._replace(state=state, detail=detail))

    def _heard(self, delivery: Delivery) -> bool:
        """Whether the receiver may have been told that the alert fires."""
        return any(
            row.delivery.receiver == delivery.receiver
            and not row.delivery.resolves
            and row.delivery.attempts > 0
            for row in self.deliveries.of(delivery.alert_id)
        )
