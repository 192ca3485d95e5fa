"""All appends of this process, by one thread, many in one transaction.

An acknowledged append must survive a power cut, and that is an fsync: a few hundred a second on a small
machine. So whatever was asked for while the last fsync ran goes into the next transaction together (group
commit): a thousand waiting callers cost one fsync. Other processes append between our transactions;
offsets are given inside the transaction, under the file's write lock, so they never overtake each other.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shared.bus.embedded.chunks import appended
from shared.bus.embedded.schema import chunk_id, transaction
from shared.bus.port import BusError, BusUnavailable, Fenced, Outgoing
from shared.clock import Clock

GROUP_RECORDS_MAX: Final = 5_000
"""Records of one transaction: more gain nothing and hold the other processes up."""
JOBS_WAITING_MAX: Final = 2_048
"""Appends that wait for the thread; further callers wait outside."""
ACK_WAIT_S_MAX: Final = 30.0
"""Longer than any wait for the write lock; only a disk that hangs reaches it."""


@dataclass(slots=True)
class Fence:
    """The right of one writer to append. `broken` once any block failed: a later one must not appear."""

    name: str
    epoch: int
    turn: int
    broken: bool = False


@dataclass(slots=True)
class Job:
    """One append: all of it in one transaction. `done` gets the append time."""

    records: Mapping[int, Sequence[Outgoing]]
    """By the partition's row id."""
    count: int
    fence: Fence | None
    done: asyncio.Future[int]
    note: tuple[str, int, int] | None = None
    """A group's offset to store: group, partition's row id, offset."""
    failure: BusError | None = field(default=None)
    time_us: int = 0


class Appender:
    """The thread and its queue."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock, announce: Callable[[], None]) -> None:
        self._connection = connection
        self._clock = clock
        self._announce = announce
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(JOBS_WAITING_MAX)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="bus-appender", daemon=True)
        self._closed = False
        self._thread.start()

    async def append(self, records: Mapping[int, Sequence[Outgoing]], fence: Fence | None = None) -> int:
        """Return the append time once `records` are durable. Raises BusUnavailable, Fenced."""
        return await self._acknowledged(self.submit(records, fence))

    async def note(self, group: str, partition_id: int, offset: int) -> None:
        """Store the offset that `group` reached; it shares the transaction of the appends beside it."""
        await self._acknowledged(self.submit({}, None, (group, partition_id, offset)))

    async def submit(
        self,
        records: Mapping[int, Sequence[Outgoing]],
        fence: Fence | None,
        note: tuple[str, int, int] | None = None,
    ) -> asyncio.Future[int]:
        """Return the future of the append; jobs are done in the order of submission."""
        await self._slots.acquire()
        if self._closed:
            raise BusUnavailable("the bus is closed")
        done: asyncio.Future[int] = self._loop.create_future()
        count = sum(map(len, records.values()))
        self._jobs.put(Job(records, count, fence, done, note))
        return done

    async def _acknowledged(self, submitting: Coroutine[Any, Any, asyncio.Future[int]]) -> int:
        try:
            async with asyncio.timeout(ACK_WAIT_S_MAX):
                return await (await submitting)
        except TimeoutError as error:
            text = f"the log did not acknowledge within {ACK_WAIT_S_MAX:g} s"
            raise BusUnavailable(text) from error

    async def close(self) -> None:
        """Let the thread finish what was submitted, and end it."""
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, ACK_WAIT_S_MAX)

    def _run(self) -> None:
        try:
            last = False
            while not last and (first := self._jobs.get()) is not None:
                jobs, last = self._group(first)
                self._commit(jobs)
                self._loop.call_soon_threadsafe(self._settle, jobs)
        finally:
            # Also when a programmer's error ended the thread: nobody may wait for it any more.
            self._closed = True

    def _group(self, first: Job) -> tuple[list[Job], bool]:
        """Return `first` and what else waits, and whether the end was asked for."""
        jobs, count = [first], first.count
        while count < GROUP_RECORDS_MAX:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
            count += job.count
        return jobs, False

    def _commit(self, jobs: Sequence[Job]) -> None:
        try:
            with transaction(self._connection):
                self._write(jobs)
        except BusError as error:
            for job in jobs:
                # One exception object for many waiters would collect all their tracebacks.
                job.failure = job.failure or type(error)(*error.args)
        for job in jobs:
            if job.failure is not None and job.fence is not None:
                job.fence.broken = True

    def _write(self, jobs: Sequence[Job]) -> None:
        gathered: dict[int, list[Outgoing]] = {}
        for job in jobs:
            if job.fence is not None and (failure := self._fenced(job.fence)) is not None:
                job.failure = failure
                continue
            if job.note is not None:
                self._connection.execute("INSERT OR REPLACE INTO group_offsets VALUES (?, ?, ?)", job.note)
            for partition_id, records in job.records.items():
                gathered.setdefault(partition_id, []).extend(records)
        now_us = self._clock.now_us()
        times = {pid: self._extend(pid, records, now_us) for pid, records in gathered.items()}
        for job in jobs:
            job.time_us = max((times.get(pid, 0) for pid in job.records), default=now_us)

    def _fenced(self, fence: Fence) -> BusError | None:
        if fence.broken:
            return BusUnavailable(f"{fence.name}: an earlier block was not appended")
        row = self._connection.execute(
            "SELECT epoch, turn FROM writers WHERE name = ?", (fence.name,)
        ).fetchone()
        if row != (fence.epoch, fence.turn):
            return Fenced(f"{fence.name}: epoch {fence.epoch} is no longer the owner")
        return None

    def _extend(self, partition_id: int, records: Sequence[Outgoing], now_us: int) -> int:
        """Append to one partition inside the transaction; return the append time."""
        head = "SELECT next_offset, time_us FROM partitions WHERE id = ?"
        next_offset, last_us = self._connection.execute(head, (partition_id,)).fetchone()
        # The host's clock may step back; within a partition the append time does not.
        time_us = max(now_us, last_us)
        for chunk in appended(records, next_offset, time_us):
            row = (chunk_id(partition_id, chunk.last_offset), chunk.time_us, chunk.records, chunk.body)
            self._connection.execute("INSERT INTO chunks VALUES (?, ?, ?, ?)", row)
        self._connection.execute(
            "UPDATE partitions SET next_offset = ?, time_us = ? WHERE id = ?",
            (next_offset + len(records), time_us, partition_id),
        )
        return int(time_us)

    def _settle(self, jobs: Sequence[Job]) -> None:
        """On the event loop: tell the callers, then the readers that wait."""
        for job in jobs:
            self._slots.release()
            if job.done.done():
                continue
            if job.failure is None:
                job.done.set_result(job.time_us)
            else:
                job.done.set_exception(job.failure)
        self._announce()
