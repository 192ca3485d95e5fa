"""Who a ticket is about need not be known to count it, so it can be hidden before anything is written.

A requester matters to a backlog as "the same one again", not as a name. A keyed hash (HMAC-SHA-256) keeps
exactly that: equal requesters of a tenant stay equal, over all its sources, and without the key nobody can
find out by trying addresses. The tenant is part of what is hashed, so two tenants' people cannot be joined.

It happens in the normaliser, through which every channel passes, so nothing behind it ever has the value.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import UNSET, UnsetType

from shared.contracts.personal_data import Handling

PREFIX: Final = "hashed-"
HASH_DIGITS: Final = 32
"""128 bits of the HMAC: no two people of any desk share them."""
_HASHED: Final = re.compile(rf"{PREFIX}[0-9a-f]{{{HASH_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Protection:
    """How the personal details of one source's tickets are handled. By default all of it is plain."""

    requester: Handling = Handling.PLAIN
    assignee: Handling = Handling.PLAIN
    subject: Handling = Handling.PLAIN
    key: bytes = field(default=b"", repr=False)
    """Of the hash; needed where something is hashed."""

    def __post_init__(self) -> None:
        assert self.key or Handling.HASHED not in {self.requester, self.assignee}, "checked in settings.py"
        assert self.subject is not Handling.HASHED, "a hash of a sentence is of no use"

    @property
    def is_needed(self) -> bool:
        """Whether anything is not plain."""
        return any(one is not Handling.PLAIN for one in (self.requester, self.assignee, self.subject))

    def members(self, members: dict[str, Any], tenant: str) -> dict[str, Any]:
        """Return the members of a plain ticket as they may be identified: for a digest of a log's row."""
        shown = {
            name: self._handled(how, members[name], tenant)
            for name, how in (
                ("requester", self.requester), ("assignee", self.assignee), ("subject", self.subject),
            )
            if isinstance(members.get(name), str)
        }  # fmt: skip
        return {**members, **{name: value for name, value in shown.items() if value is not UNSET}} | {
            name: None for name, value in shown.items() if value is UNSET
        }

    def shown(
        self,
        tenant: str,
        requester: str | None | UnsetType,
        assignee: str | None | UnsetType,
        subject: str | None | UnsetType,
    ) -> tuple[str | None | UnsetType, str | None | UnsetType, str | None | UnsetType]:
        """Return what may be kept of the three."""
        return (
            self._handled(self.requester, requester, tenant),
            self._handled(self.assignee, assignee, tenant),
            self._handled(self.subject, subject, tenant),
        )

    def _handled(self, how: Handling, value: str | None | UnsetType, tenant: str) -> str | None | UnsetType:
        if how is Handling.PLAIN or value is UNSET or value is None:
            return value
        return UNSET if how is Handling.DROPPED else hashed(self.key, tenant, value)


def hashed(key: bytes, tenant: str, value: str) -> str:
    """Return what stands for `value`. Letter case and outer spaces do not count; a hash stays what it is."""
    if _HASHED.fullmatch(value):
        return value
    spelled = value.strip().casefold()
    content = f"{len(tenant)}:{tenant}{spelled}".encode()
    return PREFIX + hmac.new(key, content, hashlib.sha256).hexdigest()[:HASH_DIGITS]
