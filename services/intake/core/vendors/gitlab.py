"""GitLab issues: a project's or group's webhook, issue events (confidential ones too) and comments.

Source: docs.gitlab.com, webhooks and webhook events. The secret token comes as it is in X-Gitlab-Token; newer
versions can sign as Standard Webhooks do, which is checked where a secret begins with `whsec_`. Four failures
in a row switch a webhook off. The ticket's id is `<namespace>/<project>#<iid>`. An open issue with an assignee
is the word `assigned`. Priorities are labels (members.py), so shown labels without one clear it; an incident
without such a label has its severity. Who opened the issue speaks as the customer, everybody else as an agent,
for roles are not shown. A comment shows the ids of assignees only, so it clears an assignee or says nothing.
A comment is an event by its own id, so that a list of comments tells of the same one. Times may be whole seconds, so the opening comes first in the order of one time. System hooks, merge requests,
snippets and emoji are no tickets.
"""

from __future__ import annotations

import re
from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, parse
from services.intake.core.vendors.members import LABEL_PRIORITIES, known, priority_label
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
from services.intake.core.vendors.signing import verify_token
from services.intake.core.vendors.standard import is_standard, verify_standard
from shared.contracts.tickets import Activity, Actor, Status, Visibility

_TICKETS: Final = frozenset({"issue", "work_item"})
_KINDS: Final = {"Issue Hook": "issue", "Confidential Issue Hook": "issue"}
"""What a body is by its X-Gitlab-Event, should it not say so: an issue must not pass for no ticket."""
_NOTED: Final = frozenset({"Issue", "WorkItem"})
_PLANS: Final = frozenset({"epic", "objective", "key result", "requirement", "test case"})
"""Types of work items that plan work and are none."""
_BOT: Final = re.compile(r"(?:project|group)_\d+_bot(?:_\w+)?|alert-bot|ghost")
"""Names that GitLab gives to access tokens and to itself."""
_LATER: Final = 1
_UNKNOWN: Final = "unknown"


