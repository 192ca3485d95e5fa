"""The fenced writer of the embedded log: the owner's epoch is checked in the transaction that appends."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from shared.bus.embedded.appender import ACK_WAIT_S_MAX, Appender, Fence
from shared.bus.embedded.schema import transaction
from shared.bus.port import BusError, BusUnavailable, Fenced, Outgoing, check_sizes

Placing = Callable[[Sequence[Outgoing]], Awaitable[Mapping[int, Sequence[Outgoing]]]]
"""Sorts records by the row id of their partition."""


def raise_epoch(connection: sqlite3.Connection, name: str, epoch: int) -> Fence:
    """Make `epoch` the only one that may write as `name`; the same epoch opened again fences the first.

    Raises Fenced if a higher epoch was opened before.
    """
    with transaction(connection):
        row = connection.execute("SELECT epoch, turn FROM writers WHERE name = ?", (name,)).fetchone()
        known, turn = row or (epoch, 0)
        if known > epoch:
            text = f"{name}: epoch {epoch} is not the owner, {known} is"
            raise Fenced(text)
        connection.execute("INSERT OR REPLACE INTO writers VALUES (?, ?, ?)", (name, epoch, turn + 1))
    return Fence(name, epoch, turn + 1)


class EmbeddedWriter:
    """Publishes blocks in order; each is one transaction of the appender's."""

    def __init__(self, appender: Appender, fence: Fence, placing: Placing, blocks_in_flight_max: int) -> None:
        assert blocks_in_flight_max > 0
        self._appender = appender
        self._fence = fence
        self._placing = placing
        self._in_flight_max = blocks_in_flight_max
        self._in_flight = 0
        self._moved = asyncio.Event()
        self._failure: BusError | None = None
        self._confirmed = -1
        self._bus_time_us: int | None = None

    @property
    def confirmed(self) -> int:
        """See `Writer.confirmed`."""
        return self._confirmed

    @property
    def bus_time_us(self) -> int | None:
        """See `Writer.bus_time_us`."""
        return self._bus_time_us

    async def publish(self, number: int, records: Sequence[Outgoing]) -> None:
        """See `Writer.publish`."""
        check_sizes(records)
        placed = await self._placing(records)
        await self._until(self._in_flight_max - 1)
        self._in_flight += 1
        done = await self._appender.submit(placed, self._fence)
        done.add_done_callback(partial(self._settled, number))

    async def flush(self) -> None:
        """See `Writer.flush`."""
        await self._until(0)

    async def close(self) -> None:
        """See `Writer.close`."""
        # What waits in the queue is given up at once; what the thread works on may still appear.
        self._fence.broken = True
        self._failure = self._failure or BusUnavailable(f"{self._fence.name}: the writer is closed")
        self._moved.set()

    async def _until(self, in_flight: int) -> None:
        """Wait until at most `in_flight` blocks are not durable yet."""
        try:
            async with asyncio.timeout(ACK_WAIT_S_MAX):
                while self._failure is None and self._in_flight > in_flight:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError as error:
            self._fence.broken = True
            self._failure = BusUnavailable(f"{self._fence.name}: no block was acknowledged in time")
            raise self._failure from error
        if self._failure is not None:
            raise type(self._failure)(*self._failure.args)

    def _settled(self, number: int, done: asyncio.Future[int]) -> None:
        self._in_flight -= 1
        self._moved.set()
        failure = None if done.cancelled() else done.exception()
        if isinstance(failure, BusError):
            self._failure = self._failure or failure
        elif not done.cancelled():
            self._confirmed, self._bus_time_us = number, done.result()
