"""Reading one topic of Kafka at offsets we name.

One consumer for each partition, assigned by hand, without a group. aiokafka sends one fetch at a time to
each broker for all partitions of a consumer, and none while any of them has records not taken: with one
consumer for all, a slow partition, or one that waits at its end, would hold the others up. The price is a
connection and an idle fetch every FETCH_WAIT_MS for each partition that this process reads, which are few.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from shared.bus.kafka.errors import meaning, translated
from shared.bus.kafka.settings import REQUEST_WAIT_MS_MAX, START_WAIT_S_MAX, STOP_WAIT_S_MAX, KafkaSettings
from shared.bus.pages import Page
from shared.bus.port import LogRange, OffsetOutOfRange, Poll, Record

FETCH_WAIT_MS: Final = 250
"""A broker answers at once when there is something. After a seek the old fetch is waited for first."""
FETCH_BYTES_MAX: Final = 1024 * 1024
"""Of one page; a larger record comes alone."""

Hint = Callable[[int, int], None]
"""Takes a partition and the offset reached, for the group's consumer to commit."""


class _Partition:
    """A consumer, where it stands, and what it fetched beyond the last read."""

    def __init__(self, consumer: AIOKafkaConsumer, at: TopicPartition) -> None:
        self.consumer = consumer
        self.at = at
        self.page = Page((), -1)
        self.turn = asyncio.Lock()


class KafkaReader:
    """Reads committed records (read_committed: nothing of an open or aborted transaction)."""

    def __init__(self, settings: KafkaSettings, topic: str, partitions: int, hint: Hint) -> None:
        self._settings = settings
        self._topic = topic
        self._count = partitions
        self._hint = hint
        self._partitions: dict[int, _Partition] = {}
        self._opening = asyncio.Lock()
        self.closed = False

    async def read(self, partition: int, offset: int, *, records_max: int, wait_ms: int) -> Poll:
        """See `Reader.read`.

        `at_end` is taken from the fetch answer if one came during this call, else asked for. Behind the
        last committed record lie control records; until a fetch has stepped over them, `at_end` may be
        false though nothing is to come. It is never true while something committed was there.
        """
        state = await self._opened(partition)
        async with state.turn:
            if state.page.empty() or state.page.next_offset != offset:
                fresh = await self._fetch(state, offset, wait_ms)
            else:
                fresh = False
            records = state.page.take(records_max)
            at_end = state.page.empty() and await self._ends_at(state, fresh=fresh)
            return Poll(records, state.page.next_offset, at_end)

    async def range(self, partition: int) -> LogRange:
        """See `Reader.range`. `end` is the last stable offset: open transactions lie behind it."""
        state = await self._opened(partition)
        with translated(f"asking for the offsets of {self._topic}/{partition}"):
            async with asyncio.timeout(REQUEST_WAIT_MS_MAX / 1_000):
                begin = await state.consumer.beginning_offsets([state.at])
                end = await state.consumer.end_offsets([state.at])
        return LogRange(begin[state.at], end[state.at])

    async def hint(self, partition: int, offset: int) -> None:
        """See `Reader.hint`."""
        self._hint(partition, offset)

    async def close(self) -> None:
        """See `Reader.close`."""
        self.closed = True
        states, self._partitions = self._partitions, {}
        await asyncio.gather(*(stop_consumer(state.consumer) for state in states.values()))

    async def _opened(self, partition: int) -> _Partition:
        async with self._opening:
            if (state := self._partitions.get(partition)) is None:
                state = await self._open(partition)
                self._partitions[partition] = state
            return state

    async def _open(self, partition: int) -> _Partition:
        assert 0 <= partition < self._count, f"{self._topic} has no partition {partition}"
        with translated(f"opening {self._topic}/{partition}"):
            consumer = AIOKafkaConsumer(
                **self._settings.options(),
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                fetch_max_wait_ms=FETCH_WAIT_MS,
                max_partition_fetch_bytes=FETCH_BYTES_MAX,
            )
            try:
                async with asyncio.timeout(START_WAIT_S_MAX):
                    await consumer.start()
            except BaseException:
                await stop_consumer(consumer)
                raise
        return _Partition(consumer, TopicPartition(self._topic, partition))

    async def _fetch(self, state: _Partition, offset: int, wait_ms: int) -> bool:
        """Put the next page in `state`; return whether a broker answered while we waited."""
        doing = f"reading {state.at.topic}/{state.at.partition}"
        consumer, at = state.consumer, state.at
        with translated(doing):
            if not consumer.assignment():
                consumer.assign([at])
                consumer.seek(at, offset)
            elif state.page.next_offset != offset:
                consumer.seek(at, offset)
            # Whatever ends this early (a cancellation too) may leave the consumer further on: seek next time.
            state.page = Page((), -1)
            before = consumer.last_poll_timestamp(at)
            try:
                found = await self._getmany(state, wait_ms)
            except OffsetOutOfRangeError:
                await self._out_of_range(state, offset)
                found = []
            beyond = await consumer.position(at)
            state.page = Page([_record(record) for record in found], beyond)
            return bool(consumer.last_poll_timestamp(at) != before)

    async def _getmany(self, state: _Partition, wait_ms: int) -> list[ConsumerRecord]:
        """Take what was fetched, waiting for it."""
        async with asyncio.timeout((wait_ms + REQUEST_WAIT_MS_MAX) / 1_000):
            found = await state.consumer.getmany(state.at, timeout_ms=wait_ms)
        return list(found.get(state.at, ()))

    async def _ends_at(self, state: _Partition, *, fresh: bool) -> bool:
        """Return whether nothing committed lies behind the page."""
        offset = state.page.next_offset
        stable = state.consumer.last_stable_offset(state.at)
        if stable is not None and offset < stable:
            return False
        if fresh and stable is not None and state.page.next_offset >= stable:
            return True
        with translated(f"asking for the end of {state.at.topic}/{state.at.partition}"):
            async with asyncio.timeout(REQUEST_WAIT_MS_MAX / 1_000):
                end = await state.consumer.end_offsets([state.at])
        return bool(offset >= end[state.at])

    async def _out_of_range(self, state: _Partition, offset: int) -> None:
        """Raise OffsetOutOfRange; a broker that has just taken over may say so of a good offset."""
        begin, end = await self.range(state.at.partition)
        if not begin <= offset <= end:
            raise OffsetOutOfRange(state.at.topic, state.at.partition, offset, begin, end)
        text = f"reading {state.at.topic}/{state.at.partition}"
        raise meaning(OffsetOutOfRangeError({state.at: offset}), text)


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Close `consumer`, giving up after STOP_WAIT_S_MAX."""
    stopping = asyncio.ensure_future(consumer.stop())
    done, _ = await asyncio.wait([stopping], timeout=STOP_WAIT_S_MAX)
    if not done:
        stopping.cancel()
    elif not stopping.cancelled():
        stopping.exception()


def _record(record: ConsumerRecord) -> Record:
    """Return the port's record. Producers of others may leave the key out, or a header's value."""
    headers = record.headers
    for header in headers:
        if header[1] is None:
            headers = tuple((name, value or b"") for name, value in headers)
            break
    time_us = record.timestamp * 1_000
    return Record(
        record.topic, record.partition, record.offset, time_us, record.key or b"", record.value, headers
    )
