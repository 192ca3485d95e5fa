"""Turning what a fold changed into rows to write and records to publish.

The order of a block is the order readers need: what other tickets must know, facts, states, then the
picture, and last the clock that covers it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import structlog

from services.aging.core.adoption import Adoption
from services.aging.core.attention import flags_of
from services.aging.core.backlog import Backlog
from services.aging.core.batch import Outcome, Refused, TicketId
from services.aging.core.cells import CellBook
from services.aging.core.facts import fact_of
from services.aging.core.flows import FlowBook, encode_flow
from services.aging.core.groups import groups_of
from services.aging.core.mark import Mark, encode_mark
from services.aging.core.merges import encode_register
from services.aging.core.picture import Stamp, cell_of, clock_of, flow_of, state_of
from services.aging.core.pulled import PullOutcome
from services.aging.core.rederive import told_by
from services.aging.core.ticket import Ticket, encode_ticket
from services.aging.ports import (
    AgingChanges,
    FlowRow,
    MarkRow,
    QuarantineRow,
    RegisterRow,
    TicketRow,
)
from shared.bus.port import RECORD_BYTES_MAX, Record, record_bytes
from shared.codec import CodecError, Undecodable, to_cells, to_every_partition, to_outgoing
from shared.contracts.backlog import TermsAdopted
from shared.contracts.event_id import derived_id, digest
from shared.contracts.instants import from_us, rfc3339
from shared.contracts.records import Outgoing
from shared.contracts.tickets import TEXT_CHARACTERS_MAX, Absorbed, Observation, Rejected
from shared.contracts.topics import TICKETS, ticket_key

Refusable = tuple[Record, Observation | Absorbed]
"""A record and what it holds, until it is folded."""

STAGE = "aging"
TOLD_MAX: Final = 20
"""Lines about lost webhooks in one batch; a first pull over years finds every ticket there is."""

_log = structlog.get_logger(__name__)


class Output:
    """Collects the records of one commit, and stamps what is shown with epoch and version."""

    def __init__(self, partition: int, events_partitions: int, cells_partitions: int) -> None:
        self._partition = partition
        self._events_partitions = events_partitions
        self._cells_partitions = cells_partitions
        self._epoch = 0
        self._now_us = 0
        self._records: list[Outgoing] = []
        self.version = 0
        """Of the newest cells, flows and clock."""
        self.refused: dict[str, int] = {}
        """Records refused since the start, by reason."""
        self.folded = 0
        """Observations folded since the start."""
        self.repeated = 0
        """Observations that were known already."""
        self.pulled: Counter[tuple[str, PullOutcome]] = Counter()
        """Pulled states since the start, by source and what they came to."""
        self.condensed = 0
        """Tickets of which retention left the last state, since the start."""

    def begin(self, epoch: int, version: int) -> None:
        """Start an ownership."""
        self._epoch, self.version = epoch, version
        self._records = []

    def now(self, clock_us: int) -> None:
        """Tell the clock of the batch."""
        self._now_us = clock_us

    def add(self, records: Sequence[Outgoing]) -> None:
        """Publish `records` with this commit."""
        self._records += records

    def take(self) -> Sequence[Outgoing]:
        """Return what was collected, and begin anew."""
        records, self._records = self._records, []
        return records

    def undecodable(self, record: Record, error: CodecError) -> None:
        """Keep a record that says nothing we can read, whole."""
        reason = error.reason.value if isinstance(error, Undecodable) else "unknown_type"
        tenant, _, ticket = record.key.decode("utf-8", "replace").partition("/")
        self._reject(record, reason, str(error), tenant=tenant, source=ticket.partition(":")[0])

    def refuse(self, refused: Sequence[Refused], records: dict[int, Refusable]) -> None:
        """Keep records that the fold refused, whole."""
        for one in refused:
            record, event = records[one.origin]
            source = event.source if isinstance(event, Observation) else event.ticket.partition(":")[0]
            self._reject(record, one.reason.value, one.detail, tenant=event.tenant, source=source)

    def write(self, outcome: Outcome, backlog: Backlog) -> AgingChanges:
        """Return the rows of `outcome` (but for deferred ones), and collect its records."""
        self.folded += outcome.seen
        self.repeated += outcome.repeated
        self._count_pulled(outcome)
        self._records += [to_outgoing(absorbed) for absorbed in outcome.told]
        self._records += [
            to_outgoing(
                fact_of(
                    *stated.id,
                    stated.ticket,
                    stated.statement,
                    stated_us=stated.stated_us,
                    cause=stated.cause,
                )
            )
            for stated in outcome.stated
        ]
        stamp = self._stamp(self._now_us)
        self._records += [
            Outgoing(TICKETS.name, ticket_key(*id_), None)
            if ticket.condensed
            else to_outgoing(state_of(*id_, ticket, stamp))
            for id_, ticket in outcome.tickets.items()
        ]
        self.condensed += len(outcome.condensed)
        changes = AgingChanges(
            tickets=[self._row(id_, ticket, backlog) for id_, ticket in outcome.tickets.items()],
            marks=_mark_rows(outcome.marks),
            rewritten=_mark_rows(outcome.rewritten),
            condensed=[
                MarkRow(*id_, dated.order, encode_mark(dated.mark))
                for id_, dated in outcome.condensed.items()
            ],
            quarantined=[
                QuarantineRow(self._partition, *id_, self._now_us, error)
                for id_, error in outcome.quarantined.items()
            ],
            released=list(outcome.released),
            flows=self._flow_rows(backlog.flows),
        )
        changes.tickets += [self._sleeper(id_, mark) for id_, mark in outcome.asleep.items()]
        ascending = sorted(outcome.registers, key=told_by)
        newest = {(one.tenant, one.survivor, one.ticket): one for one in ascending}
        changes.registers = [
            RegisterRow(*key, register.revision, encode_register(register))
            for key, register in newest.items()
        ]
        return changes

    def show_cells(self, book: CellBook, clock_us: int) -> None:
        """Publish the cells that changed."""
        if not book.unpublished:
            return
        stamp = self._next(clock_us)
        for key in sorted(book.unpublished):
            self._records.append(to_cells(cell_of(book, key, stamp), self._cells_partitions))
            book.forget_if_empty(key)
        book.unpublished.clear()

    def show_flows(self, book: FlowBook, clock_us: int) -> None:
        """Publish the flow counters that changed."""
        if not book.unpublished:
            return
        stamp = self._next(clock_us)
        for key in sorted(book.unpublished):
            self._records.append(to_cells(flow_of(key, book.counters[key], stamp), self._cells_partitions))
        book.unpublished.clear()

    def adopted(self, version: int, adoption: Adoption, clock_us: int) -> None:
        """Publish what a configuration version did, once for each tenant that it touched."""
        for tenant, tally in sorted(adoption.tallies.items()):
            self._records.append(
                to_outgoing(
                    TermsAdopted(
                        id=derived_id(tenant, "terms.adopted", str(version), str(self._partition)),
                        tenant=tenant,
                        partition=self._partition,
                        version=version,
                        at=from_us(adoption.at_us),
                        stated_at=from_us(clock_us),
                        moved=tally.moved,
                        breached=tally.breached,
                        excused=tally.excused,
                    )
                )
            )

    def clock(
        self, clock_us: int, position: int, *, at_end: bool, lateness_us: int, open_tickets: int
    ) -> Sequence[Outgoing]:
        """Return the partition's clock, for every cells partition."""
        clock = clock_of(
            self._next(clock_us),
            partitions=self._events_partitions,
            position=position,
            at_end=at_end,
            lateness_us=lateness_us,
            open_tickets=open_tickets,
        )
        return to_every_partition(clock, self._cells_partitions)

    def _count_pulled(self, outcome: Outcome) -> None:
        told = 0
        for (tenant, ticket), one in outcome.pulled:
            self.pulled[one.source, one.outcome] += 1
            if one.outcome is PullOutcome.KNOWN:
                continue
            told += 1
            if told <= TOLD_MAX:
                _log.warning("a webhook was lost: a pull found what none had told", tenant=tenant, ticket=ticket,
                             outcome=one.outcome.value, changed_at=rfc3339(one.at_us))  # fmt: skip
        if told > TOLD_MAX:
            _log.warning("more webhooks were lost", tickets=told - TOLD_MAX, partition=self._partition)

    def _stamp(self, clock_us: int) -> Stamp:
        return Stamp(self._partition, self._epoch, self.version, clock_us)

    def _next(self, clock_us: int) -> Stamp:
        self.version += 1
        return self._stamp(clock_us)

    def _row(self, id_: TicketId, ticket: Ticket, backlog: Backlog) -> TicketRow:
        age, groups = backlog.terms.age.at(self._now_us), groups_of(id_[0], ticket)
        return TicketRow(
            *id_,
            self._partition,
            ticket.source,
            open=ticket.open,
            asleep=False,
            created_us=ticket.created_us,
            aged_from_us=age.start_us(ticket.created_us, ticket.episode_us),
            updated_us=ticket.updated_us,
            left_us=None if ticket.condensed else ticket.left_us,
            status=ticket.status,
            wait_reason=ticket.wait_reason,
            kind=ticket.kind,
            priority=ticket.priority,
            channel=ticket.channel,
            queue=ticket.queue,
            assignee=ticket.assignee,
            segment=ticket.segment,
            category=ticket.category,
            subject=ticket.subject,
            version=ticket.version,
            body=backlog.open.body(id_) if ticket.open else encode_ticket(ticket),
            flags=flags_of(ticket),
            duplicate_group=groups.duplicate_group,
            job=groups.job,
        )

    def _sleeper(self, id_: TicketId, mark: Mark) -> TicketRow:
        time_us = mark.time_us
        return TicketRow(
            *id_, self._partition, mark.source, open=False, asleep=True, created_us=time_us,
            aged_from_us=time_us, updated_us=time_us, left_us=None, status="new", wait_reason="", kind="",
            priority="", channel="", queue="", assignee="", segment="", category="", subject="", version=0,
            body=b"",
        )  # fmt: skip

    def _flow_rows(self, book: FlowBook) -> list[FlowRow]:
        rows = [
            FlowRow(self._partition, *encode_flow(key, book.counters[key])) for key in sorted(book.unsaved)
        ]
        book.unsaved.clear()
        return rows

    def _reject(self, record: Record, reason: str, detail: str, *, tenant: str, source: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1
        origin = f"{record.topic}/{record.partition}@{record.offset}"
        headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
        kept = Rejected(
            id=derived_id(STAGE, origin, digest(record.value or b"").hex()),
            tenant=tenant[:TEXT_CHARACTERS_MAX],
            source=source[:TEXT_CHARACTERS_MAX] or "unknown",
            stage=STAGE,
            reason=reason,
            detail=detail,
            received_at=from_us(record.time_us),
            rejected_at=from_us(self._now_us),
            content_type=headers.pop("content-type", ""),
            body=record.value or b"",
            headers=headers,
            origin=origin,
        )
        outgoing = to_outgoing(kept)
        if record_bytes(outgoing) > RECORD_BYTES_MAX:
            # Whole, the bus would refuse it, and with it each batch that says so.
            detail = f"{detail[:TEXT_CHARACTERS_MAX]} (too large to be kept; it is at {origin})"
            bare = msgspec.structs.replace(kept, body=b"", headers={}, content_type="", detail=detail)
            outgoing = to_outgoing(bare)
        self._records.append(outgoing)


def _mark_rows(marks: Mapping[tuple[TicketId, bytes], Mark]) -> list[MarkRow]:
    return [MarkRow(*id_, order, encode_mark(mark)) for (id_, order), mark in marks.items()]
