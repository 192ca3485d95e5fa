"""Chatwoot conversations: account webhooks `conversation_*` and `message_*`.

Source: chatwoot/chatwoot, the listener and presenters that make the bodies; the documentation says less.
Recent versions sign `<timestamp>.<body>`; webhooks of API inboxes were seen with a wrong secret, and older
versions sign nothing, so a source may be configured without. Nothing is ever sent twice: what is lost is
found by reconciliation only.

The ticket's id is the number people see, unique in its account. An open conversation with an assignee is the
word `assigned`. A message is of its author: incoming ones are the customer's, private ones internal notes,
templates and those of bots, automations and campaigns no agent's. The time of a conversation is `updated_at`,
or in older versions that of its last activity.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, instant, parse
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
from services.intake.core.vendors.signing import if_fresh, verify_hmac
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason

_CONVERSATIONS: Final = {
    "conversation_created": Activity.CREATED,
    "conversation_updated": Activity.UPDATED,
    "conversation_status_changed": Activity.UPDATED,
    "conversation_opened": Activity.UPDATED,
    "conversation_resolved": Activity.UPDATED,
}
_MESSAGES: Final = frozenset({"message_created", "message_updated"})
_MESSAGE_TYPES: Final = {"0": "incoming", "1": "outgoing", "2": "activity", "3": "template"}
"""Some versions number the types."""
_BOTS: Final = frozenset({"agent_bot", "AgentBot", "captain_assistant", "Captain::Assistant"})
_CHANNELS: Final = {
    "Email": Channel.EMAIL, "WebWidget": Channel.CHAT, "Api": Channel.API, "Voice": Channel.PHONE,
    "Whatsapp": Channel.MESSAGING, "TwilioSms": Channel.MESSAGING, "Sms": Channel.MESSAGING,
    "Telegram": Channel.MESSAGING, "Line": Channel.MESSAGING, "FacebookPage": Channel.SOCIAL,
    "TwitterProfile": Channel.SOCIAL, "Instagram": Channel.SOCIAL, "Tiktok": Channel.SOCIAL,
}  # fmt: skip


class Chatwoot:
    """The adapter; see port.Vendor."""

    name = "chatwoot"
    vocabulary = Vocabulary(
        statuses={
            "open": ShownStatus(Status.NEW),
            "assigned": ShownStatus(Status.IN_PROGRESS),
            "pending": ShownStatus(Status.WAITING, WaitReason.INTERNAL),
            "snoozed": ShownStatus(Status.WAITING, WaitReason.SCHEDULED),
            "resolved": ShownStatus(Status.SOLVED),
        },
        status_default=ShownStatus(Status.NEW),
        priorities={
            "urgent": Priority.P1, "high": Priority.P2, "medium": Priority.P3, "low": Priority.P4,
        },
    )  # fmt: skip

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check X-Chatwoot-Signature over X-Chatwoot-Timestamp and the body."""
        stamp, shown = delivery.header("x-chatwoot-timestamp"), delivery.header("x-chatwoot-signature")
        signed = f"{stamp}.".encode("utf-8", "replace") + delivery.body
        found = verify_hmac(shown, signed, secrets, algorithm="sha256", how=self.name, prefix="sha256=")
        return if_fresh(found, instant(stamp), delivery.received_at)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: Chatwoot has no handshake."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return the conversation that the event shows."""
        body = parse(delivery.body)
        event = body["event"].text()
        if event is None:
            raise Unreadable("a request without its event")
        if event in _CONVERSATIONS:
            conversation = body
            happened: Members = {"activity": _CONVERSATIONS[event], "time": _time(body)}
        elif event in _MESSAGES:
            conversation = body["conversation"]
            happened = _written(body) if event == "message_created" else _edited(body)
        else:
            return Shown(ignored="no_ticket")
        number = conversation["id"].integer()
        if number is None:
            raise Unreadable("a conversation without its id")
        members = _conversation(conversation) | happened
        if event in _MESSAGES and not conversation["meta"].has("assignee"):
            members["status"] = None  # older versions: open it may be, and still somebody's
        members["id"] = str(number)
        members["event_id"] = Node(delivery.header("x-chatwoot-delivery")).text()
        return Shown((known(members, cleared=_cleared(conversation)),))


def _conversation(conversation: Node) -> Members:
    meta, labels = conversation["meta"], conversation["labels"]
    assignee = meta["assignee"]["name"].text() or meta["assignee"]["email"].text()
    status = conversation["status"].text()
    return {
        "subject": conversation["additional_attributes"]["mail_subject"].subject(),
        "status": "assigned" if status == "open" and assignee else status,
        "priority": conversation["priority"].text(),
        "queue": meta["team"]["name"].text(),
        "assignee": assignee,
        "requester": _person(meta["sender"]),
        "channel": _CHANNELS.get((conversation["channel"].text() or "").removeprefix("Channel::")),
        "tags": labels.texts() if isinstance(labels.value, list) else None,
        "created_at": conversation["created_at"].instant(),
    }


def _cleared(conversation: Node) -> set[str]:
    """Return the members that the conversation shows to be empty."""
    meta = conversation["meta"]
    shown = {"priority": (conversation, "priority"), "queue": (meta, "team"), "assignee": (meta, "assignee")}
    return {member for member, (node, name) in shown.items() if node.has(name) and node[name].value is None}


def _person(sender: Node) -> str | None:
    names = ("email", "phone_number", "identifier", "id")
    return next((text for name in names if (text := sender[name].text())), None)


def _time(conversation: Node) -> datetime | None:
    """Return when a conversation changed. A zero of an older version says that nothing happened yet."""
    for name in ("updated_at", "last_activity_at", "timestamp", "created_at"):
        if conversation[name].value and (found := conversation[name].instant()):
            return found
    return None


def _edited(message: Node) -> Members:
    time = _time(message["conversation"]) or message["updated_at"].instant()
    return {"activity": Activity.UPDATED, "time": time}


def _written(message: Node) -> Members:
    shown = message["message_type"].text() or ""
    kind = _MESSAGE_TYPES.get(shown, shown)
    is_public = not message["private"].flag()
    time = message["created_at"].instant() or _time(message["conversation"])
    if kind == "incoming" and is_public:
        activity, actor = Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER
    elif kind in {"incoming", "outgoing", "template"}:
        activity = Activity.AGENT_MESSAGE if is_public else Activity.INTERNAL_NOTE
        actor = Actor.BOT if kind == "template" or _is_automatic(message) else Actor.AGENT
    else:
        return {"activity": Activity.UPDATED, "actor": Actor.SYSTEM, "time": time}
    visibility = Visibility.PUBLIC if is_public else Visibility.INTERNAL
    return {"activity": activity, "actor": actor, "visibility": visibility, "time": time}


def _is_automatic(message: Node) -> bool:
    sent_by = message["content_attributes"]["automation_rule_id"].value
    campaign = message["additional_attributes"]["campaign_id"].value
    return message["sender"]["type"].text() in _BOTS or sent_by is not None or campaign is not None


VENDOR: Final[Vendor] = Chatwoot()
