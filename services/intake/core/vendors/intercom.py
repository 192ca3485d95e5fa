"""Intercom tickets and conversations: webhooks of an app.

Source: developers.intercom.com, webhooks and webhook topics. Signed is the body, by HMAC-SHA1 with the app's
client secret. Intercom asks by HEAD whether the address answers, and sends `ping` now and then. A ticket has a
number that people know (`ticket_id`) beside its id; a conversation has its id.

A ticket's state has a label that people invented and a category; a source's own map may know the label, the
category counts otherwise. An open conversation is new until an admin has it, then it is the word `assigned`; a
snoozed one waits for its time. Who did it stands in the topic: `conversation.admin.closed`. A ticket that an
admin made out of a conversation is its customer's all the same, so who made a ticket is not said. A reply or a note of a ticket comes beside its ticket, in
one item; what an admin writes while assigning is a note, whatever the topic calls it.
"""

from __future__ import annotations

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
from services.intake.core.vendors.signing import verify_hmac
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason

_PING: Final = "ping"
_TRANSLATED: Final = ".translated"
_PEOPLE_CHANGED: Final = (".contact.attached", ".contact.detached")
"""Who takes part in a talk says nothing of the ticket, and comes in a form without its number."""
_BESIDE: Final = "ticket_ticket_part"
_ASSIGNMENT: Final = "assignment"
_NOBODY: Final = frozenset({"0", "nobody_admin"})
_ACTORS: Final = {
    **dict.fromkeys(("user", "contact", "lead"), Actor.CUSTOMER),
    "admin": Actor.AGENT,
    **dict.fromkeys(("operator", "bot"), Actor.BOT),
}
"""By the second word of a topic, or the type of a part's author."""
_ACTIVITIES: Final = {
    **dict.fromkeys(
        (
            "ticket.created",
            "conversation.user.created",
            "conversation.admin.single.created",
            "conversation.created",
        ),
        Activity.CREATED,
    ),
    **dict.fromkeys(
        (
            "conversation.user.replied",
            "conversation.contact.replied",
            "ticket.contact.replied",
            "ticket.user.replied",
        ),
        Activity.CUSTOMER_MESSAGE,
    ),
    **dict.fromkeys(
        ("conversation.admin.replied", "conversation.operator.replied", "ticket.admin.replied"),
        Activity.AGENT_MESSAGE,
    ),
    **dict.fromkeys(("conversation.admin.noted", "ticket.note.created"), Activity.INTERNAL_NOTE),
    **dict.fromkeys(("conversation.deleted", "ticket.deleted"), Activity.DELETED),
}
_SEEN_BY: Final = {
    Activity.CUSTOMER_MESSAGE: Visibility.PUBLIC,
    Activity.AGENT_MESSAGE: Visibility.PUBLIC,
    Activity.INTERNAL_NOTE: Visibility.INTERNAL,
}
_CHANNELS: Final = {
    **dict.fromkeys(("messenger", "conversation", "chat", "push"), Channel.CHAT),
    "email": Channel.EMAIL,
    **dict.fromkeys(("phone_call", "phone_switch", "phone"), Channel.PHONE),
    **dict.fromkeys(("whatsapp", "sms", "telegram"), Channel.MESSAGING),
    **dict.fromkeys(("facebook", "instagram", "twitter"), Channel.SOCIAL),
    "api": Channel.API,
}


