"""Taking over the fields that an observation shows: absent says nothing, None clears."""

from __future__ import annotations

from sys import intern
from typing import Final

from msgspec import UNSET

from services.aging.core.ticket import NEW, WAITING, Ticket
from shared.contracts.tickets import TicketFields, WaitReason

_UNSTATED: Final = intern(WaitReason.INTERNAL.value)
"""Of a ticket that waits and does not say for whom: the reason that never pauses a clock."""


def show_fields(ticket: Ticket, fields: TicketFields) -> None:
    """Take the shown fields over: absent says nothing, None clears."""
    _show_status(ticket, fields)
    _show_texts(ticket, fields)
    if (tags := fields.tags) is not UNSET:
        ticket.tags = tags or ()
    if (link := fields.merged_into) is not UNSET:
        ticket.link, ticket.merged = link or "", link is not None


def _show_texts(ticket: Ticket, fields: TicketFields) -> None:
    # Written out, name by name: a loop over names takes three times as long, for every observation.
    _show_named(ticket, fields)
    if (word := fields.queue) is not UNSET:
        ticket.queue = intern(word or "")
    if (word := fields.assignee) is not UNSET:
        ticket.assignee = intern(word or "")
    if (word := fields.segment) is not UNSET:
        ticket.segment = intern(word or "")
    if (word := fields.category) is not UNSET:
        ticket.category = intern(word or "")
    if (text := fields.requester) is not UNSET:
        ticket.requester = text or ""
    if (text := fields.subject) is not UNSET:
        ticket.subject = text or ""
    if (text := fields.url) is not UNSET:
        ticket.url = text or ""


def _show_named(ticket: Ticket, fields: TicketFields) -> None:
    if (kind := fields.kind) is not UNSET:
        ticket.kind = "" if kind is None else intern(kind._value_)
    if (priority := fields.priority) is not UNSET:
        ticket.priority = "" if priority is None else intern(priority._value_)
    if (channel := fields.channel) is not UNSET:
        ticket.channel = "" if channel is None else intern(channel._value_)


def _show_status(ticket: Ticket, fields: TicketFields) -> None:
    status, reason = fields.status, fields.wait_reason
    if status is not UNSET:
        ticket.shown = NEW if status is None else intern(status._value_)
    if ticket.shown != WAITING:
        ticket.wait_reason = ""
    elif reason is not UNSET:
        ticket.wait_reason = _UNSTATED if reason is None else intern(reason._value_)
    elif not ticket.wait_reason:
        ticket.wait_reason = _UNSTATED
