"""The sources that are pulled, from the configuration to what the core understands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from services.intake.core.pull.flow import Margins
from services.intake.core.pull.github import GitHubComments, GitHubIssues
from services.intake.core.pull.gitlab import GitLabIssues, GitLabNotes
from services.intake.core.pull.jira import JiraComments, JiraIssues
from services.intake.core.pull.port import Listing
from services.intake.core.pull.source import PulledSource, basic, bearer
from services.intake.core.pull.zendesk import ZendeskComments, ZendeskTickets
from services.intake.core.vendors import VENDORS
from services.intake.settings.secret import secret_of
from shared.configuration.models import Configuration, Source
from shared.configuration.pull import HOMES, Deployment, SourcePull
from shared.configuration.webhooks import SourceKind


def pulled_of(configuration: Configuration, environment: Mapping[str, str]) -> tuple[PulledSource, ...]:
    """Return what is pulled, with the secrets read. Raises ConfigurationInvalid for one that is not there."""
    return tuple(
        _pulled(source, source.pull, environment)
        for source in configuration.sources
        if source.pull is not None
    )


def _pulled(source: Source, pull: SourcePull, environment: Mapping[str, str]) -> PulledSource:
    token = secret_of(source, pull.token, environment)
    url = pull.url or HOMES[source.kind]
    return PulledSource(
        tenant=source.tenant,
        source=source.name,
        vendor=VENDORS[source.kind.value],
        url=url,
        credentials=_credentials(source.kind, pull.user, token),
        listings=_listings(source.kind, pull),
        interval=timedelta(seconds=pull.interval_seconds),
        margins=Margins(timedelta(seconds=pull.settle_seconds), timedelta(seconds=pull.overlap_seconds)),
        begin=pull.begin,
        alone=source.webhook is None and not source.inbox,
    )


def _credentials(kind: SourceKind, user: str | None, token: str) -> dict[str, str]:
    if user is None:
        return bearer(token)
    # Zendesk tells an API token from a password by what follows the name.
    return basic(f"{user}/token" if kind is SourceKind.ZENDESK else user, token)


def _listings(kind: SourceKind, pull: SourcePull) -> tuple[Listing, ...]:
    # First what changed, then what was said: a ticket that nobody told of is to be known by its own state.
    projects = pull.projects
    if kind is SourceKind.GITHUB:
        return (*map(GitHubIssues, projects), *map(GitHubComments, projects))
    if kind is SourceKind.GITLAB:
        return (*map(GitLabIssues, projects), *map(GitLabIssues, projects, map(GitLabNotes, projects)))
    if kind is SourceKind.JIRA:
        is_cloud = pull.deployment is Deployment.CLOUD
        wanted = (None, JiraComments(is_cloud=is_cloud))
        return tuple(
            JiraIssues(projects, pull.query, is_cloud=is_cloud, conversations=each) for each in wanted
        )
    assert kind is SourceKind.ZENDESK, "checked when the configuration was read"
    return (ZendeskTickets(), ZendeskTickets(ZendeskComments()))
