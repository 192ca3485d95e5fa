"""A partition of the real worker over a real SQLite store, stepped and killed by hand.

The log is a list; what the worker publishes onto `tickets.events.v1` is appended to it. A step is what the
partition loop does: fold, commit in one transaction, publish. `kill` forgets all memory; the next `start`
takes over by what was committed, and publishes again what the outbox still holds.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import TypeVar

from services.aging.adapters.sql import SqlAgingStore
from services.aging.core.age import AgePolicy
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket, decode_ticket
from services.aging.ports import TicketId
from services.aging.worker import AgingLogic, Placement
from shared.bus.port import LogIdentity, Outgoing, Record
from shared.codec import decode, to_every_partition, to_outgoing
from shared.contracts.backlog import Cell, Fact, Flow, PartitionClock, TicketState
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.instants import from_us
from shared.contracts.tickets import Absorbed, Observation, Rejected, RunBegan, RunEnded
from shared.contracts.topics import EVENTS
from shared.runtime.block import decode_block, encode_block
from shared.runtime.port import Commit, Folded, Taken
from tests.unit.aging.partitions import bare

E = TypeVar("E")
LOG = LogIdentity("cluster", EVENTS.name, "topic", 1)
RECORDS_MAX = 1_000


class Kill(Enum):
    """Where a process dies in a step."""

    BEFORE_COMMIT = "before commit"
    BEFORE_PUBLISH = "before publish"


class Published:
    """The configuration versions that were recorded."""

    def __init__(self) -> None:
        self.versions: dict[int, ConfigVersion] = {}

    async def version(self, number: int) -> ConfigVersion:
        return self.versions[number]


class Worker:
    """One partition, the log it reads, and all it published."""

    def __init__(self, store: SqlAgingStore) -> None:
        self.store = store
        self.configurations = Published()
        self.log: list[Record] = []
        self.published: list[object] = []
        self.gone: list[tuple[str, str]] = []
        """(topic, key) of the tombstones published."""
        self.kept_us: int | None = None
        self.logic: AgingLogic
        self.folded: Folded[object]
        self._epoch = self._position = self._clock_us = self._next_block = 0

    async def start(self) -> Taken:
        """Take the partition over, publish what is left in the outbox, load."""
        taken = await self.store.take_over(LOG, 0, owner="test", known=None)
        for _, block in taken.unpublished:
            self._publish(decode_block(block))
        self.logic = AgingLogic(
            self.store, self.configurations, Placement(0, 1, 1), Terms(), kept_us=self.kept_us
        )
        await self.logic.load(taken)
        self._epoch, self._next_block = taken.epoch, taken.next_block
        self._position, self._clock_us = taken.position or 0, taken.clock_us
        return taken

    @property
    def clock_us(self) -> int:
        return self._clock_us

    @property
    def behind(self) -> int:
        """How many records are still to be read."""
        return len(self.log) - self._position

    def append(
        self, clock_us: int, *events: Observation | Absorbed | RunBegan | RunEnded | ConfigApplied
    ) -> None:
        """Append events to the log, at `clock_us` or at the time of the last record."""
        for event in events:
            if isinstance(event, Observation | Absorbed):
                self.append_raw(clock_us, to_outgoing(event))
            else:
                self.append_raw(clock_us, to_every_partition(event, 1)[0])

    def append_raw(self, clock_us: int, out: Outgoing) -> None:
        """Append one record."""
        clock_us = max(clock_us, self.log[-1].time_us if self.log else 0)
        self.log.append(Record(EVENTS.name, 0, len(self.log), clock_us, out.key, out.value, out.headers))

    async def step(
        self, until_us: int = 0, *, records_max: int = RECORDS_MAX, kill: Kill | None = None
    ) -> Folded[object]:
        """Fold the next records (and time until `until_us`), commit, publish; die where `kill` says."""
        records = self.log[self._position : self._position + records_max]
        until_us = max([self._clock_us, until_us, *(record.time_us for record in records)])
        folded = await self.logic.fold(records, from_us=self._clock_us, until_us=until_us)
        self._position += len(records)
        self._clock_us = until_us
        if kill is Kill.BEFORE_COMMIT:
            return folded
        number = self._next_block if folded.outgoing else None
        await self.store.commit(
            Commit(
                topic=EVENTS.name,
                partition=0,
                epoch=self._epoch,
                position=self._position,
                clock_us=self._clock_us,
                note=folded.note,
                confirmed=self._next_block - 1,
                block=None if number is None else (number, encode_block(folded.outgoing)),
                changes=folded.changes,
            )
        )
        if kill is Kill.BEFORE_PUBLISH:
            return folded
        if number is not None:
            self._next_block += 1
        self._publish(folded.outgoing)
        return folded

    async def rest(self, until_us: int = 0) -> None:
        """Step until nothing is left to do by `until_us`."""
        for _ in range(STEPS_MAX):
            folded = await self.step(until_us)
            if not folded.more and not self.behind:
                return
        raise AssertionError("the worker does not come to rest")

    def _publish(self, records: Sequence[Outgoing]) -> None:
        for out in records:
            record = Record(out.topic, 0, 0, self._clock_us, out.key, out.value, out.headers)
            if out.value is None:
                self.gone.append((out.topic, out.key.decode()))
            else:
                self.published.append(decode(record))
            if out.topic == EVENTS.name:
                self.append_raw(self._clock_us, out)

    # What came of it.

    def all(self, kind: type[E]) -> list[E]:
        """Return the published events of `kind`."""
        return [event for event in self.published if isinstance(event, kind)]

    def facts(self) -> list[Fact]:
        """Return the facts as a reader sees them who drops repeats by id and turn."""
        return list({(fact.id, fact.turn): fact for fact in self.all(Fact)}.values())

    def standing(self) -> set[tuple[str, str, str]]:
        """Return (id, ticket, type) of the facts whose highest turn asserts them."""
        turns: dict[tuple[str, str, str], int] = {}
        for fact in self.all(Fact):
            key = (fact.id, fact.ticket, fact.type.value)
            turns[key] = max(turns.get(key, 0), fact.turn)
        return {key for key, turn in turns.items() if turn % 2 == 0}

    def cells(self) -> dict[tuple[object, ...], tuple[object, ...]]:
        """Return what a reader of the compacted cells topic has: the newest of each, if not empty."""
        newest: dict[tuple[object, ...], Cell] = {}
        for cell in self.all(Cell):
            key = (
                cell.kind, cell.tenant, cell.source, cell.ticket_kind, cell.queue, cell.priority, cell.channel,
                cell.status, cell.wait_reason, cell.segment, cell.value,
            )  # fmt: skip
            if key not in newest or (newest[key].epoch, newest[key].version) <= (cell.epoch, cell.version):
                newest[key] = cell
        return {
            key: (cell.open, cell.older, cell.unowned, cell.created_sum_us, cell.created_min_us)
            for key, cell in newest.items()
            if cell.open
        }

    def net(self) -> int:
        """Return the stock by the newest flows a reader has."""
        newest: dict[tuple[str, ...], Flow] = {}
        for flow in self.all(Flow):
            newest[flow.tenant, flow.source, flow.queue, flow.priority, flow.channel] = flow
        return sum(
            flow.opened + flow.reopened + flow.corrected_in + flow.imported_in
            - flow.solved - flow.closed - flow.merged - flow.void - flow.corrected_out - flow.imported_out
            for flow in newest.values()
        )  # fmt: skip

    async def tickets(self, ids: Sequence[TicketId]) -> dict[TicketId, Ticket]:
        """Return the awake tickets as stored."""
        rows = await self.store.load_tickets(ids)
        return {id_: bare(decode_ticket(row.body)) for id_, row in rows.items() if not row.asleep}


@asynccontextmanager
async def worker_at(directory: Path, empty: Path) -> AsyncIterator[Worker]:
    shutil.copy(empty, directory / "aging.db")
    async with SqlAgingStore.open(f"sqlite+aiosqlite:///{directory}/aging.db") as store:
        worker = Worker(store)
        await worker.start()
        yield worker


STEPS_MAX = 500


def run_began(run: str = "run") -> RunBegan:
    return RunBegan(run=run, at=from_us(0))


def run_ended(run: str = "run") -> RunEnded:
    return RunEnded(run=run, at=from_us(0))


__all__ = [
    "AgePolicy", "Kill", "PartitionClock", "Rejected", "TicketState", "Worker", "run_began", "run_ended", "worker_at",
]  # fmt: skip
