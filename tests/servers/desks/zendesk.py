"""Zendesk's incremental export of tickets by cursor, the comments of a ticket, and the webhooks that tell of one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from tests.servers.desks.desk import Answered, Asked, Comment, Desk, Ticket, answered, failing, written

USER: Final = "barometer@example.com"
TOKEN: Final = "zd_made_up"
EXCLUDED: Final = timedelta(minutes=1)
REQUESTS_A_MINUTE: Final = 10
AGENT: Final = 8
CUSTOMER: Final = 7
_COMMENTS: Final = re.compile(r"/api/v2/tickets/(\d+)/comments\.json")


class ZendeskDesk(Desk):
    """`GET /api/v2/incremental/tickets/cursor.json`, ten requests a minute; `/api/v2/tickets/{id}/comments.json`."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self._requests: list[datetime] = []
        self.generated: dict[int, datetime] = {}
        """When Zendesk itself touched a ticket last, where that is later than its `updated_at`."""
        self.mute = False
        """The token may not read comments."""
        self.strangers: set[int] = set()
        """Comments whose authors are not among the users that are shown."""

    def is_list(self, asked: Asked) -> bool:
        """Return whether it is more than the question for one ticket."""
        return not _COMMENTS.fullmatch(asked.path)

    def respond(self, asked: Asked) -> Answered:
        """Answer as documented."""
        now = self.now()
        basic = base64.b64encode(f"{USER}/token:{TOKEN}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {basic}":
            return failing(401, body={"error": "Couldn't authenticate you"})(asked)
        if found := _COMMENTS.fullmatch(asked.path):
            return self._comments(asked, int(found[1]))
        if asked.path != "/api/v2/incremental/tickets/cursor.json":
            return failing(404, body={"error": "InvalidEndpoint"})(asked)
        self._requests = [at for at in self._requests if now - at < timedelta(minutes=1)]
        if len(self._requests) >= REQUESTS_A_MINUTE:
            return failing(429, {"retry-after": "23"}, {"error": "APIRateLimitExceeded"})(asked)
        self._requests.append(now)
        after = self._after(asked.query)
        if after is None:
            return failing(422, body={"error": "InvalidPaginationCursor"})(asked)
        behind = sorted(
            (one for one in self.tickets.values() if self._place(one) > after
             and self._place(one)[0] <= (now - EXCLUDED).timestamp()),
            key=self._place,
        )  # fmt: skip
        shown = behind[: self.page_items(asked.query["per_page"])]
        cursor = _cursor(self._place(shown[-1])) if shown else asked.query.get("cursor")
        is_end = len(shown) == len(behind)
        return answered({
            "tickets": [self.ticket(one) for one in shown], "after_cursor": cursor, "end_of_stream": is_end,
        })  # fmt: skip

    def _comments(self, asked: Asked, ticket: int) -> Answered:
        if self.mute:
            return failing(403, body={"error": "Forbidden"})(asked)
        if ticket not in self.tickets or self.tickets[ticket].is_deleted:
            return failing(404, body={"error": "RecordNotFound"})(asked)
        assert ("users", "-created_at") == (asked.query["include"], asked.query["sort"]), asked.query
        newest = self.said_in(ticket)
        after = asked.query.get("page[after]")
        begin = 0 if after is None else int(base64.b64decode(after))
        end = begin + self.page_items(asked.query["page[size]"])
        shown = newest[begin:end]
        users = {AGENT: "agent", CUSTOMER: "end-user", -1: "admin"}
        wrote = {_author(one) for one in shown if one.number not in self.strangers}
        return answered({
            "comments": [self.comment(one) for one in shown],
            "users": [{"id": each, "name": "Somebody", "role": users[each]} for each in sorted(wrote)],
            "meta": {"has_more": end < len(newest), "after_cursor": base64.b64encode(str(end).encode()).decode()},
        })  # fmt: skip

    def comment(self, comment: Comment) -> dict[str, Any]:
        """Return a comment as the API shows it."""
        return {
            "id": comment.number,
            "type": "Comment",
            "author_id": _author(comment),
            "body": "Have you tried to switch it off?",
            "public": not comment.is_internal,
            "audit_id": 10_000 + comment.number,
            "created_at": written(comment.written_at),
        }

    def told(self, number: int) -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the webhook that tells of a comment that was just written."""
        comment = self.comments[number]
        body = self._event(comment.ticket, f"evt-c{number}", "comment_added") | {
            # Events are dated to the nanosecond, a little after what they are about.
            "time": written(comment.written_at).replace("Z", ".962242814Z"),
            "event": {
                "comment": {
                    "id": str(number), "body": "Have you tried to switch it off?",
                    "is_public": not comment.is_internal,
                    "author": {"id": str(_author(comment)), "is_staff": comment.is_agent, "name": "Somebody"},
                },
                "meta": {"sequence": {"id": "s1", "position": 1}},
            },
        }  # fmt: skip
        return {}, json.dumps(body).encode()

    def _after(self, query: Mapping[str, str]) -> tuple[int, int] | None:
        if "start_time" in query:
            return int(query["start_time"]), -1
        try:
            at, number = base64.b64decode(query["cursor"]).decode().split("|")
            return int(at), int(number)
        except ValueError:
            return None

    def _place(self, ticket: Ticket) -> tuple[int, int]:
        at = self.generated.get(ticket.number, ticket.updated_at)
        return int(max(at, ticket.updated_at).timestamp()), ticket.number

    def ticket(self, ticket: Ticket) -> dict[str, Any]:
        """Return a ticket as the API shows it."""
        status = "deleted" if ticket.is_deleted else "solved" if ticket.is_closed else "open"
        return {
            "id": ticket.number,
            "subject": ticket.subject,
            "status": status,
            "priority": ticket.label or "normal",
            "type": "incident",
            "requester_id": 7,
            "assignee_id": int(ticket.assignee) if ticket.assignee else None,
            "group_id": 9,
            "tags": ["hw"],
            "via": {"channel": "email"},
            "created_at": written(ticket.created_at),
            "updated_at": written(ticket.updated_at),
            "generated_timestamp": self._place(ticket)[0],
            "url": f"https://acme.zendesk.com/api/v2/tickets/{ticket.number}.json",
        }

    def webhook(self, number: int, action: str = "status_changed") -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the webhook that tells of a ticket as it is now."""
        at = self.tickets[number].updated_at
        return {}, json.dumps(self._event(number, f"evt-{number}-{at.timestamp()}", action)).encode()

    def _event(self, number: int, event_id: str, what: str) -> dict[str, Any]:
        ticket = self.tickets[number]
        shown = self.ticket(ticket)
        detail = {
            name: str(value) if name.endswith("id") and value is not None else value
            for name, value in shown.items()
        }
        detail |= {name: str(shown[name]).upper() for name in ("status", "priority", "type")}
        del detail["generated_timestamp"], detail["url"]
        return {
            "account_id": 1, "id": event_id,
            "type": f"zen:event-type:ticket.{what}", "subject": f"zen:ticket:{number}",
            "time": written(ticket.updated_at), "zendesk_event_version": "2022-06-20",
            "event": {"current": "X", "previous": "Y"}, "detail": detail,
        }  # fmt: skip


def _author(comment: Comment) -> int:
    return -1 if comment.is_bot else AGENT if comment.is_agent else CUSTOMER


def _cursor(place: tuple[int, int]) -> str:
    return base64.b64encode(f"{place[0]}|{place[1]}".encode()).decode()
