"""Retention and compaction of the embedded log, in the background and in slices.

Old chunks of `delete` topics go by the age of their newest record. `compact` topics are read from the end
to the beginning, and a record goes if its key was seen already. The set of keys seen is bounded: with more
keys than that, each class of keys gets a pass of its own. A pass runs only when half of the topic may be
superseded, so each record costs a constant in the long run. Every slice is one short transaction;
readers see gaps, never another order.
"""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from zlib import crc32

from shared.bus.embedded.chunks import rewritten, unpacked
from shared.bus.embedded.schema import OFFSET_MAX, chunk_id, open_database, snapshot, transaction, translated
from shared.bus.port import BusUnavailable, Record
from shared.clock import Clock
from shared.contracts.topics import Cleanup

LOCK_NAME: Final = "upkeep.lock"
SLICE_CHUNKS_MAX: Final = 100
SLICE_RECORDS_MAX: Final = 2_000
SLICE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of one transaction: a few milliseconds of the write lock."""
SLICE_PAUSE_S: Final = 0.02
"""Between slices, for the appends that wait."""
ROUND_PAUSE_S: Final = 30.0
KEYS_SEEN_MAX: Final = 100_000
"""About 15 MB while a pass runs."""
DIRTY_RECORDS_MIN: Final = 5_000
"""Below this a compaction is not worth its writes."""
DAY_US: Final = 86_400 * 1_000_000
TOMBSTONE_US: Final = DAY_US
"""How long a deletion stays readable for those who were away."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What tests make small."""

    round_pause_s: float = ROUND_PAUSE_S
    dirty_records_min: int = DIRTY_RECORDS_MIN
    keys_seen_max: int = KEYS_SEEN_MAX
    tombstone_us: int = TOMBSTONE_US


@dataclass(frozen=True, slots=True)
class _Partition:
    id: int
    cleanup: str
    retention_days: int | None
    begin: int
    end: int
    compacted_to: int
    compacted_us: int
    kept: int

    @property
    def bounds(self) -> tuple[int, int]:
        """Return the lowest and highest row id a chunk of this partition can have."""
        return chunk_id(self.id, 0), chunk_id(self.id, OFFSET_MAX)


_PARTITIONS: Final = """
    SELECT p.id, t.cleanup, t.retention_days, p.begin_offset, p.next_offset, p.compacted_to, p.compacted_us, p.kept
    FROM partitions p JOIN topics t ON t.id = p.topic ORDER BY p.id"""


class Upkeep:
    """The background task. Only one process at a time does the work: the one that holds the lock."""

    def __init__(self, directory: Path, clock: Clock, limits: Limits) -> None:
        self._directory = directory
        self._clock = clock
        self._limits = limits
        self._thread = ThreadPoolExecutor(1, "bus-upkeep")
        self._connection: sqlite3.Connection | None = None
        self._lock: IO[bytes] | None = None
        self._task = asyncio.create_task(self._run(), name="bus-upkeep")

    async def close(self) -> None:
        """Stop after the slice under way."""
        self._task.cancel()
        await asyncio.wait([self._task])
        await asyncio.to_thread(self._thread.shutdown)
        if self._connection is not None:
            self._connection.close()
        if self._lock is not None:
            self._lock.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        steps: Iterator[None] = iter(())
        while True:
            try:
                busy = await loop.run_in_executor(self._thread, lambda: next(steps, self) is None)  # noqa: B023
            except BusUnavailable:
                # The lock was not to be had; the next round finds the same work.
                busy = False
            if busy:
                await asyncio.sleep(SLICE_PAUSE_S)
            else:
                await asyncio.sleep(self._limits.round_pause_s)
                steps = self._round()

    def _round(self) -> Iterator[None]:
        """Do what is due, yielding after each slice. Runs in the thread."""
        if self._connection is None:
            self._connection = open_database(self._directory)
        if not self._locked():
            return
        with translated("upkeep"):
            partitions = [_Partition(*row) for row in self._connection.execute(_PARTITIONS).fetchall()]
        now_us = self._clock.now_us()
        for partition in partitions:
            if partition.cleanup == Cleanup.COMPACT.value:
                if self._worth_it(partition, now_us):
                    yield from _compact(self._connection, partition, now_us, self._limits)
            elif partition.retention_days is not None:
                yield from _expire(self._connection, partition, now_us - partition.retention_days * DAY_US)

    def _locked(self) -> bool:
        if self._lock is None:
            file = (self._directory / LOCK_NAME).open("ab")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
            self._lock = file
        return True

    def _worth_it(self, partition: _Partition, now_us: int) -> bool:
        dirty = partition.end - partition.compacted_to
        daily = partition.compacted_us + DAY_US <= now_us and partition.end > 0
        return dirty >= max(self._limits.dirty_records_min, partition.kept) or daily


