"""The four vendors, each as lists, a desk, and what proves who asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.intake.core.pull.github import GitHubComments, GitHubIssues
from services.intake.core.pull.gitlab import GitLabIssues, GitLabNotes
from services.intake.core.pull.jira import JiraComments, JiraIssues
from services.intake.core.pull.port import Listing
from services.intake.core.pull.source import basic, bearer
from services.intake.core.pull.zendesk import ZendeskComments, ZendeskTickets
from tests.servers.desks import github, gitlab, jira, talking, zendesk
from tests.servers.desks.desk import Desk


@dataclass(frozen=True)
class Vendor:
    """One of them. `key` is the ticket's id at the source."""

    name: str
    listing: Callable[[], Listing]
    desk: Callable[[Callable[[], datetime]], Desk]
    credentials: dict[str, str]
    key: Callable[[int], str]

    def __str__(self) -> str:
        return self.name


def _data_center(now: Callable[[], datetime]) -> Desk:
    return jira.JiraDesk(now, is_cloud=False)


GITHUB: Final = Vendor(
    "github", lambda: GitHubIssues(github.REPOSITORY), github.GitHubDesk, bearer(github.TOKEN),
    lambda number: f"{github.REPOSITORY}#{number}",
)  # fmt: skip
GITHUB_COMMENTS: Final = Vendor(
    "github_comments", lambda: GitHubComments(github.REPOSITORY), talking.GitHubTalk, bearer(github.TOKEN),
    lambda number: f"{github.REPOSITORY}#1 comment {number}",
)  # fmt: skip
GITLAB: Final = Vendor(
    "gitlab", lambda: GitLabIssues(gitlab.PROJECT), gitlab.GitLabDesk, bearer(gitlab.TOKEN),
    lambda number: f"{gitlab.PROJECT}#{number}",
)  # fmt: skip
JIRA: Final = Vendor(
    "jira", lambda: JiraIssues(("SUP",), "labels = desk", is_cloud=True), jira.JiraDesk,
    basic(jira.USER, jira.TOKEN), lambda number: f"SUP-{number}",
)  # fmt: skip
JIRA_DATA_CENTER: Final = Vendor(
    "jira_data_center", lambda: JiraIssues((), "", is_cloud=False), _data_center, bearer(jira.TOKEN),
    lambda number: f"SUP-{number}",
)  # fmt: skip
ZENDESK: Final = Vendor(
    "zendesk", ZendeskTickets, zendesk.ZendeskDesk, basic(f"{zendesk.USER}/token", zendesk.TOKEN), str,
)  # fmt: skip
ZENDESK_COMMENTS: Final = Vendor(
    "zendesk_comments", lambda: ZendeskTickets(ZendeskComments()), talking.ZendeskTalk, ZENDESK.credentials,
    lambda number: f"{number} comment {number}",
)  # fmt: skip
GITLAB_NOTES: Final = Vendor(
    "gitlab_notes", lambda: GitLabIssues(gitlab.PROJECT, GitLabNotes(gitlab.PROJECT)), talking.GitLabTalk,
    GITLAB.credentials, lambda number: f"{gitlab.PROJECT}#{number} note {number}",
)  # fmt: skip


def _jira_comments(*, is_cloud: bool) -> Listing:
    return JiraIssues((), "", is_cloud=is_cloud, conversations=JiraComments(is_cloud=is_cloud))


JIRA_COMMENTS: Final = Vendor(
    "jira_comments", lambda: _jira_comments(is_cloud=True), talking.JiraTalk, JIRA.credentials,
    lambda number: f"SUP-{number} comment {number}",
)  # fmt: skip
JIRA_DATA_CENTER_COMMENTS: Final = Vendor(
    "jira_data_center_comments", lambda: _jira_comments(is_cloud=False),
    lambda now: talking.JiraTalk(now, is_cloud=False), JIRA_DATA_CENTER.credentials,
    lambda number: f"SUP-{number} comment {number}",
)  # fmt: skip
VENDORS: Final = (GITHUB, GITLAB, JIRA, JIRA_DATA_CENTER, ZENDESK)
"""Lists of tickets."""
TALKING: Final = (
    GITHUB_COMMENTS, ZENDESK_COMMENTS, GITLAB_NOTES, JIRA_COMMENTS, JIRA_DATA_CENTER_COMMENTS,
)  # fmt: skip
"""Lists of comments."""
LISTS: Final = (*VENDORS, *TALKING)
