"""Connections to the two databases, opened, used and closed in one way.

SQLite and Postgres differ where it hurts: when a transaction begins, who may write meanwhile, how a
failure looks. All of that is settled here, so that a store is a set of synchronous functions on a
`Connection`, run by `transaction` or `read`, whichever database lies below.

Text cannot hold NUL characters: Postgres refuses them. Intake refuses them at the door (so they never
reach a core), and no code here strips them in silence.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from shared.sql.port import StoreMisconfigured, StoreUnavailable

T = TypeVar("T")

SQLITE: Final = "sqlite"
POSTGRES: Final = "postgresql"
DRIVERS: Final = ("sqlite+aiosqlite", "postgresql+asyncpg")

CONNECTIONS_MAX: Final = 8
"""Each process: its partitions commit one at a time each, the rest serves the API. Postgres allows 100."""
CONNECTION_WAIT_S: Final = 10.0
"""A request that finds no free connection for so long is refused (503) instead of queued."""
CONNECT_TIMEOUT_S: Final = 10.0
STATEMENT_TIMEOUT_S: Final = 60.0
"""Longer than any statement of ours; ends a wait for a database that has gone silent."""
BUSY_TIMEOUT_MS: Final = 10_000
"""SQLite allows one writer: how long another waits for it. A commit of ours takes milliseconds."""

WAL_ATTEMPTS_MAX: Final = 100
WAL_PAUSE_S: Final = 0.05
"""The switch of a new file to WAL is tried so often, with so long a pause: five seconds in all."""

WAL_PAGES_BEFORE_CHECKPOINT: Final = 12_000
"""SQLite copies changed pages from the WAL to the file every so many pages (48 MB). A batch of ours
changes 2,000; with SQLite's default of 1,000 each commit would wait for the disk twice more."""
CACHE_KIB: Final = 16_384
"""Pages each SQLite connection may keep; the default of 2 MB misses the inner nodes of large tables."""

_READING: Final = "barometer_reading"

_turns: Final[WeakKeyDictionary[AsyncEngine, asyncio.Lock]] = WeakKeyDictionary()
"""Who may write to an SQLite file next, among the transactions of this process."""

# What no retry can mend, by SQLSTATE class or code: credentials, unknown database, schema or table.
_MISCONFIGURED_STATES: Final = ("28", "3D", "3F", "42")
# What passes: connection, operator intervention, resources, lock and serialisation failures, and a
# read-only server (25006), as a primary is while it fails over.
_UNAVAILABLE_STATES: Final = ("08", "57", "53", "40", "55", "58", "25006")
_MISCONFIGURED_TEXTS: Final = (
    "no such table", "no such column", "readonly database", "unable to open database file",
    "file is not a database", "malformed",
)  # fmt: skip


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AsyncEngine]:
    """Give an engine for `url` and close its connections at the end, whatever happened.

    An engine that is not disposed keeps the process alive: aiosqlite's threads are no daemons.
    """
    engine = open_engine(url)
    try:
        yield engine
    finally:
        await engine.dispose()


def open_engine(url: str) -> AsyncEngine:
    """Return an engine for `sqlite+aiosqlite:///path` or `postgresql+asyncpg://...`; connects later.

    The caller awaits `dispose()` in the end. Raises StoreMisconfigured if the URL is of no use.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreMisconfigured("the database's URL cannot be read") from error
    if parsed.drivername not in DRIVERS:
        expected = " or ".join(f"{driver}://" for driver in DRIVERS)
        raise StoreMisconfigured(f"a database URL begins with {expected}, not {parsed.drivername}://")
    if parsed.get_backend_name() == SQLITE:
        return _open_sqlite(url)
    return create_async_engine(
        url,
        **_pool(),
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": STATEMENT_TIMEOUT_S,
            "server_settings": {"application_name": "barometer"},
        },
    )


def _pool() -> dict[str, Any]:
    return {"pool_size": CONNECTIONS_MAX, "max_overflow": 0, "pool_timeout": CONNECTION_WAIT_S}


def _open_sqlite(url: str) -> AsyncEngine:
    engine = create_async_engine(url, **_pool())
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: it does so late and never IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    _switch_to_wal(cursor)
    # A power cut may take the last commits of the state, never its consistency. The position goes with
    # them, so they are read again from the log, which itself is kept with FULL.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_BEFORE_CHECKPOINT}")
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    # A new file is switched once, by whoever comes first. Two who do so at once hold a shared lock each
    # and want an exclusive one: SQLite calls that a deadlock and fails one of them at once, whatever the
    # busy timeout. It finds the switch done when it asks again.
    for attempt in range(WAL_ATTEMPTS_MAX):
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or attempt + 1 == WAL_ATTEMPTS_MAX:
                raise
            await_only(asyncio.sleep(WAL_PAUSE_S))
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once if another wrote in between; one
    # that begins IMMEDIATE waits its turn. Readers need no turn at all.
    reading = connection.get_execution_options().get(_READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


async def transaction(engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction and return what it gave: all of it is committed, or nothing.

    `work` must not keep the connection. Raises StoreUnavailable (whether it was committed is unknown
    then), StoreMisconfigured, and whatever `work` raises (nothing is committed then).
    """
    with translated(engine):
        async with _turn(engine), engine.begin() as connection:
            return await connection.run_sync(work)


