"""Jira's search by JQL, of the cloud and of Data Center, an issue's comments, and the webhooks that tell of them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from tests.servers.desks.desk import Answered, Asked, Comment, Desk, Ticket, answered, failing

USER: Final = "barometer@example.com"
TOKEN: Final = "atatt_made_up"
ZONE: Final = "America/New_York"
_COMMENTS: Final = re.compile(r"/rest/api/([23])/issue/SUP-(\d+)/comment")
_JQL: Final = re.compile(
    r'updated >= "(\d{4}/\d\d/\d\d \d\d:\d\d)"(?P<more>.*) ORDER BY updated ASC, key ASC'
)


class JiraDesk(Desk):
    """`/rest/api/3/search/jql` (cloud), or `/rest/api/2/search` (Data Center)."""

    def __init__(self, now: Callable[[], datetime], *, is_cloud: bool = True, zone: str = ZONE) -> None:
        super().__init__(now)
        self._is_cloud, self._zone = is_cloud, ZoneInfo(zone)

    def is_list(self, asked: Asked) -> bool:
        """Return whether it is more than the question for the account."""
        return not asked.path.endswith(("/myself", "/comment"))

    def respond(self, asked: Asked) -> Answered:
        """Answer as documented."""
        basic = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        if asked.headers.get("authorization") not in {f"Basic {basic}", f"Bearer {TOKEN}"}:
            return failing(401)(asked)
        if asked.path in {"/rest/api/3/myself", "/rest/api/2/myself"}:
            return answered({"accountId": "a1", "timeZone": self._zone.key})
        if found := _COMMENTS.fullmatch(asked.path):
            assert ("3" if self._is_cloud else "2") == found[1], asked.path
            return self._comments(asked, int(found[2]))
        if asked.path != ("/rest/api/3/search/jql" if self._is_cloud else "/rest/api/2/search"):
            return failing(404)(asked)
        issues, size = self._found(asked.query["jql"]), self.page_items(asked.query["maxResults"])
        if not self._is_cloud:
            start = int(asked.query["startAt"])
            shown = [self.issue(one) for one in issues[start : start + size]]
            return answered({"startAt": start, "maxResults": size, "total": len(issues), "issues": shown})
        start = self._start(asked.query)
        behind = start + size
        body: dict[str, Any] = {"issues": [self.issue(one) for one in issues[start:behind]]}
        body["isLast"] = behind >= len(issues)
        if not body["isLast"]:
            body["nextPageToken"] = base64.b64encode(f"{behind} {asked.query['jql']}".encode()).decode()
        return answered(body)

    def _found(self, jql: str) -> list[Ticket]:
        match = _JQL.fullmatch(jql)
        assert match is not None, jql
        local = datetime.strptime(match[1], "%Y/%m/%d %H:%M").replace(tzinfo=self._zone)
        return [one for one in self.by_change() if one.updated_at >= local]

    def _start(self, query: Mapping[str, str]) -> int:
        token = query.get("nextPageToken")
        if token is None:
            return 0
        start, _, jql = base64.b64decode(token).decode().partition(" ")
        assert jql == query["jql"], "a token belongs to its search"
        return int(start)

    def _comments(self, asked: Asked, ticket: int) -> Answered:
        assert "-created" == asked.query["orderBy"], asked.query
        newest, start = self.said_in(ticket), int(asked.query["startAt"])
        size = self.page_items(asked.query["maxResults"])
        shown = [self.comment(one) for one in newest[start : start + size]]
        return answered({"startAt": start, "maxResults": size, "total": len(newest), "comments": shown})

    def comment(self, comment: Comment) -> dict[str, Any]:
        """Return a comment as the API and the webhook show it."""
        author = {"accountId": "a9", "accountType": "atlassian", "displayName": "Agent"}
        if not comment.is_agent:
            author = {"accountId": "a3", "accountType": "atlassian", "displayName": "Customer"}
        if comment.is_bot:
            author = {"accountId": "a4", "accountType": "app", "displayName": "Automation"}
        return {
            "id": str(comment.number), "author": author, "updateAuthor": author,
            "body": "Have you tried to switch it off?", "jsdPublic": not comment.is_internal,
            "created": _written(comment.written_at, self._zone), "updated": _written(comment.updated_at, self._zone),
        }  # fmt: skip

    def told(self, number: int) -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the webhook that tells of a comment that was just written."""
        comment = self.comments[number]
        body = {
            "timestamp": int(comment.written_at.timestamp() * 1_000) + 300, "webhookEvent": "comment_created",
            "comment": self.comment(comment), "issue": self.issue(self.tickets[comment.ticket]),
        }  # fmt: skip
        return {"x-atlassian-webhook-identifier": f"hook-{number}"}, json.dumps(body).encode()

    def issue(self, ticket: Ticket) -> dict[str, Any]:
        """Return a ticket as the API and the webhook show it."""
        status = ("Done", "done") if ticket.is_closed else ("In Progress", "indeterminate")
        return {
            "id": str(10_000 + ticket.number),
            "key": f"SUP-{ticket.number}",
            "self": f"https://acme.atlassian.net/rest/api/2/issue/{10_000 + ticket.number}",
            "fields": {
                "summary": ticket.subject,
                "status": {"name": status[0], "statusCategory": {"key": status[1]}},
                "priority": {"name": ticket.label or "Medium"},
                "assignee": {"accountId": "a2", "displayName": ticket.assignee} if ticket.assignee else None,
                "reporter": {"accountId": "a3", "displayName": "Customer"},
                "labels": [],
                "issuetype": {"name": "Incident"},
                "project": {"key": "SUP"},
                "created": _written(ticket.created_at, self._zone),
                "updated": _written(ticket.updated_at, self._zone),
            },
        }

    def webhook(self, number: int, event: str = "jira:issue_updated") -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the webhook that tells of a ticket as it is now."""
        ticket = self.tickets[number]
        body = {
            "timestamp": int(ticket.updated_at.timestamp() * 1_000), "webhookEvent": event,
            "issue_event_type_name": "issue_generic", "user": {"accountId": "a2", "displayName": "agent"},
            "issue": self.issue(ticket), "changelog": {"id": "900", "items": []},
        }  # fmt: skip
        identifier = f"{number}-{ticket.updated_at.timestamp()}"
        return {"x-atlassian-webhook-identifier": identifier}, json.dumps(body).encode()


def _written(instant: datetime, zone: ZoneInfo) -> str:
    local = instant.astimezone(zone)
    return local.strftime("%Y-%m-%dT%H:%M:%S.") + f"{local.microsecond // 1000:03d}" + local.strftime("%z")
