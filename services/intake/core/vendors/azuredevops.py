"""Azure DevOps work items: service hooks `workitem.created`, `updated`, `commented`, `deleted`, `restored`.

Source: learn.microsoft.com, service hooks events and their troubleshooting. Nothing is signed: a header or
basic authentication is what there is (shared_secret.py). An answer of 410 disables a subscription at once.

Trap: in `updated`, `resource.id` numbers the update. The item is `resource.workItemId`, `resource.fields` has
the changes as old and new values, and the whole item is `resource.revision`. Azure leaves empty fields out, so
one that is missing says nothing, and only a change without a new value clears. Revisions order what happens at
one time. Who made the item speaks as the customer, everybody else as an agent. A priority is Priority, 1 to 4,
or else Severity. States of a process that people made up count as in progress until a map knows them.
"""

from __future__ import annotations

import re
from typing import Final

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.body import Node, parse
from services.intake.core.vendors.fields import sequence
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
from services.intake.core.vendors.shared_secret import verify_shared
from shared.contracts.tickets import TAGS_MAX, Activity, Actor, Priority, Status, Visibility

_PREFIX: Final = "workitem."
_ACTIVITIES: Final = {
    "created": Activity.CREATED,
    "updated": Activity.UPDATED,
    "commented": Activity.UPDATED,
    "deleted": Activity.DELETED,
    "restored": Activity.RESTORED,
}
_MAIL: Final = re.compile(r"<([^<>]+)>\s*$")
_PRIORITY: Final = "Microsoft.VSTS.Common.Priority"
_SEVERITY_END: Final = ".Common.Severity"
"""The documentation writes the beginning of this name in two ways."""


class AzureDevOps:
    """The adapter; see port.Vendor."""

    name = "azuredevops"
    vocabulary = Vocabulary(
        statuses={
            **WAITING_WORDS,
            **dict.fromkeys(("new", "to do", "proposed", "approved"), ShownStatus(Status.NEW)),
            **dict.fromkeys(
                ("active", "doing", "in progress", "committed", "in review"), ShownStatus(Status.IN_PROGRESS)
            ),
            "resolved": ShownStatus(Status.SOLVED),
            "done": ShownStatus(Status.SOLVED),
            "closed": ShownStatus(Status.CLOSED),
            "removed": ShownStatus(Status.CLOSED),
        },
        status_default=ShownStatus(Status.IN_PROGRESS),
        priorities={
            "1": Priority.P1, "2": Priority.P2, "3": Priority.P3, "4": Priority.P4,
            "1 - critical": Priority.P1, "2 - high": Priority.P2, "3 - medium": Priority.P3,
            "4 - low": Priority.P4,
        },
    )  # fmt: skip

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Check the secret that the subscription was given."""
        return verify_shared(delivery, secrets, how=self.name)

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return None: Azure DevOps has no handshake."""
        del delivery, secrets
        return None

    def read(self, delivery: Delivery) -> Shown:
        """Return the work item that the event shows."""
        body = parse(delivery.body)
        event, resource = body["eventType"].text(), body["resource"]
        if event is None:
            raise Unreadable("an event without its eventType")
        happened = event.removeprefix(_PREFIX)
        if not event.startswith(_PREFIX) or happened not in _ACTIVITIES:
            return Shown(ignored="no_ticket")
        item = _Item(resource)
        if item.id is None:
            raise Unreadable("a work item without its id")
        members = _members(item) | {"activity": _ACTIVITIES[happened], "event_id": body["id"].text()}
        if happened == "commented":
            members |= _commented(item)
        if happened in {"deleted", "restored"}:  # is no change of the item, whose ChangedDate is an older one
            members["time"] = body["createdDate"].instant() or members["time"]
        return Shown((known(members, cleared=item.cleared),))


class _Item:
    """A work item, from whichever of the two shapes shows it."""

    def __init__(self, resource: Node) -> None:
        is_update = resource.has("workItemId") or resource.has("revision")
        self.node = resource["revision"] if is_update else resource
        self.resource = resource
        self.changes = resource["fields"] if is_update else Node(None)
        self.id = (
            (resource["workItemId"].text() or self.node["id"].text()) if is_update else self.node["id"].text()
        )
        self.revision = sequence(self.node["rev"] if self.node.has("rev") else resource["rev"])
        fields = {"System.AssignedTo": "assignee", "System.Tags": "tags"}
        self.cleared = {
            member
            for name, member in fields.items()
            if isinstance(self.changes[name].value, dict) and self.changes[name]["newValue"].value is None
        }

    def field(self, name: str) -> Node:
        """Return a field as it is now."""
        fields = self.node["fields"]
        return fields[name] if fields.has(name) else self.changes[name]["newValue"]

    def severity(self) -> Node:
        fields = self.node["fields"]
        names = fields.value if isinstance(fields.value, dict) else {}
        return fields[next((name for name in names if name.endswith(_SEVERITY_END)), "")]

    def person(self, name: str) -> str | None:
        """Return whom a field names: `Name <mail>` in older versions, an object in newer ones."""
        shown = self.field(name)
        if isinstance(shown.value, dict):
            return shown["uniqueName"].text() or shown["displayName"].text()
        text = shown.text()
        found = _MAIL.search(text) if text else None
        return found[1].strip() or text if found else text


def _members(item: _Item) -> Members:
    tags = item.field("System.Tags").text()
    link = item.node["_links"]["html"]["href"].address() or item.resource["_links"]["html"]["href"].address()
    return {
        "id": item.id,
        "subject": item.field("System.Title").subject(),
        "status": item.field("System.State").text(),
        "priority": item.field(_PRIORITY).text() or item.severity().text(),
        "queue": item.field("System.AreaPath").text(),
        "category": item.field("System.WorkItemType").text(),
        "assignee": item.person("System.AssignedTo"),
        "requester": item.person("System.CreatedBy"),
        "tags": _tags(tags) if tags else [] if "tags" in item.cleared else None,
        "url": link or item.node["url"].address(),
        "created_at": item.field("System.CreatedDate").instant(),
        "time": item.field("System.ChangedDate").instant(),
        "sequence": item.revision,
        "actor": _actor(item),
    }


def _tags(text: str) -> list[str]:
    return [tag for each in text.split(";") if (tag := each.strip())][:TAGS_MAX]


def _actor(item: _Item) -> Actor | None:
    changed_by, created_by = item.person("System.ChangedBy"), item.person("System.CreatedBy")
    if changed_by is None or created_by is None:
        return None
    return Actor.CUSTOMER if changed_by == created_by else Actor.AGENT


def _commented(item: _Item) -> Members:
    actor = _actor(item) or Actor.AGENT
    is_customer = actor is Actor.CUSTOMER
    return {
        "activity": Activity.CUSTOMER_MESSAGE if is_customer else Activity.AGENT_MESSAGE,
        "actor": actor,
        "visibility": Visibility.PUBLIC,
    }


VENDOR: Final[Vendor] = AzureDevOps()
