"""GitLab issues that changed: `GET /api/v4/projects/{id}/issues`, one list for each project.

Source: docs.gitlab.com, issues API; REST API pagination; rate limits. `updated_after` includes its own instant.
Pages are numbered, with the next one in X-Next-Page or Link. An issue of the API has the names of the webhook's
for most members; the others are put where the webhook has them. Confidential issues are listed if the token may
see them. Deleted issues are in no list any more.
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
_SAME: Final = ("id", "iid", "title", "state", "created_at", "updated_at", "severity", "confidential")


class GitLabIssues:
    """The issues of one project; see port.Listing."""

    resolution = timedelta(milliseconds=1)
    pages_last = False
    pause_seconds = 0
    page_items = PAGE_ITEMS
    conversations: Conversations | None = None

    def __init__(self, project: str) -> None:
        """`project` is its path, `group/name`."""
        self.name = project
        self._path = f"api/v4/projects/{quote(project, safe='')}/issues"

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
        return path or self.name


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
