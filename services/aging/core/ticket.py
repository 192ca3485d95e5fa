"""The ticket: what the fold of a timeline keeps. Plain values, no marks: this is what an open ticket costs.

Facts come out of the fold as drafts: what is true of the ticket, at exact instants. Whether a draft is
news is decided elsewhere (facts.py).
"""

from __future__ import annotations

from sys import intern
from typing import Final, NamedTuple

import msgspec

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

    @property
    def open(self) -> bool:
        """Whether the ticket is in the stock."""
        return self.status in OPEN


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Ticket)
_INTERNED: Final = ("source", "status", "shown", "wait_reason", "kind", "priority", "channel", "queue",
                    "assignee", "segment", "category")  # fmt: skip


def encode_ticket(ticket: Ticket) -> bytes:
    """Return the body of a ticket's row."""
    return _encoder.encode(ticket)


def decode_ticket(body: bytes) -> Ticket:
    """Return the ticket of a row's body; repeated words share their memory."""
    ticket = _decoder.decode(body)
    for name in _INTERNED:
        setattr(ticket, name, intern(getattr(ticket, name)))
    return ticket
