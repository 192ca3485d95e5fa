"""Jira issues and Jira Service Management requests: webhooks, and web requests of automation rules.

Source: developer.atlassian.com, Jira webhooks (issue and comment events). A webhook with a secret signs the
body in X-Hub-Signature, whose prefix names the method; an app's webhook shows a JWT by the app's secret
(jwt.py); an automation rule sends a secret in a header of its own. An automation rule's body is the issue
alone or inside `issue`.

A status has a name that people invented and a category; a source's own map may know the name, the category
counts otherwise. The ticket's id is the issue's key; a move to another project gives a new one, so the old
ticket is then merged into the new. Who reported the issue speaks as the customer, and so does an account of
the customer portal. A comment is an event by its own id, so that a list of comments tells of the same one. Worklogs, sprints, versions and links are no tickets.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, parse
from services.intake.core.vendors.fields import fields, sequence, tags
from services.intake.core.vendors.jwt import verify_jwt
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
from shared.contracts.tickets import Activity, Actor, Kind, Priority, Status, Visibility, WaitReason

_METHODS: Final = ("sha256", "sha384", "sha512")
"""The methods that a signature's prefix may name; SHA-1 is too weak to be taken on the sender's word."""
_JWT_DOTS: Final = 2
_WAITS_FOR_CUSTOMER: Final = (
    "waiting for customer", "waiting on customer", "waiting for reporter", "awaiting customer", "pending customer",
    "customer feedback",
)  # fmt: skip
_WAITS: Final = ("on hold", "blocked", "pending", "waiting for approval", "awaiting approval", "paused")
_GIVEN_UP: Final = (
    "closed",
    "canceled",
    "cancelled",
    "declined",
    "rejected",
    "won't do",
    "won't fix",
    "duplicate",
)
_KINDS: Final = {
    **dict.fromkeys(("story", "epic", "bug", "new feature", "improvement", "spike", "technical debt"), Kind.PROJECT),
    **dict.fromkeys(("task", "sub-task", "subtask"), Kind.TASK),
    **dict.fromkeys(
        ("incident", "service request", "support", "question", "problem", "change", "post-incident review",
         "service request with approvals", "it help", "access", "report an incident"), Kind.OPERATIONAL),
}  # fmt: skip


class Jira:
    """The adapter; see port.Vendor."""

    name = "jira"
    vocabulary = Vocabulary(
        statuses={
            **dict.fromkeys(("new", "waiting for support", "reopened"), ShownStatus(Status.NEW)),
            **dict.fromkeys(
                ("indeterminate", "in progress", "work in progress", "escalated"),
                ShownStatus(Status.IN_PROGRESS),
            ),
            **dict.fromkeys(_WAITS_FOR_CUSTOMER, ShownStatus(Status.WAITING, WaitReason.CUSTOMER)),
            **dict.fromkeys(
                ("waiting for vendor", "waiting on vendor", "waiting for third party"),
                ShownStatus(Status.WAITING, WaitReason.VENDOR),
            ),
            **dict.fromkeys(_WAITS, ShownStatus(Status.WAITING, WaitReason.INTERNAL)),
            **dict.fromkeys(("done", "resolved", "fixed", "completed"), ShownStatus(Status.SOLVED)),
            **dict.fromkeys(_GIVEN_UP, ShownStatus(Status.CLOSED)),
        },
        status_default=ShownStatus(Status.IN_PROGRESS),
        priorities={
            **dict.fromkeys(("highest", "blocker", "critical", "urgent", "p1"), Priority.P1),
            **dict.fromkeys(("high", "major", "p2"), Priority.P2),
            **dict.fromkeys(("medium", "normal", "p3"), Priority.P3),
            **dict.fromkeys(("low", "lowest", "minor", "trivial", "p4", "p5"), Priority.P4),
        },
        priority_default=Priority.P3,
    )

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check the signature where there is one, then an app's JWT, then the secret of a rule's header."""
        shown = delivery.header("x-hub-signature")
        if shown:
            method = shown.partition("=")[0]
            if method not in _METHODS:
                return Untrusted("the signature is of a method that is not taken")
            return verify_hmac(
                shown, delivery.body, secrets, algorithm=method, how=self.name, prefix=f"{method}="
            )
        scheme, _, token = delivery.header("authorization").partition(" ")
        if scheme.casefold() in {"bearer", "jwt"} and token.count(".") == _JWT_DOTS:
            return verify_jwt(token.strip(), secrets, delivery.received_at, how=self.name)
        return verify_shared(delivery, secrets, how=self.name)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: Jira has no handshake."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return the issue that the event shows, and the ticket it was before a move."""
        body = parse(delivery.body)
        issue = body["issue"] if body.has("issue") else body
        key = issue["key"].text()
        if key is None or not isinstance(issue["fields"].value, dict):
            if body["webhookEvent"].text() and not isinstance(body["issue"].value, dict):
                return Shown(ignored="no_ticket")
            raise Unreadable("an issue needs its `key` and its `fields`")
        members = _issue(issue, key)
        members["event_id"] = Node(delivery.header("x-atlassian-webhook-identifier")).text()
        members |= _happened(body, issue)
        members["id"] = key
        members = known(members, cleared=_CLEARED)
        old = _old_key(body["changelog"], key)
        return Shown((members, _moved(members, old)) if old else (members,))


