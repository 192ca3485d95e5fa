"""What a mail shows of its ticket: members of the plain JSON ticket, for the normaliser to check as everybody's.

A mail that opens a ticket shows subject, requester, channel and queue. One that answers shows that somebody
wrote, and nothing else: a changed subject is no news of the ticket. Its time is its receipt: the sender's
clock (Date) may be years off, and no promise may hang on it.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.intake.core.mail.addresses import is_among
from services.intake.core.mail.mailbox import Mailbox
from services.intake.core.mail.message import Mail
from services.intake.core.vendors.port import Members
from shared.contracts.event_id import derived_id
from shared.contracts.tickets import TEXT_CHARACTERS_MAX, Activity, Actor, Channel, Visibility

ID_PREFIX: Final = "mail-"
_ID_DIGITS: Final = 16
_HASH_TAG: Final = re.compile(r"\[#([A-Za-z0-9][\w./#-]{0,99})\]")
_KEY_TAG: Final = re.compile(r"\[([\w.-]{1,64}):([^\[\]\s]{1,200})\]")


class Thread(NamedTuple):
    """Where a mail belongs, as far as it says by itself. Ids are those of `Mail`, tickets the source's ids."""

    mail: str
    answers: tuple[str, ...]
    tagged: str | None
    """The ticket that the subject names."""
    fresh: str
    """The ticket it opens if it belongs to none."""


def thread_of(mail: Mail, source: str) -> Thread:
    """Return where `mail` belongs: `[#42]` or `[desk:42]` in the subject, or what it answers."""
    return Thread(mail.id, mail.answers, _tagged(mail.subject, source), f"{ID_PREFIX}{mail.id[:_ID_DIGITS]}")


def members_of(mail: Mail, mailbox: Mailbox, thread: Thread, ticket: str) -> Members:
    """Return what `mail` shows of `ticket`, to which it was found to belong."""
    activity, actor, visibility = _written(mail, mailbox)
    members: Members = {
        "id": ticket,
        # A mail delivered twice is one: by its Message-ID, whatever the servers wrote on it meanwhile.
        "event_id": derived_id("email", mail.id),
        "activity": activity,
        "actor": actor,
        "visibility": visibility,
    }
    if ticket != thread.fresh:
        return members
    members |= {"activity": Activity.CREATED, "channel": Channel.EMAIL, "subject": mail.subject or None}
    if mail.sender and actor is Actor.CUSTOMER:
        members["requester"] = mail.sender[:TEXT_CHARACTERS_MAX]
    queue = next((mailbox.queues[one] for one in mail.recipients if one in mailbox.queues), None)
    return members if queue is None else members | {"queue": queue}


def _tagged(subject: str, source: str) -> str | None:
    for found in _KEY_TAG.finditer(subject):
        if found[1] == source:
            return found[2]
    found_hash = _HASH_TAG.search(subject)
    return None if found_hash is None else found_hash[1]


def _written(mail: Mail, mailbox: Mailbox) -> tuple[Activity, Actor, Visibility]:
    """Return who wrote, and whether the customer can see it: a mail among agents alone is a note."""
    if not mail.sender or not is_among(mail.sender, mailbox.agents):
        return Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC
    ours = mailbox.agents | mailbox.addresses
    if mail.recipients and all(is_among(one, ours) for one in mail.recipients):
        return Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL
    return Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC
