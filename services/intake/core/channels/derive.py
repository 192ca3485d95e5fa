"""What a channel's part means, in the members that every ticket has.

The ticket's own members win, then its envelope's, then what the part implies: a part fills in and never
overrules. Only its channel is no matter of opinion: a call in a ticket of the channel `chat` is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET

from services.intake.core.arrival import Arrival
from services.intake.core.channels.parts import (
    CHANNELS,
    PART_EXPECTED,
    Audience,
    Author,
    By,
    ChatPart,
    Direction,
    MessagingPart,
    Outcome,
    Part,
    PhonePart,
    SocialPart,
    WebPart,
)
from services.intake.core.explain import unprintable
from services.intake.core.personal_data import PREFIX, hashed
from services.intake.core.rejection import Fault, Reason, pointer_to
from services.intake.core.ticket import PlainTicket
from shared.contracts.event_id import derived_id
from shared.contracts.instants import EARLIEST, LATEST
from shared.contracts.tickets import TAGS_MAX, TEXT_CHARACTERS_MAX, Activity, Actor, Visibility

UNVERIFIED_TAG: Final = "unverified"
"""Of a ticket whose requester nothing proves: anybody can write any address into a form."""
PAGE_TAG: Final = "page:"
_ID_DIGITS: Final = 16
_WEB: Final = ("https://", "http://")

Implied = dict[str, Any]
"""Members of the plain ticket, as the part implies them."""

PUBLIC_TAG: Final = "public"
"""Of a post that everybody can read, so that a policy can promise more there."""

_BY_CUSTOMER: Final[Mapping[str, Any]] = {
    "activity": Activity.CUSTOMER_MESSAGE, "actor": Actor.CUSTOMER, "visibility": Visibility.PUBLIC,
}  # fmt: skip
_BY_AGENT: Final[Mapping[str, Any]] = {
    "activity": Activity.AGENT_MESSAGE, "actor": Actor.AGENT, "visibility": Visibility.PUBLIC,
}  # fmt: skip
_BY_BOT: Final[Mapping[str, Any]] = {**_BY_AGENT, "actor": Actor.BOT}
"""A machine's message: the customer sees it, and it answers nothing."""
_BY_BYSTANDER: Final[Mapping[str, Any]] = {
    "activity": Activity.UPDATED, "actor": Actor.SYSTEM, "visibility": Visibility.PUBLIC,
}  # fmt: skip
_UNHEARD: Final[Mapping[str, Any]] = {
    "activity": Activity.INTERNAL_NOTE, "actor": Actor.AGENT, "visibility": Visibility.INTERNAL,
}  # fmt: skip
"""What an agent tried and the customer never got."""

_SPOKEN: Final[Mapping[str, Mapping[str, Any]]] = {
    By.CUSTOMER.value: _BY_CUSTOMER,
    By.AGENT.value: _BY_AGENT,
    By.BOT.value: _BY_BOT,
    Author.BYSTANDER.value: _BY_BYSTANDER,
}


def has_part(ticket: PlainTicket) -> bool:
    """Tell whether `ticket` has a channel's part. Asked of every ticket, so it is quick to say no."""
    return bool(ticket.chat or ticket.phone or ticket.web or ticket.messaging or ticket.social)


def with_part(
    ticket: PlainTicket,
    arrival: Arrival,
    *,
    envelope_id: str | None,
    envelope_time: datetime | None,
    key: bytes = b"",
) -> PlainTicket | list[Fault]:
    """Return `ticket` with what its part implies filled in where nothing else says it; or what is wrong.

    `key` is the one under which requesters are hashed, empty without one.
    """
    name, *others = [each for each in CHANNELS if getattr(ticket, each)]
    part: Part = getattr(ticket, name)
    faults = [*_several(name, others), *_other_channel(ticket, name), *_values(name, part, arrival)]
    faults += _CONTRADICTIONS[name](part)
    if faults:
        return faults
    implied = _IMPLIED[name](part, ticket.time or envelope_time or arrival.received_at)
    implied["channel"] = CHANNELS[name]
    if isinstance(part, MessagingPart) and part.conversation is not UNSET:
        implied["id"] = _hidden(part, key)
    if envelope_id is not None:
        implied.pop("id", None)
    if envelope_time is not None:
        implied.pop("time", None)
    activity = implied.get("activity") if ticket.activity is UNSET else ticket.activity
    if activity is not Activity.CREATED:
        implied.pop("tags", None)  # on a ticket that is there they would replace those it has
        implied.pop("category", None)
    silent = {each: value for each, value in implied.items() if getattr(ticket, each) is UNSET}
    if "tags" in implied and ticket.tags:
        silent["tags"] = tuple(dict.fromkeys((*implied["tags"], *ticket.tags)))[:TAGS_MAX]
    return msgspec.structs.replace(ticket, **silent)


