"""A store that is nothing but a journal and one table: on a real database, and in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from msgspec import ValidationError
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from shared.bus.port import LogIdentity
from shared.sql.engine import Engine, read, transaction
from shared.sql.journal import OUTBOX, PARTITIONS, advance, define_journal, take_over
from shared.sql.port import Commit, Taken
from shared.sql.upsert import upsert
from tests.simulation.stores import journal, tables

METADATA = MetaData()
define_journal(METADATA)
ROWS = Table(
    "rows",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("ticket", Text, primary_key=True),
    Column("at_us", BigInteger),
    Column("open", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
LOG = LogIdentity(cluster="c-1", topic="tickets.events.v1", topic_id="t-1", partitions=4)


@dataclass(frozen=True)
class Row:
    """A change beside the journal."""

    key: str


class Stored(NamedTuple):
    """All there is to see of a journal and what was written beside it."""

    rows: list[str]
    blocks: list[int]
    partitions: list[tuple[int, int | None, int]]
    """(epoch, position, next block)."""


class Journal(Protocol):
    """A store that has nothing but a journal and the table `rows`."""

    @property
    def broken(self) -> type[Exception]:
        """What a row raises that cannot be written."""
        ...

    async def taken(
        self, log: LogIdentity = LOG, partition: int = 0, known: tuple[int, int] | None = None
    ) -> Taken: ...

    async def commit(self, commit: Commit[Row], *, broken: bool = False) -> None:
        """Write the row of `commit`, after it, and at last one that cannot be written if `broken`."""
        ...

    async def lose(self) -> None:
        """Lose what is stored of partitions."""
        ...

    async def found_with_epoch(self, epoch: int) -> None:
        """Let every partition stored have `epoch`."""
        ...

    async def stored(self) -> Stored: ...


class SqlJournal:
    """On a real database."""

    broken: type[Exception] = IntegrityError

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def taken(
        self, log: LogIdentity = LOG, partition: int = 0, known: tuple[int, int] | None = None
    ) -> Taken:
        return await transaction(self.engine, lambda c: take_over(c, log, partition, owner="a", known=known))

    async def commit(self, commit: Commit[Row], *, broken: bool = False) -> None:
        def work(connection: Connection) -> None:
            write(connection, commit)
            if broken:
                connection.execute(ROWS.insert().values(tenant="t", ticket="x", open=None, body=b""))

        await transaction(self.engine, work)

    async def lose(self) -> None:
        await transaction(self.engine, lambda c: c.execute(delete(PARTITIONS)))

    async def found_with_epoch(self, epoch: int) -> None:
        await transaction(self.engine, lambda c: c.execute(update(PARTITIONS).values(epoch=epoch)))

    async def stored(self) -> Stored:
        return await read(self.engine, look)


def write(connection: Connection, commit: Commit[Row]) -> None:
    advance(connection, commit)
    upsert(connection, ROWS, [("t", commit.changes.key, commit.position, True, b"\x00\xff")])


def look(c: Connection) -> Stored:
    p = PARTITIONS.c
    return Stored(
        list(c.execute(select(ROWS.c.ticket).order_by(ROWS.c.ticket)).scalars()),
        list(c.execute(select(OUTBOX.c.number).order_by(OUTBOX.c.number)).scalars()),
        [(e, x, b) for e, x, b in c.execute(select(p.epoch, p.position, p.next_block))],
    )


class SimulatedRow(NamedTuple):
    ticket: str
    body: bytes


class SimulatedJournal:
    """In memory."""

    broken: type[Exception] = ValidationError

    def __init__(self) -> None:
        self._database = tables.Database(lambda: 1_800_000_000_000)
        self._rows = tables.Table(self._database, SimulatedRow, key=("ticket",))
        self._journal = journal.Journal(self._database)

    async def taken(
        self, log: LogIdentity = LOG, partition: int = 0, known: tuple[int, int] | None = None
    ) -> Taken:
        with self._database.transaction():
            return self._journal.take_over(log, partition, owner="a", known=known)

    async def commit(self, commit: Commit[Row], *, broken: bool = False) -> None:
        with self._database.transaction():
            self._journal.advance(commit)
            self._rows.put(SimulatedRow(commit.changes.key, b""))
            if broken:
                self._rows.put(SimulatedRow("x", None))  # type: ignore[arg-type]

    async def lose(self) -> None:
        with self._database.transaction():
            for row in self._journal.partitions.rows():
                self._journal.partitions.remove(row.topic, row.partition)

    async def found_with_epoch(self, epoch: int) -> None:
        with self._database.transaction():
            for row in self._journal.partitions.rows():
                self._journal.partitions.put(row._replace(epoch=epoch))

    async def stored(self) -> Stored:
        return Stored(
            sorted(row.ticket for row in self._rows.rows()),
            sorted(row.number for row in self._journal.outbox.rows()),
            [(row.epoch, row.position, row.next_block) for row in self._journal.partitions.rows()],
        )
