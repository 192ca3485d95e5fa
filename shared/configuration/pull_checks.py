"""Whether what a source says of its pull suits its kind: each vendor wants to know something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from shared.configuration.document import Path
from shared.configuration.models import Configuration, Source
from shared.configuration.pull import HOMES, PULLED, Deployment, SourcePull
from shared.configuration.validation import Finding
from shared.configuration.webhooks import SourceKind

_ADDRESSES: Final = {
    SourceKind.JIRA: "https://ACCOUNT.atlassian.net",
    SourceKind.ZENDESK: "https://ACCOUNT.zendesk.com",
}
_REPOSITORY_PARTS: Final = 2


def pulls(configuration: Configuration) -> Iterator[Finding]:
    """Yield what does not suit the kinds of the sources that are pulled."""
    for index, source in enumerate(configuration.sources):
        if source.pull is None:
            continue
        path: Path = ("sources", index, "pull")
        if source.kind not in PULLED:
            kinds = ", ".join(kind.value for kind in PULLED)
            what = f"source `{source.name}`: what changed cannot be read from {source.kind.value}"
            yield Finding(path, what, f"pulled are {kinds}; take `pull` out")
            continue
        yield from _address(path, source, source.pull)
        yield from _projects(path, source, source.pull)
        yield from _foreign(path, source, source.pull)


def _address(path: Path, source: Source, pull: SourcePull) -> Iterator[Finding]:
    if pull.url is None and source.kind not in HOMES:
        what = f"source `{source.name}`: where does {source.kind.value} answer?"
        yield Finding(path, what, f"add `url: {_ADDRESSES[source.kind]}`")


def _projects(path: Path, source: Source, pull: SourcePull) -> Iterator[Finding]:
    if source.kind in HOMES and not pull.projects:
        example = "owner/name" if source.kind is SourceKind.GITHUB else "group/name"
        what = f"source `{source.name}`: of which projects are issues to be read?"
        yield Finding(path, what, f"add `projects: [{example}]`")
    seen: set[str] = set()
    for at, project in enumerate(pull.projects):
        place = (*path, "projects", at)
        if project.casefold() in seen:
            yield Finding(place, f"the project `{project}` is there twice", "take one of them out")
        seen.add(project.casefold())
        if mend := _misnamed(source.kind, project):
            yield Finding(place, f"`{project}` is no project of {source.kind.value}", mend)


def _misnamed(kind: SourceKind, project: str) -> str:
    parts = project.count("/") + 1
    if kind is SourceKind.GITHUB and parts != _REPOSITORY_PARTS:
        return "write owner/name"
    if kind is SourceKind.GITLAB and parts < _REPOSITORY_PARTS:
        return "write its path, group/name"
    if kind is SourceKind.JIRA and parts > 1:
        return "write its key, such as SUP"
    return ""


def _foreign(path: Path, source: Source, pull: SourcePull) -> Iterator[Finding]:
    """Yield members that belong to another vendor: without this check they would be ignored."""
    is_jira, is_zendesk = source.kind is SourceKind.JIRA, source.kind is SourceKind.ZENDESK
    members = (
        ("projects", is_zendesk and bool(pull.projects)),
        ("query", not is_jira and bool(pull.query)),
        ("deployment", not is_jira and pull.deployment is not Deployment.CLOUD),
        ("user", source.kind in HOMES and pull.user is not None),
    )
    for name, is_foreign in members:
        if is_foreign:
            what = f"source `{source.name}`: `{name}` means nothing to {source.kind.value}"
            yield Finding((*path, name), what, "take it out")
