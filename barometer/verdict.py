"""What a list of open tickets means for one ticket, and the observation that says so.

A list is true of one instant. So a ticket that moved at that instant or after it is left alone, and what is
said is said of that instant, under an id derived from it: repeats are one.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Final

import msgspec

from services.aging.ports import TicketRow
from services.intake.core.corrections import Correction, corrected
from services.intake.core.rejection import Rejection
from shared.contracts.event_id import derived_id
from shared.contracts.instants import rfc3339, to_us
from shared.contracts.tickets import Observation, Status

_UNDONE_BY_HAND: Final = frozenset({Status.VOID.value, Status.MERGED.value})


class Verdict(str, Enum):
    """How list and backlog agree on one ticket."""

    AGREED = "agreed"
    """In the list, and open here."""
    UNKNOWN = "unknown"
    """In the list, never heard of here."""
    ENDED = "ended"
    """In the list, solved or closed here before it was taken."""
    DENIED = "denied"
    """In the list, void, deleted or merged here: only a person can tell who is right (`ticket revive`)."""
    GHOST = "ghost"
    """Open here, not in the list."""
    MOVED = "moved"
    """Differs, but something happened to it at the list's instant or later."""

    @property
    def is_missing(self) -> bool:
        """Whether the backlog lacks it."""
        return self in {Verdict.UNKNOWN, Verdict.ENDED}


def of_listed(row: TicketRow | None, as_of_us: int) -> Verdict:
    """Return the verdict on a ticket of the list of `as_of_us`; `row` is what is stored of it."""
    if row is None:
        return Verdict.UNKNOWN
    if row.open:
        return Verdict.AGREED
    if row.status in _UNDONE_BY_HAND:
        return Verdict.DENIED
    return Verdict.MOVED if row.left_us is not None and row.left_us >= as_of_us else Verdict.ENDED


def of_unlisted(row: TicketRow, as_of_us: int) -> Verdict:
    """Return the verdict on an open ticket that is not in the list of `as_of_us`."""
    return Verdict.MOVED if max(row.created_us, row.updated_us) >= as_of_us else Verdict.GHOST


def missing(seen: Observation, verdict: Verdict, *, why: str) -> Observation:
    """Return the observation that brings a missing ticket, from what its row shows.

    A ticket that ended here and whose row shows no status was worked on, so it is in progress again.
    """
    fields = seen.fields
    if verdict is Verdict.ENDED and not fields.status:
        fields = msgspec.structs.replace(fields, status=Status.IN_PROGRESS)
    return msgspec.structs.replace(seen, id=_event_id(seen.ticket, seen.time), reason=why, fields=fields)


def over(
    correction: Correction, row: TicketRow, *, why: str, as_of: datetime, received_at: datetime
) -> Observation | Rejection:
    """Return the observation that ends a ghost as of the list."""
    outcome = corrected(
        correction, row.ticket, tenant=row.tenant, why=why, at=as_of, event_id=_event_id(row.ticket, as_of)
    )
    if isinstance(outcome, Rejection):
        return outcome
    return msgspec.structs.replace(outcome, received_at=received_at)


def _event_id(ticket: str, as_of: datetime) -> str:
    return f"reconcile-{derived_id(ticket, rfc3339(to_us(as_of)))}"
