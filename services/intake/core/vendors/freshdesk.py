"""Freshdesk tickets: the webhook that an automation rule triggers.

Source: support.freshdesk.com, webhooks in automation rules. Nothing is signed: the rule sends a secret in a
header of its own (shared_secret.py) or basic authentication. The administrator chooses the fields, by the
names of Freshdesk's placeholders; all are texts, inside `freshdesk_webhook` or flat. `triggered_event` says
what happened in a notation of its own: `{ticket_action:created}`, `{note_type:public}`,
`{status:{from:2,to:4}}`. A rule on a requester's reply should write `{customer_reply:received}` there. No time and no id of the event comes with it unless the administrator adds
`ticket_updated_at` (ISO 8601 with an offset), so the receive time counts.

Freshdesk has no status for a ticket that nobody has begun: an open one is new until it shows an agent, then
it is the word `assigned`.
"""

from __future__ import annotations

import re
from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, parse
from services.intake.core.vendors.fields import fields, tags
from services.intake.core.vendors.members import known
from services.intake.core.vendors.port import (
    Delivery,
    Members,
    Shaken,
    Shown,
    Unreadable,
    Untrusted,
    Vendor,
    Verified,
    Vocabulary,
)
from services.intake.core.vendors.shared_secret import verify_shared
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason

_ENVELOPE: Final = "freshdesk_webhook"
_OPEN: Final = frozenset({"open", "2"})
_EVENT_CHARACTERS_MAX: Final = 2_000
_PAIR: Final = re.compile(r"(\w+)\s*:\s*\{?\s*\"?([\w .-]+)")
_CHANGE: Final = re.compile(r"(status|priority)\s*:\s*\{[^{}]*\bto\s*:\s*\"?([\w .-]+)")
_CUSTOMER: Final = {
    "activity": Activity.CUSTOMER_MESSAGE, "actor": Actor.CUSTOMER, "visibility": Visibility.PUBLIC,
}  # fmt: skip
_AGENT: Final = {"activity": Activity.AGENT_MESSAGE, "actor": Actor.AGENT, "visibility": Visibility.PUBLIC}
_NOTE: Final = {"activity": Activity.INTERNAL_NOTE, "actor": Actor.AGENT, "visibility": Visibility.INTERNAL}
_HAPPENED: Final[dict[tuple[str, str], Members]] = {
    ("ticket_action", "created"): {"activity": Activity.CREATED},
    ("ticket_action", "deleted"): {"activity": Activity.DELETED},
    ("ticket_action", "restored"): {"activity": Activity.RESTORED},
    ("ticket_action", "marked_spam"): {"activity": Activity.SPAM},
    ("ticket_action", "marked_as_spam"): {"activity": Activity.SPAM},
    ("ticket_action", "spam"): {"activity": Activity.SPAM},
    ("note_type", "public"): _AGENT,
    ("note_type", "private"): _NOTE,
    ("reply_sent", "sent"): _AGENT,
    ("customer_reply", "received"): _CUSTOMER,
}
"""Only agents write notes: a requester's words are replies."""
_CHANNELS: Final = {
    **dict.fromkeys(("email", "1", "outbound email", "10"), Channel.EMAIL),
    **dict.fromkeys(("portal", "2", "feedback widget", "9", "web form"), Channel.WEB),
    **dict.fromkeys(("phone", "3"), Channel.PHONE),
    **dict.fromkeys(("chat", "7", "mobihelp", "8"), Channel.CHAT),
    **dict.fromkeys(("facebook", "6", "twitter", "5"), Channel.SOCIAL),
    **dict.fromkeys(("whatsapp", "13", "sms"), Channel.MESSAGING),
    "api": Channel.API,
}
"""By the name that `ticket_source` shows, or the number that the API has for it."""


class Freshdesk:
    """The adapter; see port.Vendor."""

    name = "freshdesk"
    vocabulary = Vocabulary(
        statuses={
            **dict.fromkeys(("open", "2"), ShownStatus(Status.NEW)),
            "assigned": ShownStatus(Status.IN_PROGRESS),
            **dict.fromkeys(
                ("pending", "3", "waiting on customer", "6"), ShownStatus(Status.WAITING, WaitReason.CUSTOMER)
            ),
            **dict.fromkeys(("waiting on third party", "7"), ShownStatus(Status.WAITING, WaitReason.VENDOR)),
            **dict.fromkeys(("resolved", "4"), ShownStatus(Status.SOLVED)),
            **dict.fromkeys(("closed", "5"), ShownStatus(Status.CLOSED)),
        },
        status_default=ShownStatus(Status.IN_PROGRESS),
        priorities={
            **dict.fromkeys(("urgent", "4"), Priority.P1),
            **dict.fromkeys(("high", "3"), Priority.P2),
            **dict.fromkeys(("medium", "2"), Priority.P3),
            **dict.fromkeys(("low", "1"), Priority.P4),
        },
        priority_default=Priority.P3,
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check the secret in the rule's own header."""
        return verify_shared(delivery, secrets, how=self.name)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: Freshdesk has no handshake."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return the ticket that the rule sends."""
        body = parse(delivery.body)
        ticket = body[_ENVELOPE] if body.has(_ENVELOPE) else body
        ticket_id = ticket["ticket_id"].text() or ticket["ticket_id_numeric"].text()
        if ticket_id is None:
            raise Unreadable("the rule must send `ticket_id` (the placeholder {{ticket.id}})")
        members = _ticket(ticket)
        told = ticket["triggered_event"].text(_EVENT_CHARACTERS_MAX) or ""
        for name, value in _CHANGE.findall(told.casefold()):
            members.setdefault(name, value.strip())
        if members.get("assignee") and str(members.get("status")).casefold() in _OPEN:
            members["status"] = "assigned"
        members["id"] = ticket_id
        return Shown((members | _happened(told),))


_PATHS: Final = {
    "subject": "ticket_subject",
    "status": "ticket_status",
    "priority": "ticket_priority",
    "queue": "ticket_group_name",
    "assignee": "ticket_agent_name",
    "category": "ticket_type",
}
_PEOPLE: Final = (
    ("requester", ("requester_email", "ticket_requester_email", "requester_name", "ticket_requester_name")),
    ("assignee", ("ticket_agent_email",)),
)
"""Where the same person may stand, the surest first: an address is one person's, a name may be many's."""


def _ticket(ticket: Node) -> Members:
    members = fields(ticket, _PATHS) | tags(ticket, "ticket_tags")
    for name, sources in _PEOPLE:
        shown = next((text for source in sources if (text := ticket[source].text())), None)
        if shown is not None:
            members[name] = shown
    if isinstance(words := ticket["ticket_tags"].value, str):
        members["tags"] = Node([word.strip() for word in words.split(",")]).texts()
    address = ticket["ticket_url"].address() or ticket["ticket_public_url"].address()
    return members | known({
        "url": address,
        "channel": _CHANNELS.get((ticket["ticket_source"].text() or "").casefold()),
        "created_at": ticket["ticket_created_at"].instant(),
        "time": ticket["ticket_updated_at"].instant(),
    })  # fmt: skip


def _happened(told: str) -> Members:
    """Return the most telling of what `triggered_event` names; a change of fields is an update."""
    for name, value in _PAIR.findall(told.casefold()):
        if (happened := _HAPPENED.get((name, value.strip()))) is not None:
            return dict(happened)
    return {"activity": Activity.UPDATED}


VENDOR: Final[Vendor] = Freshdesk()
