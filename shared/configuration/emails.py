"""What a source says of the mails that reach it: who answers them, and which mailbox belongs to which queue."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from shared.configuration.imap import SourceImap
from shared.configuration.problems import refused
from shared.configuration.secrets import SecretReference
from shared.configuration.section import Section
from shared.configuration.values import Word
from shared.configuration.webhooks import SECRETS_MAX, Basic

ADDRESSES_MAX: Final = 2_000
QUEUES_MAX: Final = 500
ADDRESS_CHARACTERS_MAX: Final = 320


def _address(text: str) -> str:
    name, at, domain = text.rpartition("@")
    if not at or not domain or not text.isprintable() or any(each in text for each in " <>,;"):
        raise refused(
            "this is no e-mail address", "write name@example.com, or @example.com for all of a domain"
        )
    return f"{name}@{domain}".lower()


Address = Annotated[str, Field(max_length=ADDRESS_CHARACTERS_MAX), AfterValidator(_address)]
"""`name@example.com`, or `@example.com` for every address of the domain. Letter case does not matter."""


class MailService(str, Enum):
    """A service that takes mails for a domain and posts them."""

    MAILGUN = "mailgun"
    POSTMARK = "postmark"
    SENDGRID = "sendgrid"
    SES = "ses"


class EmailWebhook(Section):
    """A mail service that posts to /v1/emails/NAME, and what proves its requests."""

    service: MailService
    secrets: Annotated[tuple[SecretReference, ...], Field(max_length=SECRETS_MAX)] = ()
    """Mailgun's signing key; two of them while one is replaced. The others sign nothing."""
    basic: Basic | None = None

    @model_validator(mode="after")
    def _proof(self) -> EmailWebhook:
        if self.secrets and self.service is not MailService.MAILGUN:
            raise refused(
                f"{self.service.value} signs nothing", "write `basic: {user, password}` instead of `secrets`"
            )
        if not self.secrets and self.basic is None:
            mend = (
                "write `basic: {user, password: {env: NAME}}`, or Mailgun's key as `secrets: [{env: NAME}]`"
            )
            raise refused("nothing proves that a request is the service's", mend)
        return self


class SourceEmail(Section):
    """How mails of a source are read."""

    agents: Annotated[tuple[Address, ...], Field(max_length=ADDRESSES_MAX)] = ()
    """Who writes as an agent; everybody else is a customer."""
    addresses: Annotated[tuple[Address, ...], Field(max_length=ADDRESSES_MAX)] = ()
    """The desk's own mailboxes. A mail of an agent to nobody but agents and these is an internal note."""
    queues: Annotated[Mapping[Address, Word], Field(max_length=QUEUES_MAX)] = Field(default_factory=dict)
    """Which mailbox belongs to which queue."""
    webhook: EmailWebhook | None = None
    imap: SourceImap | None = None
    """A mailbox of a mail server that is read."""
    lists: bool = False
    """The mailbox is a group (such as a Google group) whose mails are all marked as a list's."""
