"""GitLab's list of a project's issues, and the webhook that tells of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tests.servers.desks.desk import Answered, Asked, Desk, Ticket, answered, failing, written

PROJECT: Final = "acme/support"
TOKEN: Final = "glpat_made_up"
AUTHOR: Final = {"id": 7, "username": "customer"}


class GitLabDesk(Desk):
    """`GET /api/v4/projects/{id}/issues`, paged by number."""

    def respond(self, asked: Asked) -> Answered:
        """Answer as documented."""
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return failing(401, body={"message": "401 Unauthorized"})(asked)
        if asked.path != "/api/v4/projects/acme%2Fsupport/issues":
            return failing(404, body={"message": "404 Project Not Found"})(asked)
        query = asked.query
        assert ("updated_at", "asc") == (query["order_by"], query["sort"]), query
        since = datetime.fromisoformat(query["updated_after"])
        size, page = self.page_items(query["per_page"]), int(query.get("page", "1"))
        found = [one for one in self.by_change() if one.updated_at >= since]
        shown = found[(page - 1) * size : page * size]
        is_last = len(found) <= page * size
        headers = {
            "x-page": str(page), "x-next-page": "" if is_last else str(page + 1),
            "ratelimit-limit": "2000", "ratelimit-remaining": "1999",
        }  # fmt: skip
        return answered([self.issue(one) for one in shown], headers)

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
        at, created_at = (
            instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            for instant in (ticket.updated_at, ticket.created_at)
        )
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
