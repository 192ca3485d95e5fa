"""How a source is pulled: which list is read, by whose token, how often, and how far behind now."""

from __future__ import annotations

import ipaddress
from enum import Enum
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from shared.configuration.problems import refused
from shared.configuration.secrets import SecretReference
from shared.configuration.section import Section
from shared.configuration.values import InstantValue, Seconds
from shared.configuration.webhooks import USER_CHARACTERS_MAX, SourceKind, WebAddress

PROJECTS_MAX: Final = 100
"""Each is a list of its own, asked for at every turn."""
PROJECT_CHARACTERS_MAX: Final = 256
QUERY_CHARACTERS_MAX: Final = 2_000
INTERVAL_SECONDS_MIN: Final = 10
SETTLE_SECONDS_MIN: Final = 5
"""The second a ticket changed in must be over, and what the vendor's own copies of it lag behind."""

PULLED: Final = (SourceKind.GITHUB, SourceKind.GITLAB, SourceKind.JIRA, SourceKind.ZENDESK)
"""The vendors that are pulled."""
HOMES: Final = {SourceKind.GITHUB: "https://api.github.com", SourceKind.GITLAB: "https://gitlab.com"}
"""Where the vendor itself answers, if the file says nothing."""


class Deployment(str, Enum):
    """Which of a vendor's products answers; only Jira has two that differ."""

    CLOUD = "cloud"
    DATA_CENTER = "data_center"


def _guarded(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise refused("without https anybody on the way reads the token", "write https://")
    if parts.query or parts.fragment:
        raise refused("the address of an API ends before `?` and `#`", "take the rest out")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _project(name: str) -> str:
    parts = name.split("/")
    is_plain = name.isprintable() and not any(letter in name for letter in ' ?#%"\\')
    if not is_plain or any(not part or part in {".", ".."} for part in parts):
        raise refused(
            f"`{name}` is no name of a project", "write it as the vendor shows it, such as owner/name"
        )
    return name


def _interval(seconds: int) -> int:
    if seconds < INTERVAL_SECONDS_MIN:
        raise refused("vendors limit how often they are asked", f"write at least {INTERVAL_SECONDS_MIN}s")
    return seconds


def _settle(seconds: int) -> int:
    if seconds < SETTLE_SECONDS_MIN:
        raise refused("an instant that is not over cannot be read", f"write at least {SETTLE_SECONDS_MIN}s")
    return seconds


Project = Annotated[str, Field(max_length=PROJECT_CHARACTERS_MAX), AfterValidator(_project)]


class SourcePull(Section):
    """Reading from the vendor what changed, to find what its webhooks lost. What suits which kind: checks.py."""

    url: Annotated[WebAddress, AfterValidator(_guarded)] | None = None
    """Below it the API lies; None: the vendor's own."""
    token: SecretReference
    user: Annotated[str | None, Field(pattern=r"^[^:\x00-\x1f\x7f]+$", max_length=USER_CHARACTERS_MAX)] = None
    """Whose API token it is (Zendesk, Jira Cloud). None: a bearer token."""
    projects: Annotated[tuple[Project, ...], Field(max_length=PROJECTS_MAX)] = ()
    """Repositories of GitHub, projects of GitLab, keys of Jira's projects."""
    query: Annotated[str, Field(max_length=QUERY_CHARACTERS_MAX)] = ""
    """JQL that has to hold as well."""
    deployment: Deployment = Deployment.CLOUD
    interval_seconds: Annotated[Seconds, Field(alias="interval"), AfterValidator(_interval)] = 300
    settle_seconds: Annotated[Seconds, Field(alias="settle"), AfterValidator(_settle)] = 120
    """For so long a webhook is late, and not lost."""
    overlap_seconds: Annotated[Seconds, Field(alias="overlap")] = 60
    """Read again at every turn: sources commit out of order."""
    begin: Annotated[InstantValue | None, Field(alias="from")] = None
    """From when on changes are wanted at the first start; None: from that start on."""

    @field_validator("query")
    @classmethod
    def _one_clause(cls, query: str) -> str:
        if not query.isprintable():
            raise refused("a query is one line of printable text", "write it on one line")
        if "order by" in query.casefold():
            raise refused(
                "the order is ours: the list is read by the time of the last change", "take ORDER BY out"
            )
        return query.strip()