class Intercom:
    """The adapter; see port.Vendor."""

    name = "intercom"
    vocabulary = Vocabulary(
        statuses={
            **dict.fromkeys(("submitted", "open"), ShownStatus(Status.NEW)),
            **dict.fromkeys(("in_progress", "in progress", "assigned"), ShownStatus(Status.IN_PROGRESS)),
            **dict.fromkeys(
                ("waiting_on_customer", "waiting on customer", "waiting on you"),
                ShownStatus(Status.WAITING, WaitReason.CUSTOMER),
            ),
            "snoozed": ShownStatus(Status.WAITING, WaitReason.SCHEDULED),
            "resolved": ShownStatus(Status.SOLVED),
            "closed": ShownStatus(Status.CLOSED),
        },
        status_default=ShownStatus(Status.IN_PROGRESS),
        priorities={"priority": Priority.P2, "not_priority": Priority.P3},
        priority_default=Priority.P3,
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check X-Hub-Signature."""
        shown = delivery.header("x-hub-signature")
        return verify_hmac(shown, delivery.body, secrets, algorithm="sha1", how=self.name, prefix="sha1=")

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Answer HEAD."""
        del secrets
        return Shaken(200) if delivery.method == "HEAD" else None

    def read(self, delivery: Delivery) -> Shown:
        """Return the ticket or the conversation that the notification is about."""
        body = parse(delivery.body)
        topic, item = body["topic"].text(), body["data"]["item"]
        if topic is None:
            raise Unreadable("a notification needs its `topic`")
        if topic == _PING or topic.endswith(_TRANSLATED):
            return Shown(ignored=_PING if topic == _PING else "translation")
        if topic.endswith(_PEOPLE_CHANGED):
            return Shown(ignored="contacts")
        item, part = (item["ticket"], item["ticket_part"]) if item["type"].text() == _BESIDE else (item, None)
        kind = item["type"].text() or topic.partition(".")[0]
        if kind not in {"ticket", "conversation"}:
            return Shown(ignored="no_ticket")
        item_id = item[f"{kind}_id"].text() or item["id"].text()  # a deleted conversation shows nothing else
        if item_id is None:
            raise Unreadable("a ticket or conversation needs its `id`")
        members = _ticket(item) if kind == "ticket" else _conversation(item)
        members |= _owned(item) | _happened(topic, item, part or _newest(item), body)
        members |= {"id": item_id, "event_id": body["id"].text(), "created_at": item["created_at"].instant()}
        return Shown((known(members, cleared={"assignee", "queue", "priority"}),))


def _ticket(item: Node) -> Members:
    state = item["ticket_state"]
    category = state["category"].text() or state.text()
    words = (state["internal_label"].text() or item["ticket_state_internal_label"].text(), category)
    told = tuple(word for word in words if word)
    if item["open"].value is False and category != "resolved":
        told = ("closed",)
    members: Members = {"status": told} if told else {}
    attributes, contact = item["ticket_attributes"], next(item["contacts"]["contacts"].items(), Node(None))
    return members | tags(item["tags"], "tags", "name") | {
        "subject": attributes["_default_title_"].subject(),
        "category": item["ticket_type"]["name"].text(),
        "requester": contact["email"].text() or contact["external_id"].text() or contact["id"].text(),
        "channel": _channel(item["channel"]),
    }  # fmt: skip


def _conversation(item: Node) -> Members:
    members = fields(item, {"priority": "priority"}) | tags(item["tags"], "tags", "name")
    state = item["state"].text()
    if state is None and item["open"].value is not None:
        state = "open" if item["open"].flag() else "closed"
    members["status"] = "assigned" if state == "open" and _owned(item).get("assignee") else state
    person, source = item["user"], item["source"]
    if person.value is None:
        person = next(item["contacts"]["contacts"].items(), source["author"])
    titles = (item["title"], source["subject"], item["conversation_message"]["subject"])
    return members | {
        "subject": next((text for title in titles if (text := title.subject())), None),
        "requester": next((text for name in _PERSON if (text := person[name].text())), None),
        "channel": _channel(source["type"]),
        "url": item["links"]["conversation_web"].address(),
    }


_PERSON: Final = ("email", "external_id", "user_id", "id")


def _channel(node: Node) -> Channel | None:
    return _CHANNELS.get((node.text() or "").casefold())


def _owned(item: Node) -> Members:
    """Return the admin and the team that have it: ids of their own in newer versions, a person in older ones."""
    members: Members = {}
    for name, member in (("assignee", "admin_assignee_id"), ("queue", "team_assignee_id")):
        shown = item[member].text()
        if shown is not None or (item.has(member) and item[member].value is None):
            members[name] = None if shown in _NOBODY else shown
    assignee = item["assignee"]
    kind = assignee["type"].text()
    person = next((text for name in ("email", "name", "id") if (text := assignee[name].text())), None)
    if kind == "team" and person is not None:
        members.setdefault("queue", person)
    if kind == "admin" and person is not None:
        members.setdefault("assignee", person)
    elif kind in {"team", "nobody_admin"} or (item.has("assignee") and assignee.value is None):
        members.setdefault("assignee", None)
    return members


def _happened(topic: str, item: Node, part: Node, body: Node) -> Members:
    activity = _ACTIVITIES.get(topic, Activity.UPDATED)
    if activity is Activity.AGENT_MESSAGE and part["part_type"].text() == _ASSIGNMENT:
        activity = Activity.INTERNAL_NOTE
    told_at, updated_at = (
        body["created_at"].instant(),
        item["updated_at"].instant() or body["created_at"].instant(),
    )
    found: Members = {"activity": activity, "actor": _ACTORS.get(topic.split(".")[1] if "." in topic else "")}
    if activity is Activity.DELETED:
        return found | {"time": told_at or updated_at}
    if activity in _SEEN_BY:
        actor, written_at = _ACTORS.get(part["author"]["type"].text() or ""), part["created_at"].instant()
        is_by_desk = activity is not Activity.CUSTOMER_MESSAGE
        if is_by_desk and actor is not Actor.CUSTOMER:
            found["actor"] = actor or Actor.AGENT
        return found | {"visibility": _SEEN_BY[activity], "time": written_at or updated_at}
    if topic == "conversation.user.created":
        found["visibility"] = Visibility.PUBLIC
    return found | {"time": updated_at}


def _newest(item: Node) -> Node:
    """Return the newest part of a talk that has words."""
    for parts in (item["conversation_parts"]["conversation_parts"], item["ticket_parts"]["ticket_parts"]):
        if isinstance(parts.value, list) and parts.value:
            return max(parts.items(), key=_told_at)
    return Node(None)


def _told_at(part: Node) -> float:
    at = part["created_at"].instant()
    return at.timestamp() if at is not None and part["body"].text() else 0.0


VENDOR: Final[Vendor] = Intercom()
