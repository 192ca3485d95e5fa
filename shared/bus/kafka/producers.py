"""Opening and closing producers within bounds.

aiokafka retries for ever once a producer is idempotent: start waits for a producer id, stop for the last
batch. With the cluster away both would never return. And after one batch failed for good, the sequence
numbers of its partition have a hole: every later batch is refused. So a producer that failed is thrown
away, in the background, and the next call gets a new one.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import chain
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from shared.bus.kafka.batches import BATCH_BYTES_MAX, Placed
from shared.bus.kafka.errors import DRIVER_ERRORS, translated
from shared.bus.kafka.lanes import Lane
from shared.bus.kafka.settings import ACK_WAIT_S_MAX, START_WAIT_S_MAX, STOP_WAIT_S_MAX, KafkaSettings
from shared.bus.port import RECORD_BYTES_MAX, BusError

_REQUEST_BYTES_MAX: Final = RECORD_BYTES_MAX + 64 * 1024


async def start_producer(settings: KafkaSettings, **options: Any) -> AIOKafkaProducer:
    """Return a started idempotent producer. Raises BusUnavailable, BusMisconfigured."""
    with translated("opening a producer"):
        producer = AIOKafkaProducer(
            **settings.options(),
            **options,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=_REQUEST_BYTES_MAX,
        )
        try:
            async with asyncio.timeout(START_WAIT_S_MAX):
                await producer.start()
        except BaseException:
            await stop_producer(producer)
            raise
    return producer


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Close `producer`; what it cannot send within STOP_WAIT_S_MAX is given up."""
    stopping = asyncio.ensure_future(producer.stop())
    await asyncio.wait([stopping], timeout=STOP_WAIT_S_MAX)
    if not stopping.done():
        stopping.cancel()
        # stop() hangs in its flush with the sender task alive: end that one, then the connections.
        task = producer._sender.sender_task  # noqa: SLF001 - aiokafka has no way to give up
        if task is not None:
            task.cancel()
            await asyncio.wait([task], timeout=STOP_WAIT_S_MAX)
        closing = asyncio.ensure_future(producer.client.close())
        await asyncio.wait([stopping, closing], timeout=STOP_WAIT_S_MAX)
        stopping = closing
    if stopping.done() and not stopping.cancelled():
        with suppress(*DRIVER_ERRORS):
            stopping.result()
    # What nobody waited for is heard here, or asyncio complains about it later: the end of a transaction, and
    # that a batch will never leave (of a fenced producer, the last of each partition).
    accumulator = producer._message_accumulator  # noqa: SLF001
    batches = chain(*accumulator._batches.values(), accumulator._pending_batches)  # noqa: SLF001
    waiters = [batch._drain_waiter for batch in batches]  # noqa: SLF001
    for waiter in (producer._txn_manager._transaction_waiter, *waiters):  # noqa: SLF001
        if waiter is not None and waiter.done() and not waiter.cancelled():
            waiter.exception()


class _Line:
    """A producer and its lanes."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self._lanes: dict[tuple[str, int], Lane] = {}

    def append(self, placed: Placed) -> list[asyncio.Future[None]]:
        futures = []
        for (topic, partition), records in placed.items():
            if (lane := self._lanes.get((topic, partition))) is None:
                lane = self._lanes[topic, partition] = Lane(self.producer, topic, partition)
            futures.append(lane.append(records))
        return futures

    async def close(self) -> None:
        for lane in self._lanes.values():
            lane.close()
        await stop_producer(self.producer)


class KafkaAppender:
    """The shared producer behind `Bus.append`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._line: _Line | None = None
        self._starting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def append(self, placed: Placed) -> None:
        """Return once all is acknowledged by the replicas in sync."""
        line = await self._current()
        try:
            with translated("appending"):
                async with asyncio.timeout(ACK_WAIT_S_MAX):
                    answers = await asyncio.gather(*line.append(placed), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer
        except BusError:
            self._discard(line)
            raise

    async def close(self) -> None:
        """Close the producers."""
        if self._line is not None:
            self._discard(self._line)
        if self._closing:
            await asyncio.wait(self._closing)

    async def _current(self) -> _Line:
        async with self._starting:
            if self._line is None:
                self._line = _Line(await start_producer(self._settings))
            return self._line

    def _discard(self, line: _Line) -> None:
        if self._line is line:
            self._line = None
            task = asyncio.create_task(line.close(), name="bus-producer-stop")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
