"""What retention leaves of a ticket that left the stock long ago: its last state, and one mark for all its marks.

Removed without a trace, the next bare news of it ("a tag was added") would open it anew, as the oldest ticket
of all. So its timeline is condensed into the state it came to: a row without content and a mark that says what
the ticket last was, at the place of its last one. Whatever comes later goes on from there as if nothing had been
taken away. What is older than that mark is taken for a repeat, for it was part of what was condensed, or might as
well have been: it neither opens the ticket nor brings its content back.

What cannot be said by one mark stays as it is: a ticket that ignores its own link in a cycle of merges, and one
that was brought back after a deletion (it has no content anyway).
"""

from __future__ import annotations

from typing import Final, TypeVar

from msgspec import UNSET, UnsetType

from services.aging.core.batch import Dated
from services.aging.core.mark import Mark, identity_of, time_of
from services.aging.core.ticket import WAITING, Ticket, copied
from shared.contracts.instants import from_us
from shared.contracts.tickets import Activity, Channel, Kind, Priority, Status, TicketFields, WaitReason

EVENT_ID: Final = "condensed"
"""Of the mark that stands for a timeline."""

T = TypeVar("T")


def is_condensable(ticket: Ticket) -> bool:
    """Return whether the ticket left, and one mark can say what it is."""
    if ticket.open or ticket.condensed or ticket.ignores_link:
        return False
    return ticket.deleted or not ticket.erased


def condensed(ticket: Ticket) -> tuple[Ticket, Dated]:
    """Return what is left of the ticket, and the mark that stands for all its marks."""
    assert is_condensable(ticket)
    left = copied(ticket)
    left.requester = left.subject = left.url = left.assignee = ""
    left.turns = None
    left.marks = 1
    left.condensed, left.pulled_message = True, False
    return left, Dated(ticket.last_order, _mark(ticket))


def _mark(ticket: Ticket) -> Mark:
    return Mark(
        time_of(ticket.last_order),
        EVENT_ID,
        ticket.source,
        _activity(ticket),
        fields=TicketFields(
            status=Status(ticket.shown),
            wait_reason=WaitReason(ticket.wait_reason) if ticket.shown == WAITING else UNSET,
            priority=Priority(ticket.priority) if ticket.priority else UNSET,
            kind=Kind(ticket.kind) if ticket.kind else UNSET,
            channel=Channel(ticket.channel) if ticket.channel else UNSET,
            queue=_shown(ticket.queue),
            segment=_shown(ticket.segment),
            category=_shown(ticket.category),
            tags=_shown(ticket.tags),
            created_at=from_us(ticket.created_us),
            merged_into=_shown(ticket.link) if ticket.merged else UNSET,
        ),
        identity=identity_of(ticket.last_order),
        condensed=True,
    )


def _activity(ticket: Ticket) -> Activity:
    if ticket.deleted:
        return Activity.DELETED
    if ticket.spam:
        return Activity.SPAM
    return Activity.MERGED if ticket.merged else Activity.UPDATED


def _shown(value: T) -> T | UnsetType:
    return value or UNSET
