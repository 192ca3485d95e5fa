"""What the bus carries, as plain data: the codec makes and reads it, the adapters move it."""

from __future__ import annotations

from typing import NamedTuple

Headers = tuple[tuple[str, bytes], ...]


class Outgoing(NamedTuple):
    """A record to append. `partition` None: by `partition_of(key)`."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


class Record(NamedTuple):
    """A record as read. `time_us` is the append time, microseconds since 1970 UTC."""

    topic: str
    partition: int
    offset: int
    time_us: int
    key: bytes
    value: bytes | None
    headers: Headers
