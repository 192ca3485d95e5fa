"""The store of alerting on SQL: one transaction a batch, and the deliveries beside it.

What an alert's end means for its deliveries is settled in the transaction that ends it, against the
deliveries as they stand there: a courier counts an attempt before it makes it, so `attempts = 0` means
that nobody can have been told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, and_, or_, select, update

from services.alerting.adapters.tables import ALERTS, DELIVERIES, DISABLED, PENDING
from services.alerting.core.alerts import AlertRecord, Labels, Pending
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
from shared.sql import journal
from shared.sql.engine import Engine, read, transaction
from shared.sql.migrate import prepare
from shared.sql.upsert import delete_by_keys, insert_missing, upsert

MIGRATIONS: Final = Path(__file__).parent.parent / "migrations"
KEYS_MAX: Final = 500
"""Of one IN (...)."""

_a, _d = ALERTS.c, DELIVERIES.c


class SqlAlertingStore:
    """AlertingStore, Courier and AlertQueries on SQLite and Postgres."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def prepare(self) -> None:
        """Bring the schema up to date (SQLite) or check it (Postgres). Raises StoreMisconfigured."""
        await prepare(self._engine, MIGRATIONS)

    # The worker's side.

    async def take_over(
        self, identity: LogIdentity, partition: int, *, owner: str, known: tuple[int, int] | None
    ) -> Taken:
        """Raise the epoch and return what was committed."""
        return await transaction(
            self._engine,
            lambda connection: journal.take_over(connection, identity, partition, owner=owner, known=known),
        )

    async def commit(self, commit: Commit[AlertingChanges]) -> None:
        """Write all of `commit`, or raise NotOwner having written nothing."""
        await transaction(self._engine, lambda connection: _commit(connection, commit))

    async def load(self, partition: int, *, judged_us: int) -> Stored:
        """Return the alerts that are not over, what is pending, and what was over at `judged_us` or later."""
        return await read(self._engine, lambda connection: _load(connection, partition, judged_us))

    # The courier's side.

    async def due(
        self, partitions: Sequence[int], receiver: str, *, now_us: int, limit: int
    ) -> Sequence[Delivery]:
        """Return deliveries to `receiver` whose time has come, in the order in which they were due."""
        query = (
            select(*_DELIVERY_COLUMNS)
            .where(
                _d.receiver == receiver,
                _d.state == DeliveryState.DUE.value,
                _d.due_us <= now_us,
                _d.partition.in_(partitions),
            )
            .order_by(_d.due_us, _d.id)
            .limit(limit)
        )
        return await read(
            self._engine, lambda connection: [_delivery(row) for row in connection.execute(query)]
        )

    async def claim(self, delivery: Delivery, *, until_us: int) -> Delivery | None:
        """Count an attempt; None if the delivery is no longer due or was claimed since it was read."""
        claiming = (
            update(DELIVERIES)
            .where(*_still(delivery))
            .values(attempts=delivery.attempts + 1, due_us=until_us)
        )
        won = await transaction(self._engine, lambda connection: connection.execute(claiming).rowcount)
        return delivery._replace(attempts=delivery.attempts + 1, due_us=until_us) if won else None

    async def settle(
        self, delivery: Delivery, state: DeliveryState, *, due_us: int, at_us: int, detail: str
    ) -> None:
        """Record what the claimed attempt came to."""
        settled_us = None if state is DeliveryState.DUE else at_us
        settling = (
            update(DELIVERIES)
            .where(*_still(delivery))
            .values(state=state.value, due_us=due_us, settled_us=settled_us, detail=detail)
        )
        await transaction(self._engine, lambda connection: connection.execute(settling))

    async def disable(self, receiver: str, address: str, *, at_us: int) -> None:
        """Remember that the receiver at `address` wants nothing any more."""
        row = (receiver, address, at_us)
        await transaction(self._engine, lambda connection: upsert(connection, DISABLED, [row]))

    async def disabled(self) -> Mapping[str, str]:
        """Return the disabled receivers and the digests of their addresses."""
        query = select(DISABLED.c.receiver, DISABLED.c.address)
        return await read(
            self._engine,
            lambda connection: {row.receiver: row.address for row in connection.execute(query)},
        )

    async def abandon(self, receivers_known: Sequence[str], *, at_us: int) -> int:
        """Fail what is due to receivers that are no longer configured; return how many."""
        abandoning = (
            update(DELIVERIES)
            .where(_d.state == DeliveryState.DUE.value, _d.receiver.not_in(receivers_known))
            .values(state=DeliveryState.FAILED.value, settled_us=at_us, detail="no longer configured")
        )
        return await transaction(self._engine, lambda connection: connection.execute(abandoning).rowcount)

    # The API's side.

    async def find(
        self, wanted: AlertFilter, *, after: AlertCursor | None, limit: int
    ) -> Sequence[AlertRecord]:
        """Return alerts, the newest first."""
        query = select(ALERTS).where(_a.tenant.in_((wanted.tenant, NO_TENANT)))
        if wanted.firing is not None:
            over = _a.resolved_at_us.is_not(None)
            query = query.where(~over if wanted.firing else over)
        if wanted.rule is not None:
            query = query.where(_a.rule == wanted.rule)
        if after is not None:
            same = and_(_a.fired_at_us == after.fired_at_us, _a.id < after.id)
            query = query.where(or_(_a.fired_at_us < after.fired_at_us, same))
        query = query.order_by(_a.fired_at_us.desc(), _a.id.desc()).limit(limit)
        return await read(self._engine, lambda connection: [_alert(row) for row in connection.execute(query)])

    async def alert(self, tenant: str, alert_id: str) -> AlertRecord | None:
        """Return one alert, None if there is none."""
        query = select(ALERTS).where(_a.id == alert_id, _a.tenant.in_((tenant, NO_TENANT)))
        row = await read(self._engine, lambda connection: connection.execute(query).one_or_none())
        return None if row is None else _alert(row)

    async def deliveries(self, alert_id: str) -> Sequence[tuple[str, bool, DeliveryState, int, str]]:
        """Return (receiver, resolves, state, attempts, detail) of an alert's deliveries."""
        query = (
            select(_d.receiver, _d.resolves, _d.state, _d.attempts, _d.detail)
            .where(_d.alert_id == alert_id)
            .order_by(_d.receiver, _d.resolves)
        )
        return await read(
            self._engine,
            lambda connection: [
                (row.receiver, row.resolves, DeliveryState(row.state), row.attempts, row.detail)
                for row in connection.execute(query)
            ],
        )