class GitLab:
    """The adapter; see port.Vendor."""

    name = "gitlab"
    vocabulary = Vocabulary(
        statuses={
            "opened": ShownStatus(Status.NEW),
            "assigned": ShownStatus(Status.IN_PROGRESS),
            "closed": ShownStatus(Status.CLOSED),
        },
        status_default=ShownStatus(Status.NEW),
        priorities=LABEL_PRIORITIES,
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check the signature where there is one, and X-Gitlab-Token otherwise."""
        if is_standard(delivery):
            return verify_standard(delivery, secrets, how=self.name)
        return verify_token(delivery.header("x-gitlab-token"), secrets, how=self.name)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: GitLab has no handshake."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return the issue that the event shows."""
        body = parse(delivery.body)
        if not isinstance(body.value, dict):
            raise Unreadable("an event must be a JSON object")
        attributes = body["object_attributes"]
        kind = body["object_kind"].text() or _KINDS.get(delivery.header("x-gitlab-event"))
        if kind in _TICKETS and (attributes["type"].text() or "").casefold() not in _PLANS:
            issue, happened = attributes, _changed(body)
        elif kind == "note" and _noted_type(body) in _NOTED:
            issue, happened = body["issue"], _noted(body)
        else:
            return Shown(ignored="no_ticket")
        number, project = issue["iid"].integer(), body["project"]["path_with_namespace"].text()
        if number is None or project is None:
            raise Unreadable("an issue needs its iid and its project's path_with_namespace")
        members = _issue(body, issue) | {"event_id": _event_id(delivery)} | happened
        members["id"] = f"{project}#{number}"
        members["queue"] = project
        return Shown((known(members, cleared=("assignee", "priority")),))


def _noted_type(body: Node) -> str | None:
    """Return what a comment is on; should it not say so, an issue in it says it."""
    said = body["object_attributes"]["noteable_type"].text()
    return said or ("Issue" if body.has("issue") else None)


def _event_id(delivery: Delivery) -> str | None:
    """Return the id that stays the same in retries, or else that of the event."""
    names = ("idempotency-key", "webhook-id", "x-gitlab-event-uuid")
    return next((text for name in names if (text := Node(delivery.header(name)).text())), None)


def _issue(body: Node, issue: Node) -> Members:
    members: Members = {
        "subject": issue["title"].subject(),
        "status": issue["state"].text(),
        "category": issue["type"].text(),
        "requester": issue["author_id"].text(),
        "url": issue["url"].address() or _of_comment(body),
        "created_at": issue["created_at"].instant(),
    }
    names, is_assigned = _assigned(body, issue)
    if names or is_assigned is False:
        members["assignee"] = names[0] if names else None
    if is_assigned and members["status"] == "opened":
        members["status"] = "assigned"
    labels = next(
        (node for node in (body["labels"], issue["labels"]) if isinstance(node.value, list)), Node(None)
    )
    severity = (issue["severity"].text() or _UNKNOWN).casefold()
    incident = None if severity == _UNKNOWN else severity
    if isinstance(labels.value, list):
        members["tags"] = labels.texts("title", "name")
        members["priority"] = priority_label(members["tags"]) or incident
    elif incident:
        members["priority"] = incident
    return members


def _assigned(body: Node, issue: Node) -> tuple[list[str], bool | None]:
    """Return the assignees' names as far as shown, and whether there are any: None if that is unknown."""
    names = body["assignees"].texts("username", "name")
    if not names and (name := body["assignee"]["username"].text()):
        names = [name]
    if names:
        return names, True
    for shown in (body["assignees"], issue["assignee_ids"]):
        if isinstance(shown.value, list):
            return [], bool(shown.value)
    return [], issue["assignee_id"].value is not None if issue.has("assignee_id") else None


def _of_comment(body: Node) -> str | None:
    """Return the issue's address out of that of a comment on it."""
    address = body["object_attributes"]["url"].address()
    return address.partition("#")[0] if address else None


def _changed(body: Node) -> Members:
    attributes = body["object_attributes"]
    is_opened = attributes["action"].text() == "open"
    return {
        "activity": Activity.CREATED if is_opened else Activity.UPDATED,
        "sequence": 0 if is_opened else _LATER,
        "actor": _actor(body, attributes),
        "time": attributes["updated_at"].instant() or attributes["created_at"].instant(),
    }


def _noted(body: Node) -> Members:
    note, issue = body["object_attributes"], body["issue"]
    actor = _actor(body, issue)
    written_at = note["created_at"].instant()
    if note["system"].flag() or note["action"].text() == "update":
        time = note["updated_at"].instant() or written_at
        return {"activity": Activity.UPDATED, "actor": actor, "sequence": _LATER, "time": time}
    if _is_internal(body):
        activity, visibility = Activity.INTERNAL_NOTE, Visibility.INTERNAL
    else:
        is_customer = actor is Actor.CUSTOMER
        activity = Activity.CUSTOMER_MESSAGE if is_customer else Activity.AGENT_MESSAGE
        visibility = Visibility.PUBLIC
    number = note["id"].integer()
    return {
        "activity": activity,
        "actor": actor,
        "visibility": visibility,
        "sequence": _LATER,
        "time": written_at,
        **({} if number is None else {"event_id": f"note-{number}"}),
    }


def _is_internal(body: Node) -> bool:
    """Return whether only members see the note. Every note on a confidential issue is a confidential event."""
    note = body["object_attributes"]
    if note.has("internal") or note.has("confidential"):
        return note["internal"].flag() or note["confidential"].flag()
    return body["event_type"].text() == "confidential_note" and not body["issue"]["confidential"].flag()


def _actor(body: Node, issue: Node) -> Actor | None:
    user = body["user"]
    if _BOT.fullmatch(user["username"].text() or ""):
        return Actor.BOT
    user_id, author_id = user["id"].integer(), issue["author_id"].integer()
    if user_id is None or author_id is None:
        return None
    return Actor.CUSTOMER if user_id == author_id else Actor.AGENT


VENDOR: Final[Vendor] = GitLab()
