"""Asana tasks: webhooks of a project or workspace, which say which thing changed and hardly what.

Source: developers.asana.com, webhooks guide. The call that makes a webhook waits for a request with
X-Hook-Secret, which is sent back, and is answered with it: each webhook has its own, so a source may have several. A request
without events is a heartbeat. Events are delivered once at most, minutes late, and may be lost.

An event holds ids. Shown are: the task, that it was made, deleted or came back, who has it (the change of
`assignee` names the new value), and the kind of story, which tells of comments, of a task marked complete or
incomplete or as a duplicate, and of one that nobody has any more. A follow-up read of the task adds what no
event shows: name, section, custom fields (a priority is one), tags, creation time and address; that is the
work of the pull connector. Who may see a comment is a member of the project, so authors are taken for agents;
an event without a user is the system's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, parse
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
from shared.contracts.tickets import TEXT_CHARACTERS_MAX, Activity, Actor, Status, Visibility

_SECRET_HEADER: Final = "X-Hook-Secret"  # noqa: S105 - the name of a header
_ACTIVITIES: Final = {
    "added": Activity.CREATED,
    "deleted": Activity.DELETED,
    "undeleted": Activity.RESTORED,
}
"""What becomes of a task; a change, or a task taken out of a project or section, is an update."""
_STORY_STATUSES: Final = {
    "marked_complete": "complete",
    "marked_incomplete": "incomplete",
    "marked_duplicate": "duplicate",
    "unmarked_duplicate": "incomplete",
}


class Asana:
    """The adapter; see port.Vendor."""

    name = "asana"
    vocabulary = Vocabulary(
        statuses={
            "incomplete": ShownStatus(Status.NEW),
            "complete": ShownStatus(Status.SOLVED),
            "duplicate": ShownStatus(Status.CLOSED),
        },
        status_default=ShownStatus(Status.NEW),
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check X-Hook-Signature."""
        shown = delivery.header("x-hook-signature")
        return verify_hmac(shown, delivery.body, secrets, algorithm="sha256", how=self.name)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Send X-Hook-Secret back. Whoever makes the webhook is told the secret as well, and configures it."""
        del secrets
        secret = delivery.header(_SECRET_HEADER.casefold())
        if not (secret.isascii() and secret.isprintable() and 0 < len(secret) <= TEXT_CHARACTERS_MAX):
            return None
        return Shaken(200, {_SECRET_HEADER: secret})

    def read(self, delivery: Delivery) -> Shown:
        """Return what the events show of tasks."""
        events = parse(delivery.body)["events"]
        if not isinstance(events.value, list):
            raise Unreadable("a request without a list of events")
        if not events.value:
            return Shown(ignored="heartbeat")
        tickets = tuple(members for event in events.items() for members in _event(event))
        return Shown(tickets, "" if tickets else "no_ticket")


def _event(event: Node) -> Iterator[Members]:
    """Yield what one event shows of a task.

    One that does not name its task, or not what it is about, is yielded too, to be rejected with a reason.
    """
    resource = event["resource"]
    kind = resource["resource_type"].text()
    if kind == "task":
        task, members = resource, _task(event)
    elif kind == "story" and event["parent"]["resource_type"].text() == "task":
        task, members = event["parent"], _story(event)
    elif kind is None:
        task, members = Node(None), {"activity": Activity.UPDATED}
    else:
        return
    if not members:
        return
    members |= {"id": task["gid"].text(), "subject": task["name"].subject()}
    members["time"] = event["created_at"].instant()
    if event["user"].value is None and event.has("user"):
        members["actor"] = Actor.SYSTEM
    yield known(members, cleared=("assignee",) if "assignee" in members else ())


def _task(event: Node) -> Members:
    activity = _ACTIVITIES.get(event["action"].text() or "", Activity.UPDATED)
    if activity is Activity.CREATED and event["parent"]["resource_type"].text() == "section":
        activity = Activity.UPDATED  # it came to another column
    members: Members = {"activity": activity}
    change = event["change"]
    field, value = change["field"].text(), change["new_value"]
    if field == "assignee" and change.has("new_value"):
        gid = value["gid"].text()
        if gid is not None or value.value is None:
            members["assignee"] = gid
    elif field == "completed" and isinstance(value.value, bool):
        members["status"] = "complete" if value.flag() else "incomplete"
    return members


def _story(event: Node) -> Members:
    """Return what a new story tells of its task; other stories, and changed ones, tell nothing."""
    subtype = event["resource"]["resource_subtype"].text() or ""
    if event["action"].text() != "added":
        return {}
    if subtype == "comment_added":
        return {
            "activity": Activity.AGENT_MESSAGE, "actor": Actor.AGENT, "visibility": Visibility.PUBLIC,
        }  # fmt: skip
    if subtype in _STORY_STATUSES:
        return {"activity": Activity.UPDATED, "status": _STORY_STATUSES[subtype]}
    if subtype == "unassigned":
        return {"activity": Activity.UPDATED, "assignee": None}
    return {}


VENDOR: Final[Vendor] = Asana()
