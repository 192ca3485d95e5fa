"""The second way in: upstream systems that write CloudEvents straight to the topic tickets.inbox.v1.

A record there has no API key. Kafka's access rules decide who may write to the topic; which tenant and
source a record speaks for is its own `ce_source`, `/sources/<tenant>/<source>`, and the configuration
lists the sources that may come this way (`inbox: true`). Nobody waits for an answer, so everything that
cannot be used is kept in tickets.rejected.v1 with its origin.

The group's offset moves only after the append was acknowledged. A crash between the two sends some
observations twice, which is harmless: a ticket is a set of observations.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from services.intake.core.arrival import Arrival
from services.intake.core.definition import DEFAULT_TENANT
from services.intake.core.envelope import Context
from services.intake.core.normalise import Normalised
from services.intake.core.reception import Item, Reception, Refused
from services.intake.core.reception import Outcome as Received
from services.intake.core.rejected import STAGE_INBOX, Kept, keep
from services.intake.core.rejection import Reason, Rejection, rejected
from services.intake.core.sources import Publisher, Sources, named_by
from services.intake.ports import Counters, Outcome
from shared.bus.port import (
    Assigned,
    Bus,
    BusUnavailable,
    Membership,
    OffsetOutOfRange,
    Reader,
    RecordTooLarge,
    Revoked,
)
from shared.clock import Clock
from shared.codec.encoding import to_outgoing
from shared.codec.envelope import CloudEvent, is_json, read_record
from shared.codec.errors import Undecodable
from shared.contracts.event_id import derived_id
from shared.contracts.instants import from_us
from shared.contracts.records import Outgoing, Record
from shared.contracts.topics import INBOX

GROUP: Final = "barometer-intake"
NO_SOURCE: Final = "inbox"
"""The source under which records are kept that name none."""
VERIFIED: Final = "inbox"
RECORDS_MAX: Final = 500
"""In one append. More gains nothing (measured) and is read again after a crash."""
READ_WAIT_MS: Final = 250
"""How soon `stop` is heard while the inbox is quiet."""
REVOKE_BUDGET_MS: Final = 5_000
"""For the append in hand; nothing else is to be finished."""
RETRY_MS_MIN: Final = 100
RETRY_MS_MAX: Final = 5_000
"""Waits between tries while the bus is away; they double. There is no last try: the records wait."""

_log = structlog.get_logger(__name__)

Pause = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the inbox worker works with. `pause` lets milliseconds pass."""

    bus: Bus
    sources: Sources
    clock: Clock
    counters: Counters
    pause: Pause
    member: str
    item_bytes_max: int


class _Session(NamedTuple):
    membership: Membership
    reader: Reader
    topic_id: str


