"""Reading one topic of the embedded log, partition by partition."""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from shared.bus.embedded.chunks import unpacked
from shared.bus.embedded.files import Arrivals, Files, TopicRow
from shared.bus.embedded.schema import OFFSET_MAX, chunk_id
from shared.bus.pages import Page
from shared.bus.port import LogRange, OffsetOutOfRange, Poll, Record
from shared.clock import monotonic_seconds

PAGE_CHUNKS_MAX: Final = 64
"""Rows of one page: after low traffic a chunk is one record, after an import a thousand."""

_PAGE: Final = "SELECT id, time_us, body FROM chunks WHERE id >= ? AND id <= ? ORDER BY id LIMIT ?"
_HEAD: Final = "SELECT begin_offset, next_offset FROM partitions WHERE id = ?"


class _Loaded(NamedTuple):
    page: Page
    end: int


class EmbeddedReader:
    """Reads what is committed; every read names its offset, so several readers never disturb each other."""

    def __init__(self, files: Files, arrivals: Arrivals, topic: TopicRow) -> None:
        self._files = files
        self._arrivals = arrivals
        self._topic = topic
        self._pages: dict[int, Page] = {}

    async def read(self, partition: int, offset: int, *, records_max: int, wait_ms: int) -> Poll:
        """See `Reader.read`."""
        deadline = monotonic_seconds() + wait_ms / 1_000
        while True:
            seen = self._arrivals.seen
            poll = await self._poll(partition, offset, records_max)
            left_s = deadline - monotonic_seconds()
            if poll.records or left_s <= 0:
                return poll
            # Offsets only grow: what was empty up to here need not be looked at again.
            offset = poll.next_offset
            await self._arrivals.wait(seen, left_s)

    async def range(self, partition: int) -> LogRange:
        """See `Reader.range`."""
        partition_id = self._topic.partition_ids[partition]
        return await self._files.read(lambda connection: _head(connection, partition_id))

    async def hint(self, partition: int, offset: int) -> None:
        """Do nothing: no lag tool looks into this file."""

    async def close(self) -> None:
        """Forget the pages."""
        self._pages.clear()

    async def _poll(self, partition: int, offset: int, records_max: int) -> Poll:
        page, end = self._pages.get(partition), None
        if page is None or page.empty() or page.next_offset != offset:
            page, end = await self._load(partition, offset, records_max)
            self._pages[partition] = page
        records = page.take(records_max)
        if not page.empty():
            return Poll(records, page.next_offset, at_end=False)
        if end is None:
            # The page is from an earlier read; what lies behind it may have come since.
            end = (await self.range(partition)).end
        return Poll(records, page.next_offset, at_end=page.next_offset >= end)

    async def _load(self, partition: int, offset: int, records_max: int) -> _Loaded:
        topic = self._topic
        return await self._files.read(
            lambda connection: _load(connection, topic, partition, offset, records_max)
        )


def _head(connection: sqlite3.Connection, partition_id: int) -> LogRange:
    return LogRange(*connection.execute(_HEAD, (partition_id,)).fetchone())


def _load(
    connection: sqlite3.Connection, topic: TopicRow, partition: int, offset: int, records_max: int
) -> _Loaded:
    """Return the records from `offset` on, at least up to `records_max` or to the end."""
    partition_id = topic.partition_ids[partition]
    begin, end = _head(connection, partition_id)
    if not begin <= offset <= end:
        raise OffsetOutOfRange(topic.name, partition, offset, begin, end)
    records: list[Record] = []
    bounds = chunk_id(partition_id, offset), chunk_id(partition_id, OFFSET_MAX), PAGE_CHUNKS_MAX
    rows = connection.execute(_PAGE, bounds) if offset < end else ()
    for number, row in enumerate(rows, 1):
        records.extend(record for record in unpacked(topic.name, partition, row) if record.offset >= offset)
        if len(records) >= records_max or number == PAGE_CHUNKS_MAX:
            return _Loaded(Page(records, records[-1].offset + 1), end)
    # Everything there is was read; compaction may have left a gap before the end.
    return _Loaded(Page(records, end), end)
