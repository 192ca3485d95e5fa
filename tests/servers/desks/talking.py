"""Desks on which only comments change: what holds for lists of tickets has to hold for lists of comments."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.servers.desks.desk import Comment, Desk, Ticket
from tests.servers.desks.github import GitHubDesk
from tests.servers.desks.gitlab import GitLabDesk
from tests.servers.desks.jira import JiraDesk
from tests.servers.desks.zendesk import ZendeskDesk


class Talk(Desk):
    """Whatever is put is a comment on ticket 1, and whatever changes one edits it."""

    def put(self, ticket: Ticket) -> None:
        """Let a comment be as given."""
        super().put(ticket)
        self._edited(ticket.number)

    def change(self, number: int, updated_at: datetime, **fields: Any) -> None:
        """Edit a comment at `updated_at`."""
        super().change(number, updated_at, **fields)
        self._edited(number)

    def _edited(self, number: int) -> None:
        at = self.tickets[number].updated_at
        known = self.comments.get(number)
        self.comments[number] = Comment(number, 1, at if known is None else known.written_at, at)


class Chatter(Talk):
    """Whatever is put is the newest word of the ticket of that number, which its own conversation shows."""

    def _edited(self, number: int) -> None:
        at = self.tickets[number].updated_at
        self.comments[number] = Comment(number, number, at, at)


class ZendeskTalk(Chatter, ZendeskDesk):
    """Zendesk's tickets, each asked for its comments."""


class GitLabTalk(Chatter, GitLabDesk):
    """GitLab's issues, each asked for its notes."""


class JiraTalk(Chatter, JiraDesk):
    """Jira's issues, each asked for its comments."""


class GitHubTalk(Talk, GitHubDesk):
    """GitHub's list of comments."""
