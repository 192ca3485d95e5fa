"""Zendesk tickets: webhooks that subscribe to ticket events, and those called by triggers and automations.

Source: developer.zendesk.com, webhooks (verifying, ticket events). Signed are the timestamp header and the
body. An event shows the whole ticket in `detail`, and words in upper case. What a trigger sends is written by
the account's administrator; understood are the names of Zendesk's placeholders, flat or inside `ticket`:
`id`, `title`, `status`, `priority`, `group`, `assignee`, `requester`, `tags`, `via`, `type`, `link`,
`created_at` and `updated_at` (the placeholders `..._with_timestamp`).

A comment is an event by its own id, so that a list of comments tells of the same one. `open` means that an agent has taken the ticket; `hold` waits for somebody else than the customer.
"""

from __future__ import annotations

from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, instant, parse
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
from services.intake.core.vendors.signing import base64_text, if_fresh, verify_hmac
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason

_EVENT: Final = "zen:event-type:"
_TICKET: Final = "ticket."
_ACTIVITIES: Final = {
    "created": Activity.CREATED,
    "merged": Activity.MERGED,
    "marked_as_spam": Activity.SPAM,
    "soft_deleted": Activity.DELETED,
    "permanently_deleted": Activity.DELETED,
    "undeleted": Activity.RESTORED,
}
_CHANNELS: Final = {
    **dict.fromkeys(("email", "mail"), Channel.EMAIL),
    **dict.fromkeys(("web", "web_form", "web form", "help_center", "web_widget", "mobile"), Channel.WEB),
    **dict.fromkeys(("chat", "chat_transcript", "chat_offline_message"), Channel.CHAT),
    **dict.fromkeys(("voice", "phone", "phone_call_inbound", "phone_call_outbound"), Channel.PHONE),
    **dict.fromkeys(("native_messaging", "messaging", "sms", "whatsapp", "line"), Channel.MESSAGING),
    **dict.fromkeys(("facebook", "twitter", "instagram_dm", "messenger"), Channel.SOCIAL),
    **dict.fromkeys(("api", "web_service"), Channel.API),
}
_SYSTEM: Final = "-1"
"""Zendesk's own id as an author."""


