"""GitHub issues that changed: `GET /repos/{owner}/{repository}/issues`, one list for each repository.

Source: docs.github.com, REST API endpoints for issues; rate limits; best practices. The list has pull requests
too, which are left out. An issue that was deleted or transferred is in no list any more. `since` counts whole
seconds and includes its own. The next page is in the header Link. A conditional request whose answer is 304
does not count against the rate limit.
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
_NEXT: Final = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="?next"?')


class GitHubIssues:
    """The issues of one repository; see port.Listing."""

    resolution = timedelta(seconds=1)
    pages_last = False
    pause_seconds = 0
    page_items = PAGE_ITEMS

    def __init__(self, repository: str) -> None:
        """`repository` is `owner/name`."""
        self.name = repository
        self._path = f"repos/{repository}/issues"

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
            ("state", "all"), ("sort", "updated"), ("direction", "asc"), ("per_page", str(PAGE_ITEMS)),
            ("since", since.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ]  # fmt: skip
        if page is not None:
            query.append(("page", page))
        return Request(self._path, tuple(query), _HEADERS)

    def read(self, answer: Answer) -> Page:
        """See port.Listing."""
        issues = map(Node, list_of(parse(answer.body), "issues"))
        items = [self._item(issue) for issue in issues]
        return Page(items, next_page(answer))

    def _item(self, issue: Node) -> Item:
        number = issue["number"].integer()
        if number is None:
            raise Unreadable("an issue of the list has no number")
        repository = self._repository(issue)
        key = f"{repository}#{number}"
        at = instant_of(issue["updated_at"], key)
        if issue.has("pull_request"):
            return Item(key, at, {}, b"", LAST, is_ticket=False)
        body: Mapping[str, Any] = {"issue": issue.value, "repository": {"full_name": repository}}
        event_id = derived_id("pull", "github", key, at.isoformat())
        headers = {"x-github-event": "issues", "x-github-delivery": event_id}
        return Item(key, at, headers, encoded(body), LAST)

    def _repository(self, issue: Node) -> str:
        """Return the repository as the webhook names it; the configured name may differ in case."""
        _, found, path = (issue["repository_url"].text() or "").rpartition("/repos/")
        return path if found else self.name


def next_page(answer: Answer) -> str | None:
    """Return the number of the next page by the header Link (RFC 8288), None on the last page."""
    found = _NEXT.search(answer.header("link"))
    if found is None:
        return None
    numbers = parse_qs(urlsplit(found[1]).query).get("page")
    return numbers[0] if numbers else None
