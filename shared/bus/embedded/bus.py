"""The embedded log as a `Bus`: opens the file, its threads, and what reads and writes through them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from shared.bus.embedded.appender import GROUP_RECORDS_MAX, Appender, Fence
from shared.bus.embedded.files import Arrivals, Files, load_topic
from shared.bus.embedded.groups import Group, GroupOffsets, ServeLock
from shared.bus.embedded.reader import EmbeddedReader
from shared.bus.embedded.schema import create_schema, open_database, transaction
from shared.bus.embedded.upkeep import Limits, Upkeep
from shared.bus.embedded.writer import EmbeddedWriter, raise_epoch
from shared.bus.port import BusMisconfigured, LogIdentity, Membership, Outgoing, Reader, Writer, check_sizes
from shared.clock import Clock
from shared.contracts.topics import TOPICS, Topic, partition_of


class EmbeddedBus:
    """A connection to the log in one directory. Several processes may have one each."""

    def __init__(self, directory: Path, connection: sqlite3.Connection, clock: Clock, limits: Limits) -> None:
        """Use `open`, which does not hold the event loop."""
        self._directory = directory
        self._connection = connection
        self._cluster = create_schema(connection)
        self._files = Files(directory)
        self._arrivals = Arrivals(directory)
        self._appender = Appender(connection, clock, self._arrivals.announce)
        self._upkeep = Upkeep(directory, clock, limits)
        self._lock = ServeLock(directory)
        self._groups: dict[tuple[str, str], Group] = {}
        self._closed = False

    @classmethod
    async def open(cls, directory: Path, clock: Clock, *, limits: Limits | None = None) -> Self:
        """Return the bus in `directory`, created if missing. Raises BusMisconfigured, BusUnavailable."""
        try:
            await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            text = f"{directory} cannot be used: {error.strerror}"
            raise BusMisconfigured(text) from error
        connection = await asyncio.to_thread(open_database, directory)
        return cls(directory, connection, clock, limits or Limits())

    async def ensure_topics(self, partitions: Mapping[str, int], *, known: Sequence[Topic] = TOPICS) -> None:
        """See `Bus.ensure_topics`."""
        topics = {topic.name: topic for topic in known}
        wanted = [(topics[name], count) for name, count in partitions.items()]
        await asyncio.to_thread(_create_topics, self._directory, wanted)

    async def retain(self, days: Mapping[str, int]) -> Mapping[str, int | None]:
        """See `Bus.retain`. The next round of upkeep goes by it."""
        return await asyncio.to_thread(_retain, self._directory, days)

    async def identity(self, topic: Topic) -> LogIdentity:
        """See `Bus.identity`."""
        row = await self._files.topic(topic.name)
        return LogIdentity(self._cluster, topic.name, row.topic_id, len(row.partition_ids))

    async def append(self, records: Sequence[Outgoing]) -> None:
        """See `Bus.append`."""
        check_sizes(records)
        for start in range(0, len(records), GROUP_RECORDS_MAX):
            await self._appender.append(await self._placed(records[start : start + GROUP_RECORDS_MAX]))

    async def open_reader(self, topic: Topic) -> Reader:
        """See `Bus.open_reader`."""
        return EmbeddedReader(self._files, self._arrivals, await self._files.topic(topic.name))

    async def open_writer(self, name: str, epoch: int, *, blocks_in_flight_max: int) -> Writer:
        """See `Bus.open_writer`. Here a lower epoch than one opened before raises Fenced at once."""
        fence = await asyncio.to_thread(_raise_epoch, self._directory, name, epoch)
        return EmbeddedWriter(self._appender, fence, self._placed, blocks_in_flight_max)

    def claim(self) -> None:
        """Take the right to have members here, before the first of them joins. Raises BusMisconfigured."""
        self._lock.take()

    async def join(self, topic: Topic, group: str, *, member: str, revoke_budget_ms: int) -> Membership:
        """See `Bus.join`. The members are those of this process; BusMisconfigured for a second process."""
        row = await self._files.topic(topic.name)
        self.claim()
        key = (group, topic.name)
        if key not in self._groups or self._groups[key].empty():
            self._groups[key] = Group(
                group,
                len(row.partition_ids),
                revoke_budget_ms,
                GroupOffsets(self._files, self._appender, group, row),
            )
        return self._groups[key].join(member)

    async def close(self) -> None:
        """See `Bus.close`."""
        if self._closed:
            return
        self._closed = True
        await self._upkeep.close()
        await self._appender.close()
        await self._arrivals.close()
        await self._files.close()
        self._connection.close()
        self._lock.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _placed(self, records: Sequence[Outgoing]) -> Mapping[int, Sequence[Outgoing]]:
        """Sort `records` by the row id of their partition, keeping their order."""
        placed: dict[int, list[Outgoing]] = {}
        for record in records:
            ids = (await self._files.topic(record.topic)).partition_ids
            number = partition_of(record.key, len(ids)) if record.partition is None else record.partition
            assert 0 <= number < len(ids), f"{record.topic} has no partition {number}"
            placed.setdefault(ids[number], []).append(record)
        return placed


def _raise_epoch(directory: Path, name: str, epoch: int) -> Fence:
    connection = open_database(directory)
    try:
        return raise_epoch(connection, name, epoch)
    finally:
        connection.close()


def _retain(directory: Path, days: Mapping[str, int]) -> dict[str, int | None]:
    former: dict[str, int | None] = {}
    connection = open_database(directory)
    try:
        with transaction(connection):
            for name, kept in days.items():
                if (topic := load_topic(connection, name)) is None:
                    raise BusMisconfigured(f"topic {name} does not exist")
                if topic.retention_days != kept:
                    former[name] = topic.retention_days
                    connection.execute("UPDATE topics SET retention_days = ? WHERE id = ?", (kept, topic.id))
    finally:
        connection.close()
    return former


def _create_topics(directory: Path, wanted: Iterable[tuple[Topic, int]]) -> None:
    connection = open_database(directory)
    try:
        with transaction(connection):
            for topic, partitions in wanted:
                _create_topic(connection, topic, partitions)
    finally:
        connection.close()


def _create_topic(connection: sqlite3.Connection, topic: Topic, partitions: int) -> None:
    assert partitions > 0, f"{topic.name}: a topic has at least one partition"
    if (found := load_topic(connection, topic.name)) is not None:
        if found.cleanup != topic.cleanup.value:
            text = f"topic {topic.name} exists with cleanup {found.cleanup}, not {topic.cleanup.value}"
            raise BusMisconfigured(text)
        return
    row = connection.execute(
        "INSERT INTO topics (name, topic_id, partitions, cleanup, retention_days) VALUES (?, ?, ?, ?, ?)",
        (topic.name, uuid4().hex, partitions, topic.cleanup.value, topic.retention_days),
    )
    for number in range(partitions):
        connection.execute("INSERT INTO partitions (topic, number) VALUES (?, ?)", (row.lastrowid, number))
