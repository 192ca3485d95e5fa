"""What the configuration says of a source, as far as normalising needs it.

A source speaks its own words: "Awaiting User Info", "2 - High". The maps turn them into canonical ones;
a word no map knows takes the stated default, and without a default it says nothing and is counted. So
every look-up that normalising will ever need is prepared here once, when the definition is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from services.intake.core.mail.mailbox import Mailbox
from services.intake.core.personal_data import Protection
from shared.contracts.tickets import SHOWABLE_STATUSES, Channel, Kind, Priority, Status, WaitReason

T = TypeVar("T")

SOURCE_CHARACTERS_MAX: Final = 64
"""With the external id (TICKET_ID_CHARACTERS_MAX) and the colon a ticket key stays within a text's limit."""

DEFAULT_TENANT: Final = "default"
DEFAULT_SOURCE: Final = "default"


class ShownStatus(NamedTuple):
    """A canonical status, and for `waiting` what it waits for."""

    status: Status
    wait_reason: WaitReason | None = None


STATUS_WORDS: Final[Mapping[str, ShownStatus]] = {
    **{status.value: ShownStatus(status) for status in SHOWABLE_STATUSES},
    **{f"waiting/{reason.value}": ShownStatus(Status.WAITING, reason) for reason in WaitReason},
}
"""The canonical words of a status: `new`, ..., `waiting`, `waiting/customer`, ..."""

PRIORITY_WORDS: Final[Mapping[str, Priority]] = {priority.value: priority for priority in Priority}


@dataclass(frozen=True, slots=True)
class SourceDefinition:
    """One configured upstream. The maps go from the source's words to canonical values.

    `siblings` are the names of all sources of the tenant: a merge may point to a ticket of another one.
    `channel` and `kind` are shown with every observation that does not say otherwise, so they suit a
    source all of whose tickets have the same.
    """

    tenant: str = DEFAULT_TENANT
    name: str = DEFAULT_SOURCE
    statuses: Mapping[str, ShownStatus] = field(default_factory=dict)
    status_default: ShownStatus | None = None
    priorities: Mapping[str, Priority] = field(default_factory=dict)
    priority_default: Priority | None = None
    channel: Channel | None = None
    kind: Kind | None = None
    siblings: frozenset[str] = frozenset()
    inbox: bool = False
    """Events of this source may also come by the topic tickets.inbox.v1."""
    mailbox: Mailbox = field(default_factory=Mailbox)
    """How mails of this source are read."""
    protection: Protection = field(default_factory=Protection)
    """What is kept of people."""
    vendor: str | None = None
    """Whose webhooks it takes: a key of vendors.VENDORS. Its words are among the maps above."""


class Vocabulary:
    """Look-ups of one source: its own map first, then the canonical words, letter case aside at last."""

    def __init__(self, definition: SourceDefinition) -> None:
        assert 0 < len(definition.name) <= SOURCE_CHARACTERS_MAX, "the configuration limits names"
        self._statuses = _spellings(STATUS_WORDS, definition.statuses)
        self._priorities = _spellings(PRIORITY_WORDS, definition.priorities)

    def status(self, word: str) -> ShownStatus | None:
        """Return what `word` means, None if no map knows it."""
        return self._statuses.get(word) or self._statuses.get(word.strip().casefold())

    def priority(self, word: str) -> Priority | None:
        """Return what `word` means, None if no map knows it."""
        return self._priorities.get(word) or self._priorities.get(word.strip().casefold())


def _spellings(canonical: Mapping[str, T], own: Mapping[str, T]) -> dict[str, T]:
    folded = {word.strip().casefold(): meaning for word, meaning in own.items()}
    return {**canonical, **folded, **own}


def index(definitions: Iterable[SourceDefinition]) -> dict[tuple[str, str], SourceDefinition]:
    """Return the definitions by (tenant, name)."""
    return {(each.tenant, each.name): each for each in definitions}
