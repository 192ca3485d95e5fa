"""What a source showed of a ticket: observations, and what a merge tells the surviving ticket.

An observation is not a command. It says what was seen at an instant; a ticket is a pure function of
the *set* of its observations (docs/decisions/0001-order-free-tickets.md), so nothing here depends on
the order of arrival.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shared.contracts.instants import Instant


class Activity(str, Enum):
    """What happened at the source, as far as the source said."""

    CREATED = "created"
    UPDATED = "updated"
    CUSTOMER_MESSAGE = "customer_message"
    AGENT_MESSAGE = "agent_message"
    INTERNAL_NOTE = "internal_note"
    MERGED = "merged"
    DELETED = "deleted"
    SPAM = "spam"
    RESTORED = "restored"
    """Undoes merged, deleted or spam from its time on (`barometer ticket revive`)."""


class Actor(str, Enum):
    """Who acted, in the role held at that time."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"
    SYSTEM = "system"
    VENDOR = "vendor"


class Visibility(str, Enum):
    """Whether the customer can see it."""

    PUBLIC = "public"
    INTERNAL = "internal"


class Status(str, Enum):
    """Canonical status. `new`, `in_progress` and `waiting` are open; the others are outcomes."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    SOLVED = "solved"
    CLOSED = "closed"
    MERGED = "merged"
    VOID = "void"


OPEN_STATUSES = frozenset({Status.NEW, Status.IN_PROGRESS, Status.WAITING})
SHOWABLE_STATUSES = (Status.NEW, Status.IN_PROGRESS, Status.WAITING, Status.SOLVED, Status.CLOSED)


class WaitReason(str, Enum):
    """What a waiting ticket waits for."""

    CUSTOMER = "customer"
    VENDOR = "vendor"
    INTERNAL = "internal"
    SCHEDULED = "scheduled"


class Channel(str, Enum):
    """How the customer came."""

    EMAIL = "email"
    CHAT = "chat"
    PHONE = "phone"
    WEB = "web"
    MESSAGING = "messaging"
    SOCIAL = "social"
    API = "api"


class Kind(str, Enum):
    """Which rhythm of review a ticket has: continuous, daily or weekly."""

    OPERATIONAL = "operational"
    TASK = "task"
    PROJECT = "project"


class Priority(str, Enum):
    """p1 is the highest."""

    P1 = "p1"
    P2 = "p2"
    P3 = "p3"
    P4 = "p4"


TEXT_CHARACTERS_MAX = 512
"""A name (queue, assignee, category, ...) longer than this is no name; intake refuses it."""

SUBJECT_CHARACTERS_MAX = 1_000
TAGS_MAX = 64

Text = Annotated[str, Meta(min_length=1, max_length=TEXT_CHARACTERS_MAX)]
Subject = Annotated[str, Meta(max_length=SUBJECT_CHARACTERS_MAX)]
Tags = Annotated[tuple[Text, ...], Meta(max_length=TAGS_MAX)]


class TicketFields(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Any subset of a ticket's fields: an absent one says nothing, `None` clears.

    `raw_status` and `raw_priority` are the source's own words, kept so that a mended map can be
    applied again (`barometer remap`). A shown `status` other than waiting clears the wait reason.
    """

    status: Status | None | UnsetType = UNSET
    wait_reason: WaitReason | None | UnsetType = UNSET
    raw_status: Text | None | UnsetType = UNSET
    priority: Priority | None | UnsetType = UNSET
    raw_priority: Text | None | UnsetType = UNSET
    kind: Kind | None | UnsetType = UNSET
    channel: Channel | None | UnsetType = UNSET
    queue: Text | None | UnsetType = UNSET
    assignee: Text | None | UnsetType = UNSET
    segment: Text | None | UnsetType = UNSET
    category: Text | None | UnsetType = UNSET
    requester: Text | None | UnsetType = UNSET
    subject: Subject | None | UnsetType = UNSET
    tags: Tags | None | UnsetType = UNSET
    url: Annotated[str, Meta(max_length=2_000)] | None | UnsetType = UNSET
    created_at: Instant | None | UnsetType = UNSET
    merged_into: Text | None | UnsetType = UNSET
    """Key of the surviving ticket, `<source>:<external id>` of the same tenant."""


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """`barometer.ticket.observed.v1`: what `source` showed of `ticket` at `time`.

    `ticket` is the key `<source>:<external id>`. `id` is the event's id, unique within tenant and
    source: the same id with the same content is the same observation. `sequence` is the source's own
    order among observations of one time. `run` marks an imported record.
    """

    tenant: Text
    source: Text
    ticket: Text
    id: Text
    time: Instant
    received_at: Instant
    activity: Activity = Activity.UPDATED
    actor: Actor | None = None
    visibility: Visibility | None = None
    sequence: int | None = None
    dated_by_receipt: bool = False
    """The source gave an id but no time, so `time` is when it came: the same id with the same content is
    the same observation whenever it comes again, and the earliest one counts."""
    run: str | None = None
    pulled: bool = False
    """Read from the source's list of what changed, not told by it: what it shows that was not known, a webhook
    should have told. What both say are two observations, of which the ticket makes one."""
    reason: Annotated[str, Meta(max_length=SUBJECT_CHARACTERS_MAX)] | None = None
    """Why, for changes made by hand (`barometer ticket void KEY --reason ...`)."""
    fields: TicketFields = TicketFields()


class MessageMark(msgspec.Struct, frozen=True, gc=False):
    """A public message of an absorbed ticket, as its survivor's clocks need it."""

    time: Instant
    actor: Actor


class Absorbed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`barometer.ticket.absorbed.v1`: `ticket` was merged into `survivor`, as of `revision`.

    A survivor keeps one register for each absorbed ticket; the highest revision wins. `links` are the
    merge links (ticket -> survivor) known to `ticket`, its own included, so that a cycle is seen by
    each of its members. `withdrawn` ends the register (the merge was re-pointed or undone).
    """

    tenant: Text
    ticket: Text
    survivor: Text
    revision: int
    at: Instant
    withdrawn: bool = False
    links: dict[str, str] = {}
    messages: tuple[MessageMark, ...] = ()


class Rejected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`barometer.ticket.rejected.v1`: authenticated input that could not be used, whole.

    `body` is the input byte for byte. `reason` is one of a closed list and the label of
    `barometer_rejected_total`; `detail` says what to mend. `verified` keeps how the sender was
    verified, so that a retry needs no second proof.
    """

    id: str
    tenant: str
    source: str
    stage: str
    """intake, webhook, inbox or aging: who refused it."""
    reason: str
    detail: str
    received_at: Instant
    rejected_at: Instant
    content_type: str
    body: bytes
    verified: str = ""
    headers: dict[str, str] = {}
    """CloudEvents attributes of the input, or a vendor's own headers; never credentials."""
    origin: str = ""
    """`topic/partition@offset` when it was read from the bus."""


class RunMarked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What `RunBegan` and `RunEnded` share: an import run opens or closes.

    Written to every partition of the events topic. Tickets first seen in a run keep their timers
    asleep until no run is open in their partition.
    """

    run: str
    at: Instant


class RunBegan(RunMarked, frozen=True, kw_only=True, gc=False):
    """`barometer.run.began.v1`: tickets first seen in `run` sleep from here on."""


class RunEnded(RunMarked, frozen=True, kw_only=True, gc=False):
    """`barometer.run.ended.v1`: `run` is over; the crossings of the final timeline follow."""
