"""Jira issues that changed: a search by JQL, `updated >= "..." ORDER BY updated ASC`. And what was said in them.

Source: developer.atlassian.com, Jira Cloud platform REST API v3 (issue search, myself); Jira Data Center REST API
v2; JQL fields reference. An instant in JQL has whole minutes and is read in the time zone of the account that
asks, so that zone is asked for first. In the hour that a zone has twice, an hour more is asked for: nobody says
which of the two Jira means. Jira Cloud pages by `nextPageToken`, Data Center by `startAt`. The search follows the
issues with some delay. Deleted issues, and those the account may not see, are in no answer.

A search shows no more than some comments of an issue, and which is not said, so each issue that changed is asked for
its own, `.../issue/{key}/comment`, newest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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
    object_of,
)
from services.intake.core.vendors.body import Node, parse
from services.intake.core.vendors.port import Unreadable
from shared.contracts.event_id import derived_id

PAGE_ITEMS: Final = 100
_FIELDS: Final = "summary,status,priority,assignee,reporter,labels,issuetype,project,created,updated"
_AMBIGUOUS: Final = timedelta(hours=3)
"""Around a change of the clock; no zone moves by more."""
_IDS: Final = ("accountId", "accountType", "key", "name")
_HOUR: Final = timedelta(hours=1)


class JiraIssues:
    """The issues that one search finds; see port.Listing."""

    resolution = timedelta(minutes=1)
    pages_last = False
    pause_seconds = 0
    page_items = PAGE_ITEMS

    def __init__(
        self, projects: Sequence[str], query: str, *, is_cloud: bool, zone: ZoneInfo | None = None,
        conversations: Conversations | None = None,
    ) -> None:  # fmt: skip
        """`projects` are keys, none for all; `query` is JQL that has to hold as well, empty for none.

        With `conversations` what is wanted is what was said in the issues.
        """
        self._projects, self._query, self._is_cloud, self._zone = projects, query, is_cloud, zone
        self._api = _api(is_cloud=is_cloud)
        self.name = "issues" if conversations is None else "comments"
        self.conversations = conversations

    def preparation(self) -> Request | None:
        """Return the request that tells the account's time zone."""
        return None if self._zone is not None else Request(f"{self._api}/myself")

    def prepared(self, answer: Answer) -> Listing:
        """Return the list in the account's time zone. Raises Unreadable."""
        name = object_of(answer)["timeZone"].text()
        try:
            zone = ZoneInfo(name or "")
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise Unreadable(f"the account's time zone {name!a} is none that is known") from error
        return JiraIssues(
            self._projects, self._query, is_cloud=self._is_cloud, zone=zone, conversations=self.conversations
        )

    def request(self, since: datetime, page: str | None) -> Request:
        """See port.Listing."""
        query = [("jql", self._jql(since)), ("fields", _FIELDS), ("maxResults", str(PAGE_ITEMS))]
        if self._is_cloud:
            query += [] if page is None else [("nextPageToken", page)]
            return Request(f"{self._api}/search/jql", tuple(query))
        return Request(f"{self._api}/search", (*query, ("startAt", page or "0")))

    def read(self, answer: Answer) -> Page:
        """See port.Listing."""
        body = object_of(answer)
        items = [_item(Node(issue)) for issue in list_of(body["issues"], "issues")]
        return Page(items, _next_token(body) if self._is_cloud else _next_start(body, len(items)))

    def _jql(self, since: datetime) -> str:
        assert self._zone is not None, "the account's time zone is asked for first"
        projects = ", ".join(f'"{key}"' for key in self._projects)
        parts = [f'updated >= "{local_minute(since, self._zone)}"']
        parts += [f"project in ({projects})"] if projects else []
        parts += [f"({self._query})"] if self._query else []
        return " AND ".join(parts) + " ORDER BY updated ASC, key ASC"


class JiraComments:
    """The comments of one issue; see port.Conversations."""

    pause_seconds = 0.5

    def __init__(self, *, is_cloud: bool) -> None:
        self._api = _api(is_cloud=is_cloud)

    def request(self, ticket: Item, page: str | None) -> Request | None:
        """See port.Conversations."""
        query = (("orderBy", "-created"), ("maxResults", str(PAGE_ITEMS)), ("startAt", page or "0"))
        return Request(f"{self._api}/issue/{quote(ticket.key, safe='')}/comment", query)

    def read(self, ticket: Item, answer: Answer) -> Page:
        """See port.Conversations."""
        body, issue = object_of(answer), parse(ticket.body)["issue"]
        items = [
            _comment(Node(comment), issue, ticket.key) for comment in list_of(body["comments"], "comments")
        ]
        return Page(items, _next_start(body, len(items)))


def _api(*, is_cloud: bool) -> str:
    return "rest/api/3" if is_cloud else "rest/api/2"


def _comment(comment: Node, issue: Node, ticket: str) -> Item:
    number = comment["id"].text()
    if number is None:
        raise Unreadable(f"a comment of {ticket} has no id")
    key = f"{ticket} comment {number}"
    at = instant_of(comment["created"], key).astimezone(UTC)
    shown = issue["fields"]
    body = {
        "webhookEvent": "comment_created",
        "comment": {
            "id": number,
            "author": _ids(comment["author"]),
            "created": comment["created"].value,
            "jsdPublic": comment["jsdPublic"].value,
            "visibility": None if comment["visibility"].value is None else {},
        },
        "issue": {"key": ticket, "fields": {name: _ids(shown[name]) for name in ("assignee", "reporter")}},
    }
    return Item(key, at, {}, encoded(body), None, written_at=at)


def _ids(person: Node) -> Mapping[str, Any] | None:
    """Return by what people are told apart: in no list of messages anybody needs a name."""
    if not isinstance(person.value, dict):
        return None
    return {name: person[name].value for name in _IDS if person.has(name)}


def local_minute(since: datetime, zone: ZoneInfo) -> str:
    """Return `since` as JQL writes it in `zone`, never later than it is."""
    offsets = {(since + each).astimezone(zone).utcoffset() for each in (-_AMBIGUOUS, _AMBIGUOUS)}
    if len(offsets) > 1:
        since -= _HOUR
    return since.astimezone(zone).strftime("%Y/%m/%d %H:%M")


def _next_token(body: Node) -> str | None:
    token = body["nextPageToken"].value
    return token if isinstance(token, str) and token else None


def _next_start(body: Node, shown: int) -> str | None:
    start, total = body["startAt"].integer(), body["total"].integer()
    if start is None or total is None:
        raise Unreadable("the answer shows no `startAt` and `total`")
    behind = start + shown
    return str(behind) if shown and behind < total else None


def _item(issue: Node) -> Item:
    key = issue["key"].text()
    if key is None:
        raise Unreadable("an issue of the list has no key")
    at = instant_of(issue["fields"]["updated"], key).astimezone(UTC)
    event_id = derived_id("pull", "jira", key, at.isoformat())
    headers = {"x-atlassian-webhook-identifier": event_id}
    return Item(key, at, headers, encoded({"issue": issue.value}), LAST)