class Zendesk:
    """The adapter; see port.Vendor."""

    name = "zendesk"
    vocabulary = Vocabulary(
        statuses={
            "new": ShownStatus(Status.NEW),
            "open": ShownStatus(Status.IN_PROGRESS),
            "pending": ShownStatus(Status.WAITING, WaitReason.CUSTOMER),
            **dict.fromkeys(("hold", "on-hold", "on hold"), ShownStatus(Status.WAITING, WaitReason.VENDOR)),
            "solved": ShownStatus(Status.SOLVED),
            "closed": ShownStatus(Status.CLOSED),
        },
        status_default=ShownStatus(Status.IN_PROGRESS),
        priorities={
            "urgent": Priority.P1,
            "high": Priority.P2,
            "normal": Priority.P3,
            "low": Priority.P4,
        },
        priority_default=Priority.P3,
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check X-Zendesk-Webhook-Signature over the timestamp and the body, and the timestamp's age."""
        stamp = delivery.header("x-zendesk-webhook-signature-timestamp")
        shown = delivery.header("x-zendesk-webhook-signature")
        signed = stamp.encode("utf-8", "replace") + delivery.body
        found = verify_hmac(shown, signed, secrets, algorithm="sha256", how=self.name, text=base64_text)
        return if_fresh(found, instant(stamp), delivery.received_at)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: Zendesk has no handshake."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return the ticket that the event or the trigger shows."""
        body = parse(delivery.body)
        event = body["type"].text() or ""
        if not event.startswith(_EVENT):
            return Shown((_sent_by_trigger(body, delivery),))
        what = event.removeprefix(_EVENT)
        if not what.startswith(_TICKET):
            return Shown(ignored="no_ticket")
        detail = body["detail"]
        ticket_id = detail["id"].text() or (body["subject"].text() or "").rpartition(":")[2]
        if not ticket_id:
            raise Unreadable("a ticket event needs the ticket's id in detail.id")
        members = _ticket(detail) | _happened(what.removeprefix(_TICKET), body)
        members["id"] = ticket_id
        return Shown((known(members, cleared=frozenset(_PATHS) | {"tags"}),))


_PATHS: Final = {
    "subject": "subject",
    "status": "status",
    "priority": "priority",
    "queue": "group_id",
    "assignee": "assignee_id",
    "requester": "requester_id",
    "category": "type",
}


def _ticket(detail: Node) -> Members:
    members = fields(detail, _PATHS) | tags(detail, "tags")
    if kind := members.get("category"):
        members["category"] = kind.lower()
    return members | {
        "channel": _channel(detail["via"]["channel"]),
        "created_at": detail["created_at"].instant(),
    }


def _channel(via: Node) -> Channel | None:
    return _CHANNELS.get((via.text() or "").casefold())


def _happened(what: str, body: Node) -> Members:
    detail, comment = body["detail"], body["event"]["comment"]
    members: Members = {
        "event_id": body["id"].text(),
        "time": body["time"].instant() or detail["updated_at"].instant(),
    }
    if what == "comment_added":
        return members | _comment(comment)
    members["activity"] = _ACTIVITIES.get(what, Activity.UPDATED)
    members["actor"] = _actor(detail)
    if what == "created" and detail["is_public"].value is False:
        members["visibility"] = Visibility.INTERNAL
    if what == "merged":
        members["merged_into"] = body["event"]["target_ticket_id"].text()
    return members


def _comment(comment: Node) -> Members:
    """Return who wrote what. A private comment of an end user (a chat's transcript) is theirs all the same."""
    is_private = comment["is_public"].value is False
    found: Members = {"visibility": Visibility.INTERNAL if is_private else Visibility.PUBLIC}
    is_staff = comment["author"]["is_staff"].value
    if comment["author"]["id"].text() == _SYSTEM:
        activity, actor = Activity.INTERNAL_NOTE if is_private else Activity.AGENT_MESSAGE, Actor.SYSTEM
    elif is_staff is False:
        activity, actor = Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER
    elif is_staff is True:
        activity, actor = Activity.INTERNAL_NOTE if is_private else Activity.AGENT_MESSAGE, Actor.AGENT
    else:
        return {"activity": Activity.UPDATED}
    number = comment["id"].text()
    return (
        found | {"activity": activity, "actor": actor} | ({"event_id": f"comment-{number}"} if number else {})
    )


def _actor(detail: Node) -> Actor | None:
    """Return who acted, as far as ids say: only agents are assignees, and only agents file for others."""
    actor = detail["actor_id"].text()
    if actor is None:
        return None
    if actor == _SYSTEM:
        return Actor.SYSTEM
    if actor == detail["assignee_id"].text():
        return Actor.AGENT
    if actor == detail["requester_id"].text():
        return Actor.CUSTOMER
    return Actor.AGENT if actor == detail["submitter_id"].text() else None


_TRIGGER_PATHS: Final = {
    "subject": "title",
    "status": "status",
    "priority": "priority",
    "queue": "group",
    "assignee": "assignee",
    "requester": "requester",
    "category": "type",
}


def _sent_by_trigger(body: Node, delivery: Delivery) -> Members:
    ticket = body["ticket"] if isinstance(body["ticket"].value, dict) else body
    ticket_id = ticket["id"].text() or ticket["ticket_id"].text()
    if ticket_id is None:
        raise Unreadable("neither a ticket event nor a trigger's ticket: a trigger must send `id`")
    members = fields(ticket, _TRIGGER_PATHS) | tags(ticket, "tags")
    if "subject" not in members:
        members |= fields(ticket, {"subject": "subject"})
    if isinstance(words := ticket["tags"].value, str):
        members["tags"] = Node(words.split()).texts()
    members |= known({
        "id": ticket_id,
        "event_id": Node(delivery.header("x-zendesk-webhook-invocation-id")).text(),
        "url": ticket["link"].address(),
        "channel": _channel(ticket["via"]),
        "created_at": ticket["created_at"].instant(),
        "time": ticket["updated_at"].instant(),
    })  # fmt: skip
    return members


VENDOR: Final[Vendor] = Zendesk()
