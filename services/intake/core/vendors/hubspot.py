"""HubSpot tickets: webhooks of an app, up to a hundred small events a request, and those of a workflow.

Source: developers.hubspot.com, webhooks and validating requests; what a workflow sends was captured. Signed
are the method, the address as HubSpot calls it (behind a proxy it must be configured), the body and a
timestamp: version 3. The older versions 1 and 2 are plain digests without a timestamp, looked at only where
there is no version 3.

An event tells of one property, or only that a ticket was made, merged, deleted or restored; an event's id
alone is not unique. Shown are the properties named in _PROPERTIES, one at a time, and of messages only when
the last one came or went. A follow-up read of the ticket adds the rest: what a ticket has that was just made,
its contact, its creation time and address. That is the work of a pull connector. A workflow sends the whole
record. A status is the id of a pipeline's stage: those of the default pipeline are known, those of others
want a map, and a record of one of those is `closed` if it has a closing date.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, instant, parse
from services.intake.core.vendors.fields import sequence
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

_TICKETS: Final = "0-5"
"""HubSpot's type id of tickets, in events and records of any object."""
_UNTYPED: Final = "ticket.propertyChange"
_ACTIVITIES: Final = {
    "creation": Activity.CREATED,
    "propertychange": Activity.UPDATED,
    "deletion": Activity.DELETED,
    "privacydeletion": Activity.DELETED,
    "restore": Activity.RESTORED,
}
_PROPERTIES: Final = {
    "subject": "subject",
    "hs_pipeline_stage": "status",
    "hs_ticket_priority": "priority",
    "hs_pipeline": "queue",
    "hubspot_owner_id": "assignee",
    "hs_ticket_category": "category",
}
_MESSAGES: Final = {
    "hs_last_message_received_at": (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER),
    "hs_last_message_sent_at": (Activity.AGENT_MESSAGE, Actor.AGENT),
}
_CHANNELS: Final = {
    "EMAIL": Channel.EMAIL, "CHAT": Channel.CHAT, "PHONE": Channel.PHONE, "FORM": Channel.WEB,
}  # fmt: skip
_ACTORS: Final = {
    "CRM_UI": Actor.AGENT, "AUTOMATION_PLATFORM": Actor.BOT, "WORKFLOWS": Actor.BOT, "CALCULATED": Actor.SYSTEM,
}  # fmt: skip
_DECODED: Final = {f"%{ord(letter):02X}": letter for letter in ":/?@!$'()*,;"}
"""The only escapes that HubSpot takes back before it signs an address."""
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")


class HubSpot:
    """The adapter; see port.Vendor."""

    name = "hubspot"
    vocabulary = Vocabulary(
        statuses={
            "1": ShownStatus(Status.NEW),
            "2": ShownStatus(Status.WAITING, WaitReason.CUSTOMER),
            "3": ShownStatus(Status.IN_PROGRESS),
            "4": ShownStatus(Status.CLOSED),
            "closed": ShownStatus(Status.CLOSED),
        },
        status_default=ShownStatus(Status.NEW),
        priorities={
            "urgent": Priority.P1, "high": Priority.P2, "medium": Priority.P3, "low": Priority.P4,
        },
    )  # fmt: skip

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check X-HubSpot-Signature-v3 and its timestamp, or without it the older signature."""
        shown = delivery.header("x-hubspot-signature-v3")
        if not shown:
            return _verify_digest(delivery, secrets, self.name)
        stamp = delivery.header("x-hubspot-request-timestamp")
        head = f"{delivery.method}{_decoded(delivery.url)}".encode("utf-8", "replace")
        signed = head + delivery.body + stamp.encode("utf-8", "replace")
        found = verify_hmac(shown, signed, secrets, algorithm="sha256", how=self.name, text=base64_text)
        return if_fresh(found, instant(stamp), delivery.received_at)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: HubSpot has no handshake."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return what the events show of tickets, or the record that a workflow sent."""
        body = parse(delivery.body)
        if isinstance(body.value, list):
            tickets = tuple(members for event in body.items() for members in _event(event))
        elif not isinstance(body.value, dict):
            raise Unreadable("a request must be a list of events or a record")
        elif body.has("properties"):
            tickets = tuple(_record(body))
        else:
            tickets = tuple(_event(body))
        return Shown(tickets, "" if tickets else "no_ticket")


