"""GitHub's lists of a repository's issues and comments, and the webhooks that tell of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from tests.servers.desks.desk import Answered, Asked, Comment, Desk, Ticket, answered, failing, written

REPOSITORY: Final = "acme/support"
TOKEN: Final = "ghp_made_up"


class GitHubDesk(Desk):
    """`GET /repos/{owner}/{repository}/issues` and `.../issues/comments`, with Link, ETag and the limit's headers."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.pull_requests: set[int] = set()
        self.left = 5_000
        self.mute = False
        """The token may not read comments."""

    def respond(self, asked: Asked) -> Answered:
        """Answer as documented."""
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return failing(401, body={"message": "Bad credentials"})(asked)
        query = asked.query
        since = datetime.fromisoformat(query["since"])
        assert ("updated", "asc") == (query["sort"], query["direction"]), query
        if asked.path == f"/repos/{REPOSITORY}/issues":
            assert "all" == query["state"], query
            return self._page(asked, [self.issue(one) for one in self.by_change() if one.updated_at >= since])
        if asked.path == f"/repos/{REPOSITORY}/issues/comments":
            if self.mute:
                return failing(403, body={"message": "Resource not accessible by personal access token"})(
                    asked
                )
            return self._page(asked, [self.comment(one) for one in self.said() if one.updated_at >= since])
        return failing(404, body={"message": "Not Found"})(asked)

    def _page(self, asked: Asked, found: list[dict[str, Any]]) -> Answered:
        size, page = self.page_items(asked.query["per_page"]), int(asked.query.get("page", "1"))
        shown = found[(page - 1) * size : page * size]
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

    def comment(self, comment: Comment) -> dict[str, Any]:
        """Return a comment as the API and the webhook show it."""
        kind = "pull" if comment.ticket in self.pull_requests else "issues"
        return {
            "id": comment.number,
            "html_url": f"https://github.com/{REPOSITORY}/{kind}/{comment.ticket}#issuecomment-{comment.number}",
            "issue_url": f"https://api.github.com/repos/{REPOSITORY}/issues/{comment.ticket}",
            "user": {
                "login": "agent" if comment.is_agent else "customer",
                "type": "Bot" if comment.is_bot else "User",
            },
            "author_association": "MEMBER" if comment.is_agent else "NONE",
            "body": "Have you tried to switch it off?",
            "created_at": written(comment.written_at),
            "updated_at": written(comment.updated_at),
        }

    def told(self, number: int) -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of the webhook that tells of a comment that was just written."""
        comment = self.comment(self.comments[number])
        body = json.dumps({
            "action": "created", "comment": comment, "issue": self.issue(self.tickets[self.comments[number].ticket]),
            "repository": {"full_name": REPOSITORY}, "sender": comment["user"],
        }).encode()  # fmt: skip
        return {"x-github-event": "issue_comment", "x-github-delivery": f"delivery-{number}"}, body

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
