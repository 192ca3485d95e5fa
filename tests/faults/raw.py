"""What lies on Kafka and in the databases, read with the drivers alone: no codec, no port, no API of ours."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

_WAIT_MS: Final = 200
_CALL_S: Final = 20.0


@dataclass
class Tail:
    """The committed records of topics of a cluster, from the beginning on; each look reads what is new."""

    bootstrap: str
    topics: Mapping[str, int]
    """With the number of partitions of each."""
    found: dict[str, list[ConsumerRecord]] = field(default_factory=dict)
    _offsets: dict[TopicPartition, int] = field(default_factory=dict)

    def look(self) -> dict[str, list[ConsumerRecord]]:
        """Return all records by topic, up to the end of each partition."""
        asyncio.run(asyncio.wait_for(self._look(), _CALL_S))
        return self.found

    async def _look(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False, isolation_level="read_committed",
            auto_offset_reset="none", request_timeout_ms=5_000,
        )  # fmt: skip
        await consumer.start()
        try:
            places = [
                TopicPartition(topic, number)
                for topic, partitions in self.topics.items()
                for number in range(partitions)
            ]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            for place in places:
                consumer.seek(place, self._offsets.get(place, 0))
            while behind := [place for place in places if await consumer.position(place) < ends[place]]:
                records = await consumer.getmany(*behind, timeout_ms=_WAIT_MS)
                for place, some in records.items():
                    self.found.setdefault(place.topic, []).extend(some)
            for place in places:
                self._offsets[place] = await consumer.position(place)
        finally:
            await consumer.stop()


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of `statement` in the database at `url`, an SQLAlchemy URL."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(f"file:{url.split('///', 1)[1]}?mode=ro", uri=True, timeout=20)
        try:
            return [tuple(row) for row in connection.execute(statement)]
        finally:
            connection.close()
    return asyncio.run(asyncio.wait_for(_postgres_rows(url, statement), _CALL_S))


async def _postgres_rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=_CALL_S)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()
