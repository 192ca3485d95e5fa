"""Help Scout conversations: webhooks with the v2 body.

Source: developer.helpscout.com, webhooks and the conversation object. Signed is the body, by HMAC-SHA1. What
happened stands in X-HelpScout-Event only; the body is the conversation as it is then. A deletion shows nothing
but the conversation's id, so the id, not the number, is the ticket's. Webhooks that send an address instead
of the body (`notification`) cannot be read: switch that off.

Help Scout has no priorities and no status for a conversation that nobody has begun: an active one is new until
somebody has it, then it is the word `assigned`. When a customer wrote is told by the threads if they are shown;
else the receive time counts, for no other time of the body moves with a customer's reply.
"""

from __future__ import annotations

from datetime import datetime
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
from services.intake.core.vendors.signing import base64_text, verify_hmac
from shared.contracts.tickets import Activity, Actor, Channel, Status, Visibility, WaitReason

_CONVERSATION: Final = "convo."
_DELETED: Final = "convo.deleted"
_SPAM: Final = "spam"
_MESSAGES: Final[dict[str, tuple[str, Members]]] = {
    "convo.customer.reply.created": ("customer", {
        "activity": Activity.CUSTOMER_MESSAGE, "actor": Actor.CUSTOMER, "visibility": Visibility.PUBLIC,
    }),
    "convo.agent.reply.created": ("message", {
        "activity": Activity.AGENT_MESSAGE, "actor": Actor.AGENT, "visibility": Visibility.PUBLIC,
    }),
    "convo.note.created": ("note", {
        "activity": Activity.INTERNAL_NOTE, "actor": Actor.AGENT, "visibility": Visibility.INTERNAL,
    }),
}  # fmt: skip
"""By event: the type of the thread that tells of it, and what it is."""
_CHANNELS: Final = {
    "email": Channel.EMAIL,
    "chat": Channel.CHAT,
    "phone": Channel.PHONE,
    **dict.fromkeys(("messaging", "whatsapp", "sms"), Channel.MESSAGING),
    **dict.fromkeys(("facebook", "instagram", "messenger"), Channel.SOCIAL),
}
_PEOPLE: Final = {"customer": Actor.CUSTOMER, "user": Actor.AGENT}


class HelpScout:
    """The adapter; see port.Vendor."""

    name = "help_scout"
    vocabulary = Vocabulary(
        statuses={
            **dict.fromkeys(("active", "open"), ShownStatus(Status.NEW)),
            "assigned": ShownStatus(Status.IN_PROGRESS),
            "pending": ShownStatus(Status.WAITING, WaitReason.CUSTOMER),
            "closed": ShownStatus(Status.CLOSED),
        },
        status_default=ShownStatus(Status.IN_PROGRESS),
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check X-HelpScout-Signature."""
        shown = delivery.header("x-helpscout-signature")
        return verify_hmac(shown, delivery.body, secrets, algorithm="sha1", how=self.name, text=base64_text)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: Help Scout has no handshake."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return the conversation that the event shows."""
        event = delivery.header("x-helpscout-event").strip().casefold()
        body = parse(delivery.body)
        if event and not event.startswith(_CONVERSATION):
            return Shown(ignored="no_ticket")
        conversation_id = body["id"].text()
        if conversation_id is None:
            raise Unreadable("a conversation needs its `id`; switch `notification` of the webhook off")
        if event == _DELETED:
            return Shown(({"id": conversation_id, "activity": Activity.DELETED},))
        if not event and not (body.has("status") and body.has("mailboxId")):
            raise Unreadable("neither X-HelpScout-Event nor a conversation's `status` and `mailboxId`")
        members = _conversation(body) | _happened(event, body)
        if members.get("status") == _SPAM:
            members |= {"status": None, "activity": Activity.SPAM}
        members["id"] = conversation_id
        return Shown((known(members, cleared={"assignee", "subject", "tags"}),))


def _conversation(body: Node) -> Members:
    members = fields(body, {"subject": "subject", "queue": "mailboxId"}) | tags(body, "tags", "tag", "name")
    members["status"] = (body["status"].text() or "").casefold() or None
    assignee = body["assignee"]
    owner = next((text for name in ("email", "id") if (text := assignee[name].text())), None)
    if owner or (body.has("assignee") and assignee.value is None):
        members["assignee"] = owner
    if owner and members["status"] == "active":
        members["status"] = "assigned"
    customer = body["primaryCustomer"]
    return members | {
        "requester": customer["email"].text() or customer["id"].text(),
        "channel": _CHANNELS.get((body["type"].text() or "").casefold()),
        "url": body["_links"]["web"]["href"].address(),
        "created_at": body["createdAt"].instant(),
    }


def _happened(event: str, body: Node) -> Members:
    updated_at = _latest(body, "userUpdatedAt", "closedAt", "createdAt")
    if event in _MESSAGES:
        kind, message = _MESSAGES[event]
        written_at = _written_at(body, kind)
        is_by_customer = message["actor"] is Actor.CUSTOMER
        return message | {"time": written_at or (None if is_by_customer else updated_at)}
    if event == "convo.created":
        by = (body["source"]["via"].text() or body["createdBy"]["type"].text() or "").casefold()
        created_at = body["createdAt"].instant()
        return {"activity": Activity.CREATED, "actor": _PEOPLE.get(by), "time": created_at or updated_at}
    return {"activity": Activity.UPDATED, "time": updated_at}


def _latest(body: Node, *names: str) -> datetime | None:
    return max((at for name in names if (at := body[name].instant()) is not None), default=None)


def _written_at(body: Node, kind: str) -> datetime | None:
    """Return when the latest thread of a kind was written, if threads are shown."""
    threads = (each for each in body["_embedded"]["threads"].items() if each["type"].text() == kind)
    return max((at for each in threads if (at := each["createdAt"].instant()) is not None), default=None)


VENDOR: Final[Vendor] = HelpScout()
