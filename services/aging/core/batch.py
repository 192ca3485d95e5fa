"""What goes into one fold of a partition, and what comes out: plain data between core and shell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol, TypeVar

from services.aging.core.facts import Statement
from services.aging.core.mark import Mark
from services.aging.core.pulled import Pulled
from services.aging.core.ticket import Ticket
from shared.contracts.backlog import Cause
from shared.contracts.tickets import Absorbed

T = TypeVar("T")
TicketId = tuple[str, str]
"""(tenant, ticket key)."""

DEFERRED_ORIGIN = -1
"""`Arrival.origin` of an observation that waited for its time; lower ones are of others that did."""

REGISTER_ORDER = b"\xff"
"""The order of a register that waits begins with it. That of an observation begins with its time, so never."""


class Arrival(NamedTuple):
    """An observation where the partition met it. `origin` says which record of the batch it was."""

    clock_us: int
    id: TicketId
    mark: Mark
    order: bytes
    origin: int

    @property
    def due_us(self) -> int:
        """When it counts, if it waits."""
        return self.mark.time_us


class Register(NamedTuple):
    """An `absorbed` event for a survivor of this partition."""

    clock_us: int
    absorbed: Absorbed
    origin: int
    due_us: int = 0
    """When the next of its messages counts, if it waits."""

    @property
    def id(self) -> TicketId:
        """The survivor."""
        return (self.absorbed.tenant, self.absorbed.survivor)

    @property
    def order(self) -> bytes:
        """What tells it from all else of its survivor that waits; see `REGISTER_ORDER`."""
        revision = self.absorbed.revision.to_bytes(8, "big")
        return REGISTER_ORDER + revision + self.absorbed.ticket.encode()


Item = Arrival | Register


class Stored(NamedTuple):
    """A ticket that is not in memory: closed, or asleep (then without a fold)."""

    ticket: Ticket | None
    asleep: bool


class Dated(NamedTuple):
    """A mark with its place in the timeline."""

    order: bytes
    mark: Mark


@dataclass(slots=True)
class Loaded:
    """What the store knew of the tickets that a batch needs."""

    tickets: Mapping[TicketId, Stored] = field(default_factory=dict)
    marks: Mapping[TicketId, Sequence[Dated]] = field(default_factory=dict)
    registers: Mapping[TicketId, Sequence[Absorbed]] = field(default_factory=dict)


class Refusal(str, Enum):
    """Why aging refuses an observation; the label of `barometer_rejected_total`."""

    FUTURE_TIME = "future_time"
    TOO_MANY_MARKS = "too_many_marks"
    FOLD_FAILED = "fold_failed"


class Refused(NamedTuple):
    """A record that has no effect, with the reason; it is kept whole in `tickets.rejected.v1`."""

    origin: int
    reason: Refusal
    detail: str


class Stated(NamedTuple):
    """A statement about a ticket, as the ticket was when it was made."""

    id: TicketId
    ticket: Ticket
    statement: Statement
    stated_us: int
    cause: Cause


class Failed(NamedTuple):
    """A step that raised; `error` is for people."""

    error: str


class Attempt(Protocol):
    """Runs a pure step and turns whatever it raises into a value, so one ticket cannot stop the rest."""

    def __call__(self, step: Callable[[], T]) -> T | Failed:
        """Return what `step` returned, or how it failed."""
        ...


@dataclass(slots=True)
class Outcome:
    """What a fold changed, for the store and the bus."""

    tickets: dict[TicketId, Ticket] = field(default_factory=dict)
    """Awake tickets that changed, each as it is at the end."""
    asleep: dict[TicketId, Mark] = field(default_factory=dict)
    """Tickets first seen in an import run, with their first mark."""
    marks: dict[tuple[TicketId, bytes], Mark] = field(default_factory=dict)
    rewritten: dict[tuple[TicketId, bytes], Mark] = field(default_factory=dict)
    """Marks that lost their content; they may be there already, with it."""
    condensed: dict[TicketId, Dated] = field(default_factory=dict)
    """What stands for all marks of a ticket from now on."""
    deferred: list[Item] = field(default_factory=list)
    """What is ahead of the clock."""
    registers: list[Absorbed] = field(default_factory=list)
    stated: list[Stated] = field(default_factory=list)
    told: list[Absorbed] = field(default_factory=list)
    """`absorbed` events to publish."""
    refused: list[Refused] = field(default_factory=list)
    quarantined: dict[TicketId, str] = field(default_factory=dict)
    released: list[TicketId] = field(default_factory=list)
    """Tickets that were in quarantine and work again."""
    unfinished: dict[TicketId, list[Item]] = field(default_factory=dict)
    """Items that turned out late on the way; they wait for their timelines (`Backlog.finish`)."""
    seen: int = 0
    """Observations that were folded, repeats included."""
    repeated: int = 0
    """Observations that were known already."""
    pulled: list[tuple[TicketId, Pulled]] = field(default_factory=list)
    """Pulled states that are new, and whether webhooks had told of them."""
    more: bool = False
    """Overdue timers are left."""

    @property
    def empty(self) -> bool:
        """Whether nothing is to be written."""
        return not (
            self.tickets or self.asleep or self.marks or self.rewritten or self.deferred or self.registers or self.told
            or self.refused or self.quarantined
        )  # fmt: skip
