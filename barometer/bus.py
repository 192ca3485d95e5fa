"""The bus as commands use it: opened by address, its topics there, appends tried again for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from services.aging.settings import topic_partitions
from shared.bus.connect import connect
from shared.bus.port import Bus, BusUnavailable, Outgoing, Record
from shared.clock import SystemClock, monotonic_seconds
from shared.contracts.topics import Topic

PAGE_RECORDS: Final = 500
READ_WAIT_MS: Final = 1_000

APPEND_TRIES_SECONDS: Final = 60.0
"""A broker's restart or an election is over by then; a longer absence is told to the person."""
_FIRST_WAIT_SECONDS: Final = 0.2
_LONGEST_WAIT_SECONDS: Final = 5.0


@asynccontextmanager
async def opened_bus(address: str, environment: Mapping[str, str]) -> AsyncIterator[Bus]:
    """Give the bus at `address`, its topics created where missing. Raises BusError, SettingsInvalid."""
    topics = topic_partitions(environment, address)
    async with await connect(address, clock=SystemClock(), environment=environment) as bus:
        await bus.ensure_topics(topics)
        yield bus


async def read_all(bus: Bus, topic: Topic, partition: int = 0) -> AsyncIterator[Sequence[Record]]:
    """Yield pages of the records that are in a partition now. Raises BusError."""
    reader = await bus.open_reader(topic)
    try:
        begin, end = await reader.range(partition)
        offset, at_end = begin, begin == end
        while offset < end and not at_end:
            page = await reader.read(partition, offset, records_max=PAGE_RECORDS, wait_ms=READ_WAIT_MS)
            yield page.records
            offset, at_end = page.next_offset, page.at_end
    finally:
        await reader.close()


async def append(bus: Bus, records: Sequence[Outgoing]) -> None:
    """Append `records`, trying again while the bus is away, for a minute. Raises BusError.

    What was written by a try that failed is written again, which does no harm: repeats are one.
    """
    give_up = monotonic_seconds() + APPEND_TRIES_SECONDS
    wait = _FIRST_WAIT_SECONDS
    while True:
        try:
            await bus.append(records)
        except BusUnavailable:
            if monotonic_seconds() + wait > give_up:
                raise
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
        else:
            return