_DELIVERY_COLUMNS: Final[tuple[Any, ...]] = (
    _d.id, _d.partition, _d.alert_id, _d.receiver, _d.resolves, _d.body, _d.due_us, _d.attempts,
)  # fmt: skip


def _still(delivery: Delivery) -> tuple[Any, ...]:
    # The number of attempts is the token: whoever counts one up first has the attempt.
    return (
        _d.id == delivery.id,
        _d.state == DeliveryState.DUE.value,
        _d.attempts == delivery.attempts,
    )


def _commit(connection: Connection, commit: Commit[AlertingChanges]) -> None:
    journal.advance(connection, commit)
    changes = commit.changes
    newest = {alert.id: alert for alert in changes.alerts}
    upsert(connection, ALERTS, [_alert_row(alert, commit.partition) for alert in newest.values()])
    _write_pending(connection, commit.partition, changes.pending)
    over = {alert.id for alert in newest.values() if not alert.firing}
    for chunk in _chunks(sorted(over)):
        _end_firing(connection, chunk)
    insert_missing(connection, DELIVERIES, _delivery_rows(connection, changes.deliveries, over))


def _write_pending(connection: Connection, partition: int, changed: Sequence[Pending]) -> None:
    changed = tuple({(each.tenant, each.rule, each.labels): each for each in changed}.values())
    began = [
        (partition, each.tenant, each.rule, _labels_text(each.labels), each.rule_digest, each.since_us)
        for each in changed
        if each.since_us is not None
    ]
    ended = [
        (partition, each.tenant, each.rule, _labels_text(each.labels))
        for each in changed
        if each.since_us is None
    ]
    upsert(connection, PENDING, began)
    delete_by_keys(connection, PENDING, ended)


