"""Front conversations: application webhooks, and webhooks that a rule sends.

Source: dev.frontapp.com, application webhooks, rule webhooks, events. An application signs its timestamp (in
milliseconds), a colon and the body, by HMAC-SHA256; a rule signs the body alone, by HMAC-SHA1. An application
is asked once for the challenge it was sent. Its events stand in `payload` and may show of the conversation no
more than its id; a rule sends the event itself. Both have two vocabularies for what happened, `archive` and
`conversation_archived`.

A conversation of which nobody is the assignee is new, an archived one is done and opens again by a reply; an
account that works with tickets shows a category of its own statuses, which counts first. There are no
priorities. A merge is told by the survivor, with the ids of those that are gone.
"""

from __future__ import annotations

from typing import Final

import msgspec

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
from shared.contracts.tickets import Activity, Actor, Channel, Status, Visibility, WaitReason

_SYNC: Final = "sync"
_CHALLENGE_CHARACTERS_MAX: Final = 512
_MERGED_MAX: Final = 100
_CUSTOMER: Final = {
    "activity": Activity.CUSTOMER_MESSAGE, "actor": Actor.CUSTOMER, "visibility": Visibility.PUBLIC,
}  # fmt: skip
_AGENT: Final = {"activity": Activity.AGENT_MESSAGE, "actor": Actor.AGENT, "visibility": Visibility.PUBLIC}
_NOTE: Final = {"activity": Activity.INTERNAL_NOTE, "actor": Actor.AGENT, "visibility": Visibility.INTERNAL}
_GONE: Final = {"activity": Activity.DELETED}
_BACK: Final = {"activity": Activity.RESTORED}
_HAPPENED: Final[dict[str, Members]] = {
    **dict.fromkeys(("inbound", "inbound_received"), _CUSTOMER),
    **dict.fromkeys(("outbound", "out_reply", "outbound_sent"), _AGENT),
    **dict.fromkeys(("comment", "mention", "new_comment_added"), _NOTE),
    **dict.fromkeys(("trash", "conversation_deleted", "conversation_trashed"), _GONE),
    **dict.fromkeys(("restore", "conversation_restored"), _BACK),
}
_ASSIGNED: Final = frozenset({"assign", "assignee_changed"})
_UNASSIGNED: Final = frozenset({"unassign"})
_ARCHIVED: Final = frozenset({"archive", "conversation_archived"})
_MOVED: Final = frozenset({"move", "conversation_moved"})
_CHANNELS: Final = {
    "email": Channel.EMAIL,
    **dict.fromkeys(("front_chat", "intercom", "chat"), Channel.CHAT),
    **dict.fromkeys(("phone-call", "phone_call", "call"), Channel.PHONE),
    **dict.fromkeys(("sms", "whatsapp", "smooch", "twilio"), Channel.MESSAGING),
    **dict.fromkeys(("tweet", "twitter", "twitter_dm", "facebook", "google_play", "truly"), Channel.SOCIAL),
}
_SOURCES: Final = {
    "teammate": Actor.AGENT,
    **dict.fromkeys(("rule", "reminder", "api", "system"), Actor.SYSTEM),
}