# What each part implies. `shown_at`: the time that the ticket or its envelope shows, else its receipt.


def _chat(part: ChatPart, shown_at: datetime) -> Implied:
    del shown_at
    implied: Implied = {} if part.by is UNSET else {**_SPOKEN[part.by.value]}
    if part.handed_over_at is not UNSET:  # whoever is handed over asks for a person
        implied |= {**_BY_CUSTOMER, "time": part.handed_over_at}
    if part.conversation is not UNSET:
        implied["id"] = part.conversation
    if part.waiting_since is not UNSET:
        implied["created_at"] = part.waiting_since
    if part.messages is not UNSET:
        implied["sequence"] = part.messages
    return implied


def _phone(part: PhonePart, shown_at: datetime) -> Implied:
    del shown_at
    outcome, is_inbound = outcome_of(part), part.direction is Direction.INBOUND
    started_at = part.started_at or part.ended_at
    if outcome is Outcome.ANSWERED:
        implied: Implied = {**_BY_AGENT, "time": part.answered_at or started_at}
    elif is_inbound:
        implied = {**_BY_CUSTOMER, "time": started_at}
    else:
        is_left = outcome is Outcome.VOICEMAIL
        implied = {**(_BY_AGENT if is_left else _UNHEARD), "time": started_at}
    if is_inbound and part.started_at is not UNSET:
        implied["created_at"] = part.started_at  # the customer waits since it rang
    return {name: value for name, value in implied.items() if value is not UNSET}


def outcome_of(part: PhonePart) -> Outcome:
    """Return what became of a call that does not say so itself, by the times that it shows."""
    if part.outcome is not UNSET:
        return part.outcome
    if part.answered_at is not UNSET:
        return Outcome.ANSWERED
    return Outcome.RINGING if part.ended_at is UNSET else Outcome.MISSED


def _web(part: WebPart, shown_at: datetime) -> Implied:
    del shown_at
    implied: Implied = {**_BY_CUSTOMER, "activity": Activity.CREATED}
    if part.form is not UNSET:
        implied["category"] = part.form
    tags = []
    if part.page is not UNSET:
        # Without query and fragment: these carry names, addresses and what somebody searched for.
        tags.append(f"{PAGE_TAG}{urlsplit(part.page).path or '/'}"[:TEXT_CHARACTERS_MAX])
    if part.verified is False:
        tags.append(UNVERIFIED_TAG)
    return implied | ({"tags": tuple(tags)} if tags else {})


def _messaging(part: MessagingPart, shown_at: datetime) -> Implied:
    implied: Implied = {} if part.by is UNSET else {**_SPOKEN[part.by.value]}
    if part.by is By.AGENT and _is_unheard(part, shown_at):
        implied = {**_UNHEARD}
    return implied


def _hidden(part: MessagingPart, key: bytes) -> str:
    """Return the id of a messenger's conversation: with SMS and WhatsApp that is the customer's number.

    Under the key that hides requesters it cannot be found by trying numbers, where there is such a key.
    """
    conversation = str(part.conversation)
    digits = (
        hashed(key, part.provider, conversation).removeprefix(PREFIX)
        if key
        else derived_id("messaging", part.provider, conversation)
    )
    return f"{part.provider}/{digits[:_ID_DIGITS]}"


def _is_unheard(part: MessagingPart, shown_at: datetime) -> bool:
    """Tell whether an agent's message reached nobody: it failed, or came after the window had closed."""
    if part.failed is True:
        return True
    if part.window_ends_at is UNSET or part.template is True:
        return False
    return shown_at > part.window_ends_at