def _end_firing(connection: Connection, over: Sequence[str]) -> None:
    waiting = (_d.alert_id.in_(over), _d.resolves.is_(False), _d.state == DeliveryState.DUE.value)
    connection.execute(
        update(DELIVERIES)
        .where(*waiting, _d.attempts == 0)
        .values(state=DeliveryState.QUIET.value, detail="over before it was sent")
    )
    connection.execute(
        update(DELIVERIES)
        .where(*waiting)
        .values(state=DeliveryState.SUPERSEDED.value, detail="over before it could be delivered")
    )


def _delivery_rows(
    connection: Connection, deliveries: Sequence[Delivery], over: set[str]
) -> list[tuple[Any, ...]]:
    heard = _heard(connection, sorted(over))
    rows: dict[str, tuple[Any, ...]] = {}
    for each in deliveries:
        if each.alert_id not in over or (each.resolves and (each.alert_id, each.receiver) in heard):
            rows[each.id] = (*each, DeliveryState.DUE.value, None, "")
    return list(rows.values())


def _heard(connection: Connection, over: Sequence[str]) -> set[tuple[str, str]]:
    """Return (alert, receiver) of whom may have been told that the alert fires."""
    heard: set[tuple[str, str]] = set()
    for chunk in _chunks(over):
        query = select(_d.alert_id, _d.receiver).where(
            _d.alert_id.in_(chunk), _d.resolves.is_(False), _d.attempts > 0
        )
        heard |= {(row.alert_id, row.receiver) for row in connection.execute(query)}
    return heard


def _load(connection: Connection, partition: int, judged_us: int) -> Stored:
    alerts = select(ALERTS).where(_a.partition == partition).order_by(_a.fired_at_us, _a.id)
    firing = connection.execute(alerts.where(_a.resolved_at_us.is_(None)))
    ended_lately = connection.execute(alerts.where(_a.resolved_at_us >= judged_us))
    pending = connection.execute(select(PENDING).where(PENDING.c.partition == partition))
    return Stored(
        [_alert(row) for row in firing],
        [
            Pending(row.tenant, row.rule, row.rule_digest, _labels(row.labels), row.since_us)
            for row in pending
        ],
        [_alert(row) for row in ended_lately],
    )


def _alert_row(alert: AlertRecord, partition: int) -> tuple[Any, ...]:
    return (
        alert.id, partition, alert.fingerprint, alert.tenant, alert.rule, alert.rule_digest, alert.severity,
        _labels_text(alert.labels), alert.measure, alert.value, alert.threshold, alert.since_us,
        alert.fired_at_us, alert.summary, alert.resolved_at_us, alert.reason,
    )  # fmt: skip


def _alert(row: Row[Any]) -> AlertRecord:
    return AlertRecord(
        id=row.id,
        fingerprint=row.fingerprint,
        tenant=row.tenant,
        rule=row.rule,
        rule_digest=row.rule_digest,
        severity=row.severity,
        labels=_labels(row.labels),
        measure=row.measure,
        value=row.value,
        threshold=row.threshold,
        since_us=row.since_us,
        fired_at_us=row.fired_at_us,
        summary=row.summary,
        resolved_at_us=row.resolved_at_us,
        reason=row.reason,
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        row.id, row.partition, row.alert_id, row.receiver, bool(row.resolves), bytes(row.body), row.due_us,
        row.attempts,
    )  # fmt: skip


def _labels_text(labels: Labels) -> str:
    return msgspec.json.encode(labels).decode()


def _labels(text: str) -> Labels:
    return msgspec.json.decode(text, type=Labels)


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(keys), KEYS_MAX):
        yield keys[begin : begin + KEYS_MAX]
