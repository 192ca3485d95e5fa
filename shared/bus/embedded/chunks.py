"""A chunk: consecutive records of one partition in one row, encoded by MessagePack.

Offsets and times are stored as distances from the chunk's last ones. So a chunk can be encoded before its
offsets are known, and one that compaction has thinned has the same form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from shared.bus.embedded.schema import OFFSET_MAX
from shared.bus.port import Headers, Outgoing, Record

CHUNK_RECORDS_MAX: Final = 1_000
"""A chunk is decoded whole: 1,000 take about a millisecond."""
CHUNK_BYTES_MAX: Final = 512 * 1024
"""Of keys and values; one larger record is a chunk of its own."""

_Stored = tuple[int, int, bytes, bytes | None, Headers]
"""Offsets back from the chunk's last, microseconds back from its time, key, value, headers."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[_Stored]).decode


class Chunk(NamedTuple):
    """One row to write."""

    last_offset: int
    time_us: int
    records: int
    body: bytes


def appended(records: Sequence[Outgoing], first_offset: int, time_us: int) -> Iterator[Chunk]:
    """Yield the chunks of new `records`, all appended at `time_us`."""
    for start, end in _slices([len(record.key) + len(record.value or b"") for record in records]):
        stored = [
            (end - 1 - at, 0, record.key, record.value, record.headers)
            for at, record in enumerate(records[start:end], start)
        ]
        yield Chunk(first_offset + end - 1, time_us, end - start, _encode(stored))


def rewritten(records: Sequence[Record]) -> Iterator[Chunk]:
    """Yield the chunks of `records` that are in the log already and keep their offsets and times."""
    for start, end in _slices([len(record.key) + len(record.value or b"") for record in records]):
        last = records[end - 1]
        stored = [
            (
                last.offset - record.offset,
                last.time_us - record.time_us,
                record.key,
                record.value,
                record.headers,
            )
            for record in records[start:end]
        ]
        yield Chunk(last.offset, last.time_us, end - start, _encode(stored))


def unpacked(topic: str, partition: int, row: tuple[int, int, bytes]) -> list[Record]:
    """Return the records of a row (id, time, body), by offset."""
    last, time_us, body = row[0] & OFFSET_MAX, row[1], row[2]
    return [
        Record(topic, partition, last - back, time_us - back_us, key, value, headers)
        for back, back_us, key, value, headers in _decode(body)
    ]


def _slices(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = weight = 0
    for at, size in enumerate(sizes):
        if at > start and (weight + size > CHUNK_BYTES_MAX or at - start >= CHUNK_RECORDS_MAX):
            yield start, at
            start, weight = at, 0
        weight += size
    if sizes:
        yield start, len(sizes)