@asynccontextmanager
async def _turn(engine: AsyncEngine) -> AsyncIterator[None]:
    """Wait for our turn to write, in the order of asking.

    SQLite's own waiting is a sleep of up to 0.1 s between attempts, and whoever asks at the right moment
    wins: with four partitions in one process one of them waited for seconds.
    """
    if engine.dialect.name != SQLITE:
        yield
        return
    turn = _turns.setdefault(engine, asyncio.Lock())
    try:
        async with asyncio.timeout(BUSY_TIMEOUT_MS / 1_000):
            await turn.acquire()
    except TimeoutError:
        raise StoreUnavailable(f"{_name(engine)}: others are writing") from None
    try:
        yield
    finally:
        turn.release()


async def read(engine: AsyncEngine, work: Callable[[Connection], T]) -> T:
    """Run `work`, which only reads, on one snapshot, beside writers. Raises as `transaction` does."""
    async with snapshot(engine) as connection:
        return await connection.run_sync(work)


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a connection for reading only that sees one state of the database throughout, beside writers.

    For answers too large for one `read`. It occupies a connection until it is left, and on SQLite keeps
    the WAL growing: never hold it over anything but reading. Raises as `transaction` does.
    """
    with translated(engine):
        async with engine.connect() as plain:
            connection = await plain.execution_options(**_reading(engine))
            async with connection.begin():
                yield connection


def _reading(engine: AsyncEngine) -> dict[str, Any]:
    if engine.dialect.name == SQLITE:
        return {_READING: True}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


@contextmanager
def translated(engine: AsyncEngine) -> Iterator[None]:
    """Turn the driver's exceptions into those of the port; the only place that does.

    What is neither unavailable nor misconfigured (a broken constraint, a value out of range) is a
    mistake of ours and goes through as it is.
    """
    try:
        yield
    except DBAPIError as error:
        cause = error.orig or error
        raise (_verdict(engine, cause, lost=error.connection_invalidated) or error) from error
    except NoConnectionLeft as error:
        raise StoreUnavailable(f"{_name(engine)}: all {CONNECTIONS_MAX} connections are busy") from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # While connecting, asyncpg's own exceptions come through unwrapped.
        raise (_verdict(engine, error, lost=isinstance(error, OSError)) or error) from error


def _verdict(engine: AsyncEngine, error: BaseException, *, lost: bool) -> Exception | None:
    text = f"{_name(engine)}: {str(error) or type(error).__name__}"
    state = str(getattr(error, "sqlstate", None) or "")
    if state.startswith(_MISCONFIGURED_STATES) or any(known in text for known in _MISCONFIGURED_TEXTS):
        return StoreMisconfigured(text)
    if lost or state.startswith(_UNAVAILABLE_STATES) or _is_operational(error):
        return StoreUnavailable(text)
    return None


def _is_operational(error: BaseException) -> bool:
    # Both drivers' classes of this name; asyncpg's InterfaceError is a connection that was closed.
    return type(error).__name__ in {"OperationalError", "InterfaceError"}


def _name(engine: AsyncEngine) -> str:
    return engine.url.render_as_string(hide_password=True)