def _expire(connection: sqlite3.Connection, partition: _Partition, before_us: int) -> Iterator[None]:
    """Delete the chunks whose newest record is older than `before_us`."""
    low, high = partition.bounds
    question = "SELECT id, time_us, length(body) FROM chunks WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?"
    while True:
        with transaction(connection):
            last, weight = None, 0
            for row_id, time_us, size in connection.execute(
                question, (low, high, SLICE_CHUNKS_MAX)
            ).fetchall():
                weight += size
                if time_us >= before_us or (last is not None and weight > SLICE_BYTES_MAX):
                    break
                last = row_id
            if last is None:
                return
            connection.execute("DELETE FROM chunks WHERE id >= ? AND id <= ?", (low, last))
            begin = (last & OFFSET_MAX) + 1
            connection.execute("UPDATE partitions SET begin_offset = ? WHERE id = ?", (begin, partition.id))
        yield


def _compact(
    connection: sqlite3.Connection, partition: _Partition, now_us: int, limits: Limits
) -> Iterator[None]:
    """Keep the newest record of each key, and tombstones that are young."""

    def outdated(record: Record) -> bool:
        # An older record under the key may still stand until the pass that first met the tombstone has
        # gone through: deleting both in one pass, newest first, could bring the older back at a crash.
        old = record.time_us + limits.tombstone_us <= now_us
        return record.value is None and old and record.offset < partition.compacted_to

    classes = (partition.kept + partition.end - partition.compacted_to) // limits.keys_seen_max + 1
    kept = 0
    for number in range(classes):
        seen: set[bytes] = set()
        kept = 0

        def survives(record: Record, number: int = number, seen: set[bytes] = seen) -> bool:
            if crc32(record.key) % classes != number:
                return True
            newest = record.key not in seen
            seen.add(record.key)
            return newest and not outdated(record)

        for count in _backwards(connection, partition, survives):
            kept += count
            yield
    with transaction(connection):
        connection.execute(
            "UPDATE partitions SET compacted_to = ?, compacted_us = ?, kept = ? WHERE id = ?",
            (partition.end, now_us, kept, partition.id),
        )
    yield


def _backwards(
    connection: sqlite3.Connection, partition: _Partition, survives: Callable[[Record], bool]
) -> Iterator[int]:
    """Rewrite the partition slice by slice, newest first; yield how many records each slice kept."""
    low = chunk_id(partition.id, 0)
    # Up to the last record that was there when the pass began; none has the offset -1.
    high = chunk_id(partition.id, partition.end) - 1
    question = (
        "SELECT id, time_us, records, body FROM chunks WHERE id >= ? AND id <= ? ORDER BY id DESC LIMIT ?"
    )
    while high >= low:
        rows: list[tuple[int, int, bytes]] = []
        count = weight = 0
        with snapshot(connection):
            for row_id, time_us, records, body in connection.execute(question, (low, high, SLICE_CHUNKS_MAX)):
                rows.append((row_id, time_us, body))
                count += records
                weight += len(body)
                if count >= SLICE_RECORDS_MAX or weight >= SLICE_BYTES_MAX:
                    break
        if not rows:
            return
        # Newest first, also within a chunk.
        found = [record for row in rows for record in reversed(unpacked("", 0, row))]
        kept = [record for record in found if survives(record)]
        kept.reverse()
        if len(kept) < len(found) or len(rows) > len(kept) // SLICE_CHUNKS_MAX + 1:
            _replace(connection, partition.id, rows, kept)
        # Below the oldest record of the slice, not below its oldest row: a rewritten chunk ends earlier than
        # the rows it came from, and met twice in one pass its records would seem superseded by themselves.
        high = chunk_id(partition.id, found[-1].offset) - 1
        yield len(kept)


def _replace(
    connection: sqlite3.Connection,
    partition_id: int,
    rows: Sequence[tuple[int, int, bytes]],
    kept: Sequence[Record],
) -> None:
    with transaction(connection):
        connection.execute("DELETE FROM chunks WHERE id >= ? AND id <= ?", (rows[-1][0], rows[0][0]))
        for chunk in rewritten(kept):
            row = (chunk_id(partition_id, chunk.last_offset), chunk.time_us, chunk.records, chunk.body)
            connection.execute("INSERT INTO chunks VALUES (?, ?, ?, ?)", row)
