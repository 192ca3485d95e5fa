"""The optional part that a plain ticket may have for its channel: what only a call or only a chat knows.

A part is a way to write things down, not more to keep: `derive.py` turns it into the members every ticket
has (who spoke, when, since when somebody waits), and nothing of the part itself goes further. So a phone
system says "missed at 9:00" and need not know that this is a public message of the customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Final, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shared.contracts.instants import Instant
from shared.contracts.tickets import Channel

ID_CHARACTERS_MAX: Final = 200
"""Of a conversation, post or form at its source."""
PAGE_CHARACTERS_MAX: Final = 2_000
MESSAGES_MAX: Final = 1_000_000
"""A conversation with more messages than this is none."""
NETWORK_PATTERN: Final = "^[a-z][a-z0-9_-]{0,31}$"

PartId = Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]
Network = Annotated[str, Meta(pattern=NETWORK_PATTERN)]
"""A provider or network: `whatsapp`, `sms`, `mastodon`."""
Messages = Annotated[int, Meta(ge=0, le=MESSAGES_MAX)]


class By(str, Enum):
    """Who wrote the message that is shown."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"


class Author(str, Enum):
    """Who wrote what is shown of a social network, where anybody may join in."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"
    BYSTANDER = "bystander"


class Direction(str, Enum):
    """Who called."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Outcome(str, Enum):
    """What became of a call, as far as it is known when it is shown."""

    RINGING = "ringing"
    ANSWERED = "answered"
    MISSED = "missed"
    VOICEMAIL = "voicemail"


class Audience(str, Enum):
    """Who can read it: everybody, or only the two who write."""

    PUBLIC = "public"
    PRIVATE = "private"


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """What the parts share: nothing but their strictness."""


class ChatPart(Part, frozen=True, kw_only=True, gc=False):
    """A live chat."""

    conversation: PartId | UnsetType = UNSET
    by: By | UnsetType = UNSET
    waiting_since: Instant | UnsetType = UNSET
    messages: Messages | UnsetType = UNSET
    handed_over_at: Instant | UnsetType = UNSET


class PhonePart(Part, frozen=True, kw_only=True, gc=False):
    """A call."""

    direction: Direction
    outcome: Outcome | UnsetType = UNSET
    started_at: Instant | UnsetType = UNSET
    answered_at: Instant | UnsetType = UNSET
    ended_at: Instant | UnsetType = UNSET


class WebPart(Part, frozen=True, kw_only=True, gc=False):
    """A form on a page."""

    form: PartId | UnsetType = UNSET
    page: Annotated[str, Meta(min_length=1, max_length=PAGE_CHARACTERS_MAX)] | UnsetType = UNSET
    verified: bool | UnsetType = UNSET


class MessagingPart(Part, frozen=True, kw_only=True, gc=False):
    """A messenger or SMS."""

    provider: Network
    conversation: PartId | UnsetType = UNSET
    by: By | UnsetType = UNSET
    window_ends_at: Instant | UnsetType = UNSET
    template: bool | UnsetType = UNSET
    failed: bool | UnsetType = UNSET


class SocialPart(Part, frozen=True, kw_only=True, gc=False):
    """A social network."""

    network: Network
    post: PartId | UnsetType = UNSET
    by: Author | UnsetType = UNSET
    audience: Audience | UnsetType = UNSET
    reply: bool | UnsetType = UNSET


PARTS: Final[Mapping[str, type[Part]]] = {
    "chat": ChatPart,
    "phone": PhonePart,
    "web": WebPart,
    "messaging": MessagingPart,
    "social": SocialPart,
}
"""The parts by the ticket's member, which is also their channel."""

CHANNELS: Final = {name: Channel(name) for name in PARTS}
PART_MEMBER_TYPES: Final[Mapping[str, Mapping[str, Any]]] = {
    name: {
        member: kind
        for member, kind in get_type_hints(part, include_extras=True).items()
        if member in part.__struct_fields__
    }
    for name, part in PARTS.items()
}

_TIME: Final = "an RFC 3339 time with an offset, such as 2026-01-02T03:04:05Z"
_ID: Final = f"a text of 1 to {ID_CHARACTERS_MAX} characters"
_NETWORK: Final = "a name in lower case of at most 32 characters"


def _one_of(values: type[Enum]) -> str:
    return f"one of {', '.join(each.value for each in values)}"


PART_EXPECTED: Final[Mapping[str, Mapping[str, str]]] = {
    "chat": {
        "conversation": f"the conversation's id, {_ID}",
        "by": _one_of(By),
        "waiting_since": _TIME,
        "messages": f"how many messages there are so far, a whole number up to {MESSAGES_MAX}",
        "handed_over_at": _TIME,
    },
    "phone": {
        "direction": _one_of(Direction),
        "outcome": _one_of(Outcome),
        "started_at": _TIME,
        "answered_at": _TIME,
        "ended_at": _TIME,
    },
    "web": {
        "form": f"the form's name, {_ID}",
        "page": f"an http or https address of at most {PAGE_CHARACTERS_MAX} characters",
        "verified": "true if it is proved that the requester's address is theirs, else false",
    },
    "messaging": {
        "provider": f"{_NETWORK}, such as whatsapp or sms",
        "conversation": f"the conversation's id, {_ID}",
        "by": _one_of(By),
        "window_ends_at": _TIME,
        "template": "true or false",
        "failed": "true or false",
    },
    "social": {
        "network": f"{_NETWORK}, such as mastodon",
        "post": f"the id of the post that began it, {_ID}",
        "by": _one_of(Author),
        "audience": _one_of(Audience),
        "reply": "true if it stands below the post, else false",
    },
}
"""What a member of a part must be, in words for the person who mends the sender."""
