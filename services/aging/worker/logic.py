"""Aging's side of the partition loop: records in; rows, facts, states and cells out.

The decisions are the core's (core/backlog.py). Here is what surrounds them: reading what the core needs
from the store, import runs, observations that wait for their time, configuration versions, and turning
an outcome into rows to write and records to publish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import structlog

from services.aging.core.backlog import Backlog
from services.aging.core.batch import (
    DEFERRED_ORIGIN,
    Arrival,
    Attempt,
    Failed,
    Item,
    Loaded,
    Outcome,
    Refusal,
    Refused,
    Register,
    Stored,
    TicketId,
)
from services.aging.core.flows import decode_flow
from services.aging.core.mark import mark_of, order_of
from services.aging.core.memory import NewerTicket
from services.aging.core.note import Note, decode_note, encode_note
from services.aging.core.terms import Terms
from services.aging.ports import AgingChanges, AgingStore, Configurations
from services.aging.worker.adopting import Adopting
from services.aging.worker.output import Output, Refusable
from services.aging.worker.retention import Retention
from services.aging.worker.stored import StoredTickets
from services.aging.worker.waiting import Waiting, event_of, in_time, item_of, row_of
from shared.bus.port import Record
from shared.codec import CodecError, decode, to_outgoing
from shared.contracts.configuration import ConfigApplied
from shared.contracts.instants import SECOND_US, to_us
from shared.contracts.records import Outgoing
from shared.contracts.tickets import Absorbed, Observation, RunBegan, RunEnded
from shared.runtime import collector
from shared.runtime.attempt import attempt
from shared.runtime.port import Folded, NotOwner, Taken

T = TypeVar("T")

RUN_SILENCE_US_MAX: Final = 15 * 60 * SECOND_US
"""An import run that shows nothing for so long is taken as over: its importer died before the end mark."""
WAKING_MAX: Final = 500
"""Sleeping tickets woken per batch."""
CELLS_EVERY_US: Final = SECOND_US // 10
CLOCK_EVERY_US: Final = SECOND_US
MANY_TICKETS: Final = 10_000
"""Loaded at once, they are worth sparing the garbage collector the sight of."""
BEHIND_RECORDS_MIN: Final = 500
HIDDEN_RECORDS_MAX: Final = 5_000
"""Batches of BEHIND_RECORDS_MIN and more are catching up: the past is shown once in so many records."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a partition publishes to."""

    partition: int
    events_partitions: int
    cells_partitions: int


class _Attempting:
    """The core's `Attempt`, over the runtime's."""

    def __call__(self, step: Callable[[], T]) -> T | Failed:
        return attempt(step, Failed)


