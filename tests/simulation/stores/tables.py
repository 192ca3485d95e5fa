"""Rows in memory that behave like a database's: written whole or not at all, and never shared with a writer.

A simulation finds a worker that goes on writing to what it handed over only if the store keeps a copy. So
each row goes through MessagePack on its way in: what comes out is made of immutable values, has the types
of its columns, and holds no reference to anything of the worker's. A transaction that fails is undone row
by row, as a database does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

RowT = TypeVar("RowT", bound=tuple[Any, ...])
Key = tuple[Any, ...]


class Database:
    """What survives the death of a process: tables, and the clock by which epochs are given."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """`now_ms` is the database's own clock, milliseconds since 1970 UTC; it may go back."""
        self.now_ms = now_ms
        self._undo: list[Callable[[], None]] | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep what is written inside if it ends well; undo all of it otherwise."""
        assert self._undo is None, "a transaction has begun already"
        undo: list[Callable[[], None]] = []
        self._undo = undo
        try:
            yield
        except BaseException:
            for step in reversed(undo):
                step()
            raise
        finally:
            self._undo = None

    def wrote(self, undo: Callable[[], None]) -> None:
        """Remember how to take a write back."""
        assert self._undo is not None, "a write outside a transaction"
        self._undo.append(undo)


class Table(Generic[RowT]):
    """Rows of one shape by primary key, and by a second column list that is often asked for."""

    def __init__(
        self, database: Database, shape: type[RowT], *, key: Sequence[str], by: Sequence[str] = ()
    ) -> None:
        """`shape` is a NamedTuple of immutable values; `key` and `by` name some of its fields."""
        self._database = database
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(shape).decode
        self._key_of, self._group_of = _picker(shape, key), _picker(shape, by)
        self._rows: dict[Key, RowT] = {}
        self._groups: dict[Key, dict[Key, RowT]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, *key: Any) -> RowT | None:
        """Return the row of `key`."""
        return self._rows.get(key)

    def rows(self) -> Iterable[RowT]:
        """Return all rows as they are now."""
        return list(self._rows.values())

    def of(self, *group: Any) -> list[RowT]:
        """Return the rows whose columns `by` are `group`, in the order of the primary key."""
        found = self._groups.get(group, {})
        return [found[key] for key in sorted(found)]

    def put(self, row: RowT) -> None:
        """Write `row`, in place of the one with its key. Raises msgspec.ValidationError for a wrong type."""
        copy = self._decode(self._encode(row))
        self._write(self._key_of(copy), copy)

    def put_missing(self, row: RowT) -> None:
        """Write `row` unless its key is there."""
        if self._key_of(row) not in self._rows:
            self.put(row)

    def remove(self, *key: Any) -> None:
        """Delete the row of `key`, if there is one."""
        if key in self._rows:
            self._write(key, None)

    def _write(self, key: Key, row: RowT | None) -> None:
        former = self._rows.get(key)
        self._database.wrote(lambda: self._set(key, former))
        self._set(key, row)

    def _set(self, key: Key, row: RowT | None) -> None:
        former = self._rows.pop(key, None)
        if former is not None:
            del self._groups[self._group_of(former)][key]
        if row is not None:
            self._rows[key] = row
            self._groups.setdefault(self._group_of(row), {})[key] = row


def _picker(shape: type[tuple[Any, ...]], names: Sequence[str]) -> Callable[[tuple[Any, ...]], Key]:
    fields: tuple[str, ...] = shape._fields  # type: ignore[attr-defined]
    places = [fields.index(name) for name in names]
    if len(places) > 1:
        return itemgetter(*places)
    return lambda row: tuple(row[place] for place in places)


class PartitionRow(NamedTuple):
    """A partition's place in its log, its epoch and its note."""

    topic: str
    partition: int
    cluster: str
    topic_id: str
    log_partitions: int
    epoch: int
    owner: str
    position: int | None
    clock_us: int
    next_block: int
    note: bytes


class OutboxRow(NamedTuple):
    """A block that was committed and is not known to be durable on the bus."""

    topic: str
    partition: int
    number: int
    block: bytes
