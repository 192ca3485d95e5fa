"""GitHub issues that changed, and comments: two lists for each repository, `.../issues` and `.../issues/comments`.

Source: docs.github.com, REST API endpoints for issues and for issue comments; rate limits; best practices. Both
lists have pull requests too, which are left out: a comment on one has `/pull/` in its address. What was deleted
or transferred is in no list any more. `since` counts whole seconds and includes its own. The next page is in
the header Link. A conditional request whose answer is 304 does not count against the rate limit. A comment
that is edited is in the list again, and is the same observation. A comment shows its issue's number and
nothing else of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

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
_HEADERS: Final = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
_OF_A_COMMENT: Final = ("id", "author_association", "created_at")
"""What is wanted of one: never its text, nor who wrote it."""
_NEXT: Final = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="?next"?')


class _GitHubList:
    """A list of one repository; see port.Listing."""

    resolution = timedelta(seconds=1)
    pages_last = False
    pause_seconds = 0
    page_items = PAGE_ITEMS
    conversations: Conversations | None = None

    def __init__(self, name: str, path: str, only: tuple[tuple[str, str], ...] = ()) -> None:
        self.name, self._path, self._only = name, path, only

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
            *self._only, ("sort", "updated"), ("direction", "asc"), ("per_page", str(PAGE_ITEMS)),
            ("since", since.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ]  # fmt: skip
        if page is not None:
            query.append(("page", page))
        return Request(self._path, tuple(query), _HEADERS)

    def read(self, answer: Answer) -> Page:
        """See port.Listing."""
        found = map(Node, list_of(parse(answer.body), "issues or comments"))
        return Page([self._item(each) for each in found], next_page(answer))

    def _item(self, shown: Node) -> Item:
        raise NotImplementedError


class GitHubIssues(_GitHubList):
    """The issues of one repository; see port.Listing."""

    def __init__(self, repository: str) -> None:
        """`repository` is `owner/name`."""
        super().__init__(repository, f"repos/{repository}/issues", (("state", "all"),))

    def _item(self, issue: Node) -> Item:
        number = issue["number"].integer()
        if number is None:
            raise Unreadable("an issue of the list has no number")
        repository = _repository(issue["repository_url"], self.name)
        key = f"{repository}#{number}"
        at = instant_of(issue["updated_at"], key)
        if issue.has("pull_request"):
            return Item(key, at, {}, b"", LAST, is_ticket=False)
        body: Mapping[str, Any] = {"issue": issue.value, "repository": {"full_name": repository}}
        event_id = derived_id("pull", "github", key, at.isoformat())
        headers = {"x-github-event": "issues", "x-github-delivery": event_id}
        return Item(key, at, headers, encoded(body), LAST)


class GitHubComments(_GitHubList):
    """The comments on the issues of one repository; see port.Listing."""

    def __init__(self, repository: str) -> None:
        """`repository` is `owner/name`."""
        super().__init__(f"{repository} comments", f"repos/{repository}/issues/comments")
        self._repository = repository

    def _item(self, comment: Node) -> Item:
        number, address = comment["id"].integer(), comment["issue_url"].text() or ""
        path, _, issue = address.rpartition("/issues/")
        if number is None or not issue.isdecimal():
            raise Unreadable("a comment of the list has no id, or not the issue it is on")
        repository = _repository(Node(path), self._repository)
        key = f"{repository}#{issue} comment {number}"
        at, written_at = (instant_of(comment[name], key) for name in ("updated_at", "created_at"))
        if f"/pull/{issue}#" in (comment["html_url"].text() or ""):
            return Item(key, at, {}, b"", None, is_ticket=False)
        body = {
            "action": "created",
            "issue": {"number": int(issue)},
            "comment": {
                **{name: comment[name].value for name in _OF_A_COMMENT},
                "user": {"type": comment["user"]["type"].value},
            },
            "repository": {"full_name": repository},
        }
        return Item(key, at, {"x-github-event": "issue_comment"}, encoded(body), None, written_at=written_at)


def _repository(url: Node, configured: str) -> str:
    """Return the repository as the webhook names it; the configured name may differ in case."""
    _, found, path = (url.text() or "").rpartition("/repos/")
    return path if found else configured


def next_page(answer: Answer) -> str | None:
    """Return the number of the next page by the header Link (RFC 8288), None on the last page."""
    found = _NEXT.search(answer.header("link"))
    if found is None:
        return None
    numbers = parse_qs(urlsplit(found[1]).query).get("page")
    return numbers[0] if numbers else None
