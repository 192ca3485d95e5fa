"""GitLab issues that changed, `GET /api/v4/projects/{id}/issues`, one list for each project, and what was said in them.

Source: docs.gitlab.com, issues API; notes API; REST API pagination; rate limits. `updated_after` includes its own instant.
Pages are numbered, with the next one in X-Next-Page or Link. An issue of the API has the names of the webhook's
for most members; the others are put where the webhook has them. Confidential issues are listed if the token may
see them. Deleted issues are in no list any more. A project has no list of the notes on its issues, so each issue that
changed is asked for its own, newest first; notes that GitLab writes about changes are no messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from services.intake.core.pull.github import next_page
from services.intake.core.pull.port import (
    LAST,
    Answer,
    Conversations,
    Item,
    Listing,
    Page,
    Request,
    encoded,
    instant_of,
    list_of,
)
from services.intake.core.vendors.body import Node, parse
from services.intake.core.vendors.port import Unreadable
from shared.contracts.event_id import derived_id

PAGE_ITEMS: Final = 100
_OF_A_NOTE: Final = ("id", "created_at", "internal", "confidential")
_SAME: Final = ("id", "iid", "title", "state", "created_at", "updated_at", "severity", "confidential")


class GitLabIssues:
    """The issues of one project; see port.Listing."""

    resolution = timedelta(milliseconds=1)
    pages_last = False
    pause_seconds = 0
    page_items = PAGE_ITEMS

    def __init__(self, project: str, conversations: Conversations | None = None) -> None:
        """`project` is its path, `group/name`; with `conversations` what is wanted is what was said in the issues."""
        self.name = project if conversations is None else f"{project} comments"
        self.conversations = conversations
        self._project_path, self._path = project, _path(project)

    def preparation(self) -> Request | None:
        """Return None: nothing is to be known before."""
        return None

    def prepared(self, answer: Answer) -> Listing:
        """Return this list."""
        del answer
        return self

    def request(self, since: datetime, page: str | None) -> Request:
        """See port.Listing."""
        query = [
            ("scope", "all"), ("state", "all"), ("order_by", "updated_at"), ("sort", "asc"),
            ("per_page", str(PAGE_ITEMS)),
            ("updated_after", since.isoformat(timespec="milliseconds").replace("+00:00", "Z")),
        ]  # fmt: skip
        if page is not None:
            query.append(("page", page))
        return Request(self._path, tuple(query))

    def read(self, answer: Answer) -> Page:
        """See port.Listing."""
        issues = map(Node, list_of(parse(answer.body), "issues"))
        shown = answer.header("x-next-page").strip()
        return Page([self._item(issue) for issue in issues], shown or next_page(answer))

    def _item(self, issue: Node) -> Item:
        number = issue["iid"].integer()
        if number is None:
            raise Unreadable("an issue of the list has no iid")
        project = self._project(issue)
        key = f"{project}#{number}"
        at = instant_of(issue["updated_at"], key)
        event_id = derived_id("pull", "gitlab", key, at.isoformat())
        headers = {"x-gitlab-event": "Issue Hook", "x-gitlab-event-uuid": event_id}
        return Item(key, at, headers, encoded(_as_event(issue, project)), LAST)

    def _project(self, issue: Node) -> str:
        """Return the project's path as the webhook says it; it may differ from the configured one in case."""
        path, _, _ = (issue["references"]["full"].text() or "").rpartition("#")
        return path or self._project_path


class GitLabNotes:
    """The notes on one issue; see port.Conversations."""

    pause_seconds = 0.5

    def __init__(self, project: str) -> None:
        """`project` is its path, `group/name`."""
        self._path = _path(project)

    def request(self, ticket: Item, page: str | None) -> Request | None:
        """See port.Conversations."""
        number = ticket.key.rpartition("#")[2]
        query = [("sort", "desc"), ("order_by", "created_at"), ("per_page", str(PAGE_ITEMS))]
        if page is not None:
            query.append(("page", page))
        return Request(f"{self._path}/{number}/notes", tuple(query))

    def read(self, ticket: Item, answer: Answer) -> Page:
        """See port.Conversations."""
        notes, issue = map(Node, list_of(parse(answer.body), "notes")), parse(ticket.body)
        shown = answer.header("x-next-page").strip()
        return Page([_note(note, issue, ticket.key) for note in notes], shown or next_page(answer))


def _path(project: str) -> str:
    return f"api/v4/projects/{quote(project, safe='')}/issues"


def _note(note: Node, issue: Node, ticket: str) -> Item:
    number = note["id"].integer()
    if number is None:
        raise Unreadable(f"a note on {ticket} has no id")
    key, attributes = f"{ticket} note {number}", issue["object_attributes"]
    at = instant_of(note["created_at"], key)
    body = {
        "object_kind": "note",
        "user": {name: note["author"][name].value for name in ("id", "username")},
        "project": issue["project"].value,
        "object_attributes": {
            "noteable_type": "Issue",
            **{name: note[name].value for name in _OF_A_NOTE if note.has(name)},
        },
        "issue": {"iid": attributes["iid"].value, "author_id": attributes["author_id"].value},
    }
    return Item(key, at, {}, encoded(body), None, is_ticket=not note["system"].flag(), written_at=at)


def _as_event(issue: Node, project: str) -> Mapping[str, Any]:
    attributes = {name: issue[name].value for name in _SAME if issue.has(name)}
    attributes["url"] = issue["web_url"].value
    attributes["author_id"] = issue["author"]["id"].value
    kind = issue["issue_type"].text() or issue["type"].text()
    if kind is not None:
        attributes["type"] = kind.replace("_", " ").capitalize()
    body: dict[str, Any] = {
        "object_kind": "issue",
        "project": {"path_with_namespace": project},
        "object_attributes": attributes,
    }
    if issue.has("assignees"):
        body["assignees"] = issue["assignees"].value
    if isinstance(issue["labels"].value, list):
        body["labels"] = [{"title": label} for label in issue["labels"].texts()]
    return body
