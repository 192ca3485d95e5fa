"""GitHub issues: a repository's webhook, events `issues` and `issue_comment`.

Source: docs.github.com, webhook events and payloads; validating webhook deliveries. GitHub does not retry,
and it delivers in any order. An issue with a `pull_request` member is a pull request and no ticket. The
ticket's id is `<owner>/<repository>#<number>`: a number alone is unique in its repository only.
"""

from __future__ import annotations

from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, parse
from services.intake.core.vendors.port import (
    Delivery,
    Members,
    Shaken,
    Shown,
    Unreadable,
    Untrusted,
    Verified,
    Vocabulary,
)
from services.intake.core.vendors.signing import verify_hmac
from shared.contracts.tickets import Activity, Actor, Priority, Status, Visibility

_STAFF: Final = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_PRIORITY_PREFIXES: Final = ("priority:", "priority/", "priority-", "priority ")
_PRIORITIES: Final = {
    "p0": Priority.P1, "p1": Priority.P1, "p2": Priority.P2, "p3": Priority.P3, "p4": Priority.P4,
    "critical": Priority.P1, "urgent": Priority.P1, "high": Priority.P2, "medium": Priority.P3,
    "normal": Priority.P3, "low": Priority.P4,
}  # fmt: skip


class GitHub:
    """The adapter; see port.Vendor."""

    name = "github"
    vocabulary = Vocabulary(
        statuses={
            "open": ShownStatus(Status.NEW),
            "assigned": ShownStatus(Status.IN_PROGRESS),
            "closed": ShownStatus(Status.CLOSED),
            "completed": ShownStatus(Status.SOLVED),
        },
        priorities=_PRIORITIES,
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check X-Hub-Signature-256; the header with SHA-1 is not looked at."""
        shown = delivery.header("x-hub-signature-256")
        return verify_hmac(shown, delivery.body, secrets, algorithm="sha256", how=self.name, prefix="sha256=")

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: GitHub's `ping` is an event like any other."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return the issue that the event shows."""
        event = delivery.header("x-github-event")
        body = parse(delivery.body)
        if not body["issue"]["number"].value or (event and event not in {"issues", "issue_comment"}):
            return Shown(ignored="no_ticket")
        issue = body["issue"]
        if issue.has("pull_request"):
            return Shown(ignored="pull_request")
        number, repository = issue["number"].text(), body["repository"]["full_name"].text()
        if number is None or repository is None:
            raise Unreadable("an issue without a number or a repository")
        members = _issue(issue, f"{repository}#{number}", delivery)
        members.update(_happened(body))
        return Shown((members,))


def _issue(issue: Node, id_: str, delivery: Delivery) -> Members:
    state, reason = issue["state"].text(), issue["state_reason"].text()
    assignees = issue["assignees"].texts("login")
    word = "completed" if state == "closed" and reason == "completed" else state
    labels = issue["labels"].texts("name")
    members: Members = {
        "id": id_,
        "event_id": delivery.header("x-github-delivery") or None,
        "subject": issue["title"].subject(),
        "queue": id_.partition("#")[0],
        "assignee": assignees[0] if assignees else None,
        "requester": issue["user"]["login"].text(),
        "tags": labels,
        "url": issue["html_url"].text(),
        "created_at": issue["created_at"].instant(),
        "time": issue["updated_at"].instant() or delivery.received_at,
    }
    if word is not None:
        members["status"] = "assigned" if word == "open" and assignees else word
    if priority := _priority(labels):
        members["priority"] = priority
    return {name: value for name, value in members.items() if value is not None or name == "assignee"}


def _happened(body: Node) -> Members:
    action, comment = body["action"].text(), body["comment"]
    is_bot = body["sender"]["type"].text() == "Bot"
    if comment.has("body") and action == "created":
        staff = comment["author_association"].text() in _STAFF
        actor = Actor.BOT if is_bot else Actor.AGENT if staff else Actor.CUSTOMER
        activity = Activity.AGENT_MESSAGE if staff or is_bot else Activity.CUSTOMER_MESSAGE
        found: Members = {"activity": activity, "actor": actor, "visibility": Visibility.PUBLIC}
        written_at = comment["created_at"].instant()
        return found if written_at is None else {**found, "time": written_at}
    if action == "deleted" and not comment.has("body"):
        return {"activity": Activity.DELETED}
    activity = Activity.CREATED if action == "opened" else Activity.UPDATED
    return {"activity": activity, "actor": Actor.BOT} if is_bot else {"activity": activity}


def _priority(labels: list[str]) -> str | None:
    """Return the word of the first label that is a priority: `P1`, `priority: high`, `priority/critical`."""
    for label in labels:
        folded = label.strip().casefold()
        word = next(
            (folded[len(one) :].strip() for one in _PRIORITY_PREFIXES if folded.startswith(one)), folded
        )
        if word in _PRIORITIES and (word != folded or word[0] == "p"):
            return word
    return None
