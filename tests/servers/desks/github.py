"""GitHub's list of a repository's issues, and the webhook that tells of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from tests.servers.desks.desk import Answered, Asked, Desk, Ticket, answered, failing, written

REPOSITORY: Final = "acme/support"
TOKEN: Final = "ghp_made_up"


class GitHubDesk(Desk):
    """`GET /repos/{owner}/{repository}/issues`, with Link, ETag and the rate limit's headers."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.pull_requests: set[int] = set()
        self.left = 5_000

    def respond(self, asked: Asked) -> Answered:
        """Answer as documented."""
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return failing(401, body={"message": "Bad credentials"})(asked)
        if asked.path != f"/repos/{REPOSITORY}/issues":
            return failing(404, body={"message": "Not Found"})(asked)
        query = asked.query
        assert ("all", "updated", "asc") == (query["state"], query["sort"], query["direction"]), query
        since = datetime.fromisoformat(query["since"])
        size, page = self.page_items(query["per_page"]), int(query.get("page", "1"))
        found = [one for one in self.by_change() if one.updated_at >= since]
        shown = [self.issue(one) for one in found[(page - 1) * size : page * size]]
        etag = f'W/"{sha256(json.dumps(shown).encode()).hexdigest()}"'
        headers = {"x-ratelimit-limit": "5000", "x-ratelimit-reset": "1772450000"}
        if (
            self.page_items_max is None
        ):  # of this page alone; GitHub shortens none, so a shortened one has none
            headers["etag"] = etag
        if asked.headers.get("if-none-match") == etag:
            return Answered(304, headers, b"")
        self.left -= 1
        headers["x-ratelimit-remaining"] = str(self.left)
        if len(found) > page * size:
            headers["link"] = (
                f'<https://api.github.com/repositories/1/issues?page={page + 1}&per_page={size}>; rel="next", '
                f'<https://api.github.com/repositories/1/issues?page=9>; rel="last"'
            )
        return answered(shown, headers)

    def issue(self, ticket: Ticket) -> dict[str, Any]:
        """Return a ticket as the API and the webhook show it."""
        shown = {
            "id": 1_000 + ticket.number,
            "number": ticket.number,
            "title": ticket.subject,
            "state": "closed" if ticket.is_closed else "open",
            "state_reason": "completed" if ticket.is_closed else None,
            "user": {"login": "customer"},
            "assignees": [{"login": ticket.assignee}] if ticket.assignee else [],
            "labels": [{"name": f"priority: {ticket.label}"}] if ticket.label else [],
            "created_at": written(ticket.created_at),
            "updated_at": written(ticket.updated_at),
            "html_url": f"https://github.com/{REPOSITORY}/issues/{ticket.number}",
            "repository_url": f"https://api.github.com/repos/{REPOSITORY}",
        }
        return {**shown, "pull_request": {}} if ticket.number in self.pull_requests else shown

    def webhook(self, number: int, action: str = "edited") -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the webhook that tells of a ticket as it is now."""
        ticket = self.tickets[number]
        body = json.dumps({
            "action": action, "issue": self.issue(ticket), "repository": {"full_name": REPOSITORY},
            "sender": {"login": "agent"},
        }).encode()  # fmt: skip
        delivery = f"{number}-{ticket.updated_at.timestamp()}-{action}"
        return {"x-github-event": "issues", "x-github-delivery": delivery}, body
