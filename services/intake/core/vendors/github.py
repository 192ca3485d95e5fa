"""GitHub issues: a repository's webhook, events `issues` and `issue_comment`.

Source: docs.github.com, webhook events and payloads; validating webhook deliveries. GitHub does not retry,
and it delivers in any order. An issue with a `pull_request` member is a pull request and no ticket. The
ticket's id is `<owner>/<repository>#<number>`: a number alone is unique in its repository only. A transferred
issue is merged into the one it became. An open issue with an assignee is the word `assigned`, a closed one
its reason (`completed`, `not_planned`, `duplicate`) where it is shown. Priorities are labels (members.py), so
shown labels without one clear it. Who belongs to the repository speaks as an agent, everybody else as a
customer. A comment is an event by its own id, so that a list of comments tells of the same one. Times are whole seconds, and labels and assignees follow within the second an issue is opened in: so
the opening comes first in the order of one time.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

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
from services.intake.core.vendors.signing import verify_hmac
from shared.contracts.tickets import Activity, Actor, Status, Visibility

_EVENTS: Final = frozenset({"issues", "issue_comment"})
_STAFF: Final = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_REASONS: Final = frozenset({"completed", "not_planned", "duplicate"})
_LATER: Final = 1
_FORM: Final = "application/x-www-form-urlencoded"


class GitHub:
    """The adapter; see port.Vendor."""

    name = "github"
    vocabulary = Vocabulary(
        statuses={
            "open": ShownStatus(Status.NEW),
            "assigned": ShownStatus(Status.IN_PROGRESS),
            "closed": ShownStatus(Status.CLOSED),
            "completed": ShownStatus(Status.SOLVED),
            "not_planned": ShownStatus(Status.CLOSED),
            "duplicate": ShownStatus(Status.CLOSED),
        },
        status_default=ShownStatus(Status.NEW),
        priorities=LABEL_PRIORITIES,
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
        body = parse(_json(delivery))
        if not isinstance(body.value, dict):
            raise Unreadable("an event must be a JSON object")
        if event == "ping" or body.has("zen"):
            return Shown(ignored="ping")
        if event not in _EVENTS if event else not body.has("issue"):
            return Shown(ignored="no_ticket")
        issue = body["issue"]
        if issue.has("pull_request"):
            return Shown(ignored="pull_request")
        number, repository = issue["number"].integer(), body["repository"]["full_name"].text()
        if number is None or repository is None:
            raise Unreadable("an issue needs a number and its repository's full_name")
        members = _issue(issue)
        members["id"] = f"{repository}#{number}"
        members["event_id"] = Node(delivery.header("x-github-delivery")).text()
        members["queue"] = repository
        members.update(_happened(body))
        return Shown((known(members, cleared=("assignee", "priority")),))


def _json(delivery: Delivery) -> bytes:
    """Return the JSON, also out of the form that GitHub offers as a content type."""
    if not delivery.header("content-type").startswith(_FORM):
        return delivery.body
    try:
        fields = parse_qs(delivery.body, max_num_fields=1)
    except ValueError as error:
        raise Unreadable("the form has more than the field `payload`") from error
    if b"payload" not in fields:
        raise Unreadable("a form without the field `payload`: send application/json")
    return fields[b"payload"][0]


def _issue(issue: Node) -> Members:
    assignees = issue["assignees"] if issue.has("assignees") else Node([issue["assignee"].value])
    names = assignees.texts("login")
    members: Members = {
        "subject": issue["title"].subject(),
        "status": _status(issue, names),
        "category": issue["type"]["name"].text(),
        "requester": issue["user"]["login"].text(),
        "url": issue["html_url"].address(),
        "created_at": issue["created_at"].instant(),
        "time": issue["updated_at"].instant(),
    }
    if names:
        members["assignee"] = names[0]
    elif assignees.value == [] or (issue.has("assignee") and assignees.value == [None]):
        members["assignee"] = None
    if isinstance(issue["labels"].value, list):
        members["tags"] = issue["labels"].texts("name")
        members["priority"] = priority_label(members["tags"])
    return members


def _status(issue: Node, assignees: list[str]) -> str | None:
    state, reason = issue["state"].text(), issue["state_reason"].text()
    if state == "closed" and reason in _REASONS:
        return reason
    return "assigned" if state == "open" and assignees else state


def _happened(body: Node) -> Members:
    action, comment = body["action"].text(), body["comment"]
    if isinstance(comment.value, dict) and action == "created":
        return _commented(body, comment)
    members: Members = {"activity": Activity.UPDATED, "actor": _actor(body), "sequence": _LATER}
    if comment.value is not None:
        return members
    if action == "opened":
        members |= {"activity": Activity.CREATED, "sequence": 0}
    elif action == "deleted":
        members["activity"] = Activity.DELETED
    elif action == "transferred":
        changes = body["changes"]
        number, repository = (
            changes["new_issue"]["number"].integer(), changes["new_repository"]["full_name"].text(),
        )  # fmt: skip
        if number is not None and repository is not None:
            members |= {"activity": Activity.MERGED, "merged_into": f"{repository}#{number}"}
    return members


def _commented(body: Node, comment: Node) -> Members:
    is_bot = "Bot" in {body["sender"]["type"].text(), comment["user"]["type"].text()}
    actor = Actor.BOT if is_bot else _role(comment)
    is_customer = actor is Actor.CUSTOMER
    members: Members = {
        "activity": Activity.CUSTOMER_MESSAGE if is_customer else Activity.AGENT_MESSAGE,
        "actor": actor,
        "visibility": Visibility.PUBLIC,
        "sequence": _LATER,
        "time": comment["created_at"].instant() or body["issue"]["updated_at"].instant(),
    }
    number = comment["id"].integer()
    return members if number is None else members | {"event_id": f"comment-{number}"}


def _actor(body: Node) -> Actor | None:
    """Return who acted: the issue's author in the role it shows; others need the right to, so are agents."""
    sender, issue = body["sender"], body["issue"]
    login = sender["login"].text()
    if sender["type"].text() == "Bot":
        return Actor.BOT
    if login is None:
        return None
    return _role(issue) if login == issue["user"]["login"].text() else Actor.AGENT


def _role(written: Node) -> Actor:
    return Actor.AGENT if written["author_association"].text() in _STAFF else Actor.CUSTOMER


VENDOR: Final[Vendor] = GitHub()
