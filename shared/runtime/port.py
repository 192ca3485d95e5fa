"""What the partition loop needs of a service: a store that commits whole, and a logic that decides.

The loop (partition.py) owns the order of things: poll, fold, one transaction, publish. A service owns
what a batch means. Neither imports asyncio, so a seeded scheduler can drive both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from shared.bus.port import LogIdentity, Outgoing, Record
from shared.sql.port import (
    Commit,
    NotOwner,
    PositionMismatch,
    StoreError,
    StoreMisconfigured,
    StoreUnavailable,
    Taken,
)

__all__ = [
    "BusTimeProbe",
    "Commit",
    "Folded",
    "NotOwner",
    "PartitionLogic",
    "PartitionStore",
    "Pause",
    "PositionLost",
    "PositionMismatch",
    "StoreError",
    "StoreMisconfigured",
    "StoreUnavailable",
    "Taken",
]

ChangesIn = TypeVar("ChangesIn", contravariant=True)
ChangesOut = TypeVar("ChangesOut", covariant=True)


class PositionLost(Exception):
    """The stored position is outside the log: records were deleted unread, or a copy was put back."""


class PartitionStore(Protocol[ChangesIn]):
    """Keeps a partition's state, position, clock, outbox and epoch together."""

    async def take_over(
        self, identity: LogIdentity, partition: int, *, owner: str, known: tuple[int, int] | None
    ) -> Taken:
        """Raise the epoch and return what was committed. `known` is (epoch, position) still in memory.

        Raises PositionMismatch, StoreUnavailable.
        """
        ...

    async def commit(self, commit: Commit[ChangesIn]) -> None:
        """Write all of `commit`. Raises NotOwner (nothing written) or StoreUnavailable (unknown)."""
        ...


class Folded(NamedTuple, Generic[ChangesOut]):
    """What a batch came to."""

    changes: ChangesOut
    outgoing: Sequence[Outgoing]
    note: bytes
    worth_committing: bool
    """False: nothing changed but clock and position; the loop may commit less often."""
    more: bool
    """True: overdue work is left (bounded per batch); call again without waiting for records."""


class PartitionLogic(Protocol[ChangesOut]):
    """One partition's memory and decisions, driven by the loop. Not shared between partitions."""

    async def load(self, taken: Taken) -> None:
        """Build memory from the store, as of `taken`. Called once, before any fold."""
        ...

    async def fold(self, records: Sequence[Record], *, from_us: int, until_us: int) -> Folded[ChangesOut]:
        """Apply `records` and every timer due by `until_us`; memory moves, nothing is written.

        The partition's clock is `from_us` before the first record, `max(clock, record.time_us)` at
        each record and `until_us` (never lower) at the end. Timers due at a record's clock fire before
        the record.
        """
        ...

    def next_due_us(self) -> int | None:
        """Return when the next timer is due, None if there is none."""
        ...


@runtime_checkable
class BusTimeProbe(Protocol):
    """A logic that can give a record without effect, so that the loop hears the bus's own time.

    The loop asks for it when it has no recent append time to hold the wall clock against (at start,
    after a suspend, while the clock is held). A logic without it publishes often enough, or does
    without the check that the wall clock is not ahead.
    """

    def probe(self) -> Sequence[Outgoing]:
        """Return records that say nothing new, such as the partition's clock as it stands."""
        ...


@runtime_checkable
class Unshown(Protocol):
    """A logic that shows some of what changed a little later, to say it once instead of many times.

    The loop asks for it before it lets go in good order: who comes next may be an hour away.
    """

    def show(self) -> None:
        """Let the next fold give all that still waits to be shown."""
        ...


class Pause(Protocol):
    """Lets time pass. A port, because the loop knows no event loop and a simulator has none."""

    async def __call__(self, wait_ms: int) -> None:
        """Return after `wait_ms`, at the earliest."""
        ...
