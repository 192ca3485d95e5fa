"""GitLab's list of a project's issues, the notes on one, and the webhooks that tell of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tests.servers.desks.desk import Answered, Asked, Comment, Desk, Ticket, answered, failing, written

PROJECT: Final = "acme/support"
TOKEN: Final = "glpat_made_up"
AUTHOR: Final = {"id": 7, "username": "customer"}
_NOTES: Final = re.compile(r"/api/v4/projects/acme%2Fsupport/issues/(\d+)/notes")


class GitLabDesk(Desk):
    """`GET /api/v4/projects/{id}/issues` and `.../issues/{iid}/notes`, paged by number."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.system_notes: set[int] = set()
        """Comments that GitLab wrote about a change."""

    def is_list(self, asked: Asked) -> bool:
        """Return whether it is more than the question for one issue."""
        return not _NOTES.fullmatch(asked.path)

    def respond(self, asked: Asked) -> Answered:
        """Answer as documented."""
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return failing(401, body={"message": "401 Unauthorized"})(asked)
        if found := _NOTES.fullmatch(asked.path):
            assert ("desc", "created_at") == (asked.query["sort"], asked.query["order_by"]), asked.query
            return self._page(asked, [self.note(one) for one in self.said_in(int(found[1]))])
        if asked.path != "/api/v4/projects/acme%2Fsupport/issues":
            return failing(404, body={"message": "404 Project Not Found"})(asked)
        query = asked.query
        assert ("updated_at", "asc") == (query["order_by"], query["sort"]), query
        since = datetime.fromisoformat(query["updated_after"])
        return self._page(asked, [self.issue(one) for one in self.by_change() if one.updated_at >= since])

    def _page(self, asked: Asked, found: list[dict[str, Any]]) -> Answered:
        size, page = self.page_items(asked.query["per_page"]), int(asked.query.get("page", "1"))
        is_last = len(found) <= page * size
        headers = {
            "x-page": str(page), "x-next-page": "" if is_last else str(page + 1),
            "ratelimit-limit": "2000", "ratelimit-remaining": "1999",
        }  # fmt: skip
        return answered(found[(page - 1) * size : page * size], headers)

    def note(self, comment: Comment) -> dict[str, Any]:
        """Return a comment as the API shows it."""
        return {
            "id": comment.number,
            "body": "Have you tried to switch it off?",
            "author": _author(comment),
            "created_at": written(comment.written_at, "milliseconds"),
            "updated_at": written(comment.updated_at, "milliseconds"),
            "system": comment.number in self.system_notes,
            "noteable_id": 1_000 + comment.ticket,
            "noteable_type": "Issue",
            "noteable_iid": comment.ticket,
            "internal": comment.is_internal,
            "confidential": comment.is_internal,
        }

    def told(self, number: int) -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the webhook that tells of a comment that was just written."""
        comment = self.comments[number]
        _, about = self.webhook(comment.ticket)
        issue = json.loads(about)
        body = {
            "object_kind": "note",
            "event_type": "confidential_note" if comment.is_internal else "note",
            "user": _author(comment),
            "project": issue["project"],
            "object_attributes": {
                "id": number, "note": "Have you tried to switch it off?", "noteable_type": "Issue",
                "created_at": _told_at(comment.written_at), "updated_at": _told_at(comment.updated_at),
                "system": False, "internal": comment.is_internal, "action": "create",
                "url": f"https://gitlab.com/{PROJECT}/-/issues/{comment.ticket}#note_{number}",
            },
            "issue": {**issue["object_attributes"], "assignee_ids": [], "labels": issue["labels"]},
        }  # fmt: skip
        return {"x-gitlab-event": "Note Hook", "x-gitlab-event-uuid": f"note-event-{number}"}, json.dumps(
            body
        ).encode()

    def issue(self, ticket: Ticket) -> dict[str, Any]:
        """Return a ticket as the API shows it."""
        assignees = [{"id": 8, "username": ticket.assignee}] if ticket.assignee else []
        return {
            "id": 1_000 + ticket.number,
            "iid": ticket.number,
            "project_id": 5,
            "title": ticket.subject,
            "description": "smoke",
            "state": "closed" if ticket.is_closed else "opened",
            "created_at": written(ticket.created_at, "milliseconds"),
            "updated_at": written(ticket.updated_at, "milliseconds"),
            "labels": [f"priority: {ticket.label}"] if ticket.label else [],
            "assignees": assignees,
            "assignee": assignees[0] if assignees else None,
            "author": AUTHOR,
            "type": "ISSUE",
            "issue_type": "issue",
            "severity": "UNKNOWN",
            "confidential": False,
            "web_url": f"https://gitlab.com/{PROJECT}/-/issues/{ticket.number}",
            "references": {"short": f"#{ticket.number}", "full": f"{PROJECT}#{ticket.number}"},
        }

    def webhook(self, number: int, action: str = "update") -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the webhook that tells of a ticket as it is now."""
        ticket = self.tickets[number]
        at, created_at = _told_at(ticket.updated_at), _told_at(ticket.created_at)
        body = {
            "object_kind": "issue",
            "event_type": "issue",
            "user": {"id": 9, "username": "agent"},
            "project": {"id": 5, "path_with_namespace": PROJECT},
            "object_attributes": {
                "id": 1_000 + number, "iid": number, "title": ticket.subject, "author_id": AUTHOR["id"],
                "state": "closed" if ticket.is_closed else "opened", "action": action, "type": "Issue",
                "severity": "unknown", "created_at": created_at, "updated_at": at,
                "url": f"https://gitlab.com/{PROJECT}/-/issues/{number}",
            },
            "labels": [{"title": f"priority: {ticket.label}"}] if ticket.label else [],
        }  # fmt: skip
        if ticket.assignee:
            body["assignees"] = [{"id": 8, "username": ticket.assignee}]
        return {"x-gitlab-event": "Issue Hook", "x-gitlab-event-uuid": f"{number}-{at}"}, json.dumps(
            body
        ).encode()


def _author(comment: Comment) -> dict[str, Any]:
    if comment.is_bot:
        return {"id": 10, "username": "project_5_bot"}
    return {"id": 9, "username": "agent"} if comment.is_agent else AUTHOR


def _told_at(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
