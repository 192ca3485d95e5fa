"""What a pulled state tells of the webhooks of its source: it was known, or one was lost.

A pull reads a state only once the webhooks about it should be here (the source's `settle`). So a pulled mark that
changes the ticket at its place in the timeline shows what no webhook told, and so does a pulled message that no
other mark tells of (retold.py). That is a property of the set of marks, like everything about a ticket: which process
pulled it, how often, and when, does not matter.

Compared are the fields that figures, promises and people go by. What only one of the two ways shows (a channel,
an address) would be a difference at the first pull of every ticket, and none that anybody lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from copy import copy
from enum import Enum
from typing import Final, NamedTuple

from services.aging.core.mark import Mark, is_message
from services.aging.core.retold import retold_messages
from services.aging.core.shown import show_fields
from services.aging.core.ticket import Ticket
from shared.contracts.tickets import Activity

_COMPARED: Final = ("shown", "wait_reason", "priority", "queue", "assignee", "category", "subject")


class PullOutcome(str, Enum):
    """What a pulled state came to, label `outcome` of `barometer_pulled_total`."""

    KNOWN = "known"
    """It changed nothing."""
    CHANGED = "changed"
    """It changed a ticket, and no webhook had told."""
    OPENED = "opened"
    """It is of a ticket that no webhook had told of."""
    MESSAGE = "message"
    """It is a message that no webhook had told of."""


class Pulled(NamedTuple):
    """A pulled state that came, and what it came to."""

    source: str
    outcome: PullOutcome
    at_us: int


def pulled_onto(ticket: Ticket, mark: Mark) -> Pulled:
    """Return what `mark` came to, a state that follows the last one of `ticket`; the ticket is left alone."""
    return Pulled(mark.source, _outcome(ticket, mark), mark.time_us)


def pulled_into(timeline: Sequence[tuple[bytes, Mark]], added: Collection[bytes]) -> Iterator[Pulled]:
    """Yield what each pulled mark of `timeline` (in order) came to whose order is among `added`."""
    scratch = Ticket("", 0, clocks=[])
    retold = retold_messages([mark for _, mark in timeline])
    for place, (order, mark) in enumerate(timeline):
        if mark.pulled and order in added:
            outcome = PullOutcome.KNOWN if place in retold else _outcome(scratch, mark)
            yield Pulled(mark.source, outcome, mark.time_us)
        scratch.marks += 1
        if mark.activity is Activity.RESTORED:
            scratch.deleted = False
        elif mark.activity is Activity.DELETED:
            scratch.deleted = True
        if not scratch.deleted:
            show_fields(scratch, mark.fields)


def _outcome(ticket: Ticket, mark: Mark) -> PullOutcome:
    if not ticket.marks:
        return PullOutcome.OPENED
    if ticket.deleted:
        return PullOutcome.KNOWN
    if is_message(mark):
        return PullOutcome.MESSAGE
    if mark.activity is Activity.DELETED:
        return PullOutcome.CHANGED
    shown = copy(ticket)
    show_fields(shown, mark.fields)
    differs = any(getattr(shown, name) != getattr(ticket, name) for name in _COMPARED)
    differs = differs or set(shown.tags) != set(ticket.tags)
    return PullOutcome.CHANGED if differs else PullOutcome.KNOWN
