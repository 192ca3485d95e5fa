"""The one file of the embedded log: tables, connections, and what SQLite's errors mean.

Records are kept in chunks, one row for all records that were appended to a partition in one transaction.
A row for each record would be simpler, and was measured: CPython lets go of its lock at every step of a
statement, so a thread that inserts or reads 1,000 rows beside a busy event loop waits 1,000 times for it
(0.004 s became 0.8 s). With chunks it is a handful of steps, and ten times the records a second.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from shared.bus.port import BusError, BusMisconfigured, BusUnavailable
from shared.clock import monotonic_seconds

FILE_NAME: Final = "bus.db"
SCHEMA_VERSION: Final = 1
OFFSET_BITS: Final = 40
"""A chunk's row id is its partition's id and its last offset in one integer: one B-tree, found by one
comparison, appended at its end. 2**40 records are a million a second for twelve days... or 34 years at
1,000 a second; 2**23 partitions are left."""
OFFSET_MAX: Final = (1 << OFFSET_BITS) - 1
LOCK_WAIT_S_MAX: Final = 10.0
"""How long a transaction waits for another process's. Their transactions take milliseconds; a process
stopped by a debugger, or a disk that hangs, is what reaches this."""
LOCK_RETRY_S: Final = 0.002
"""SQLite's own busy handler backs off to 100 ms and can starve beside a busy import; short even tries
find the gap between its transactions."""
_WAL_PAGES: Final = 4_000
"""Checkpoint at 16 MiB: a small one was measured to hurt, a large one lengthens the start after a crash."""
_WAL_BYTES_MAX: Final = 64 * 1024 * 1024

_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS topics (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, topic_id TEXT NOT NULL,
        partitions INTEGER NOT NULL, cleanup TEXT NOT NULL, retention_days INTEGER)""",
    """CREATE TABLE IF NOT EXISTS partitions (
        id INTEGER PRIMARY KEY, topic INTEGER NOT NULL REFERENCES topics (id), number INTEGER NOT NULL,
        begin_offset INTEGER NOT NULL DEFAULT 0, next_offset INTEGER NOT NULL DEFAULT 0,
        time_us INTEGER NOT NULL DEFAULT 0, compacted_to INTEGER NOT NULL DEFAULT 0,
        compacted_us INTEGER NOT NULL DEFAULT 0, kept INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, number))""",
    """CREATE TABLE IF NOT EXISTS chunks (
        id INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, records INTEGER NOT NULL, body BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS writers (
        name TEXT PRIMARY KEY, epoch INTEGER NOT NULL, turn INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS group_offsets (
        name TEXT NOT NULL, partition INTEGER NOT NULL REFERENCES partitions (id),
        next_offset INTEGER NOT NULL, PRIMARY KEY (name, partition)) WITHOUT ROWID""",
)


def chunk_id(partition_id: int, last_offset: int) -> int:
    """Return the row id of the chunk of `partition_id` that ends at `last_offset`."""
    return partition_id << OFFSET_BITS | last_offset


def open_database(directory: Path) -> sqlite3.Connection:
    """Return a connection to the log in `directory`, durable at each commit. Used by one thread at a time."""
    path = directory / FILE_NAME
    with translated(str(path)):
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        deadline = monotonic_seconds() + LOCK_WAIT_S_MAX
        # Two processes that create the file at the same moment may find it locked here.
        _patiently(connection, "PRAGMA journal_mode = WAL", deadline)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_MAX}")
        # What retention and compaction take away is overwritten. Appending deletes nothing, so it costs them
        # alone.
        connection.execute("PRAGMA secure_delete = ON")
    return connection


def create_schema(connection: sqlite3.Connection) -> str:
    """Create what is missing; return the cluster id, drawn when the file was created."""
    with transaction(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            text = (
                f"the log is of version {version}, this program knows {SCHEMA_VERSION}: use the newer program"
            )
            raise BusMisconfigured(text)
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('cluster', ?)", (uuid4().hex,))
        (cluster,) = connection.execute("SELECT value FROM meta WHERE name = 'cluster'").fetchone()
    return str(cluster)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the file's one write lock; commit (with fsync) at the end, or roll everything back."""
    with translated(FILE_NAME):
        _patiently(connection, "BEGIN IMMEDIATE", monotonic_seconds() + LOCK_WAIT_S_MAX)
        try:
            yield
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Read one state of the file, whatever is appended meanwhile."""
    with translated(FILE_NAME):
        connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn SQLite's errors into the port's."""
    try:
        yield
    except sqlite3.Error as error:
        raise _meaning(error, place) from error


_TRY_AGAIN: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
    }
)


def _meaning(error: sqlite3.Error, place: str) -> BusError:
    # The primary code is the low byte: SQLITE_IOERR_FSYNC and its like share SQLITE_IOERR's.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    text = f"{place}: {error}"
    return BusUnavailable(text) if code in _TRY_AGAIN else BusMisconfigured(text)


def _patiently(connection: sqlite3.Connection, statement: str, deadline_s: float) -> None:
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in (
                sqlite3.SQLITE_BUSY,
                sqlite3.SQLITE_LOCKED,
            )
            if not busy or monotonic_seconds() >= deadline_s:
                raise
            time.sleep(LOCK_RETRY_S)
        else:
            return