def _verify_digest(delivery: Delivery, secrets: tuple[str, ...], how: str) -> Verified | Untrusted:
    """Check versions 1 and 2: SHA-256 of the secret and then what is signed, without a key."""
    shown = delivery.header("x-hubspot-signature").encode("utf-8", "replace")
    if not shown:
        return Untrusted("the signature is missing")
    is_second = delivery.header("x-hubspot-signature-version").casefold() == "v2"
    head = f"{delivery.method}{delivery.url}" if is_second else ""
    found = False
    for secret in secrets:
        digest = hashlib.sha256((secret + head).encode("utf-8", "replace") + delivery.body).hexdigest()
        found |= hmac.compare_digest(digest.encode(), shown)
    return Verified(f"signature:{how}") if found else Untrusted("the signature does not fit")


def _decoded(url: str) -> str:
    return _ESCAPE.sub(lambda found: _DECODED.get(found[0].upper(), found[0]), url)


def _event(event: Node) -> Iterator[Members]:
    """Yield what one event shows of tickets.

    One that names neither its ticket nor its type is yielded too, to be rejected with a reason.
    """
    noun, _, verb = (event["subscriptionType"].text() or _UNTYPED).partition(".")
    if noun != "ticket" and not (noun == "object" and event["objectTypeId"].text() == _TICKETS):
        return
    base: Members = {
        "event_id": _event_id(event),
        "time": event["occurredAt"].instant(),
        "actor": _ACTORS.get(event["changeSource"].text() or ""),
    }
    word = verb.casefold()
    if word == "merge":
        yield from _merged(event, base)
    elif word in _ACTIVITIES:
        base |= {"id": event["objectId"].text(), "activity": _ACTIVITIES[word]}
        changed = _property(event["propertyName"].text() or "", event, "propertyValue")
        yield known(base | changed, cleared=changed)


def _event_id(event: Node) -> str | None:
    """Return an id made of what makes an event unique together."""
    names = ("eventId", "objectId", "occurredAt", "propertyName")
    parts = [text for name in names if (text := event[name].text())]
    return Node(":".join(parts)).text() if event["eventId"].text() else None


def _property(name: str, node: Node, key: str) -> Members:
    """Return the member that the property `name` is, whose value is at `key`; null clears, many are none."""
    value = node[key]
    if name in _MESSAGES and (at := instant(value.value)):
        activity, actor = _MESSAGES[name]
        return {"activity": activity, "actor": actor, "visibility": Visibility.PUBLIC, "time": at}
    if name == "source_type" and (channel := _CHANNELS.get(value.text() or "")):
        return {"channel": channel}
    if name == "createdate" and (made_at := instant(value.value)):
        return {"created_at": made_at}
    member = _PROPERTIES.get(name)
    if member is None:
        return {}
    shown = value.subject() if member == "subject" else value.text()
    is_empty = node.has(key) and value.value in ("", None)
    return {member: shown} if shown is not None or is_empty else {}


def _merged(event: Node, base: Members) -> Iterator[Members]:
    """Yield each ticket that went into another one, which may have been made for the purpose."""
    primary, made = event["primaryObjectId"].text(), event["newObjectId"].text()
    survivor = made or primary
    gone = [*event["mergedObjectIds"].texts(), *([primary] if primary else [])]
    if survivor is None or not event["mergedObjectIds"].value:
        yield known(base | {"id": event["objectId"].text(), "activity": Activity.UPDATED})
        return
    for id_ in gone:
        if id_ != survivor:
            yield known(base | {"id": id_, "activity": Activity.MERGED, "merged_into": survivor})


def _record(body: Node) -> Iterator[Members]:
    """Yield the ticket that a workflow sent whole: each property with its value."""
    if body["objectTypeId"].text() != _TICKETS and body["objectType"].text() != "TICKET":
        return
    properties = body["properties"]
    names = properties.value if isinstance(properties.value, dict) else {}
    members: Members = {}
    for name in names:
        if name not in _MESSAGES:
            members |= _property(name, properties[name], "value")
    cleared = set(members)
    members |= {
        "id": body["objectId"].text(),
        "time": instant(properties["hs_lastmodifieddate"]["value"].value),
        "sequence": sequence(body["version"]),
        "activity": Activity.DELETED if body["isDeleted"].flag() else Activity.UPDATED,
    }
    if members.get("status") and properties["closed_date"]["value"].text():
        members["status"] = (members["status"], "closed")
    yield known(members, cleared=cleared)


VENDOR: Final[Vendor] = HubSpot()
