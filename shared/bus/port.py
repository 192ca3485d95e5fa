"""The bus: durable logs of ordered partitions, read at least once, written by fenced owners.

Two adapters keep these promises (`embedded`, a SQLite log for one machine, and `kafka`), a third one
for simulation does (tests/simulation/bus.py), and one contract suite, tests/contract/test_bus.py, holds
all of them to it.

- An append that returned survives kill -9 of this process. One that raised may or may not be there.
- A partition is one order; a reader that starts over sees the same records at the same offsets.
- An offset never appears below one already shown, with concurrent writers too.
- A writer is fenced: once a higher epoch of its name was opened, its appends raise `Fenced`, and what
  it had in flight is either wholly visible or never.
- Records carry the append time, read from one clock (the broker's, or this host's), which does not go
  back within a partition.
- Positions are ours, not the bus's: readers name the offset they want. A group only says who owns
  which partition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

from shared.contracts.records import Headers as Headers
from shared.contracts.records import Outgoing as Outgoing
from shared.contracts.records import Record as Record
from shared.contracts.topics import TOPICS, Topic

RECORD_BYTES_MAX: Final = 4 * 1024 * 1024
"""Key, value and headers of one record. Above the largest body that intake takes (it goes to the bus whole
when it is rejected), and small enough that a page of records stays a few megabytes."""


class BusError(Exception):
    """What can go wrong with the bus while it is used as intended."""


class BusUnavailable(BusError):
    """The bus could not be reached or did not acknowledge in time; trying again may help."""


class BusMisconfigured(BusError):
    """Topic missing or of another shape, refused credentials, ...; only a person can mend it."""


class Fenced(BusError):
    """Another writer of the same name with a higher epoch exists: this one is no longer the owner."""


class OffsetOutOfRange(BusError):
    """The offset asked for is no longer (or not yet) in the log."""

    def __init__(self, topic: str, partition: int, offset: int, begin: int, end: int) -> None:
        super().__init__(f"{topic}/{partition}: offset {offset} is outside the log [{begin}, {end}]")
        self.topic, self.partition, self.offset, self.begin, self.end = topic, partition, offset, begin, end


class RecordTooLarge(BusError):
    """One record is over the bus's limit and can never be appended."""


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """What a stored position refers to. A recreated topic has another `topic_id`."""

    cluster: str
    topic: str
    topic_id: str
    partitions: int


class LogRange(NamedTuple):
    """Offsets in the log: `begin` is the first one there, `end` the next one to be written."""

    begin: int
    end: int


class Poll(NamedTuple):
    """What a read gave. `at_end`: nothing (committed) lay behind `next_offset` when it was read."""

    records: Sequence[Record]
    next_offset: int
    at_end: bool


class Reader(Protocol):
    """Reads partitions of one topic at offsets the caller names."""

    async def read(self, partition: int, offset: int, *, records_max: int, wait_ms: int) -> Poll:
        """Return up to `records_max` committed records from `offset` on, in order.

        Waits up to `wait_ms` for the first; returns empty then. Raises OffsetOutOfRange,
        BusUnavailable. Offsets may have gaps (transactions, compaction): continue at `next_offset`.
        """
        ...

    async def range(self, partition: int) -> LogRange:
        """Return the offsets now in the log."""
        ...

    async def hint(self, partition: int, offset: int) -> None:
        """Tell lag tools how far we are; best effort, nothing relies on it."""
        ...

    async def close(self) -> None:
        """Release the connection."""
        ...


class Writer(Protocol):
    """The fenced writer of one owner. Blocks are published in order, in the background.

    The caller numbers its blocks; `confirmed` tells how far they are durable, so a block published but
    not confirmed before a crash is published again by the next owner, and readers drop repeats by id.
    """

    @property
    def confirmed(self) -> int:
        """The highest block number known to be durable, -1 before the first."""
        ...

    @property
    def bus_time_us(self) -> int | None:
        """Append time of the newest acknowledged record, by the bus's clock."""
        ...

    async def publish(self, number: int, records: Sequence[Outgoing]) -> None:
        """Hand over block `number`; waits only while too many blocks are in flight.

        All records of a block become visible, in the order given within a partition, or the next
        owner publishes the block again. Raises Fenced or BusUnavailable, also for an earlier block;
        after that the writer is dead.
        """
        ...

    async def flush(self) -> None:
        """Return once every block handed over is durable; raises as `publish` does."""
        ...

    async def close(self) -> None:
        """Stop; blocks not confirmed may or may not become visible."""
        ...


