"""Linear issues: webhooks of a workspace or team, `Issue` and `Comment`.

Source: linear.app, developers' pages on webhooks. The body is signed with the instant it was sent in it,
`webhookTimestamp`; one more than a minute off is refused, as Linear asks. Answer within five seconds; three
more tries follow.

The ticket's id is what people know, `SUP-42`. It changes when an issue changes its team: then the former one
is merged into the new. A comment shows its issue's identifier, or the address that holds it. A status is the
state's name, for teams name states themselves, and else the state's type. Priorities run from 1, urgent, to
4, low; 0 is none. Linear leaves empty fields out, so an assignee is cleared where the former values name one.
People in a workspace are taken for agents; a comment that came from outside is the customer's.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, parse
from services.intake.core.vendors.members import WAITING_WORDS, known
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
from shared.contracts.tickets import Activity, Actor, Priority, Status, Visibility

TOLERANCE_SECONDS: Final = 60
"""Nearer than for other vendors: Linear's own documentation names it."""
_FORMER_MAX: Final = 8
"""An issue that moved more often keeps its oldest identifiers to itself."""
_IN_ADDRESS: Final = re.compile(r"/issue/([A-Za-z0-9]+-[0-9]+)(?:[/#?]|$)")
_NO_PRIORITY: Final = 0


class Linear:
    """The adapter; see port.Vendor."""

    name = "linear"
    vocabulary = Vocabulary(
        statuses={
            **WAITING_WORDS,
            **dict.fromkeys(("triage", "backlog", "unstarted"), ShownStatus(Status.NEW)),
            "started": ShownStatus(Status.IN_PROGRESS),
            "completed": ShownStatus(Status.SOLVED),
            **dict.fromkeys(("canceled", "cancelled", "duplicate"), ShownStatus(Status.CLOSED)),
        },
        status_default=ShownStatus(Status.NEW),
        priorities={
            "1": Priority.P1, "2": Priority.P2, "3": Priority.P3, "4": Priority.P4,
            "urgent": Priority.P1, "high": Priority.P2, "normal": Priority.P3, "medium": Priority.P3,
            "low": Priority.P4,
        },
    )  # fmt: skip

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check Linear-Signature, then the signed timestamp."""
        shown = delivery.header("linear-signature")
        found = verify_hmac(shown, delivery.body, secrets, algorithm="sha256", how=self.name)
        if isinstance(found, Untrusted):
            return found
        try:
            sent_at = parse(delivery.body)["webhookTimestamp"].instant()
        except Unreadable:
            return found  # it is Linear's, and `read` says what is wrong with it
        if sent_at and abs((delivery.received_at - sent_at).total_seconds()) > TOLERANCE_SECONDS:
            return Untrusted("the signed timestamp is too far from now")
        return found

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: Linear has no handshake."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return the issue that the event shows."""
        body = parse(delivery.body)
        kind, data = body["type"].text(), body["data"]
        if kind is None:
            raise Unreadable("a request without its type")
        names_issue = data["issueId"].value is not None or data["issue"].value is not None
        is_comment = kind == "Comment" and names_issue  # other comments are on projects and documents
        if kind != "Issue" and not is_comment:
            return Shown(ignored="no_ticket")
        id_ = _identifier(data["issue"], body) if is_comment else _identifier(data, body)
        if id_ is None:
            raise Unreadable("an issue without its identifier")
        members = _commented(body) if is_comment else _issue(body) | _happened(body)
        members["id"] = id_
        members["event_id"] = Node(delivery.header("linear-delivery")).text()
        former = [] if is_comment else _former(data, id_, members["time"])
        return Shown((known(members, cleared=_cleared(body)), *former))


def _identifier(issue: Node, body: Node) -> str | None:
    key, number = issue["team"]["key"].text(), issue["number"].integer()
    found = _IN_ADDRESS.search(body["url"].text() or "")
    built = f"{key}-{number}" if key and number is not None else None
    return issue["identifier"].text() or built or (found[1] if found else None)


def _issue(body: Node) -> Members:
    data = body["data"]
    state, labels = data["state"], data["labels"]
    words = tuple(word for name in ("name", "type") if (word := state[name].text()))
    priority = data["priority"].integer()
    label = data["priorityLabel"].text() or data["priority"].text()
    return {
        "subject": data["title"].subject(),
        "status": words or None,
        "priority": None if priority == _NO_PRIORITY else label,
        "queue": data["team"]["key"].text(),
        "assignee": data["assignee"]["name"].text(),
        "requester": data["creator"]["name"].text(),
        "tags": labels.texts("name") if isinstance(labels.value, list) else None,
        "url": body["url"].address() or data["url"].address(),
        "created_at": data["createdAt"].instant(),
        "time": data["updatedAt"].instant() or body["createdAt"].instant(),
        "actor": _actor(body),
    }


def _cleared(body: Node) -> set[str]:
    data, before = body["data"], body["updatedFrom"]
    cleared = set()
    if data["priority"].integer() == _NO_PRIORITY:
        cleared.add("priority")
    if data["assignee"].value is None and (data.has("assignee") or before.has("assigneeId")):
        cleared.add("assignee")
    return cleared


def _happened(body: Node) -> Members:
    data, before, action = body["data"], body["updatedFrom"], body["action"].text()
    sent_at = body["createdAt"].instant()
    if action == "remove" or data["trashed"].flag():
        removed: Members = {"activity": Activity.DELETED}
        return removed | {"time": sent_at} if sent_at else removed
    if before["trashed"].flag():
        return {"activity": Activity.RESTORED}
    return {"activity": Activity.CREATED if action == "create" else Activity.UPDATED}


def _former(data: Node, id_: str, time: datetime | None) -> list[Members]:
    """Return what an issue was before it changed its team, each merged into what it is."""
    names = [name for name in data["previousIdentifiers"].texts() if name != id_]
    return [
        known({"id": name, "merged_into": id_, "activity": Activity.MERGED, "time": time})
        for name in names[-_FORMER_MAX:]
    ]


def _commented(body: Node) -> Members:
    data, action = body["data"], body["action"].text()
    if action != "create":
        time = body["createdAt"].instant() or data["updatedAt"].instant()
        return {"activity": Activity.UPDATED, "time": time}
    is_outside = data["externalUser"].value is not None or data["externalUserId"].value is not None
    actor = Actor.CUSTOMER if is_outside else _actor(body) or Actor.AGENT
    if data["botActor"].value is not None:
        actor = Actor.BOT
    is_customer = actor is Actor.CUSTOMER
    return {
        "subject": data["issue"]["title"].subject(),
        "activity": Activity.CUSTOMER_MESSAGE if is_customer else Activity.AGENT_MESSAGE,
        "actor": actor,
        "visibility": Visibility.PUBLIC,
        "time": data["createdAt"].instant() or body["createdAt"].instant(),
    }


def _actor(body: Node) -> Actor | None:
    kind = body["actor"]["type"].text()
    if kind is None:
        return None
    return Actor.AGENT if kind == "user" else Actor.BOT


VENDOR: Final[Vendor] = Linear()
