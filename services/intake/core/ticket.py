"""The plain JSON ticket: what a sender may write.

The smallest useful one is `{"id": "42", "subject": "Printer"}`. A member that is absent says nothing,
`null` clears a field. A member nobody knows is refused, for a silent typo loses data.
"""

from __future__ import annotations

from typing import Annotated, Final, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.intake.core.channels.parts import (
    PARTS,
    ChatPart,
    MessagingPart,
    PhonePart,
    SocialPart,
    WebPart,
)
from shared.contracts.instants import Instant
from shared.contracts.tickets import (
    SUBJECT_CHARACTERS_MAX,
    TAGS_MAX,
    TEXT_CHARACTERS_MAX,
    Activity,
    Actor,
    Channel,
    Kind,
    Subject,
    Tags,
    Text,
    Visibility,
    WaitReason,
)

TICKET_ID_CHARACTERS_MAX: Final = 400
"""`<source>:<id>` must stay within TEXT_CHARACTERS_MAX (definition.py limits the source's name)."""

URL_CHARACTERS_MAX: Final = 2_000
SEQUENCE_MAX: Final = 2**63 - 1
"""What fits a BIGINT column; a source's revision number does."""

TicketId = Annotated[str, Meta(min_length=1, max_length=TICKET_ID_CHARACTERS_MAX)] | int
Word = Text | int
"""A status or priority in the source's words; numbers (Freshdesk's 2, 3, 4) are words too."""


class PlainTicket(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A plain JSON ticket, as typed as JSON can be; `check` and `Normaliser` do the rest."""

    id: TicketId | UnsetType = UNSET
    event_id: Text | None | UnsetType = UNSET
    subject: Subject | None | UnsetType = UNSET
    status: Word | None | UnsetType = UNSET
    wait_reason: WaitReason | None | UnsetType = UNSET
    raw_status: Text | None | UnsetType = UNSET
    priority: Word | None | UnsetType = UNSET
    raw_priority: Text | None | UnsetType = UNSET
    queue: Text | None | UnsetType = UNSET
    assignee: Text | None | UnsetType = UNSET
    channel: Channel | None | UnsetType = UNSET
    kind: Kind | None | UnsetType = UNSET
    segment: Text | None | UnsetType = UNSET
    category: Text | None | UnsetType = UNSET
    requester: Text | None | UnsetType = UNSET
    tags: Tags | None | UnsetType = UNSET
    url: Annotated[str, Meta(max_length=URL_CHARACTERS_MAX)] | None | UnsetType = UNSET
    created_at: Instant | None | UnsetType = UNSET
    time: Instant | None | UnsetType = UNSET
    activity: Activity | None | UnsetType = UNSET
    actor: Actor | None | UnsetType = UNSET
    visibility: Visibility | None | UnsetType = UNSET
    sequence: Annotated[int, Meta(ge=-SEQUENCE_MAX, le=SEQUENCE_MAX)] | None | UnsetType = UNSET
    merged_into: TicketId | None | UnsetType = UNSET
    reason: Annotated[str, Meta(max_length=SUBJECT_CHARACTERS_MAX)] | None | UnsetType = UNSET
    chat: ChatPart | None | UnsetType = UNSET
    phone: PhonePart | None | UnsetType = UNSET
    web: WebPart | None | UnsetType = UNSET
    messaging: MessagingPart | None | UnsetType = UNSET
    social: SocialPart | None | UnsetType = UNSET


MEMBER_TYPES: Final = {
    name: kind for name, kind in get_type_hints(PlainTicket, include_extras=True).items() if name[0] != "_"
}
"""The type of each member, in the order of the struct."""

TIME_MEMBERS: Final = frozenset({"created_at", "time"})

_TEXT: Final = f"a text of 1 to {TEXT_CHARACTERS_MAX} characters, or null to clear it"
_TIME: Final = "an RFC 3339 time with an offset, such as 2026-01-02T03:04:05Z"


def _one_of(values: type[Activity | Actor | Channel | Kind | Visibility | WaitReason]) -> str:
    return f"one of {', '.join(each.value for each in values)}"


EXPECTED: Final = {
    "id": f"the ticket's id at the source, 1 to {TICKET_ID_CHARACTERS_MAX} characters or an integer",
    "event_id": f"an id of this event, a text of 1 to {TEXT_CHARACTERS_MAX} characters",
    "subject": f"a text of at most {SUBJECT_CHARACTERS_MAX} characters, or null",
    "status": "new, in_progress, waiting, waiting/customer, solved, closed, or a word of the source's map",
    "wait_reason": _one_of(WaitReason),
    "raw_status": _TEXT,
    "priority": "p1, p2, p3, p4, or a word of the source's map",
    "raw_priority": _TEXT,
    "queue": _TEXT,
    "assignee": _TEXT,
    "channel": _one_of(Channel),
    "kind": _one_of(Kind),
    "segment": _TEXT,
    "category": _TEXT,
    "requester": _TEXT,
    "tags": f"a list of at most {TAGS_MAX} texts of 1 to {TEXT_CHARACTERS_MAX} characters",
    "url": f"an http or https address of at most {URL_CHARACTERS_MAX} characters",
    "created_at": _TIME,
    "time": _TIME,
    "activity": _one_of(Activity),
    "actor": _one_of(Actor),
    "visibility": _one_of(Visibility),
    "sequence": "an integer of at most 63 bits: the source's own order among events of one time",
    "merged_into": "the surviving ticket: its id at the source, or `<source>:<id>`",
    "reason": f"a text of at most {SUBJECT_CHARACTERS_MAX} characters",
    **{
        name: f"an object of {', '.join(part.__struct_fields__)}; docs/channels.md has examples"
        for name, part in PARTS.items()
    },
}
"""What a member must be, in words for the person who mends the sender."""

MEANT: Final = {
    "agent": "assignee",
    "created": "created_at",
    "date": "time",
    "external_id": "id",
    "group": "queue",
    "key": "id",
    "labels": "tags",
    "occurred_at": "time",
    "opened_at": "created_at",
    "owner": "assignee",
    "reporter": "requester",
    "state": "status",
    "summary": "subject",
    "team": "queue",
    "ticket": "id",
    "ticket_id": "id",
    "timestamp": "time",
    "title": "subject",
    "type": "category",
    "updated_at": "time",
}
"""Names other help desks use, which no spelling distance would find."""
