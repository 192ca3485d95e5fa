"""What a store that keeps a partition's position promises, and how it fails.

The partition loop (shared.runtime) and the journal (journal.py) meet here: the loop lies above SQL and
may not be imported from it. Services take these names from `shared.runtime.port`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

ChangesOut = TypeVar("ChangesOut", covariant=True)


class StoreError(Exception):
    """What can go wrong with a store while it is used as intended."""


class StoreUnavailable(StoreError):
    """The database could not be reached or refused for now; trying again may help."""


class StoreMisconfigured(StoreError):
    """Wrong schema version, no rights, read-only file, ...; only a person can mend it."""


class NotOwner(StoreError):
    """The stored epoch is not ours: another process took the partition over. Nothing was written."""


class PositionMismatch(StoreError):
    """The stored position refers to another log (cluster, topic, partitions) than the one at hand."""


class Log(Protocol):
    """The log a position refers to; `shared.bus.port.LogIdentity` is one."""

    @property
    def cluster(self) -> str:
        """Which bus."""
        ...

    @property
    def topic(self) -> str:
        """Its name."""
        ...

    @property
    def topic_id(self) -> str:
        """Another one if the topic was made anew."""
        ...

    @property
    def partitions(self) -> int:
        """How many; tickets move if that changes."""
        ...


class Taken(NamedTuple):
    """A partition taken over: its epoch was raised to `epoch`, the rest is as last committed."""

    epoch: int
    position: int | None
    """Next offset to read; None if this partition was never read."""
    clock_us: int
    """The partition's clock at the last commit; 0 at first."""
    next_block: int
    """Number of the next outbox block."""
    note: bytes
    """The logic's small state that belongs to the position (open runs, cells not yet published, ...)."""
    unpublished: Sequence[tuple[int, bytes]]
    """Outbox blocks not yet confirmed, in order."""
    unchanged: bool
    """Nobody else committed since the `(epoch, position)` given to take_over: memory is still good."""


@dataclass(frozen=True, slots=True)
class Commit(Generic[ChangesOut]):
    """One transaction: everything in it is written, or nothing."""

    topic: str
    partition: int
    epoch: int
    position: int
    clock_us: int
    note: bytes
    confirmed: int
    """Outbox blocks up to this number are durable on the bus and can be forgotten."""
    block: tuple[int, bytes] | None
    changes: ChangesOut