class Assigned(NamedTuple):
    """Partitions that are ours from now on."""

    partitions: tuple[int, ...]


class Revoked(NamedTuple):
    """Partitions to let go of. The group waits for `Membership.released` up to its budget."""

    partitions: tuple[int, ...]


class Membership(Protocol):
    """Membership in a consumer group of one topic: says who owns which partition."""

    async def next_change(self, *, wait_ms: int) -> Assigned | Revoked | None:
        """Return the next change of ownership, None if there was none within `wait_ms`."""
        ...

    async def released(self, partitions: tuple[int, ...]) -> None:
        """Say that revoked partitions are no longer worked on (last commit done, writer closed)."""
        ...

    async def committed(self, partition: int) -> int | None:
        """Return the offset that `commit` last stored for this group; None if it never did.

        For readers without a database of their own (intake's inbox, whose duplicates are harmless). It
        outlives this process and every member. Raises BusUnavailable.
        """
        ...

    async def commit(self, partition: int, offset: int) -> None:
        """Store `offset`, the next one to read, for the group; durable once this returned.

        Only for a partition that is ours. One that was meanwhile revoked is left as it is, in silence:
        the new owner reads those records again. Raises BusUnavailable.
        """
        ...

    async def close(self) -> None:
        """Leave the group."""
        ...


def record_bytes(record: Outgoing) -> int:
    """Return what `record` counts against RECORD_BYTES_MAX."""
    size = len(record.key) + len(record.value or b"")
    for name, value in record.headers:  # a loop: a sum over a generator takes twice as long
        size += len(name) + len(value)
    return size


def check_sizes(records: Sequence[Outgoing]) -> None:
    """Raise RecordTooLarge for the first record over the limit: before anything is sent."""
    for record in records:
        if (size := record_bytes(record)) > RECORD_BYTES_MAX:
            text = f"a record for {record.topic} has {size} bytes; at most {RECORD_BYTES_MAX} are taken"
            raise RecordTooLarge(text)


class Bus(Protocol):
    """A connection to the bus; opens readers, writers and memberships."""

    async def ensure_topics(self, partitions: Mapping[str, int], *, known: Sequence[Topic] = TOPICS) -> None:
        """Create the missing topics named in `partitions`, with that many partitions.

        `known` says what each name stands for (retention, compaction); an unknown name is a programmer's
        error. An existing topic is left as it is; one with another cleanup policy raises BusMisconfigured.
        """
        ...

    async def retain(self, days: Mapping[str, int]) -> Mapping[str, int | None]:
        """Let the topics (`delete` ones, which exist) keep their records for so many days, 1 and more.

        Return those that kept them otherwise, each with its former days (None: for ever). Nothing else of a
        topic changes. Raises BusMisconfigured if it may not be altered, or does not exist.
        """
        ...

    async def identity(self, topic: Topic) -> LogIdentity:
        """Return what positions in `topic` refer to. Raises BusMisconfigured if it does not exist."""
        ...

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Return once all `records` are durable (acks=all). Idempotent on retries within the adapter.

        On BusUnavailable any subset may have become durable. RecordTooLarge: none was appended.
        """
        ...

    async def open_reader(self, topic: Topic) -> Reader:
        """Return a reader of committed records."""
        ...

    async def open_writer(self, name: str, epoch: int, *, blocks_in_flight_max: int) -> Writer:
        """Return the writer `name` (such as `aging/tickets.events.v1/3`), fencing every lower epoch."""
        ...

    async def join(self, topic: Topic, group: str, *, member: str, revoke_budget_ms: int) -> Membership:
        """Join `group`. `member` is a stable name (static membership), unique in the group."""
        ...

    async def close(self) -> None:
        """Close everything opened here."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
