"""What a deletion leaves of a ticket: its key and its shape in time, and nothing that says who or what.

A deletion may come before what it deletes, twice, or in the middle, and the ticket must come to the same. So
what is erased follows from the set of observations and from nothing else: **once a deletion is among a
ticket's marks, no mark of it keeps its content**, whenever either came, and whatever is shown later. Bringing
the ticket back (`restored`) brings back its status, its times and its promises, and not what was erased.

The marks themselves stay, without content: when something happened, to which status, in which queue. They are
what facts and figures were made of, so no promise that was broken yesterday is unbroken by today's deletion.
A mark keeps what identified it, so that a repeat of the very observation, content and all, is one still.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET

from services.aging.core.batch import Dated
from services.aging.core.mark import Mark, identity_of
from shared.contracts.event_id import digest
from shared.contracts.tickets import Activity, TicketFields

ERASED_PREFIX: Final = "erased-"
_DIGITS: Final = 16
"""Of what stands for an assignee: enough to tell a ticket's assignees apart."""


def erases(mark: Mark) -> bool:
    """Return whether `mark` erases the content of its ticket's marks."""
    return mark.activity is Activity.DELETED


def without_content(key: str, timeline: Sequence[Dated]) -> Sequence[Dated]:
    """Return the marks of the ticket `key`, without their content if one of them erases it."""
    if not any(erases(dated.mark) for dated in timeline):
        return timeline
    return [Dated(dated.order, erased(key, dated.mark, dated.order)) for dated in timeline]


def erased(key: str, mark: Mark, order: bytes) -> Mark:
    """Return `mark` of the ticket `key` without requester, subject, address and reason.

    An assignee becomes a name that means nothing beyond this ticket: reassignments are counted, and a ticket
    that somebody had was not unowned. Why it was deleted stays with the deletion.
    """
    if mark.identity:
        return mark
    return msgspec.structs.replace(
        mark,
        fields=_without_content(key, mark.fields),
        reason=mark.reason if erases(mark) else None,
        identity=identity_of(order),
    )


def _without_content(key: str, fields: TicketFields) -> TicketFields:
    assignee = fields.assignee
    if isinstance(assignee, str):
        assignee = ERASED_PREFIX + digest(b"assignee", key.encode(), assignee.encode()).hex()[:_DIGITS]
    return msgspec.structs.replace(fields, requester=UNSET, subject=UNSET, url=UNSET, assignee=assignee)
