"""The open file of one process: who may read it, what topics it has, and when something arrived."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from shared.bus.embedded.schema import open_database, snapshot, translated
from shared.bus.port import BusMisconfigured

Result = TypeVar("Result")

READERS: Final = 2
"""Reading threads, each with its connection. Reads are short; a third would wait for the interpreter."""
OTHERS_POLL_S: Final = 0.05
"""How often a waiting reader asks whether another process appended."""


class TopicRow(NamedTuple):
    """A topic as stored, with the row ids of its partitions."""

    id: int
    name: str
    topic_id: str
    cleanup: str
    retention_days: int | None
    partition_ids: tuple[int, ...]


class Files:
    """Reading connections and their threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._threads = ThreadPoolExecutor(READERS, "bus-reader")
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._opened: list[sqlite3.Connection] = []
        self._topics: dict[str, TopicRow] = {}

    async def read(self, question: Callable[[sqlite3.Connection], Result]) -> Result:
        """Return `question`'s answer from one snapshot of the file, asked in a reading thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)

    async def topic(self, name: str) -> TopicRow:
        """Return the topic. Raises BusMisconfigured if it does not exist."""
        if (row := self._topics.get(name)) is None:
            row = await self.read(lambda connection: load_topic(connection, name))
            if row is None:
                text = f"topic {name} does not exist in {self.directory}: start `barometer serve` once"
                raise BusMisconfigured(text)
            self._topics[name] = row
        return row

    async def close(self) -> None:
        """Wait for the reads under way and close the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._opened:
            connection.close()

    def _ask(self, question: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = open_database(self.directory)
            self._opened.append(connection)
        try:
            with snapshot(connection):
                return question(connection)
        finally:
            self._idle.put(connection)


def load_topic(connection: sqlite3.Connection, name: str) -> TopicRow | None:
    """Return the topic `name` as stored."""
    columns = "SELECT id, name, topic_id, cleanup, retention_days FROM topics WHERE name = ?"
    if (row := connection.execute(columns, (name,)).fetchone()) is None:
        return None
    ids = connection.execute(
        "SELECT id FROM partitions WHERE topic = ? ORDER BY number", (row[0],)
    ).fetchall()
    number, name, topic_id, cleanup, days = row
    return TopicRow(number, name, topic_id, cleanup, days, tuple(partition_id for (partition_id,) in ids))


class Arrivals:
    """Wakes the readers that wait: at once for our own appends, within OTHERS_POLL_S for other processes'."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._thread = ThreadPoolExecutor(1, "bus-arrivals")
        self._connection: sqlite3.Connection | None = None
        self._event = asyncio.Event()
        self._waiting = 0
        self._asked = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._version = 0
        self.seen = 0

    def announce(self) -> None:
        """Say that something was appended."""
        self.seen += 1
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seen: int, wait_s: float) -> None:
        """Return when something arrived since `seen`, or after `wait_s`."""
        if seen != self.seen:
            return
        self._waiting += 1
        self._asked.set()
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look_around(), name="bus-arrivals")
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._event.wait()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._asked.clear()

    async def close(self) -> None:
        """Stop looking."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        await asyncio.to_thread(self._thread.shutdown)
        if self._connection is not None:
            self._connection.close()

    async def _look_around(self) -> None:
        """Ask SQLite's change counter while somebody waits; it moves with each commit of anybody."""
        loop = asyncio.get_running_loop()
        while True:
            version = await loop.run_in_executor(self._thread, self._data_version)
            if version != self._version:
                self._version = version
                self.announce()
            await asyncio.sleep(OTHERS_POLL_S)
            await self._asked.wait()

    def _data_version(self) -> int:
        if self._connection is None:
            self._connection = open_database(self._directory)
        with translated("PRAGMA data_version"):
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)
