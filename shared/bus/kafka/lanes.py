"""Appends of many callers to one partition, in as few batches as the broker's answers allow.

aiokafka's `send` keeps a future and an answer for each record, which is what bounds a bare producer. Its
`send_batch` is cheap, but several callers of one partition starve each other there: all wait for the same
batch to leave, one gets the place, and the others' patience runs out. So each partition has one task, the
lane; callers queue their records and wait for the batches that carry them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from shared.bus.kafka.errors import DRIVER_ERRORS, meaning
from shared.bus.port import BusError, BusUnavailable, Outgoing

WAITING_RECORDS_MAX: Final = 100_000
"""In one lane: a few seconds of a broker's best. Beyond, appends are refused at once."""


@dataclass(slots=True)
class _Entry:
    """One caller's records for this partition."""

    records: Sequence[Outgoing]
    done: asyncio.Future[None]
    packed: int = 0
    """How many of the records are in a batch."""
    batches: int = 0
    """Batches under way that carry some of them."""


class Lane:
    """The way to one partition."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._waiting: deque[_Entry] = deque()
        self._waiting_count = 0
        self._task: asyncio.Task[None] | None = None

    def append(self, records: Sequence[Outgoing]) -> asyncio.Future[None]:
        """Return the future of `records`: done once acknowledged by the replicas in sync."""
        if self._waiting_count >= WAITING_RECORDS_MAX:
            raise BusUnavailable(f"{self._waiting_count} records wait for {self._topic}/{self._partition}")
        entry = _Entry(records, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._waiting_count += len(records)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"bus-lane {self._topic}/{self._partition}")
        return entry.done

    def close(self) -> None:
        """Give up what waits."""
        if self._task is not None:
            self._task.cancel()
        self._fail(self._waiting, BusUnavailable("appending: given up with its producer"))

    async def _run(self) -> None:
        while self._waiting:
            batch, carried = self._fill()
            try:
                # Returns once the batch before it has left, so what comes meanwhile goes into the next.
                future = await self._producer.send_batch(batch, self._topic, partition=self._partition)
            except DRIVER_ERRORS as error:
                self._fail((*carried, *self._waiting), meaning(error, "appending"))
                return
            future.add_done_callback(partial(self._settled, carried))

    def _fill(self) -> tuple[Any, list[_Entry]]:
        """Return a batch of what waits, up to its size, and the entries it carries."""
        batch = self._producer.create_batch()
        carried: list[_Entry] = []
        full = False
        while self._waiting and not full:
            entry = self._waiting[0]
            start = entry.packed
            full = not _pack(batch, entry)
            self._waiting_count -= entry.packed - start
            if entry.packed > start:
                entry.batches += 1
                carried.append(entry)
            if not full:
                self._waiting.popleft()
        batch.close()
        return batch, carried

    def _settled(self, carried: Sequence[_Entry], future: asyncio.Future[Any]) -> None:
        error = BusUnavailable("appending: cancelled") if future.cancelled() else future.exception()
        if error is not None:
            self._fail(carried, meaning(error, "appending"))
            return
        for entry in carried:
            entry.batches -= 1
            if entry.batches == 0 and entry.packed == len(entry.records) and not entry.done.done():
                entry.done.set_result(None)

    def _fail(self, entries: Sequence[_Entry] | deque[_Entry], error: BusError) -> None:
        """Tell the callers; what of theirs still waits is not sent."""
        failed = [entry for entry in entries if not entry.done.done()]
        for entry in failed:
            entry.done.set_exception(type(error)(*error.args))
        self._waiting = deque(entry for entry in self._waiting if not entry.done.done())
        self._waiting_count = sum(len(entry.records) - entry.packed for entry in self._waiting)


def _pack(batch: Any, entry: _Entry) -> bool:
    """Put the entry's records into `batch`; return False when it is full."""
    for record in entry.records[entry.packed :] if entry.packed else entry.records:
        added = batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
        if added is None:
            assert batch.record_count() > 0, "an empty batch refused a record"
            return False
        entry.packed += 1
    return True
