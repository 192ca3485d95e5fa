"""What the configuration says of the mails of one source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mailbox:
    """How mails are read. Addresses are in lower case; `@domain` stands for all of a domain."""

    agents: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    """The desk's own mailboxes: nobody's address."""
    queues: Mapping[str, str] = field(default_factory=dict)
    """Mailbox to queue."""
    takes_lists: bool = False
    """A group, which marks every mail as a list's."""
