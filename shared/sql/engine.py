"""Connections to the two databases, opened, used and closed in one way.

SQLite and Postgres differ where it hurts: when a transaction begins, who may write meanwhile, how a
failure looks. All of that is settled here, so that a store is a set of synchronous functions on a
`Connection`, run by `transaction` or `read`, whichever database lies below.

Text cannot hold NUL characters: Postgres refuses them. Intake refuses them at the door (so they never
reach a core), and no code here strips them in silence.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import asyncpg
from sqlalchemy import Connection, Select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.sql.port import StoreMisconfigured, StoreUnavailable
from shared.sql.sqlite import SqliteEngine

T = TypeVar("T")
Engine = AsyncEngine | SqliteEngine

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
STANDSTILL_S_MAX: Final = 15.0
"""A process that stops in the middle of a transaction (frozen, paused, cut off) loses it after this, and with it the
row that its successor waits for; longer than any pause of one that is well."""
# What no retry can mend, by SQLSTATE class or code: credentials, unknown database, schema or table.
_MISCONFIGURED_STATES: Final = ("28", "3D", "3F", "42")
# What passes: connection, operator intervention, resources, lock and serialisation failures, and a
# read-only server (25006), as a primary is while it fails over, and a transaction lost by a standstill (25P03).
_UNAVAILABLE_STATES: Final = ("08", "57", "53", "40", "55", "58", "25006", "25P03")
_MISCONFIGURED_TEXTS: Final = (
    "no such table", "no such column", "readonly database", "unable to open database file",
    "file is not a database", "malformed",
)  # fmt: skip


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Engine]:
    """Give an engine for `url` and close its connections at the end, whatever happened.

    An engine that is not disposed keeps the process alive: SQLite's threads are no daemons.
    """
    engine = open_engine(url)
    try:
        yield engine
    finally:
        await engine.dispose()


def open_engine(url: str) -> Engine:
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
        return SqliteEngine(parsed, connections_max=CONNECTIONS_MAX, wait_s=CONNECTION_WAIT_S)
    return create_async_engine(
        url,
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=CONNECTION_WAIT_S,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": STATEMENT_TIMEOUT_S,
            "server_settings": {
                "application_name": "barometer",
                "idle_in_transaction_session_timeout": str(int(STANDSTILL_S_MAX * 1_000)),
            },
        },
    )


async def transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work` in one transaction and return what it gave: all of it is committed, or nothing.

    `work` must not keep the connection. Raises StoreUnavailable (whether it was committed is unknown
    then), StoreMisconfigured, and whatever `work` raises (nothing is committed then).
    """
    with translated(engine):
        if isinstance(engine, SqliteEngine):
            return await engine.transaction(work)
        async with engine.begin() as connection:
            return await connection.run_sync(work)


async def read(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work`, which only reads, on one snapshot, beside writers. Raises as `transaction` does."""
    with translated(engine):
        if isinstance(engine, SqliteEngine):
            return await engine.read(work)
        async with _snapshot(engine) as connection:
            return await connection.run_sync(work)


async def stream(
    engine: Engine, statements: Sequence[Select[*tuple[Any, ...]]], *, rows_at_once: int
) -> AsyncGenerator[Sequence[tuple[Any, ...]], None]:
    """Yield the rows of `statements`, all on one snapshot, for answers too large for one `read`.

    It occupies a connection until it is closed, and on SQLite keeps the WAL growing: never hold it over
    anything but reading. Raises as `transaction` does.
    """
    with translated(engine):
        if isinstance(engine, SqliteEngine):
            pieces = engine.stream(lambda connection: _chunks(connection, statements, rows_at_once))
            async with aclosing(pieces):
                async for rows in pieces:
                    yield rows
            return
        async with _snapshot(engine) as connection:
            for statement in statements:
                result = await connection.stream(statement.execution_options(yield_per=rows_at_once))
                async for chunk in result.partitions():
                    yield chunk


def _chunks(
    connection: Connection, statements: Sequence[Select[*tuple[Any, ...]]], rows_at_once: int
) -> Generator[Sequence[tuple[Any, ...]], None, None]:
    for statement in statements:
        yield from connection.execute(statement).partitions(rows_at_once)


@asynccontextmanager
async def _snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a connection for reading only that sees one state of the database throughout, beside writers."""
    async with engine.connect() as plain:
        connection = await plain.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        async with connection.begin():
            yield connection


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
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


def _verdict(engine: Engine, error: BaseException, *, lost: bool) -> Exception | None:
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


def _name(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
