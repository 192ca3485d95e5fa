"""What a partition's loop is made of, and what it may use: given by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from shared.bus.port import Bus
from shared.clock import Clock
from shared.contracts.instants import SECOND_US
from shared.contracts.topics import Topic
from shared.runtime.port import PartitionLogic, PartitionStore, Pause

Changes = TypeVar("Changes")


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a partition's loop."""

    records_max: int = 1_000
    """A batch; larger ones gain nothing and lengthen the pause (measured)."""
    idle_wait_ms: int = 100
    """The longest wait for records: `stop` is heard, and the clock moves, this often."""
    blocks_in_flight_max: int = 4
    """Committed but not confirmed; beyond it the loop waits for the bus."""
    idle_commit_us: int = SECOND_US
    """Position and clock alone are written at most this often ..."""
    positions_uncommitted_max: int = 10_000
    """... or after so many records that changed nothing."""
    retries_max: int = 12
    """Failures in a row of the bus or the store; with these waits about 40 s. Then the process ends."""
    retry_wait_ms: int = 100
    """Before the first retry; doubled for each further one."""
    retry_wait_ms_max: int = 5_000


@dataclass(slots=True)
class Memory(Generic[Changes]):
    """What a loop knows beside the store; good only while the store says `unchanged`."""

    logic: PartitionLogic[Changes]
    epoch: int
    committed: int | None
    """The stored position."""
    position: int
    """Ahead of `committed` only by records that changed nothing."""
    clock_us: int
    more: bool = False


class Parts(NamedTuple, Generic[Changes]):
    """What all loops of one service share."""

    bus: Bus
    store: PartitionStore[Changes]
    clock: Clock
    pause: Pause
    topic: Topic
    service: str
    """Names the writer: `<service>/<topic>/<partition>`."""
    owner: str
    """Stored beside the epoch, for people."""
    new_logic: Callable[[int], PartitionLogic[Changes]]
    """Gives the empty logic of a partition."""
    limits: Limits = Limits()