class AgingLogic:
    """One partition of the backlog, driven by the partition loop."""

    def __init__(
        self,
        store: AgingStore,
        configurations: Configurations,
        placement: Placement,
        defaults: Terms,
        *,
        kept_us: int | None = None,
    ) -> None:
        """`defaults` hold before any configuration was published; `kept_us` is told in retention.py."""
        self._store = store
        self._adopting = Adopting(store, configurations, placement.partition, defaults)
        self._stored = StoredTickets(store)
        self._retention = Retention(store, placement.partition, kept_us)
        self._placement = placement
        self._attempt: Attempt = _Attempting()
        self._backlog = Backlog(defaults, self._attempt)
        self._note = Note()
        self._waiting = Waiting()
        self._output = Output(placement.partition, placement.events_partitions, placement.cells_partitions)
        self._clock_us = 0
        self._cells_us = 0
        self._clock_shown_us = 0
        self._hidden = 0
        self._position = 0

    @property
    def output(self) -> Output:
        """What was folded, refused and published, counted."""
        return self._output

    @property
    def backlog(self) -> Backlog:
        """The partition's memory, for tests and checks."""
        return self._backlog

    async def load(self, taken: Taken) -> None:
        """Build memory as last committed."""
        partition = self._placement.partition
        self._note = decode_note(taken.note)
        *former, terms = await self._adopting.generations(self._note)
        self._backlog = backlog = Backlog(terms, self._attempt, former=former)
        backlog.adoption.restore(self._note.adoption)
        backlog.quarantined = {
            (row.tenant, row.ticket) for row in await self._store.load_quarantined(partition)
        }
        with collector.resting():
            async for chunk in self._store.load_open(partition):
                rows = (((tenant, ticket), body) for tenant, ticket, body in chunk)
                try:
                    backlog.restore(rows, clock_us=taken.clock_us, edges_us=self._note.edges_us)
                except NewerTicket as error:  # since we took over, somebody else did
                    raise NotOwner(f"partition {partition}: {error}") from None
        if len(backlog.open) >= MANY_TICKETS:
            collector.spare()
        backlog.cells.unpublished = set(self._note.cells)
        for row in await self._store.load_flows(partition):
            key, counters = decode_flow(row.key, row.body)
            backlog.flows.counters[key] = counters
        backlog.flows.unpublished = set(self._note.flows)
        self._waiting = Waiting()
        self._waiting.add(item_of(row) for row in await self._store.load_deferred(partition))
        self._clock_us = taken.clock_us
        self._position = taken.position or 0
        self._output.begin(taken.epoch, self._note.version)
        _log.info("backlog loaded", partition=partition, open=len(backlog.open))

    def next_due_us(self) -> int | None:
        """Return when something is next to be done without a record: a timer, a wait, cells to show."""
        dues = [self._backlog.timers.next_us(), self._waiting.next_us()]
        if self._backlog.cells.unpublished or self._backlog.flows.unpublished:
            dues.append(self._cells_us + CELLS_EVERY_US)
        dues.append(self._clock_shown_us + CLOCK_EVERY_US)
        return min(due for due in dues if due is not None)

    def probe(self) -> Sequence[Outgoing]:
        """Return the partition's clock as it stands, to hear the bus's own time."""
        return self._output.clock(self._clock_us, self._position, at_end=True, lateness_us=0,
                                  open_tickets=len(self._backlog.open))  # fmt: skip

    def show(self) -> None:
        """Let the next fold show the cells that changed, however lately the last were shown."""
        self._cells_us = 0

    async def fold(self, records: Sequence[Record], *, from_us: int, until_us: int) -> Folded[AgingChanges]:
        """Apply `records` and all that is due by `until_us`."""
        self._output.now(until_us)
        due = self._waiting.take(from_us=from_us, until_us=until_us)
        read, refusable = await self._read(records, from_us)
        items = in_time([*due, *read], until_us)
        loaded = await self._stored.of(self._backlog, items)
        late = self._backlog.late(items, loaded)
        await self._add_timelines(loaded, late)
        next_us = self._backlog.timers.next_us()
        outcome = self._backlog.fold(items, loaded, late, until_us=until_us, imports=bool(self._note.runs))
        if outcome.unfinished:
            await self._add_timelines(loaded, outcome.unfinished)
            self._backlog.finish(outcome, loaded, until_us=until_us)
        refusable |= {one.origin: self._waited(due, one.origin) for one in outcome.refused if one.origin < 0}
        self._output.refuse(outcome.refused, refusable)
        changes = self._write(outcome, due)
        more = outcome.more or self._is_due(until_us)
        self._end_silent_runs(until_us)
        if self._note.waking and not self._note.runs:
            more |= await self._wake(changes, until_us)
        more |= await self._judge(changes, until_us)
        if until_us > self._newest_us(records):
            await self._condense(changes, until_us)
        return self._folded(records, changes, until_us, next_us, more=more)

    # Records.

    async def _read(self, records: Sequence[Record], from_us: int) -> tuple[list[Item], dict[int, Refusable]]:
        items: list[Item] = []
        refusable: dict[int, Refusable] = {}
        clock_us = from_us
        for index, record in enumerate(records):
            clock_us = max(clock_us, record.time_us)
            try:
                event = decode(record)
            except CodecError as error:
                self._output.undecodable(record, error)
                continue
            if isinstance(event, Observation | Absorbed):
                self._note.read = True
                refusable[index] = (record, event)
                items += self._items(event, clock_us, index, refusable)
            else:
                await self._control(event, clock_us)
        if records:
            self._position = records[-1].offset + 1
        return items, refusable

    def _items(
        self, event: Observation | Absorbed, clock_us: int, index: int, refusable: dict[int, Refusable]
    ) -> Sequence[Item]:
        if isinstance(event, Absorbed):
            self._note.merges = True
            return [Register(clock_us, event, index)]
        arrival = self._attempt(partial(_arrival, event, clock_us, index))
        if isinstance(arrival, Failed):  # a time or a sequence that no order can hold
            self._output.refuse([Refused(index, Refusal.FOLD_FAILED, arrival.error)], refusable)
            return []
        if event.run is not None:
            self._note.runs[event.run] = clock_us
        return [arrival]

    def _waited(self, due: Sequence[Item], origin: int) -> Refusable:
        """Return the record of what waited; the one it came by was read long ago."""
        event = event_of(item := due[DEFERRED_ORIGIN - origin])
        out = to_outgoing(event)
        partition = self._placement.partition
        time_us = item.mark.received_us if isinstance(item, Arrival) else to_us(item.absorbed.at)
        return Record(out.topic, partition, origin, time_us, out.key, out.value, out.headers), event

    async def _control(self, event: object, clock_us: int) -> None:
        match event:
            case RunBegan(run=run):
                self._note.runs[run] = clock_us
            case RunEnded(run=run):
                self._end_run(run)
            case ConfigApplied(version=number) if number > self._note.config:
                await self._adopting.adopt(self._backlog, self._note, number, clock_us)
            case _:
                pass

    def _end_run(self, run: str) -> None:
        if self._note.runs.pop(run, None) is not None and not self._note.runs:
            self._note.waking = True

    def _end_silent_runs(self, clock_us: int) -> None:
        for run, shown_us in list(self._note.runs.items()):
            if clock_us - shown_us > RUN_SILENCE_US_MAX:
                _log.warning("import run taken as over", run=run, partition=self._placement.partition)
                self._end_run(run)

    def _is_due(self, clock_us: int) -> bool:
        due_us = self._waiting.next_us()
        return due_us is not None and due_us <= clock_us

    # The store.

    async def _add_timelines(self, loaded: Loaded, ids: Iterable[TicketId]) -> None:
        await self._stored.add_timelines(loaded, ids, merges=self._note.merges)

    async def _judge(self, changes: AgingChanges, until_us: int) -> bool:
        """Take a slice of what new terms left to judge; return whether something may be left."""
        note, adoption = self._note, self._backlog.adoption
        if not note.adoption.telling:
            if not adoption.to_judge:
                return False
            note.adoption = adoption.kept()  # terms announced earlier came into force: a notice of its own
        touched = _touched(changes)
        outcome = await self._adopting.judge(self._backlog, note, until_us, touched)
        if outcome is not None:
            _merge(changes, self._write(outcome, ()))
        if outcome is not None or not adoption.is_over:
            note.adoption = adoption.kept()
            return True
        self._output.adopted(note.config, adoption, until_us)
        note.adoption = adoption.ended()
        return False

    async def _wake(self, changes: AgingChanges, until_us: int) -> bool:
        """Wake a slice of the sleeping tickets; return whether some may be left."""
        asleep_now = {(row.tenant, row.ticket) for row in changes.tickets if row.asleep}
        if asleep_now:
            return True  # their rows are written by this very commit; the next batch wakes them
        quarantined = self._backlog.quarantined
        limit = WAKING_MAX + len(quarantined)
        rows = await self._store.load_asleep(self._placement.partition, limit=limit)
        asleep = [id_ for row in rows if (id_ := (row.tenant, row.ticket)) not in quarantined]
        if not asleep:
            self._note.waking = False
            return False
        touched = _touched(changes)
        ids = [id_ for id_ in asleep[:WAKING_MAX] if id_ not in touched]
        loaded = Loaded({id_: Stored(None, asleep=True) for id_ in ids})
        await self._add_timelines(loaded, ids)
        outcome = self._backlog.wake(ids, loaded, clock_us=until_us)
        _merge(changes, self._write(outcome, ()))
        return True

    async def _condense(self, changes: AgingChanges, until_us: int) -> None:
        touched = {(row.tenant, row.ticket) for row in changes.tickets}
        touched |= {(row.tenant, row.ticket) for row in changes.marks}
        outcome = await self._retention.slice(self._backlog, until_us, touched)
        if outcome is not None and not outcome.empty:
            _merge(changes, self._write(outcome, ()))

    def _newest_us(self, records: Sequence[Record]) -> int:
        return max((record.time_us for record in records), default=self._clock_us)

    def _write(self, outcome: Outcome, due: Sequence[Item]) -> AgingChanges:
        waiting = self._waiting.add(outcome.deferred)
        partition = self._placement.partition
        changes = self._output.write(outcome, self._backlog)
        changes.deferred_done = [row_of(partition, item) for item in due]
        changes.deferred = [row_of(partition, item) for item in waiting]
        return changes

    # What is shown.

    def _folded(
        self,
        records: Sequence[Record],
        changes: AgingChanges,
        until_us: int,
        due_us: int | None,
        *,
        more: bool,
    ) -> Folded[AgingChanges]:
        lateness_us = max(0, until_us - due_us) if due_us is not None and due_us <= until_us else 0
        at_end = until_us > self._newest_us(records)
        self._hidden += len(records)
        if at_end or len(records) < BEHIND_RECORDS_MIN or self._hidden >= HIDDEN_RECORDS_MAX:
            self._show(until_us, at_end=at_end, lateness_us=lateness_us)
        self._clock_us = until_us
        outgoing = self._output.take()
        note, cells, flows = self._note, self._backlog.cells, self._backlog.flows
        note.cells, note.edges_us = list(cells.unpublished), cells.age.effective_us
        note.flows = list(flows.unpublished)
        note.version = self._output.version
        worth = bool(outgoing) or _any(changes)
        return Folded(changes, outgoing, encode_note(note), worth, more)

    def _show(self, clock_us: int, *, at_end: bool, lateness_us: int) -> None:
        cells, flows = self._backlog.cells, self._backlog.flows
        changed = bool(cells.unpublished or flows.unpublished)
        cells_due = changed and not 0 <= clock_us - self._cells_us < CELLS_EVERY_US
        clock_due = not 0 <= clock_us - self._clock_shown_us < CLOCK_EVERY_US
        if not cells_due and not clock_due:
            return
        # The clock covers the cells before it, so whatever it is written for, they go first.
        self._output.show_cells(cells, clock_us)
        self._output.show_flows(flows, clock_us)
        self._output.add(
            self._output.clock(
                clock_us, self._position, at_end=at_end, lateness_us=lateness_us,
                open_tickets=len(self._backlog.open),
            )
        )  # fmt: skip
        self._cells_us = self._clock_shown_us = clock_us
        self._hidden = 0


def _arrival(event: Observation, clock_us: int, index: int) -> Arrival:
    mark = mark_of(event)
    return Arrival(clock_us, (event.tenant, event.ticket), mark, order_of(mark), index)


def _any(changes: AgingChanges) -> bool:
    return any(getattr(changes, name) for name in changes.__slots__)


def _touched(changes: AgingChanges) -> set[TicketId]:
    """Return the tickets to which this very commit adds something: it is not in the store yet."""
    touched = {(row.tenant, row.ticket) for row in changes.tickets}
    touched |= {(row.tenant, row.ticket) for row in changes.marks}
    return touched | {(row.tenant, row.survivor) for row in changes.registers}


def _merge(changes: AgingChanges, further: AgingChanges) -> None:
    """Add `further` to `changes`; they touch different tickets, and the same flows."""
    newer = {row.key for row in further.flows}
    changes.flows = [row for row in changes.flows if row.key not in newer]
    for name in changes.__slots__:
        getattr(changes, name).extend(getattr(further, name))
