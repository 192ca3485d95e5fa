"""SQLite beside an event loop: whole transactions in threads, not statement by statement.

An asynchronous driver sends each statement to a thread and waits for it, three times for one that has a
result; a commit of a batch has dozens. So a unit of work, from BEGIN to COMMIT, is one call in a thread, by
the ordinary driver. A call that was begun is never left halfway: whoever is cancelled while it runs waits
for its end, so that a connection is always given back.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL

from shared.sql.port import StoreUnavailable

T = TypeVar("T")

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


class SqliteEngine:
    """Connections to one SQLite file, each used by one thread at a time."""

    def __init__(self, url: URL, *, connections_max: int, wait_s: float) -> None:
        """Use the file of `url`; connects later. Work waits up to `wait_s` for a connection."""
        self.url = url
        self._wait_s = wait_s
        self._engine = create_engine(
            url.set(drivername="sqlite"), pool_size=connections_max, max_overflow=0, pool_timeout=wait_s
        )
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        self.dialect = self._engine.dialect
        self._threads = ThreadPoolExecutor(connections_max, thread_name_prefix="sqlite")
        self._free = asyncio.Semaphore(connections_max)
        self._turn = asyncio.Lock()

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction that may write, when it is our turn."""
        async with self._my_turn(), self._connection():
            return await self._run(lambda: self._write(work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on one snapshot, beside a writer."""
        async with self._connection():
            return await self._run(lambda: self._read(work))

    async def stream(self, work: Callable[[Connection], Generator[T, None, None]]) -> AsyncGenerator[T, None]:
        """Yield what `work` yields on one snapshot, each piece worked out in a thread."""
        async with self._connection():
            pieces = self._pieces(work)
            try:
                while (piece := await self._run(lambda: next(pieces, None))) is not None:
                    yield piece
            finally:
                await self._run(pieces.close)

    async def dispose(self) -> None:
        """Close the connections once nobody uses them."""
        await self._run(self._engine.dispose)
        self._threads.shutdown()

    def _write(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self._engine.connect().execution_options(**{_READING: True}) as connection, connection.begin():
            return work(connection)

    def _pieces(self, work: Callable[[Connection], Generator[T, None, None]]) -> Generator[T, None, None]:
        with self._engine.connect().execution_options(**{_READING: True}) as connection, connection.begin():
            yield from work(connection)

    async def _run(self, call: Callable[[], T]) -> T:
        running = asyncio.get_running_loop().run_in_executor(self._threads, call)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            while not running.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([running])
            running.exception()  # nobody else will ask
            raise

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[None]:
        await self._in_time(self._free.acquire(), self._wait_s, "all connections are busy")
        try:
            yield
        finally:
            self._free.release()

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        """Wait for our turn to write, in the order of asking.

        SQLite's own waiting is a sleep of up to 0.1 s between attempts, and whoever asks at the right moment
        wins: with four partitions in one process one of them waited for seconds.
        """
        await self._in_time(self._turn.acquire(), BUSY_TIMEOUT_MS / 1_000, "others are writing")
        try:
            yield
        finally:
            self._turn.release()

    async def _in_time(self, acquiring: Coroutine[Any, Any, object], wait_s: float, otherwise: str) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await acquiring
        except TimeoutError:
            raise StoreUnavailable(f"{self.url}: {otherwise}") from None


def vacuum(path: Path) -> None:
    """Write the file at `path` anew without what was deleted, and nothing of it in the WAL.

    Takes as long as copying it, and the room; nobody else may use it meanwhile. Raises StoreUnavailable.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1_000)) as file:
            file.execute("PRAGMA secure_delete = ON")
            file.execute("VACUUM")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"{path}: {error}; stop whoever uses it first") from error


def _prepare(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: it does so late and never IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    try:
        _switch_to_wal(cursor)
    except sqlite3.Error:
        connection.close()  # the pool forgets a connection that it could not prepare
        raise
    # A power cut may take the last commits of the state, never its consistency. The position goes with
    # them, so they are read again from the log, which itself is kept with FULL.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    # What is erased is overwritten in its page. Pages that become free keep what they held until they are
    # used again (`vacuum`): to overwrite those as well halves what a batch may bring in a second.
    cursor.execute("PRAGMA secure_delete = FAST")
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
            Event().wait(WAL_PAUSE_S)
        else:
            return


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once if another wrote in between; one
    # that begins IMMEDIATE waits its turn. Readers need no turn at all.
    reading = connection.get_execution_options().get(_READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
