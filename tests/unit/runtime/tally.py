"""The smallest service: it counts the records of each key, states each count, and has timers.

A value is a word: `one` counts, `noise` changes nothing, `wake <us>` sets the key's timer, `hush` clears
it, `break` cannot be folded. Facts are `key#count` and `key woke at <us>`: derived, never drawn, so a
record folded twice by mistake shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table, Text, select

from shared.bus.port import LogIdentity, Outgoing, Record
from shared.contracts.topics import EVENTS, FACTS
from shared.runtime.port import Commit, Folded, Taken
from shared.sql.engine import Engine, read, transaction
from shared.sql.journal import advance, define_journal, take_over
from shared.sql.upsert import upsert

METADATA: Final = MetaData()
define_journal(METADATA)
COUNTS: Final = Table(
    "counts",
    METADATA,
    Column("partition", Integer, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("state", LargeBinary, nullable=False),
)


class Counted(msgspec.Struct):
    """A key's state."""

    count: int = 0
    wake_us: int | None = None


@dataclass
class TallyChanges:
    """Keys that changed."""

    counts: dict[str, Counted] = field(default_factory=dict)


class TallyStore:
    """The real journal and one table beside it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.commits = 0

    async def take_over(
        self, identity: LogIdentity, partition: int, *, owner: str, known: tuple[int, int] | None
    ) -> Taken:
        return await transaction(
            self.engine, lambda c: take_over(c, identity, partition, owner=owner, known=known)
        )

    async def commit(self, commit: Commit[TallyChanges]) -> None:
        rows = [
            (commit.partition, key, msgspec.json.encode(state))
            for key, state in commit.changes.counts.items()
        ]

        def write(connection: Connection) -> None:
            advance(connection, commit)
            upsert(connection, COUNTS, rows)

        await transaction(self.engine, write)
        self.commits += 1

    async def load(self, partition: int) -> dict[str, Counted]:
        wanted = select(COUNTS.c.key, COUNTS.c.state).where(COUNTS.c.partition == partition)
        rows = await read(self.engine, lambda c: c.execute(wanted).all())
        return {key: msgspec.json.decode(state, type=Counted) for key, state in rows}


class TallyLogic:
    """Counts. Notes what the loop told it, for the tests."""

    def __init__(self, store: TallyStore, partition: int) -> None:
        self._store, self._partition = store, partition
        self._counts: dict[str, Counted] = {}
        self.loads = 0
        self.clocks: list[int] = []

    async def load(self, taken: Taken) -> None:
        self.loads += 1
        self._counts = await self._store.load(self._partition)

    async def fold(self, records: Sequence[Record], *, from_us: int, until_us: int) -> Folded[TallyChanges]:
        changes, facts = TallyChanges(), list[str]()
        clock_us = from_us
        for record in records:
            clock_us = max(clock_us, record.time_us)
            self._fire(clock_us, changes, facts)
            self._apply(record, changes, facts)
        self._fire(until_us, changes, facts)
        self.clocks += [from_us, clock_us, until_us]
        outgoing = [Outgoing(FACTS.name, b"k", fact.encode(), partition=0) for fact in facts]
        return Folded(changes, outgoing, b"", worth_committing=bool(changes.counts), more=False)

    def next_due_us(self) -> int | None:
        return min((c.wake_us for c in self._counts.values() if c.wake_us is not None), default=None)

    def _apply(self, record: Record, changes: TallyChanges, facts: list[str]) -> None:
        word, *rest = (record.value or b"").decode().split()
        if word == "noise":
            return
        assert word != "break"
        key = record.key.decode()
        counted = self._counts.setdefault(key, Counted())
        if word == "one":
            counted.count += 1
            facts.append(f"{key}#{counted.count}")
        else:
            counted.wake_us = int(rest[0]) if word == "wake" else None
        changes.counts[key] = counted

    def _fire(self, clock_us: int, changes: TallyChanges, facts: list[str]) -> None:
        for key, counted in sorted(self._counts.items()):
            if counted.wake_us is not None and counted.wake_us <= clock_us:
                facts.append(f"{key} woke at {counted.wake_us}")
                counted.wake_us = None
                changes.counts[key] = counted


class ProbingLogic(TallyLogic):
    """A tally that can give a record without effect, as aging does."""

    def probe(self) -> Sequence[Outgoing]:
        return [Outgoing(EVENTS.name, b"p", b"noise", partition=0)]


class ReticentLogic(TallyLogic):
    """A tally that says how often it counted when it is asked to show, as aging does with its cells."""

    asked = False

    def show(self) -> None:
        self.asked = True

    async def fold(self, records: Sequence[Record], *, from_us: int, until_us: int) -> Folded[TallyChanges]:
        folded = await super().fold(records, from_us=from_us, until_us=until_us)
        if not self.asked:
            return folded
        self.asked = False
        total = sum(counted.count for counted in self._counts.values())
        shown = Outgoing(FACTS.name, b"k", f"{total} in all".encode(), partition=0)
        return folded._replace(outgoing=[*folded.outgoing, shown])
