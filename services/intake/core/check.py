"""What types cannot say of a ticket: its id is there, its times are possible, its text is plain text."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.intake.core.arrival import Arrival
from services.intake.core.explain import is_plain_text, unprintable
from services.intake.core.rejection import Fault, Reason
from services.intake.core.ticket import EXPECTED, TICKET_ID_CHARACTERS_MAX, PlainTicket
from shared.contracts.instants import EARLIEST, LATEST

WEB: Final = ("https://", "http://")
"""An address is shown as a link on the wallboard; `javascript:` must never get there."""


def check(ticket: PlainTicket, external: str | int | None, time: datetime, arrival: Arrival) -> list[Fault]:
    """Return what is wrong with the values of a well-typed ticket; nearly always nothing.

    `external` and `time` are the ticket's own or, where it has none, its envelope's.
    """
    faults: list[Fault] = []
    if external is None or not 0 < len(str(external)) <= TICKET_ID_CHARACTERS_MAX:
        faults.append(_bad_id(external))
    if not EARLIEST <= time <= arrival.latest:
        faults.append(_bad_time("/time", time, arrival))
    created_at = ticket.created_at
    if created_at and not EARLIEST <= created_at <= arrival.latest:
        faults.append(_bad_time("/created_at", created_at, arrival))
    if ticket.url and not ticket.url.startswith(WEB):
        faults.append(Fault(Reason.INVALID_FIELD, "/url", f"must be {EXPECTED['url']}"))
    if ticket.merged_into == "" or len(str(ticket.merged_into)) > TICKET_ID_CHARACTERS_MAX:
        faults.append(Fault(Reason.INVALID_FIELD, "/merged_into", f"must be {EXPECTED['merged_into']}"))
    if not _is_printable(ticket, external):
        faults.extend(_unprintable(ticket, external))
    return faults


def _is_printable(ticket: PlainTicket, external: str | int | None) -> bool:
    """Tell, fast, whether every text surely is plain; False asks for the slow look."""
    for text in (
        external, ticket.subject, ticket.status, ticket.queue, ticket.assignee, ticket.requester,
        ticket.priority, ticket.event_id, ticket.category, ticket.segment, ticket.url, ticket.merged_into,
        ticket.raw_status, ticket.raw_priority, ticket.reason,
    ):  # fmt: skip
        if text and type(text) is str and not text.isprintable():
            return False
    return not ticket.tags or all(map(str.isprintable, ticket.tags))


def _unprintable(ticket: PlainTicket, external: str | int | None) -> list[Fault]:
    faults = [
        fault
        for name in ticket.__struct_fields__
        for fault in unprintable(name, getattr(ticket, name))
        if name != "id"
    ]
    if isinstance(external, str) and not is_plain_text(external):
        faults = [*unprintable("id", external), *faults]
    return faults


def _bad_id(external: str | int | None) -> Fault:
    if external is None:
        return Fault(Reason.MISSING_FIELD, "/id", f"is missing: {EXPECTED['id']}")
    return Fault(Reason.INVALID_FIELD, "/id", f"must be {EXPECTED['id']}")


def _bad_time(pointer: str, time: datetime, arrival: Arrival) -> Fault:
    if EARLIEST <= time < LATEST:
        detail = (
            f"{time.isoformat()} is more than 5 minutes ahead of the receive time"
            f" {arrival.received_at.isoformat()}; mend the sender's clock or time zone"
        )
        return Fault(Reason.FUTURE_TIME, pointer, detail)
    detail = f"{time.isoformat()} is outside 1970 to 2199; leave an unknown time out"
    return Fault(Reason.INVALID_TIME, pointer, detail)
