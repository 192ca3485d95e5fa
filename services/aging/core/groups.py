"""Which tickets are about the same: an id that each ticket gives by itself, without a look at any other.

Two tickets lie in two partitions, come in any order, and one of them may change tomorrow. So nobody compares them:
each says what it would have in common with its like, as a hash, and whoever counts equal hashes has the groups.

- **duplicate group**: one requester wrote the same words on one day, say by mail and by the web form.
- **job**: tickets of one queue and category whose subjects differ in numbers at most, to be handled together.

The requester is taken as the observation has it: hashed (docs/configuration.md) as well as plain, a group is a group,
but one person's plain and hashed tickets do not meet.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple
from unicodedata import normalize

from services.aging.core.subject import said
from services.aging.core.ticket import Ticket
from shared.contracts.event_id import digest
from shared.contracts.instants import SECOND_US

DAY_US: Final = 86_400 * SECOND_US
"""Days are those of UTC: a ticket does not know in which time zone its customer lives."""
GROUPS_REMEMBERED: Final = 8_192
"""Tickets come several times within a short time, each with all of its fields. With the subjects 7 MB."""
SUBJECTS_REMEMBERED: Final = 4_096
ID_BYTES: Final = 8
"""Of a group's id: a million groups share one with a chance of one to ten millions."""

_DUPLICATE: Final = b"duplicate-group.1"
_JOB: Final = b"job.1"


class Groups(NamedTuple):
    """Ids of a ticket's groups, as signed 64-bit numbers; None: it is in none."""

    duplicate_group: int | None = None
    job: int | None = None


_NONE: Final = Groups()


def groups_of(tenant: str, ticket: Ticket) -> Groups:
    """Return the groups of an open ticket; one that left the stock is in none."""
    if not ticket.open or not ticket.subject:
        return _NONE
    day = ticket.created_us // DAY_US
    return _groups(tenant, ticket.requester, day, ticket.queue, ticket.category, ticket.subject)


@lru_cache(maxsize=GROUPS_REMEMBERED)
def _groups(tenant: str, requester: str, day: int, queue: str, category: str, subject: str) -> Groups:
    words, pattern = _said(subject)
    who = _folded(requester) if words else ""
    return Groups(
        _id(_DUPLICATE, tenant, who, words, str(day)) if who else None,
        _id(_JOB, tenant, queue, category, pattern) if pattern else None,
    )


_said: Final = lru_cache(maxsize=SUBJECTS_REMEMBERED)(said)


def _folded(requester: str) -> str:
    return normalize("NFKC", requester).casefold().strip()


def _id(what: bytes, *parts: str) -> int:
    found = digest(what, *[part.encode() for part in parts])
    return int.from_bytes(found[:ID_BYTES], "big", signed=True)


def id_text(group: int) -> str:
    """Return an id as people and URLs carry it: 16 hex digits."""
    return group.to_bytes(ID_BYTES, "big", signed=True).hex()


def id_of(text: str) -> int:
    """Return the id that `text`, 16 hex digits, stands for. Raises ValueError for anything else."""
    return int.from_bytes(bytes.fromhex(text), "big", signed=True)
