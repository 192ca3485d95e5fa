"""The ticket: what the fold of a timeline keeps. Plain values, no marks: this is what an open ticket costs.

Facts come out of the fold as drafts: what is true of the ticket, at exact instants. Whether a draft is
news is decided elsewhere (facts.py).
"""

from __future__ import annotations

from copy import copy
from sys import intern
from typing import Final, NamedTuple

import msgspec

from services.aging.core.clock import NEVER, NOT, Clock, ClockDetail
from shared.contracts.backlog import FactType
from shared.contracts.tickets import Status

NEW: Final = intern(Status.NEW.value)
WAITING: Final = intern(Status.WAITING.value)
MERGED: Final = intern(Status.MERGED.value)
VOID: Final = intern(Status.VOID.value)
OPEN: Final = frozenset({NEW, intern(Status.IN_PROGRESS.value), WAITING})
TurnKey = tuple[str, str, int, int]
"""(fact type, clock, instance, at_us): what a fact says, within its ticket."""


class Draft(NamedTuple):
    """A fact as the timeline gives it. `flow`: +1 enters the stock, -1 leaves it, 0 neither."""

    type: FactType
    at_us: int
    instance: int
    clock: str = ""
    flow: int = 0
    detail: ClockDetail | None = None
    reason: str = ""
    """Why, of a fact that is not about a clock."""
    spent_us: tuple[int, int, int] | None = None
    """When it was solved or closed: in all, for the requester, for the agents (durations.py)."""

    @property
    def key(self) -> TurnKey:
        """What it says."""
        return (self.type._value_, self.clock, self.instance, self.at_us)


class Ticket(msgspec.Struct, array_like=True, gc=False):
    """The fold of a ticket's marks. Missing text is the empty string; instants are microseconds.

    `shown` is the status the source last showed; `status` is what counts: a merge or a void lies over
    it. `advanced_us` is the instant up to which age crossings were stated.
    """

    source: str
    created_us: int
    last_order: bytes = b""
    updated_us: int = 0
    advanced_us: int = 0
    timed_us: int = -1
    """Instant of the newest fact that time alone brought about; -1 before the first."""
    status: str = NEW
    shown: str = NEW
    wait_reason: str = ""
    kind: str = ""
    priority: str = ""
    channel: str = ""
    queue: str = ""
    assignee: str = ""
    segment: str = ""
    category: str = ""
    requester: str = ""
    subject: str = ""
    url: str = ""
    tags: tuple[str, ...] = ()
    spam: bool = False
    deleted: bool = False
    merged: bool = False
    link: str = ""
    """Key of the survivor, as shown; empty when not merged."""
    ignores_link: bool = False
    """In a cycle of merges the smallest key ignores its own link."""
    episode: int = 0
    episode_us: int = 0
    left_us: int | None = None
    marks: int = 0
    version: int = 0
    revision: int = 0
    """Of the newest `absorbed` event about this ticket."""
    told: bytes = b""
    """Digest of what that event said."""
    turns: dict[TurnKey, int] | None = None
    """Turns of the facts that were ever withdrawn; all others are at turn 0."""
    due_us: int | None = None
    """When time next brings about a fact; None while closed."""
    clocks: list[Clock] = []
    """Those that are not finished; while closed, also the resolution that a reopening may resume."""
    policy: str = ""
    """Label of the policy it has; empty for none."""
    generation: int = 0
    """Of the terms by which its facts were stated and its clocks timed."""
    asked_us: int = NOT
    """Since when the customer waits for an answer; NOT if nobody waits."""
    answered: bool = False
    """The first response was given."""
    customer_us: int = NOT
    """Newest public message of the customer."""
    agent_us: int = NOT
    """Newest public message of an agent."""
    disputed: bool = False
    """The customer wrote, and the status still says that we wait for the customer."""
    resolution_us: int = NOT
    """Since when its resolution counts: creation, or a reopening that came too late to go on."""
    queue_us: int = NOT
    """Since when it is in its queue, while it is open."""
    update_us: int = NOT
    """Since when the next periodic update is awaited."""
    answers: int = 0
    """Runs of the next response."""
    updates: int = 0
    """Runs of the periodic update."""
    resolutions: int = 0
    stays: int = 0
    """Stays in a queue."""
    waited_us: int = 0
    """Spent in waits for the customer that are over."""
    held_us: int = 0
    """Spent in other waits that are over."""
    out_us: int = 0
    """Spent out of the stock, before reopenings."""
    wait_us: int = NOT
    """Since when it stands in its wait: for one reason, and the customer did not answer."""
    bounces: int = 0
    """Reassignments and reopenings."""
    signals: int = 0
    """What asks for attention while it is open, one bit each: see attention.py."""
    erased: bool = False
    """It was deleted once, so nothing of its content is kept, and none that comes: see erasure.py."""
    condensed: bool = False
    """One mark stands for its whole timeline, and nothing came since: see condensing.py."""
    pulled_message: bool = False
    """Only a pull told of one of its messages so far: the next one may be a late word of it, see retold.py."""

    @property
    def open(self) -> bool:
        """Whether the ticket is in the stock."""
        return self.status in OPEN

    @property
    def past_sla(self) -> bool:
        """Whether it is open with a breached clock that is not finished."""
        return bool(self.clocks) and self.status in OPEN and any(clock.breached for clock in self.clocks)

    @property
    def no_opening(self) -> bool:
        """Whether a running clock has no deadline, because its calendar does not open again."""
        return any(clock.deadline_us == NEVER for clock in self.clocks)

    @property
    def tightest_us(self) -> int | None:
        """The deadline that comes first, or came first and was broken; None while no clock has one."""
        dues = [clock.deadline_us for clock in self.clocks if clock.deadline_us >= 0]
        return min(dues, default=None) if self.status in OPEN else None

    @property
    def at_risk(self) -> bool:
        """Whether it is open, not past SLA, with a running clock inside its warning window."""
        return (
            bool(self.clocks)
            and self.status in OPEN
            and any(clock.stage and clock.since_us >= 0 for clock in self.clocks)
            and not self.past_sla
        )


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Ticket)
_INTERNED: Final = ("source", "status", "shown", "wait_reason", "kind", "priority", "channel", "queue",
                    "assignee", "segment", "category", "policy")  # fmt: skip


def encode_ticket(ticket: Ticket) -> bytes:
    """Return the body of a ticket's row."""
    return _encoder.encode(ticket)


def decode_ticket(body: bytes) -> Ticket:
    """Return the ticket of a row's body; repeated words share their memory."""
    ticket = _decoder.decode(body)
    for name in _INTERNED:
        setattr(ticket, name, intern(getattr(ticket, name)))
    for clock in ticket.clocks:
        clock.name, clock.policy = intern(clock.name), intern(clock.policy)
    return ticket


def glance(body: bytes) -> Ticket:
    """Return the ticket of a row's body, to be looked at once: its words are its own."""
    return _decoder.decode(body)


def copied(ticket: Ticket) -> Ticket:
    """Return a ticket that can be moved while `ticket` stays as it is."""
    twin = copy(ticket)
    twin.turns = dict(ticket.turns) if ticket.turns else None
    twin.clocks = [copy(clock) for clock in ticket.clocks]
    return twin
