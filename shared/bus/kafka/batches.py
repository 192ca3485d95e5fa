"""Many records into few produce requests.

`send` takes a future and a round of bookkeeping for each record and reaches 50,000 records a second;
batches built by us and handed over whole reach 146,000 (design 7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from shared.bus.port import Outgoing

BATCH_BYTES_MAX: Final = 512 * 1024
"""Of one produce batch, below the broker's default limit of 1 MiB; a larger record travels alone."""

Placed = Mapping[tuple[str, int], Sequence[Outgoing]]
"""Records by topic and partition."""


async def send_batches(producer: AIOKafkaProducer, placed: Placed) -> int:
    """Return the newest append time in microseconds, once the leader acknowledged all. Raises KafkaError.

    Batches of one partition follow each other in order; partitions travel side by side.
    """
    sent: list[asyncio.Future[Any]] = []
    try:
        for (topic, partition), records in placed.items():
            batches = _filled(producer, records)
            sent.extend([await producer.send_batch(batch, topic, partition=partition) for batch in batches])
    finally:
        # Every future is looked at, or asyncio complains about an error that nobody heard.
        answers: list[Any] = await asyncio.gather(*sent, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return max((answer.timestamp * 1_000 for answer in answers), default=0)


def _filled(producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> Sequence[object]:
    batches = [producer.create_batch()]
    for record in records:
        arguments = {
            "key": record.key,
            "value": record.value,
            "timestamp": None,
            "headers": list(record.headers),
        }
        if batches[-1].append(**arguments) is None:
            batches[-1].close()
            batches.append(producer.create_batch())
            # The first record of a batch is taken whatever its size.
            added = batches[-1].append(**arguments)
            assert added is not None, "an empty batch refused a record"
    for batch in batches:
        batch.close()
    return batches


Placing = Callable[[Sequence[Outgoing]], Awaitable[Placed]]
"""Sorts records by topic and partition, keeping their order."""
