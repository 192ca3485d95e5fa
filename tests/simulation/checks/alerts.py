"""Alerts and who was told of them: at least once, under one id, and nobody of what was over before."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from services.alerting.ports import DeliveryState
from services.alerting.settings import routing_of
from shared.codec import decode
from shared.contracts.alerts import Alert, AlertState
from shared.contracts.topics import ALERTS
from tests.simulation.stores.alerting_database import DeliveryRow

if TYPE_CHECKING:
    from tests.simulation.world import World


def check_alerts(world: World) -> None:
    """What fires, what was published, and what receivers got agree."""
    _check_published(world)
    _check_deliveries(world)
    _check_told(world)


def _check_published(world: World) -> None:
    """Every alert in the store was published as it is, and no other was."""
    stored = {row.id: row.alert for row in world.alerting_database.alerts.rows()}
    newest: dict[str, Alert] = {}
    for log in world.cluster.topic(ALERTS.name).logs:
        for record in log.history:
            published = decode(record)
            assert isinstance(published, Alert)
            if published.id not in newest or published.state is AlertState.RESOLVED:
                newest[published.id] = published
    if stored.keys() != newest.keys():
        world.violation(f"alerts stored or published alone: {sorted(stored.keys() ^ newest.keys())}")
    for alert_id, alert in stored.items():
        if alert.firing is not (newest[alert_id].state is AlertState.FIRING):
            world.violation(f"{alert} was published last as {newest[alert_id]}")


def _check_deliveries(world: World) -> None:
    """A message has one body, was attempted no more often than claimed, and what counts as told was told."""
    rows = {row.id: row for row in world.alerting_database.deliveries.rows()}
    for receiver in world.receivers.values():
        bodies: dict[str, bytes] = {}
        for received in receiver.received:
            if bodies.setdefault(received.delivery_id, received.body) != received.body:
                world.violation(f"{received.delivery_id} came with two bodies")
        times = Counter(received.delivery_id for received in receiver.received)
        for delivery_id, count in times.items():
            row = rows.get(delivery_id)
            if row is None or row.delivery.receiver != receiver.name or count > row.delivery.attempts:
                world.violation(f"{receiver.name} got {delivery_id} {count} times, stored is {row}")
        acknowledged = {received.delivery_id for received in receiver.received if received.is_acknowledged}
        for row in rows.values():
            if row.delivery.receiver == receiver.name:
                _check_row(world, row, acknowledged)


def _check_row(world: World, row: DeliveryRow, acknowledged: set[str]) -> None:
    if row.state is DeliveryState.DUE:
        world.violation(f"{row} is still due")
    if row.state is DeliveryState.DELIVERED and row.id not in acknowledged:
        world.violation(f"{row} counts as delivered, and its receiver never said so")
    if row.state is DeliveryState.QUIET and row.delivery.attempts:
        world.violation(f"{row} is called quiet, though it was attempted")


def _check_told(world: World) -> None:
    """Each receiver of an alert has a message that it fires, and one that it is over if it may know of it."""
    routing = routing_of(world.configuration)
    rows: dict[tuple[str, str, bool], DeliveryRow] = {
        (row.alert_id, row.delivery.receiver, row.delivery.resolves): row
        for row in world.alerting_database.deliveries.rows()
    }
    for stored in world.alerting_database.alerts.rows():
        alert = stored.alert
        for name in routing.receivers_of(alert):
            firing = rows.get((alert.id, name, False))
            if firing is None:
                if alert.firing:
                    world.violation(f"{name} was never to be told of {alert}")
                continue
            over = rows.get((alert.id, name, True))
            if not alert.firing and firing.delivery.attempts and over is None:
                world.violation(f"{name} may know of {alert.id} and was never to be told that it is over")