def _social(part: SocialPart, shown_at: datetime) -> Implied:
    del shown_at
    implied: Implied = {} if part.by is UNSET else {**_SPOKEN[part.by.value]}
    if part.by is Author.CUSTOMER and part.reply is not True:
        implied["activity"] = Activity.CREATED  # the post itself
    if part.post is not UNSET:
        implied["id"] = f"{part.network}/{part.post}"
    if part.audience is Audience.PUBLIC:
        implied["tags"] = (PUBLIC_TAG,)
    return implied


_IMPLIED: Final[Mapping[str, Callable[[Any, datetime], Implied]]] = {
    "chat": _chat, "phone": _phone, "web": _web, "messaging": _messaging, "social": _social,
}  # fmt: skip


# What can be wrong with a part whose members are well typed.


def _several(name: str, others: list[str]) -> Iterator[Fault]:
    for other in others:
        detail = f"a ticket comes by one channel; take out either {name} or {other}"
        yield Fault(Reason.INVALID_FIELD, pointer_to(other), detail)


def _other_channel(ticket: PlainTicket, name: str) -> Iterator[Fault]:
    if ticket.channel is not UNSET and ticket.channel is not CHANNELS[name]:
        shown = "null" if ticket.channel is None else ticket.channel.value
        detail = f"is {shown}, but the ticket has the part {name}; leave channel out, or take out {name}"
        yield Fault(Reason.INVALID_FIELD, "/channel", detail)


def _values(name: str, part: Part, arrival: Arrival) -> Iterator[Fault]:
    for member in part.__struct_fields__:
        value, pointer = getattr(part, member), pointer_to(name, member)
        if isinstance(value, datetime) and not EARLIEST <= value <= _latest(member, arrival):
            detail = (
                f"{value.isoformat()} is before 1970 or more than 5 minutes ahead; mend the sender's clock"
            )
            yield Fault(Reason.INVALID_TIME, pointer, detail)
        for fault in unprintable(member, value):
            yield fault._replace(pointer=pointer)


def _latest(member: str, arrival: Arrival) -> datetime:
    """Return up to when a time may be: only the end of a window lies ahead."""
    return LATEST if member == "window_ends_at" else arrival.latest


def _wrong(name: str, member: str, detail: str) -> Fault:
    return Fault(Reason.INVALID_FIELD, pointer_to(name, member), detail)


def _chat_faults(part: ChatPart) -> Iterator[Fault]:
    if part.handed_over_at is not UNSET and part.by is By.AGENT:
        yield _wrong("chat", "handed_over_at", "comes before the agent's message; show it by itself")


def _phone_faults(part: PhonePart) -> Iterator[Fault]:
    if part.answered_at is not UNSET and outcome_of(part) is not Outcome.ANSWERED:
        detail = f"the call was {outcome_of(part).value}; leave answered_at out, or set outcome to answered"
        yield _wrong("phone", "answered_at", detail)
    shown = [(each, getattr(part, each)) for each in ("started_at", "answered_at", "ended_at")]
    times = [(each, time) for each, time in shown if time is not UNSET]
    for (before, earlier), (after, later) in pairwise(times):
        if later < earlier:
            yield _wrong("phone", after, f"is before {before}; mend the sender's times")


def _web_faults(part: WebPart) -> Iterator[Fault]:
    if part.page is not UNSET and not _is_address(part.page):
        yield _wrong("web", "page", f"must be {PART_EXPECTED['web']['page']}")


def _is_address(text: str) -> bool:
    if not text.startswith(_WEB):
        return False
    try:
        return bool(urlsplit(text).netloc)
    except ValueError:
        return False


def _messaging_faults(part: MessagingPart) -> Iterator[Fault]:
    if part.by is not By.AGENT:
        for member in ("template", "failed"):
            if getattr(part, member) is True:
                yield _wrong("messaging", member, "is about a message of an agent; set by to agent")


def _social_faults(part: SocialPart) -> Iterator[Fault]:
    if part.post is not UNSET and part.post.startswith("@"):
        yield _wrong(
            "social", "post", "is a person's handle; send the post's id, and the handle as requester"
        )
    if part.audience is Audience.PRIVATE and part.by is Author.BYSTANDER:
        yield _wrong("social", "by", "nobody stands by where only two can read")


_CONTRADICTIONS: Final[Mapping[str, Callable[[Any], Iterator[Fault]]]] = {
    "chat": _chat_faults, "phone": _phone_faults, "web": _web_faults,
    "messaging": _messaging_faults, "social": _social_faults,
}  # fmt: skip
