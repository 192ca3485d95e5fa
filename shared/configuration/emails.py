"""What a source says of the mails that reach it: who answers them, and which mailbox belongs to which queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from shared.configuration.problems import refused
from shared.configuration.section import Section
from shared.configuration.values import Word

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


class SourceEmail(Section):
    """How mails of a source are read."""

    agents: Annotated[tuple[Address, ...], Field(max_length=ADDRESSES_MAX)] = ()
    """Who writes as an agent; everybody else is a customer."""
    addresses: Annotated[tuple[Address, ...], Field(max_length=ADDRESSES_MAX)] = ()
    """The desk's own mailboxes. A mail of an agent to nobody but agents and these is an internal note."""
    queues: Annotated[Mapping[Address, Word], Field(max_length=QUEUES_MAX)] = Field(default_factory=dict)
    """Which mailbox belongs to which queue."""
    lists: bool = False
    """The mailbox is a group (such as a Google group) whose mails are all marked as a list's."""
