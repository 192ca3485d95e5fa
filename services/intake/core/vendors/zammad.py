"""Zammad tickets: the webhook of a trigger or a scheduler, with Zammad's own body.

Source: zammad/zammad-admin-documentation, manage/webhook. Signed is the body, by HMAC-SHA1; a webhook may
send a bearer token instead (shared_secret.py). A request shows the whole ticket and one article. The article
may be older than what called the webhook, so it is an observation of its own, at its own time: shown twice, it
is the same message. Nobody owns a ticket of the owner `-`. The ticket's id is its number, as people know it.

A reminder waits for its time, and so does a ticket that will close by itself. A merged ticket does not say
into which, so the survivor is not known.
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
from services.intake.core.vendors.shared_secret import verify_shared
from services.intake.core.vendors.signing import verify_hmac
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason

_NOBODY: Final = "-"
_MAKING_SECONDS: Final = 60
"""Triggers that run when a ticket is made change it within this time, before the webhook shows it."""
_ENDED: Final = {"merged": Activity.MERGED, "removed": Activity.DELETED}
_SENDERS: Final = {"customer": Actor.CUSTOMER, "agent": Actor.AGENT, "system": Actor.SYSTEM}
_CHANNELS: Final = {
    "email": Channel.EMAIL,
    "phone": Channel.PHONE,
    "web": Channel.WEB,
    "chat": Channel.CHAT,
    **dict.fromkeys(("sms", "whatsapp message", "telegram personal-message"), Channel.MESSAGING),
    **dict.fromkeys(
        ("twitter status", "twitter direct-message", "facebook feed post", "facebook feed comment"),
        Channel.SOCIAL,
    ),
}


class Zammad:
    """The adapter; see port.Vendor."""

    name = "zammad"
    vocabulary = Vocabulary(
        statuses={
            "new": ShownStatus(Status.NEW),
            "open": ShownStatus(Status.IN_PROGRESS),
            **dict.fromkeys(
                ("pending reminder", "pending close"), ShownStatus(Status.WAITING, WaitReason.SCHEDULED)
            ),
            "closed": ShownStatus(Status.CLOSED),
        },
        status_default=ShownStatus(Status.IN_PROGRESS),
        priorities={
            **dict.fromkeys(("4 urgent", "4 very high", "urgent"), Priority.P1),
            **dict.fromkeys(("3 high", "high"), Priority.P2),
            **dict.fromkeys(("2 normal", "normal"), Priority.P3),
            **dict.fromkeys(("1 low", "low"), Priority.P4),
        },
        priority_default=Priority.P3,
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check X-Hub-Signature where there is one, and the bearer token otherwise."""
        shown = delivery.header("x-hub-signature")
        if shown:
            return verify_hmac(shown, delivery.body, secrets, algorithm="sha1", how=self.name, prefix="sha1=")
        return verify_shared(delivery, secrets, how=self.name)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: Zammad has no handshake."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return the ticket, and the message if the article is one."""
        body = parse(delivery.body)
        ticket, article = body["ticket"], body["article"]
        number = ticket["number"].text()
        if number is None:
            raise Unreadable("a ticket needs its `number`: leave the webhook's body as Zammad makes it")
        event_id = Node(delivery.header("x-zammad-delivery")).text()
        members = _ticket(ticket, article) | {"id": number, "event_id": event_id}
        shown = known(members, cleared=_CLEARED)
        if members["activity"] is Activity.CREATED or not (said := _said(article)):
            return Shown((shown,))
        message = {"id": number, "event_id": event_id, "time": article["created_at"].instant()} | said
        return Shown((shown, known(message)))


_PATHS: Final = {"subject": "title", "status": "state", "priority": "priority", "queue": "group"}
_PEOPLE: Final = (("assignee", "owner"), ("requester", "customer"))
_CLEARED: Final = frozenset(_PATHS) | {"assignee", "requester", "tags"}


def _ticket(ticket: Node, article: Node) -> Members:
    members = fields(ticket, {name: _named(ticket, path) for name, path in _PATHS.items()}) | tags(
        ticket, "tags"
    )
    for name, member in _PEOPLE:
        person = ticket[member]
        login = next((text for one in ("email", "login") if (text := person[one].text())), person.text())
        if login is not None or (ticket.has(member) and person.value is None):
            members[name] = None if login == _NOBODY else login
    ended = _ENDED.get((members.get("status") or "").casefold())
    if ended:
        del members["status"]
    activity = ended or (Activity.CREATED if _is_created(ticket, article) else Activity.UPDATED)
    members |= {
        "activity": activity,
        "actor": _actor(ticket["updated_by"]),
        "channel": _CHANNELS.get((ticket["create_article_type"].text() or "").casefold()),
        "created_at": ticket["created_at"].instant(),
        "time": ticket["updated_at"].instant(),
    }
    if activity is Activity.CREATED and (said := _said(article)):
        members |= {"actor": said["actor"], "visibility": said["visibility"]}
    return members


def _is_created(ticket: Node, article: Node) -> bool:
    """Return whether the ticket was just made: Zammad does not say whether a trigger saw it made or changed."""
    created_at, updated_at = ticket["created_at"].instant(), ticket["updated_at"].instant()
    if created_at is None or updated_at is None or ticket["article_count"].integer() != 1:
        return False
    return article["id"].value is not None and (updated_at - created_at).total_seconds() <= _MAKING_SECONDS


def _named(ticket: Node, member: str) -> str:
    """Return the path of a member's name: Zammad shows some as an object and, by version, as a text."""
    return f"{member}.name" if isinstance(ticket[member].value, dict) else member


def _said(article: Node) -> Members:
    """Return what an article says, nothing if it does not show who wrote it."""
    sender = article["sender"].text() or article["sender"]["name"].text() or ""
    actor = _SENDERS.get(sender.casefold())
    if actor is None:
        return {}
    is_internal = article["internal"].flag()
    if is_internal:
        activity = Activity.INTERNAL_NOTE
    else:
        activity = Activity.CUSTOMER_MESSAGE if actor is Actor.CUSTOMER else Activity.AGENT_MESSAGE
    visibility = Visibility.INTERNAL if is_internal else Visibility.PUBLIC
    return {"activity": activity, "actor": actor, "visibility": visibility}


def _actor(person: Node) -> Actor | None:
    """Return who acted: by the roles, of which an agent has more than a customer; the system has the login `-`."""
    if (person["login"].text() or person.text()) == _NOBODY:
        return Actor.SYSTEM
    roles = {role.casefold() for role in person["roles"].texts()}
    if roles & {"agent", "admin"}:
        return Actor.AGENT
    return Actor.CUSTOMER if "customer" in roles else None


VENDOR: Final[Vendor] = Zammad()
