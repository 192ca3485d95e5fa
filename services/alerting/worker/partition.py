"""One partition of the cells topic: what is known, what a batch of it means, and who is told.

Memory is rebuilt from the topic itself. It is compacted, so reading it from its beginning to its end
gives the newest value of every cell, flow and clock, and nothing of it needs a table. Only then are
rules judged: with half of the cells known, every `below` rule would fire. What cannot be read again is
in SQL: alerts, what is pending and since when, deliveries, and up to which instant was judged.

The instant judged is the lowest clock of the aging partitions, since nothing earlier can come from any
of them. The loop's own clock serves only to notice that one of those stands still.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
import structlog

from services.alerting.core.alerts import AlertRecord, Pending
from services.alerting.core.clocks import CLOCK_STALE, NO_TENANT, Clocks, StaleClocks
from services.alerting.core.evaluator import Evaluator
from services.alerting.core.picture import TenantPicture
from services.alerting.core.routing import Routing
from services.alerting.core.rules import Rule
from services.alerting.ports import (
    AlertingChanges,
    AlertingStore,
    Delivery,
    Stored,
    Tally,
)
from services.alerting.worker.courier import Knock
from shared.bus.port import Reader, Record
from shared.codec import CodecError, decode, to_outgoing
from shared.contracts.alerts import Alert, AlertState
from shared.contracts.backlog import Cell, Flow, PartitionClock
from shared.contracts.event_id import derived_id
from shared.contracts.instants import from_us, to_us
from shared.runtime.port import Folded, Taken

RECORDS_PER_READ: Final = 5_000
READ_WAIT_MS: Final = 1_000
OWNER_OF_CLOCKS: Final = 0
"""Clocks are written to every cells partition; one of them raises the alert."""

_log = structlog.get_logger(__name__)


class Note(msgspec.Struct, frozen=True):
    """What belongs to the position: the instant up to which rules were judged (0: never)."""

    judged_us: int = 0


_note = msgspec.json.Decoder(Note).decode


class Parts(NamedTuple):
    """What the logics of all partitions share."""

    store: AlertingStore
    open_reader: Callable[[], Awaitable[Reader]]
    rules: tuple[Rule, ...]
    routing: Routing
    buckets_seconds: tuple[int, ...]
    tenants_of: Callable[[int], Sequence[str]]
    """The configured tenants of a partition: a `below` rule holds for one without any ticket, too."""
    tally: Tally
    queues_max: int
    knock: Knock


class TenantView:
    """What is known of one tenant."""

    def __init__(self, tenant: str, parts: Parts) -> None:
        self.evaluator = Evaluator(tenant, parts.rules)
        self.picture = TenantPicture(tenant, parts.buckets_seconds, queues_max=parts.queues_max)


class AlertingLogic:
    """PartitionLogic[AlertingChanges]."""

    def __init__(self, partition: int, parts: Parts) -> None:
        self.partition = partition
        self.tenants: dict[str, TenantView] = {}
        self.clocks = Clocks()
        self.firing: dict[str, AlertRecord] = {}
        self.judged_us = 0
        self.begun = False
        self._newest_us = 0
        """Instant of the newest cell read to build the picture: rules are judged from there on."""
        self._stale = StaleClocks(self.clocks)
        self._loading = True
        self._parts = parts
        self._ended_with_rules: list[AlertRecord] = []

    def cut(self, parts: Parts) -> None:
        """Cut ages into the buckets of `parts` from now on; all else in it is as before."""
        self._parts = parts
        for view in self.tenants.values():
            view.picture.cut(parts.buckets_seconds)

    async def load(self, taken: Taken) -> None:
        """Read the whole topic and what was stored; nothing is judged yet."""
        self.judged_us = _note(taken.note).judged_us if taken.note else 0
        self._restore(await self._parts.store.load(self.partition, judged_us=self.judged_us))
        for tenant in self._parts.tenants_of(self.partition):
            self._tenant(tenant)
        reader = await self._parts.open_reader()
        try:
            await self._read_all(reader)
        finally:
            await reader.close()
        self._loading = False

    def _restore(self, stored: Stored) -> None:
        self.firing = {alert.id: alert for alert in stored.firing}
        for alert in stored.firing:
            if alert.rule == CLOCK_STALE and alert.tenant == NO_TENANT:
                self._stale.restore(alert)
        tenants = {each.tenant for part in stored for each in part}
        for tenant in sorted(tenants - {NO_TENANT}):
            self._ended_with_rules += self._tenant(tenant).evaluator.restore(
                (alert for alert in stored.firing if alert.tenant == tenant),
                (each for each in stored.pending if each.tenant == tenant),
                self.judged_us,
                ended_lately=(alert for alert in stored.ended_lately if alert.tenant == tenant),
            )

    async def _read_all(self, reader: Reader) -> None:
        log = await reader.range(self.partition)
        offset = log.begin
        while offset < log.end:
            poll = await reader.read(
                self.partition, offset, records_max=RECORDS_PER_READ, wait_ms=READ_WAIT_MS
            )
            for record in poll.records:
                self._take(record)
            offset = poll.next_offset
            # Offsets at the end of a log may hold no record (compaction, marks of transactions).
            if poll.at_end and not poll.records:
                break

    async def fold(
        self,
        records: Sequence[Record],
        *,
        from_us: int,  # noqa: ARG002 (only the lowest of aging's clocks moves anything here)
        until_us: int,
    ) -> Folded[AlertingChanges]:
        """Apply `records`, judge up to the lowest clock, and say what changed."""
        for record in records:
            self._take(record)
        changed = self._judge()
        if self.partition == OWNER_OF_CLOCKS:
            changed += self._stale.judge(until_us)
        self._remember(changed)
        changes = AlertingChanges(changed, self._pending(), self._deliveries(changed))
        if changes.deliveries:
            self._parts.knock()
        return Folded(
            changes=changes,
            outgoing=[to_outgoing(event_of(alert)) for alert in changed],
            note=msgspec.json.encode(Note(self.judged_us)),
            worth_committing=bool(changes.alerts or changes.pending),
            more=False,
        )

    @property
    def picture_us(self) -> int:
        """The instant the figures are true for; 0 while no clock is known."""
        return max(self.judged_us, self.clocks.low_us() or 0)

    def next_due_us(self) -> int | None:
        """Return when a clock becomes stale; everything else waits for the clocks themselves."""
        return self._stale.next_due_us() if self.partition == OWNER_OF_CLOCKS else None

    def _take(self, record: Record) -> None:
        try:
            event = decode(record)
        except CodecError as error:
            self._parts.tally.record("undecodable")
            _log.warning(
                "record skipped", topic=record.topic, partition=record.partition, offset=record.offset,
                reason=str(error),
            )  # fmt: skip
            return
        self._parts.tally.record("applied")
        match event:
            case Cell():
                view = self._tenant(event.tenant)
                if self._loading:
                    self._newest_us = max(self._newest_us, to_us(event.at))
                view.evaluator.apply(event)
                view.picture.apply(event)
            case Flow():
                self._tenant(event.tenant).picture.apply_flow(event)
            case PartitionClock():
                self.clocks.apply(event)
            case _:
                _log.warning("not for this topic", event=type(event).__name__, offset=record.offset)

    def _tenant(self, name: str) -> TenantView:
        view = self.tenants.get(name)
        if view is None:
            view = self.tenants[name] = TenantView(name, self._parts)
            if self.begun:
                # Nothing was known of it until now, so its picture as of the last instant judged is empty.
                self._ended_with_rules += view.evaluator.begin(self.judged_us)
        return view

    def _judge(self) -> list[AlertRecord]:
        changed, self._ended_with_rules = self._ended_with_rules, []
        low_us = self.clocks.low_us()
        if low_us is None or (not self.begun and low_us < self._newest_us):
            return changed
        self.judged_us = max(self.judged_us, low_us)
        for view in self.tenants.values():
            if self.begun:
                changed += view.evaluator.advance(self.judged_us)
            else:
                changed += view.evaluator.begin(self.judged_us)
        if not self.begun:
            self._warn_of_uncounted_edges()
        self.begun = True
        return changed

    def _warn_of_uncounted_edges(self) -> None:
        for tenant, view in self.tenants.items():
            for rule in view.evaluator.uncounted_edges():
                _log.warning("rule cannot fire: no cell counts its age edge", tenant=tenant, rule=rule)

    def _remember(self, changed: Iterable[AlertRecord]) -> None:
        for alert in changed:
            if alert.firing:
                self.firing[alert.id] = alert
            else:
                self.firing.pop(alert.id, None)
            _log.info(
                "alert fires" if alert.firing else "alert is over", alert=alert.id, tenant=alert.tenant,
                rule=alert.rule, labels=dict(alert.labels), value=alert.value, reason=alert.reason,
            )  # fmt: skip

    def _pending(self) -> list[Pending]:
        return [each for view in self.tenants.values() for each in view.evaluator.drain_pending()]

    def _deliveries(self, changed: Iterable[AlertRecord]) -> list[Delivery]:
        routing = self._parts.routing
        return [
            delivery_of(alert, receiver, self.partition)
            for alert in changed
            # Whoever was told that it fires is told that it is over, whatever the routes are now.
            for receiver in (routing.receivers_of(alert) if alert.firing else routing.receivers)
        ]


def event_of(alert: AlertRecord) -> Alert:
    """Return what is published of `alert`; the tenant is one of its labels."""
    labels = dict(alert.labels)
    if alert.tenant != NO_TENANT:
        labels["tenant"] = alert.tenant
    return Alert(
        id=alert.id,
        fingerprint=alert.fingerprint,
        rule=alert.rule,
        severity=alert.severity,
        state=AlertState.FIRING if alert.firing else AlertState.RESOLVED,
        labels=labels,
        measure=alert.measure,
        value=alert.value,
        threshold=alert.threshold,
        since=from_us(alert.since_us),
        fired_at=from_us(alert.fired_at_us),
        resolved_at=None if alert.resolved_at_us is None else from_us(alert.resolved_at_us),
        resolve_reason=alert.reason,
        summary=alert.summary,
    )


_TYPES: Final = {True: "barometer.alert.fired.v1", False: "barometer.alert.resolved.v1"}


def delivery_of(alert: AlertRecord, receiver: str, partition: int) -> Delivery:
    """Return the message that tells `receiver` of `alert`: a Standard Webhooks body, fixed from now on."""
    at_us = alert.fired_at_us if alert.resolved_at_us is None else alert.resolved_at_us
    body = {"type": _TYPES[alert.firing], "timestamp": from_us(at_us), "data": event_of(alert)}
    return Delivery(
        id=derived_id("delivery", alert.id, _TYPES[alert.firing], receiver),
        partition=partition,
        alert_id=alert.id,
        receiver=receiver,
        resolves=not alert.firing,
        body=msgspec.json.encode(body),
        due_us=at_us,
    )
