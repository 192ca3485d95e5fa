"""Changes made by hand are observations like everybody else's: `barometer ticket void|close|erase|revive|retry`.

A ticket whose 'solved' was lost upstream must not stay the oldest for ever. A correction never edits
state; it says what a person saw at an instant and why, so it survives replays and can be undone.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Final

from services.intake.core.explain import is_plain_text
from services.intake.core.rejection import Reason, Rejection, rejected
from shared.contracts.tickets import (
    SUBJECT_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    Activity,
    Actor,
    Observation,
    Status,
    TicketFields,
    Visibility,
)


class Correction(str, Enum):
    """What a person can say of a ticket."""

    VOID = "void"
    """It was no ticket: spam, a test. Leaves the stock, counts as no resolution."""
    CLOSE = "close"
    """It is over."""
    ERASE = "erase"
    """Nothing is to be kept of who it is about and what it says. Leaves the stock as void; cannot be undone."""
    REVIVE = "revive"
    """It is a ticket after all: undoes void, spam, deleted and merged. What was erased stays gone."""
    RETRY = "retry"
    """Nothing new: derive it again, now that what put it in quarantine is mended."""


_ACTIVITIES: Final = {
    Correction.VOID: Activity.SPAM,
    Correction.CLOSE: Activity.UPDATED,
    Correction.ERASE: Activity.DELETED,
    Correction.REVIVE: Activity.RESTORED,
    Correction.RETRY: Activity.UPDATED,
}


def corrected(
    correction: Correction, ticket: str, *, tenant: str, why: str, at: datetime, event_id: str
) -> Observation | Rejection:
    """Return the observation that says `correction` of the ticket with the key `ticket`, as of `at`."""
    source, colon, external = ticket.partition(":")
    if not (source and colon and external) or len(ticket) > TEXT_CHARACTERS_MAX:
        detail = f"a ticket's key is `<source>:<id>`, at most {TEXT_CHARACTERS_MAX} characters"
        return rejected(Reason.INVALID_FIELD, detail, "/ticket")
    if not 0 < len(why) <= SUBJECT_CHARACTERS_MAX or not is_plain_text(f"{ticket}{why}"):
        detail = f"say why, in 1 to {SUBJECT_CHARACTERS_MAX} characters without control characters"
        return rejected(Reason.INVALID_FIELD, detail, "/reason")
    closes = correction is Correction.CLOSE
    return Observation(
        tenant=tenant,
        source=source,
        ticket=ticket,
        id=event_id,
        time=at,
        received_at=at,
        activity=_ACTIVITIES[correction],
        actor=Actor.SYSTEM,
        visibility=Visibility.INTERNAL,
        reason=why,
        fields=TicketFields(status=Status.CLOSED) if closes else TicketFields(),
    )