class InboxWorker:
    """Reads the inbox partitions that the group gives to this member, until stopped."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stopping = False
        self._positions: dict[int, int] = {}
        self._retry_ms = RETRY_MS_MIN
        self._complaint: str | None = "the inbox: not yet a member of the group"

    def stop(self) -> None:
        """Let `run` finish the records in hand and return."""
        self._stopping = True

    def complaint(self) -> str | None:
        """Return why the inbox is not being read, None if it is."""
        return self._complaint

    async def run(self) -> None:
        """Work until stopped. While the bus is away it waits; what cannot be mended by waiting raises."""
        while not self._stopping:
            try:
                await self._work()
            except BusUnavailable as error:
                self._complaint = f"the inbox: {error}"
                _log.warning("inbox waits for the bus", reason=str(error), wait_ms=self._retry_ms)
                await self._parts.pause(self._retry_ms)
                self._retry_ms = min(self._retry_ms * 2, RETRY_MS_MAX)

    async def _work(self) -> None:
        bus = self._parts.bus
        topic_id = (await bus.identity(INBOX)).topic_id
        reader = await bus.open_reader(INBOX)
        try:
            membership = await bus.join(
                INBOX, GROUP, member=self._parts.member, revoke_budget_ms=REVOKE_BUDGET_MS
            )
            try:
                await self._follow(_Session(membership, reader, topic_id))
            finally:
                await membership.close()
        finally:
            self._positions.clear()
            await reader.close()

    async def _follow(self, session: _Session) -> None:
        while not self._stopping:
            await self._hear(session, wait_ms=0 if self._positions else READ_WAIT_MS)
            self._complaint = None
            for partition in tuple(self._positions):
                await self._step(session, partition, wait_ms=READ_WAIT_MS // len(self._positions))

    async def _hear(self, session: _Session, *, wait_ms: int) -> None:
        match await session.membership.next_change(wait_ms=wait_ms):
            case Assigned(partitions):
                for partition in partitions:
                    self._positions[partition] = await _begin(session, partition)
            case Revoked(partitions):
                for partition in partitions:
                    self._positions.pop(partition, None)
                await session.membership.released(partitions)
            case None:
                pass

    async def _step(self, session: _Session, partition: int, *, wait_ms: int) -> None:
        """Bring the next records of `partition` to their topics, then move the group's offset."""
        position = self._positions[partition]
        try:
            poll = await session.reader.read(partition, position, records_max=RECORDS_MAX, wait_ms=wait_ms)
        except OffsetOutOfRange as error:
            # Retention has taken what nobody read in time. It is gone; say so, loudly, and go on.
            _log.error("inbox records were lost", lost=max(0, error.begin - position), reason=str(error))
            self._positions[partition] = error.begin
            return
        if poll.records:
            await self._bring(poll.records, session.topic_id)
        if poll.next_offset != position:
            await session.membership.commit(partition, poll.next_offset)
            self._positions[partition] = poll.next_offset
            self._retry_ms = RETRY_MS_MIN

    async def _bring(self, records: Sequence[Record], topic_id: str) -> None:
        accepted: list[Outgoing] = []
        refused: list[Outgoing] = []
        received = [self._receive(record) for record in records]
        for record, (outcome, tenant, source) in zip(records, received, strict=True):
            if isinstance(outcome, Normalised):
                accepted.append(to_outgoing(outcome.observation))
                continue
            kept = self._kept(record, outcome, topic_id, tenant=tenant, source=source)
            if kept is not None:
                refused.append(kept)
        try:
            await self._parts.bus.append([*accepted, *refused])
        except RecordTooLarge:
            _log.error("inbox records too large to keep", records=len(refused), topic=INBOX.name)
            await self._parts.bus.append(accepted)
        self._count([outcome for outcome, _, _ in received])

    def _receive(self, record: Record) -> _Received:
        """Return what becomes of one record, and for which tenant and source it is kept if refused."""
        whole = Item(record.value or b"", "", content_type=_content_type(record))
        try:
            event = read_record(record)
        except Undecodable as error:
            refusal = rejected(_reason(error), error.detail)
            return _Received(Refused(refusal, whole, None), DEFAULT_TENANT, NO_SOURCE)
        named = named_by(event.source)
        if named is None:
            detail = "ce_source must be /sources/<tenant>/<source>: it says for whom the record speaks"
            refusal = rejected(Reason.UNKNOWN_SOURCE, detail, "/source")
            return _Received(Refused(refusal, _item(event), None), DEFAULT_TENANT, NO_SOURCE)
        tenant, source = named
        fault = self._not_allowed(tenant, source)
        if fault is not None:
            return _Received(Refused(fault, _item(event), None), tenant, source)
        publisher = Publisher(tenant, source, VERIFIED)
        reception = Reception(
            self._parts.sources, publisher, named=source, bytes_max=self._parts.item_bytes_max
        )
        # The append time, not the clock: whoever reads the record again says the same of it.
        arrival = Arrival.at(from_us(record.time_us))
        return _Received(reception.receive([_item(event)], arrival)[0], tenant, source)

    def _not_allowed(self, tenant: str, source: str) -> Rejection | None:
        normaliser = self._parts.sources.get(tenant, source)
        if normaliser is None:
            return rejected(Reason.UNKNOWN_SOURCE, "the source is not configured", "/source")
        if not normaliser.definition.inbox:
            detail = "this source may not use the inbox; set `inbox: true` in its configuration"
            return rejected(Reason.FORBIDDEN_SOURCE, detail, "/source")
        return None

    def _kept(
        self, record: Record, refused: Refused, topic_id: str, *, tenant: str, source: str
    ) -> Outgoing | None:
        origin = f"{record.topic}/{record.partition}@{record.offset}"
        now = from_us(self._parts.clock.now_us())
        kept = Kept(STAGE_INBOX, VERIFIED, from_us(record.time_us), now, origin)
        identity = derived_id("inbox", topic_id, origin)
        one = keep(refused, kept, id=identity, tenant=tenant, source=source)
        if one is None:
            _log.error("inbox record too large to keep", origin=origin, reason=refused.rejection.reason.value)
        return None if one is None else to_outgoing(one)

    def _count(self, outcomes: Sequence[Received]) -> None:
        counters = self._parts.counters
        for outcome in outcomes:
            if isinstance(outcome, Normalised):
                counters.count(Outcome.ACCEPTED)
                counters.count(Outcome.UNMAPPED, len(outcome.unmapped))
            else:
                counters.count(Outcome.REJECTED)
                counters.count_rejected(outcome.rejection.reason)


class _Received(NamedTuple):
    outcome: Received
    tenant: str
    source: str


async def _begin(session: _Session, partition: int) -> int:
    """Return where to read on: after what was brought already, or at the beginning of the log."""
    committed = await session.membership.committed(partition)
    return committed if committed is not None else (await session.reader.range(partition)).begin


def _content_type(record: Record) -> str:
    shown = dict(record.headers).get("content-type", b"")
    return shown.decode("latin-1")


def _item(event: CloudEvent) -> Item:
    context = Context(event.id, event.type, event.source, event.subject, event.time, event.extensions)
    broken = None
    if event.data is None or not is_json(event.datacontenttype):
        broken = rejected(Reason.INVALID_CLOUDEVENT, "the event's data must be a ticket in application/json")
    return Item(event.data or b"", event.id, context, broken, event.datacontenttype)


def _reason(error: Undecodable) -> Reason:
    """Return our reason for the codec's: the same word where there is one."""
    return Reason(error.reason.value) if error.reason.value in _REASONS else Reason.INVALID_CLOUDEVENT


_REASONS: Final = frozenset(reason.value for reason in Reason)
