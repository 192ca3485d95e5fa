"""From a CloudEvent's context, or a request's headers, to what the ticket inside it may leave out.

One type is taken: `barometer.ticket.observed.v1`, whose data is a plain JSON ticket. The event's id,
time and subject stand in for the ticket's event id, time and id; the ticket's own members win.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from services.intake.core.arrival import Defaults
from services.intake.core.explain import is_plain_text
from services.intake.core.rejection import Reason, Rejection, rejected
from services.intake.core.ticket import SEQUENCE_MAX
from shared.contracts.tickets import TEXT_CHARACTERS_MAX

OBSERVED_TYPE: Final = "barometer.ticket.observed.v1"
_SEQUENCE_DIGITS_MAX: Final = len(str(SEQUENCE_MAX))
_SHOWN_CHARACTERS_MAX: Final = 80


class Context(NamedTuple):
    """The attributes of a CloudEvent that mean something here."""

    id: str
    type: str
    source: str
    subject: str | None
    time: datetime | None
    extensions: Mapping[str, str]


def defaults_of(context: Context, source: str) -> Defaults | Rejection:
    """Return the defaults that `context` gives to a ticket of `source`."""
    if context.type != OBSERVED_TYPE:
        shown = context.type[:_SHOWN_CHARACTERS_MAX]
        return rejected(Reason.UNKNOWN_TYPE, f"{shown!a} is not taken here; send {OBSERVED_TYPE}", "/type")
    fault = id_fault(context.id)
    if fault is not None:
        return rejected(Reason.INVALID_CLOUDEVENT, fault, "/id")
    # Our own events name a ticket by its key; a sender's subject is the bare id.
    subject = context.subject.removeprefix(f"{source}:") if context.subject else None
    return Defaults(context.id, subject, context.time, _sequence(context.extensions.get("sequence")))


def id_fault(event_id: str) -> str | None:
    """Return what is wrong with an event id, None if it is fine."""
    if not 0 < len(event_id) <= TEXT_CHARACTERS_MAX:
        return f"an event id has 1 to {TEXT_CHARACTERS_MAX} characters"
    return None if is_plain_text(event_id) else "an event id must not hold control characters"


def _sequence(text: str | None) -> int | None:
    """Return the `sequence` extension if it is a number; other orders than numbers we cannot use."""
    if text is None or len(text) > _SEQUENCE_DIGITS_MAX or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if number <= SEQUENCE_MAX else None