_PATHS: Final = {
    "subject": "summary",
    "priority": "priority.name",
    "queue": "project.key",
    "category": "issuetype.name",
}
_CLEARED: Final = frozenset(_PATHS) | {"assignee", "requester", "tags"}


def _issue(issue: Node, key: str) -> Members:
    shown = issue["fields"]
    members = fields(shown, _PATHS) | tags(shown, "labels")
    for name, member in (("assignee", "assignee"), ("requester", "reporter")):
        if shown.has(member) and (shown[member].value is None or _name(shown[member])):
            members[name] = _name(shown[member])
    words = [shown["status"]["name"].text(), shown["status"]["statusCategory"]["key"].text()]
    if told := tuple(word for word in words if word and word != "undefined"):
        members["status"] = told
    members["kind"] = _KINDS.get(str(members.get("category")).casefold().removeprefix("[system] "))
    members["created_at"] = shown["created"].instant()
    site, rest, _ = (issue["self"].address() or "").partition("/rest/")
    members["url"] = Node(f"{site}/browse/{key}").address() if rest else None
    return members


def _name(person: Node) -> str | None:
    names = ("displayName", "emailAddress", "name", "accountId")
    return next((text for name in names if (text := person[name].text())), None)


def _happened(body: Node, issue: Node) -> Members:
    event, shown = body["webhookEvent"].text() or "", issue["fields"]
    told_at = body["timestamp"].instant()
    updated_at = shown["updated"].instant() or told_at
    comment = body["comment"]
    if isinstance(comment.value, dict) and _is_new(event, body["issue_event_type_name"].text(), comment):
        return _comment(comment, issue, updated_at)
    changed: Members = {
        "activity": Activity.UPDATED,
        "time": updated_at,
        "actor": _actor(body["user"], issue),
        "sequence": sequence(body["changelog"]["id"]),
    }
    if event == "jira:issue_created":
        changed["activity"] = Activity.CREATED
    elif event == "jira:issue_deleted":
        changed |= {"activity": Activity.DELETED, "time": told_at or updated_at}
    elif event.startswith("comment_"):
        changed |= {"time": told_at or updated_at, "actor": _actor(comment["updateAuthor"], issue)}
    return changed


def _is_new(event: str, kind: str | None, comment: Node) -> bool:
    """Return whether a comment was just written. Older servers tell of it as an update of the issue."""
    if event.startswith("comment_"):
        return event == "comment_created"
    return kind == "issue_commented" or (kind is None and comment.has("body"))


def _comment(comment: Node, issue: Node, updated_at: datetime | None) -> Members:
    if _name(comment["author"]) is None:
        return {"activity": Activity.UPDATED, "time": updated_at}
    actor = _actor(comment["author"], issue) or Actor.AGENT
    is_private = comment["jsdPublic"].value is False or comment["visibility"].value is not None
    if is_private:
        activity = Activity.INTERNAL_NOTE
    else:
        activity = Activity.CUSTOMER_MESSAGE if actor is Actor.CUSTOMER else Activity.AGENT_MESSAGE
    number = comment["id"].text()
    return {
        "activity": activity,
        "actor": actor,
        "visibility": Visibility.INTERNAL if is_private else Visibility.PUBLIC,
        "time": comment["created"].instant() or updated_at,
        **({"event_id": f"comment-{number}"} if number else {}),
    }


def _actor(person: Node, issue: Node) -> Actor | None:
    kind = person["accountType"].text()
    if kind in {"app", "customer"}:
        return Actor.BOT if kind == "app" else Actor.CUSTOMER
    if _is_same(person, issue["fields"]["assignee"]):
        return Actor.AGENT
    if _is_same(person, issue["fields"]["reporter"]):
        return Actor.CUSTOMER
    return None


def _is_same(one: Node, other: Node) -> bool:
    """Return whether two people are one: by the account id of the cloud, by the key of a server."""
    for name in ("accountId", "key", "name"):
        if (text := one[name].text()) is not None and other.has(name):
            return text == other[name].text()
    return False


def _old_key(changelog: Node, key: str) -> str | None:
    for item in changelog["items"].items():
        if (item["field"].text() or "").casefold() == "key" and item["toString"].text() == key:
            old = item["fromString"].text()
            return old if old != key else None
    return None


def _moved(members: Members, old: str) -> Members:
    kept = {name: members[name] for name in ("event_id", "time", "actor") if name in members}
    return kept | {"id": old, "activity": Activity.MERGED, "merged_into": members["id"]}


VENDOR: Final[Vendor] = Jira()
