"""The tables of the aging service, and why each index is there.

An index costs 16-17 us for each row it changes on SQLite, more than the upsert itself, so there are only
those that a question of the service needs, and each is partial: it holds the rows that question is
about. A closed ticket, of which there are many more than open ones, is in one index only, written when
it leaves.

Text compares by code points on both databases (collation "C" on Postgres): pages follow each other by
the same order everywhere, and it is the fastest comparison.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    and_,
    not_,
    true,
)
from sqlalchemy.dialects import postgresql

from shared.sql.journal import define_journal

METADATA: Final = MetaData()
PARTITIONS, OUTBOX = define_journal(METADATA)

_TEXT: Final = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

TICKETS_FILL_PERCENT: Final = 75
"""Postgres leaves a quarter of each page free, so that an updated ticket stays on its page and no index
has to hear of it (a heap-only tuple)."""

TICKETS: Final = Table(
    "tickets",
    METADATA,
    Column("tenant", _TEXT, primary_key=True),
    Column("ticket", _TEXT, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("source", _TEXT, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("asleep", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("aged_from_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("left_us", BigInteger),
    Column("status", _TEXT, nullable=False),
    Column("wait_reason", _TEXT, nullable=False),
    Column("kind", _TEXT, nullable=False),
    Column("priority", _TEXT, nullable=False),
    Column("channel", _TEXT, nullable=False),
    Column("queue", _TEXT, nullable=False),
    Column("assignee", _TEXT, nullable=False),
    Column("segment", _TEXT, nullable=False),
    Column("category", _TEXT, nullable=False),
    Column("subject", _TEXT, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("flags", Integer, nullable=False, server_default="0"),
    Column("duplicate_group", BigInteger),
    Column("job", BigInteger),
    postgresql_with={"fillfactor": TICKETS_FILL_PERCENT},
)

_T = TICKETS.c
STOCK: Final = and_(_T.open, not_(_T.asleep))
"""Open and awake: what every figure is about, and the condition of two indexes."""
ASLEEP: Final = _T.asleep == true()

INDEXED: Final = ("partition", "open", "asleep", "aged_from_us", "left_us", "duplicate_group", "job")
"""Columns in an index or its condition: an update that names one of them pays on SQLite for every index
that has it, whether or not the value changes."""


def _define_indexes() -> None:
    # Read at take-over, in the order of the table, so nearly sequentially.
    Index("tickets_stock", _T.partition, sqlite_where=STOCK, postgresql_where=STOCK)
    # Lists by age. The key is in it so that pages go on exactly where the last one ended. Behind it stand the groups, so
    # that they are counted from these narrow rows alone (SQLite wants the condition's columns for that, too): a fifth
    # of the time, for some bytes a ticket, where an index of their own would cost each ticket that comes or leaves.
    Index(
        "tickets_by_age", _T.tenant, _T.aged_from_us, _T.ticket, _T.duplicate_group, _T.job, _T.open, _T.asleep,
        sqlite_where=STOCK, postgresql_where=STOCK,
    )  # fmt: skip
    # Woken in order of keys when the import run has ended; empty otherwise.
    Index("tickets_asleep", _T.partition, _T.tenant, _T.ticket, sqlite_where=ASLEEP, postgresql_where=ASLEEP)
    # What left lately: the stock of a past instant, and the leavings of a day. Grows at its end.
    left = _T.left_us.is_not(None)
    Index("tickets_left", _T.tenant, _T.left_us, sqlite_where=left, postgresql_where=left)


_define_indexes()

MARKS: Final = Table(
    "marks",
    METADATA,
    Column("tenant", _TEXT, primary_key=True),
    Column("ticket", _TEXT, primary_key=True),
    Column("order", LargeBinary, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
"""On SQLite not `WITHOUT ROWID`: a tree of whole marks has a page to write for nearly each mark of a batch,
where rows at the end of a table and their small keys in an index share pages (a fifth faster in all)."""

DEFERRED: Final = Table(
    "deferred",
    METADATA,
    Column("partition", Integer, primary_key=True),
    Column("due_us", BigInteger, primary_key=True),
    Column("tenant", _TEXT, primary_key=True),
    Column("ticket", _TEXT, primary_key=True),
    Column("order", LargeBinary, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

REGISTERS: Final = Table(
    "registers",
    METADATA,
    Column("tenant", _TEXT, primary_key=True),
    Column("survivor", _TEXT, primary_key=True),
    Column("ticket", _TEXT, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

FLOWS: Final = Table(
    "flows",
    METADATA,
    Column("partition", Integer, primary_key=True),
    Column("key", _TEXT, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

QUARANTINE: Final = Table(
    "quarantine",
    METADATA,
    Column("partition", Integer, nullable=False),
    Column("tenant", _TEXT, primary_key=True),
    Column("ticket", _TEXT, primary_key=True),
    Column("since_us", BigInteger, nullable=False),
    Column("error", _TEXT, nullable=False),
)
