"""Alerting's store in memory: the worker's, the couriers' and the API's side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.alerting.core.alerts import AlertRecord
from services.alerting.core.clocks import NO_TENANT
from services.alerting.ports import (
    AlertCursor,
    AlertFilter,
    AlertingChanges,
    Delivery,
    DeliveryState,
    Stored,
)
from shared.bus.port import LogIdentity
from shared.runtime.port import Commit, Taken
from tests.simulation.point import Point
from tests.simulation.stores.alerting_database import AlertingDatabase, DisabledRow
from tests.simulation.stores.session import Session


class SimulatedAlertingStore(Session):
    """AlertingStore, Courier and AlertQueries over a database in memory."""

    def __init__(self, database: AlertingDatabase, point: Point) -> None:
        super().__init__(database, point)
        self._db = database

    # The worker's side.

    async def take_over(
        self, identity: LogIdentity, partition: int, *, owner: str, known: tuple[int, int] | None
    ) -> Taken:
        """Raise the epoch and return what was committed."""
        return await self._write(
            "take_over", lambda: self._db.journal.take_over(identity, partition, owner=owner, known=known)
        )

    async def commit(self, commit: Commit[AlertingChanges]) -> None:
        """Write all of `commit`, or nothing."""
        await self._write("commit", lambda: self._db.write(commit))

    async def load(self, partition: int, *, judged_us: int) -> Stored:
        """Return the alerts that are not over, what is pending, and what was over at `judged_us` or later."""

        def stored() -> Stored:
            alerts = [row.alert for row in self._db.alerts.of(partition)]
            alerts.sort(key=lambda alert: (alert.fired_at_us, alert.id))
            return Stored(
                [alert for alert in alerts if alert.resolved_at_us is None],
                [row.pending for row in self._db.pending.of(partition)],
                [alert for alert in alerts if (alert.resolved_at_us or -1) >= judged_us],
            )

        return await self._read("load", stored)

    # The courier's side.

    async def due(
        self, partitions: Sequence[int], receiver: str, *, now_us: int, limit: int
    ) -> Sequence[Delivery]:
        """Return deliveries to `receiver` whose time has come, in the order in which they were due."""

        def waiting() -> list[Delivery]:
            found = [
                row.delivery
                for row in self._db.deliveries.rows()
                if row.state is DeliveryState.DUE
                and row.delivery.receiver == receiver
                and row.delivery.due_us <= now_us
                and row.delivery.partition in partitions
            ]
            return sorted(found, key=lambda delivery: (delivery.due_us, delivery.id))[:limit]

        return await self._read("due", waiting)

    async def claim(self, delivery: Delivery, *, until_us: int) -> Delivery | None:
        """Count an attempt; None if the delivery is no longer due or was claimed since it was read."""

        def claimed() -> Delivery | None:
            row = self._db.standing(delivery)
            if row is None:
                return None
            counted = row.delivery._replace(attempts=row.delivery.attempts + 1, due_us=until_us)
            self._db.deliveries.put(row._replace(delivery=counted))
            return counted

        return await self._write("claim", claimed)

    async def settle(
        self, delivery: Delivery, state: DeliveryState, *, due_us: int, at_us: int, detail: str
    ) -> None:
        """Record what the claimed attempt came to."""
        settled_us = None if state is DeliveryState.DUE else at_us
        await self._write(
            "settle",
            lambda: self._db.settle(delivery, state, due_us=due_us, settled_us=settled_us, detail=detail),
        )

    async def disable(self, receiver: str, address: str, *, at_us: int) -> None:
        """Remember that the receiver at `address` wants nothing any more."""
        await self._write("disable", lambda: self._db.disabled.put(DisabledRow(receiver, address, at_us)))

    async def disabled(self) -> Mapping[str, str]:
        """Return the disabled receivers and the digests of their addresses."""
        return await self._read(
            "disabled", lambda: {row.receiver: row.address for row in self._db.disabled.rows()}
        )

    async def abandon(self, receivers_known: Sequence[str], *, at_us: int) -> int:
        """Fail what is due to receivers that are no longer configured; return how many."""

        def abandoned() -> int:
            gone = [
                row
                for row in self._db.deliveries.rows()
                if row.state is DeliveryState.DUE and row.delivery.receiver not in receivers_known
            ]
            for row in gone:
                failed = row._replace(
                    state=DeliveryState.FAILED, settled_us=at_us, detail="no longer configured"
                )
                self._db.deliveries.put(failed)
            return len(gone)

        return await self._write("abandon", abandoned)

    # The API's side.

    async def find(
        self, wanted: AlertFilter, *, after: AlertCursor | None, limit: int
    ) -> Sequence[AlertRecord]:
        """Return alerts, the newest first."""

        def page() -> list[AlertRecord]:
            found = [row.alert for row in self._db.alerts.rows() if _matches(row.alert, wanted)]
            found.sort(key=_place, reverse=True)
            return [alert for alert in found if after is None or _place(alert) < after][:limit]

        return await self._read("find", page)

    async def alert(self, tenant: str, alert_id: str) -> AlertRecord | None:
        """Return one alert, None if there is none."""

        def one() -> AlertRecord | None:
            row = self._db.alerts.get(alert_id)
            return row.alert if row is not None and row.alert.tenant in {tenant, NO_TENANT} else None

        return await self._read("alert", one)

    async def deliveries(self, alert_id: str) -> Sequence[tuple[str, bool, DeliveryState, int, str]]:
        """Return (receiver, resolves, state, attempts, detail) of an alert's deliveries."""
        return await self._read(
            "deliveries",
            lambda: sorted(
                (row.delivery.receiver, row.delivery.resolves, row.state, row.delivery.attempts, row.detail)
                for row in self._db.deliveries.of(alert_id)
            ),
        )


def _matches(alert: AlertRecord, wanted: AlertFilter) -> bool:
    return (
        alert.tenant in {wanted.tenant, NO_TENANT}
        and (wanted.firing is None or alert.firing is wanted.firing)
        and (wanted.rule is None or alert.rule == wanted.rule)
    )


def _place(alert: AlertRecord) -> AlertCursor:
    return AlertCursor(alert.fired_at_us, alert.id)
