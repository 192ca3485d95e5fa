"""The fenced writer on Kafka: a transactional producer named after what it writes.

Kafka fences by the order of opening: a new producer of the same `transactional_id` ends the transaction of
the old one, and the old one's next request is refused. It knows nothing of our epochs; the caller raised its
own in SQL first, so an owner that opens late only makes the real one open again. Readers are
read_committed, so a block is visible wholly or not at all.

A block is confirmed once the commit is durable; readers see it when the broker has written that into each
partition, some milliseconds later.

A transaction takes about 20 ms whatever its size, so blocks that wait are published together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaProducer

from shared.bus.kafka.batches import Placed, Placing, send_batches
from shared.bus.kafka.errors import DRIVER_ERRORS, meaning
from shared.bus.kafka.producers import start_producer, stop_producer
from shared.bus.kafka.settings import ACK_WAIT_S_MAX, STOP_WAIT_S_MAX, KafkaSettings
from shared.bus.port import BusError, BusUnavailable, Fenced, Outgoing, check_sizes

TRANSACTION_MS_MAX: Final = 60_000
"""After this the broker aborts what an owner left open when it died and nobody took over. Readers stop at
an open transaction, so it is not longer than the group's own patience."""
TRANSACTION_RECORDS_MAX: Final = 10_000
"""Of blocks published together: a fifth of a second."""


class KafkaWriter:
    """Publishes blocks in order from a background task."""

    def __init__(
        self, name: str, producer: AIOKafkaProducer, placing: Placing, blocks_in_flight_max: int
    ) -> None:
        assert blocks_in_flight_max > 0
        self._name = name
        self._producer = producer
        self._placing = placing
        self._in_flight_max = blocks_in_flight_max
        self._blocks: deque[tuple[int, Sequence[Outgoing]]] = deque()
        self._moved = asyncio.Condition()
        self._failure: BusError | None = None
        self.closed = False
        self._confirmed = -1
        self._bus_time_us: int | None = None
        self._task = asyncio.create_task(self._run(), name=f"bus-writer {name}")

    @classmethod
    async def open(
        cls, settings: KafkaSettings, name: str, placing: Placing, blocks_in_flight_max: int
    ) -> KafkaWriter:
        """Return the writer `name`, fencing those opened before."""
        producer = await start_producer(
            settings, transactional_id=name, transaction_timeout_ms=TRANSACTION_MS_MAX
        )
        return cls(name, producer, placing, blocks_in_flight_max)

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
        await self._until(self._in_flight_max - 1)
        self._blocks.append((number, records))
        async with self._moved:
            self._moved.notify_all()

    async def flush(self) -> None:
        """See `Writer.flush`."""
        await self._until(0)

    async def close(self) -> None:
        """See `Writer.close`. The transaction under way gets STOP_WAIT_S_MAX to end."""
        self.closed = True
        async with self._moved:
            self._moved.notify_all()
        await asyncio.wait([self._task], timeout=STOP_WAIT_S_MAX)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        self._failure = self._failure or BusUnavailable(f"{self._name}: the writer is closed")
        await stop_producer(self._producer)

    async def _until(self, in_flight: int) -> None:
        """Wait until at most `in_flight` blocks are not durable yet."""
        async with self._moved:
            # The task ends within ACK_WAIT_S_MAX, one way or the other, so this wait is bounded.
            await self._moved.wait_for(lambda: self._failure is not None or len(self._blocks) <= in_flight)
        if self._failure is not None:
            raise type(self._failure)(*self._failure.args)

    async def _run(self) -> None:
        while self._failure is None:
            async with self._moved:
                await self._moved.wait_for(lambda: self.closed or self._blocks)
            if self.closed:
                return
            taken, records = self._take()
            try:
                async with asyncio.timeout(ACK_WAIT_S_MAX):
                    time_us = await self._transact(await self._placing(records))
            except (*DRIVER_ERRORS, BusError) as error:
                self._failure = meaning(error, f"publishing as {self._name}")
                await self._abort()
            else:
                self._confirmed = self._blocks[taken - 1][0]
                self._bus_time_us = max(time_us, self._bus_time_us or 0) or None
                for _ in range(taken):
                    self._blocks.popleft()
            async with self._moved:
                self._moved.notify_all()

    def _take(self) -> tuple[int, list[Outgoing]]:
        """Return how many of the waiting blocks go into one transaction, and their records."""
        records: list[Outgoing] = []
        taken = 0
        for _, block in self._blocks:
            if taken and len(records) + len(block) > TRANSACTION_RECORDS_MAX:
                break
            records.extend(block)
            taken += 1
        return taken, records

    async def _transact(self, placed: Placed) -> int:
        """Publish in one transaction; return the append time."""
        await self._producer.begin_transaction()
        time_us = await send_batches(self._producer, placed)
        await self._producer.commit_transaction()
        return time_us

    async def _abort(self) -> None:
        """Let readers go on past what we left; a fenced producer's transaction is ended by its successor."""
        if isinstance(self._failure, Fenced):
            return
        # AssertionError: aiokafka's own states do not allow it (nothing was begun, or the sender died).
        with suppress(*DRIVER_ERRORS, AssertionError):
            async with asyncio.timeout(STOP_WAIT_S_MAX):
                await self._producer.abort_transaction()