class Front:
    """The adapter; see port.Vendor."""

    name = "front"
    vocabulary = Vocabulary(
        statuses={
            **dict.fromkeys(("unassigned", "invisible"), ShownStatus(Status.NEW)),
            **dict.fromkeys(("assigned", "unarchived", "open"), ShownStatus(Status.IN_PROGRESS)),
            "snoozed": ShownStatus(Status.WAITING, WaitReason.SCHEDULED),
            "waiting": ShownStatus(Status.WAITING, WaitReason.CUSTOMER),
            **dict.fromkeys(("archived", "resolved"), ShownStatus(Status.SOLVED)),
        },
        status_default=ShownStatus(Status.IN_PROGRESS),
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check X-Front-Signature: with a timestamp it is an application's, without one a rule's."""
        shown, stamp = delivery.header("x-front-signature"), delivery.header("x-front-request-timestamp")
        if not stamp:
            return verify_hmac(
                shown, delivery.body, secrets, algorithm="sha1", how=self.name, text=base64_text
            )
        signed = stamp.encode("utf-8", "replace") + b":" + delivery.body
        found = verify_hmac(shown, signed, secrets, algorithm="sha256", how=self.name, text=base64_text)
        return if_fresh(found, instant(stamp), delivery.received_at)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Answer an application's challenge; it comes when the webhook is made."""
        del secrets
        challenge = delivery.header("x-front-challenge")
        if not 0 < len(challenge) <= _CHALLENGE_CHARACTERS_MAX or not challenge.isprintable():
            return None
        try:
            is_asked = parse(delivery.body)["type"].text() == _SYNC
        except Unreadable:
            return None
        body = msgspec.json.encode({"challenge": challenge})
        return Shaken(200, body=body, content_type="application/json") if is_asked else None

    def read(self, delivery: Delivery) -> Shown:
        """Return the conversation that the event shows, and those merged into it."""
        body = parse(delivery.body)
        event = body["payload"] if isinstance(body["payload"].value, dict) else body
        what = event["type"].text() or body["type"].text()
        if what is None:
            raise Unreadable("an event needs its `type`")
        conversation = event["conversation"]
        conversation_id = conversation["id"].text()
        if what == _SYNC or not isinstance(conversation.value, dict):
            return Shown(ignored="handshake" if what == _SYNC else "no_ticket")
        if conversation_id is None:
            raise Unreadable("an event of a conversation needs `conversation.id`")
        dated = {"event_id": event["id"].text(), "time": event["emitted_at"].instant()}
        members = _conversation(conversation) | _happened(what, event) | dated | {"id": conversation_id}
        merged = [
            known({"id": gone, "activity": Activity.MERGED, "merged_into": conversation_id, **dated})
            for gone in _gone(what, event)
            if gone != conversation_id
        ]
        return Shown((known(members, cleared={"assignee", "subject", "tags"}), *merged))


def _conversation(conversation: Node) -> Members:
    members = fields(conversation, {"subject": "subject"}) | tags(conversation, "tags", "name")
    category, word = conversation["status_category"].text(), conversation["status"].text()
    members["status"] = category if category in {"waiting", "resolved"} else word or category
    assignee = conversation["assignee"]
    owner = _person(assignee)
    if owner or (conversation.has("assignee") and assignee.value is None):
        members["assignee"] = owner
    if members["status"] in {"deleted", "trashed", "spam"}:
        members["activity"] = Activity.SPAM if members["status"] == "spam" else Activity.DELETED
        members["status"] = None
    return members | {
        "requester": conversation["recipient"]["handle"].text(),
        "created_at": conversation["created_at"].instant(),
    }


def _happened(what: str, event: Node) -> Members:
    """Return what happened, and what it says of a conversation that is shown by its id only."""
    source, target, conversation = event["source"], event["target"], event["conversation"]
    kind = source["_meta"]["type"].text() or ""
    found: Members = {"actor": _SOURCES.get(kind), **_HAPPENED.get(what, {})}
    if what in _ASSIGNED and not conversation.has("assignee"):
        owner = _person(target["data"])
        found |= {"assignee": owner} if owner else {}
    if what in _UNASSIGNED:
        found["assignee"] = None
    if what in _ARCHIVED and not conversation.has("status"):
        found["status"] = "archived"
    if kind == "inboxes":
        found["queue"] = next(iter(source["data"].texts("name", "id")), None)
    if what in _MOVED:
        found["queue"] = target["data"]["name"].text() or next(iter(target["data"].texts("name", "id")), None)
    if _HAPPENED.get(what) in (_CUSTOMER, _AGENT):
        message = target["data"]
        found["channel"] = _CHANNELS.get((message["type"].text() or "").casefold())
    return found


def _person(teammate: Node) -> str | None:
    return next((text for name in ("email", "username", "id") if (text := teammate[name].text())), None)


def _gone(what: str, event: Node) -> list[str]:
    if what != "conversations_merged":
        return []
    shown = event["target"]["data"]
    for gone in (shown, shown["deleted_conversation_ids"]):
        if isinstance(gone.value, list):
            return [text for one in gone.items() if (text := one.text() or one["id"].text())][:_MERGED_MAX]
    return []


VENDOR: Final[Vendor] = Front()
