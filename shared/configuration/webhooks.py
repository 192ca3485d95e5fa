"""How a vendor's webhooks are trusted: what proves that a request is the vendor's.

Whoever may publish can close every ticket there is, so a source that vendors call says either what
proves a request or, aloud, that nothing does.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from shared.configuration.problems import refused
from shared.configuration.secrets import SecretReference
from shared.configuration.section import Section

SECRETS_MAX: Final = 16
"""The new one and the old one while the secret is rotated; Asana gives each webhook a secret of its own."""
USER_CHARACTERS_MAX: Final = 128
URL_CHARACTERS_MAX: Final = 2_000


class SourceKind(str, Enum):
    """The vendor, which decides how bodies are read and verified. `generic` is none: POST /v1/events."""

    GENERIC = "generic"
    ASANA = "asana"
    AZURE_DEVOPS = "azuredevops"
    CHATWOOT = "chatwoot"
    FRESHDESK = "freshdesk"
    FRONT = "front"
    GITHUB = "github"
    GITLAB = "gitlab"
    HELP_SCOUT = "help_scout"
    HUBSPOT = "hubspot"
    INTERCOM = "intercom"
    JIRA = "jira"
    LINEAR = "linear"
    SERVICENOW = "servicenow"
    TRELLO = "trello"
    ZAMMAD = "zammad"
    ZENDESK = "zendesk"


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise refused("this is no web address", "write http://host/path or https://host/path")
    if parts.username or parts.password:
        raise refused("an address must not hold credentials", "use `secret: {env: NAME}`")
    return url


WebAddress = Annotated[str, Field(max_length=URL_CHARACTERS_MAX), AfterValidator(_web_address)]
"""An http or https address without credentials."""


class Basic(Section):
    """HTTP basic authentication, for vendors that sign nothing."""

    user: Annotated[str, Field(pattern=r"^[^:\x00-\x1f\x7f]+$", max_length=USER_CHARACTERS_MAX)]
    password: SecretReference


class SourceWebhook(Section):
    """What proves that a request is the vendor's. With a secret and basic authentication, both must fit."""

    secret: SecretReference | None = None
    secrets: Annotated[tuple[SecretReference, ...], Field(max_length=SECRETS_MAX)] = ()
    """Any of them is taken: two while one replaces the other, or one for each webhook (Asana)."""
    basic: Basic | None = None
    unsigned: bool = False
    """Whoever reaches the port may publish for this source."""
    url: WebAddress | None = None
    """The address as the vendor calls it, behind a proxy: some vendors sign it. None: as the request says."""

    @property
    def all_secrets(self) -> tuple[SecretReference, ...]:
        """The secrets, however many there are."""
        return self.secrets if self.secret is None else (self.secret,)

    @model_validator(mode="after")
    def _proof(self) -> SourceWebhook:
        if self.secret is not None and self.secrets:
            raise refused("the secret is given twice", "write either `secret` or `secrets`")
        proves = bool(self.all_secrets) or self.basic is not None
        if self.unsigned and proves:
            raise refused("`unsigned: true` beside a secret", "take one of them out")
        if not self.unsigned and not proves:
            mend = "write `secret: {env: NAME}`, or say aloud `unsigned: true`"
            raise refused("nothing proves that a request is the vendor's", mend)
        return self
