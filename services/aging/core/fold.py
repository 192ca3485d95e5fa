"""The fold: what a timeline makes of a ticket, and the one step that moves it.

`derive` folds a whole timeline from nothing; `extend` folds one more mark that belongs at its end. Both
take the same steps, so they cannot disagree: `derive(marks + [m])` equals `extend(derive(marks), m)`
whenever m is the last in order (tests/stateful/test_backlog.py holds them to it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET

from services.aging.core.age import AgePolicy
from services.aging.core.mark import Mark, order_of, without_repeats
from services.aging.core.shown import show_fields
from services.aging.core.ticket import MERGED, VOID, Draft, Ticket
from shared.contracts.backlog import FactType
from shared.contracts.instants import to_us
from shared.contracts.tickets import Activity, Status

_LEAVING: Final = {
    Status.SOLVED.value: FactType.SOLVED,
    Status.CLOSED.value: FactType.CLOSED,
    Status.MERGED.value: FactType.MERGED,
    Status.VOID.value: FactType.VOIDED,
}


def derive(
    marks: Sequence[Mark], last_order: bytes, *, policy: AgePolicy, until_us: int,
    ignores_link: bool = False, created_us: int | None = None,
) -> tuple[Ticket, list[Draft]]:  # fmt: skip
    """Return the ticket of `marks` (in order, none after `until_us`) and its facts.

    `last_order` is the order of the last mark. `until_us` is the clock: the facts of time up to and
    including it are there. `created_us` is what else is known of the creation (marks may then be empty).
    """
    counting = without_repeats(marks)
    if counting and counting[-1] is not marks[-1]:
        last_order = order_of(counting[-1])
    marks = counting
    known_us = (creation_us(mark) for mark in marks)
    first_us = min(known_us) if created_us is None else min((created_us, *known_us))
    source = marks[0].source if marks else ""
    ticket = Ticket(source, first_us, ignores_link=ignores_link, advanced_us=first_us - 1)
    drafts: list[Draft] = []
    for mark in marks:
        _pass_time(ticket, drafts, policy, before_us=mark.time_us)
        _take(ticket, drafts, mark)
    ticket.last_order = last_order
    advance(ticket, drafts, policy, until_us=until_us)
    return ticket, drafts


def extends(ticket: Ticket, mark: Mark, order: bytes) -> bool:
    """Return whether `mark` belongs at the end of the ticket's timeline and changes nothing before it.

    Not so if time brought about a fact at or after the mark's instant (it may have to be withdrawn), if
    the mark shows that the ticket is older than was known, or if the ticket left at this very instant (it
    may leave by the same way twice, which is one fact, and only the whole timeline knows). A mark dated by
    its receipt may be a repeat of an earlier one, which only the whole timeline knows too.
    """
    return (
        order > ticket.last_order
        and not mark.dated_by_receipt
        and mark.time_us > ticket.timed_us
        and (mark.time_us > ticket.updated_us or ticket.open)
        and creation_us(mark) >= ticket.created_us
    )


def extend(ticket: Ticket, mark: Mark, order: bytes, *, policy: AgePolicy, until_us: int) -> list[Draft]:
    """Move `ticket` by a mark for which `extends` holds; return the facts that are new."""
    assert extends(ticket, mark, order), "a late mark took the path of the timely"
    drafts: list[Draft] = []
    _pass_time(ticket, drafts, policy, before_us=mark.time_us)
    _take(ticket, drafts, mark)
    ticket.last_order = order
    advance(ticket, drafts, policy, until_us=until_us)
    return drafts


def advance(ticket: Ticket, drafts: list[Draft], policy: AgePolicy, *, until_us: int) -> None:
    """Let time pass for `ticket` up to and including `until_us`; append what it brings about."""
    _pass_time(ticket, drafts, policy, before_us=until_us + 1)
    ticket.due_us = (
        policy.next_us(ticket.created_us, ticket.episode_us, after_us=ticket.advanced_us)
        if ticket.open
        else None
    )


def settle(ticket: Ticket, policy: AgePolicy, *, until_us: int) -> None:
    """Work out anew what time brings next, for a ticket whose due facts were stated by `until_us`."""
    advance(ticket, [], policy, until_us=ticket.advanced_us)
    if ticket.due_us is None or ticket.due_us > until_us:
        ticket.advanced_us = max(ticket.advanced_us, until_us)


def creation_us(mark: Mark) -> int:
    """Return the earliest instant at which the mark says its ticket existed."""
    created_at = mark.fields.created_at
    if created_at is UNSET or created_at is None:
        return mark.time_us
    return min(mark.time_us, to_us(created_at))


def _pass_time(ticket: Ticket, drafts: list[Draft], policy: AgePolicy, *, before_us: int) -> None:
    """State the age crossings of an open ticket in (advanced_us, before_us)."""
    first_us = ticket.advanced_us + 1
    if before_us <= first_us:
        return
    ticket.advanced_us = before_us - 1
    if ticket.episode == 0:
        _open(ticket, drafts)
    if not ticket.open or (ticket.due_us is not None and ticket.due_us >= before_us):
        return
    for at_us, edge in policy.crossings(
        ticket.created_us, ticket.episode_us, first_us=first_us, before_us=before_us
    ):
        drafts.append(Draft(FactType.AGE_CROSSED, at_us, ticket.episode, f"age.{edge}"))
        ticket.timed_us = at_us


def _open(ticket: Ticket, drafts: list[Draft]) -> None:
    ticket.episode, ticket.episode_us = 1, ticket.created_us
    drafts.append(Draft(FactType.OPENED, ticket.created_us, 1, flow=1))


def _take(ticket: Ticket, drafts: list[Draft], mark: Mark) -> None:
    """Apply one mark at its instant: fields, overlays, then what that means for the stock."""
    if ticket.episode == 0:
        _open(ticket, drafts)
    was, was_open = ticket.status, ticket.open
    ticket.marks += 1
    ticket.updated_us = mark.time_us
    if not ticket.deleted or mark.activity is Activity.RESTORED:
        _overlay(ticket, mark.activity)
        show_fields(ticket, mark.fields)
    ticket.status = _counting(ticket)
    if ticket.status == was:
        return
    at_us = mark.time_us
    if ticket.open and not was_open:
        ticket.episode += 1
        ticket.episode_us, ticket.left_us, ticket.due_us = at_us, None, None
        ticket.advanced_us = at_us - 1
        drafts.append(Draft(FactType.REOPENED, at_us, ticket.episode, flow=1))
    elif not ticket.open:
        draft = Draft(_LEAVING[ticket.status], at_us, ticket.episode, flow=-1 if was_open else 0)
        if was_open:
            ticket.left_us, ticket.due_us = at_us, None
        if not _is_stated(drafts, draft):
            drafts.append(draft)


def _is_stated(drafts: list[Draft], draft: Draft) -> bool:
    # Solved, closed and solved again within one tick of the source's clock: solved is one fact.
    for known in reversed(drafts):
        if known.at_us != draft.at_us:
            return False
        if known.key == draft.key:
            return True
    return False


def _overlay(ticket: Ticket, activity: Activity) -> None:
    if activity is Activity.SPAM:
        ticket.spam = True
    elif activity is Activity.DELETED:
        ticket.deleted = True
    elif activity is Activity.MERGED:
        ticket.merged = True
    elif activity is Activity.RESTORED:
        ticket.spam = ticket.deleted = ticket.merged = False
        ticket.link = ""


def _counting(ticket: Ticket) -> str:
    if ticket.spam or ticket.deleted:
        return VOID
    if ticket.merged and not ticket.ignores_link:
        return MERGED
    return ticket.shown
