"""The fold: what a timeline makes of a ticket, and the one step that moves it.

`derive` folds a whole timeline from nothing; `extend` folds one more mark that belongs at its end. Both
take the same steps, so they cannot disagree: `derive(marks + [m])` equals `extend(derive(marks), m)`
whenever m is the last in order (tests/stateful/test_backlog.py holds them to it).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Final

from msgspec import UNSET

from services.aging.core import attention, durations
from services.aging.core.clock import NOT, end_of_pause, next_us, retime
from services.aging.core.clocks import Clocks, Standing, begun, matched, standing
from services.aging.core.erasure import erases
from services.aging.core.mark import Mark, is_message, order_of, without_repeats
from services.aging.core.movement import is_stated
from services.aging.core.retold import without_retold
from services.aging.core.shown import show_fields
from services.aging.core.story import Story
from services.aging.core.terms import Terms
from services.aging.core.ticket import MERGED, NEW, VOID, Draft, Ticket
from shared.contracts.backlog import FactType
from shared.contracts.instants import to_us
from shared.contracts.tickets import Activity, Actor, MessageMark, Status, TicketFields, Visibility

_LEAVING: Final = {
    Status.SOLVED.value: FactType.SOLVED,
    Status.CLOSED.value: FactType.CLOSED,
    Status.MERGED.value: FactType.MERGED,
    Status.VOID.value: FactType.VOIDED,
}
_DONE: Final = frozenset({FactType.SOLVED, FactType.CLOSED})
_SPOKEN: Final = {Actor.CUSTOMER: Activity.CUSTOMER_MESSAGE, Actor.AGENT: Activity.AGENT_MESSAGE}


def derive(
    marks: Sequence[Mark], last_order: bytes, *, terms: Terms, until_us: int, ignores_link: bool = False,
    created_us: int | None = None, messages: Sequence[MessageMark] = (), story: Story | None = None,
) -> tuple[Ticket, list[Draft]]:  # fmt: skip
    """Return the ticket of `marks` (in order, none after `until_us`) and its facts.

    `last_order` is the order of the last mark. `until_us` is the clock: the facts of time up to and
    including it are there. `created_us` is what else is known of the creation (marks may then be empty).
    `messages` are those of absorbed tickets, by time. `story` is told what happened.
    """
    counting = without_retold(without_repeats(marks))
    if counting and counting[-1] is not marks[-1]:
        last_order = order_of(counting[-1])
    marks = counting
    known_us = (creation_us(mark) for mark in marks)
    first_us = min(known_us) if created_us is None else min((created_us, *known_us))
    source = marks[0].source if marks else ""
    ticket = Ticket(source, first_us, ignores_link=ignores_link, advanced_us=first_us - 1, clocks=[])
    ticket.generation = terms.generation
    listener, story = story, story or Story()
    drafts: list[Draft] = []
    for mark in _with_messages(ticket, marks, messages, until_us) if messages and marks else marks:
        story.mark = None
        _pass_time(ticket, drafts, terms, story, before_us=mark.time_us)
        known = len(drafts)
        story.mark = mark
        _take(ticket, drafts, mark, terms, story)
        if listener is not None:
            listener.told(drafts[known:])
    story.mark = None
    ticket.last_order = last_order
    _advance(ticket, drafts, terms, story, until_us=until_us)
    drafts.sort(key=_at_us)
    return ticket, drafts


def extends(ticket: Ticket, mark: Mark, order: bytes, terms: Terms, *, until_us: int) -> bool:
    """Return whether `mark` belongs at the end of the ticket's timeline and changes nothing before it.

    Not so if a fact was stated at or after the mark's instant (it may have to be withdrawn, or come twice),
    if the mark shows that the ticket is older than was known, or if the ticket left at this very instant (it
    may leave by the same way twice, which is one fact, and only the whole timeline knows). A mark dated by
    its receipt may be a repeat of an earlier one, which only the whole timeline knows too, as it alone
    knows how long a clock would have run that a change of policy brings into being, and which messages are
    told twice (retold.py).
    """
    return (
        order > ticket.last_order
        and not mark.dated_by_receipt
        and not ((mark.pulled or ticket.pulled_message) and is_message(mark))
        and mark.time_us > ticket.timed_us
        and (mark.time_us > ticket.updated_us or ticket.open)
        and creation_us(mark) >= ticket.created_us
        and (ticket.erased or not erases(mark))
        and (not terms.policies or not _wants_story(ticket, mark, terms, until_us))
    )


def extend(ticket: Ticket, mark: Mark, order: bytes, *, terms: Terms, until_us: int) -> list[Draft]:
    """Move `ticket` by a mark for which `extends` holds; return the facts that are new."""
    assert order > ticket.last_order, "a late mark took the path of the timely"
    drafts: list[Draft] = []
    _renew(ticket, terms)
    _pass_time(ticket, drafts, terms, None, before_us=mark.time_us)
    _take(ticket, drafts, mark, terms, None)
    ticket.due_us = None  # of the ticket as it was
    ticket.last_order = order
    _advance(ticket, drafts, terms, None, until_us=until_us)
    return drafts


def advance(ticket: Ticket, drafts: list[Draft], terms: Terms, *, until_us: int) -> None:
    """Let time pass for `ticket` up to and including `until_us`; append what it brings about."""
    _renew(ticket, terms)
    _advance(ticket, drafts, terms, None, until_us=until_us)


def settle(ticket: Ticket, terms: Terms, *, until_us: int) -> None:
    """Work out anew what time brings next, for a ticket whose due facts were stated by `until_us`."""
    _renew(ticket, terms)
    ticket.due_us = _due_us(ticket, terms) if ticket.open else None
    if ticket.due_us is None or ticket.due_us > until_us:
        ticket.advanced_us = max(ticket.advanced_us, until_us)


def turns_policies(ticket: Ticket, terms: Terms, until_us: int) -> bool:
    """Return whether policies for running instances change before `until_us`: the whole timeline is asked."""
    turn_us = terms.next_running_us(ticket.advanced_us)
    return turn_us is not None and turn_us <= until_us


def creation_us(mark: Mark) -> int:
    """Return the earliest instant at which the mark says its ticket existed."""
    created_at = mark.fields.created_at
    if created_at is UNSET or created_at is None:
        return mark.time_us
    return min(mark.time_us, to_us(created_at))


def _at_us(draft: Draft) -> int:
    return draft.at_us


def _with_messages(
    ticket: Ticket, marks: Sequence[Mark], messages: Sequence[MessageMark], until_us: int
) -> list[Mark]:
    """Return `marks` with the messages of absorbed tickets among them; earlier ones open the ticket."""
    spoken: list[Mark] = []
    for message in messages:
        at_us, activity = to_us(message.time), _SPOKEN.get(message.actor)
        if activity is None or at_us > until_us:
            continue
        if at_us < ticket.created_us or at_us < marks[0].time_us:
            asked = activity is Activity.CUSTOMER_MESSAGE
            if not asked:
                ticket.answered, ticket.asked_us = ticket.answered or ticket.asked_us >= 0, -1
            elif ticket.asked_us < 0:
                ticket.asked_us = at_us
        else:
            spoken.append(Mark(at_us, "", "", activity, message.actor, Visibility.PUBLIC))
    return sorted((*marks, *spoken), key=lambda mark: (mark.time_us, not mark.id))


def _renew(ticket: Ticket, terms: Terms) -> None:
    """Time the clocks by `terms`, if they were timed by others."""
    if ticket.generation != terms.generation:
        for clock in ticket.clocks:
            promise, hours = terms.promise(clock.policy, clock.name)
            retime(clock, promise, hours)
            policy = terms.policy(clock.policy)
            if clock.resume_us != NOT and policy is not None and policy.max_pause_us is not None:
                clock.resume_us = end_of_pause(
                    clock, hours, policy.max_pause_us, at_us=ticket.advanced_us + 1
                )
        ticket.generation = terms.generation
        ticket.due_us = None  # of the terms before: these may have brought about something by now


def _advance(
    ticket: Ticket, drafts: list[Draft], terms: Terms, story: Story | None, *, until_us: int
) -> None:
    if ticket.open and ticket.episode:
        # Nearly always nothing is due: to find that out once is cheaper than to pass the time.
        ticket.due_us = _due_us(ticket, terms)
        if ticket.due_us is None or ticket.due_us > until_us:
            ticket.advanced_us = max(ticket.advanced_us, until_us)
            return
    _pass_time(ticket, drafts, terms, story, before_us=until_us + 1)
    ticket.due_us = _due_us(ticket, terms) if ticket.open else None


def _due_us(ticket: Ticket, terms: Terms) -> int | None:
    dues = [
        terms.age.next_us(ticket.created_us, ticket.episode_us, after_us=ticket.advanced_us),
        terms.next_running_us(ticket.advanced_us),
    ]
    dues += [next_us(clock) for clock in ticket.clocks]
    dues += [at_us for at_us, _ in attention.awaited(ticket, terms)]
    return min((due for due in dues if due is not None), default=None)


def _pass_time(
    ticket: Ticket, drafts: list[Draft], terms: Terms, story: Story | None, *, before_us: int
) -> None:
    """State what time brings about for an open ticket in (advanced_us, before_us)."""
    first_us = ticket.advanced_us + 1
    if before_us > first_us:
        ticket.advanced_us = before_us - 1
        if ticket.episode == 0:
            _open(ticket, drafts)
    if not (ticket.open and ticket.episode) or (ticket.due_us is not None and ticket.due_us >= before_us):
        return
    earlier = len(drafts)
    for at_us, edge in terms.age.crossings(
        ticket.created_us, ticket.episode_us, first_us=first_us, before_us=before_us
    ):
        drafts.append(Draft(FactType.AGE_CROSSED, at_us, ticket.episode, f"age.{edge}"))
        ticket.timed_us = max(ticket.timed_us, at_us)
    if ticket.marks and terms.policies:
        Clocks(ticket, drafts, terms, story).pass_time(first_us, before_us)
    attention.pass_time(ticket, drafts, terms, before_us=before_us)
    if len(drafts) > earlier + 1:
        drafts[earlier:] = sorted(drafts[earlier:], key=_at_us)


def _open(ticket: Ticket, drafts: list[Draft]) -> None:
    ticket.episode, ticket.episode_us = 1, ticket.created_us
    drafts.append(Draft(FactType.OPENED, ticket.created_us, 1, flow=1))


def _take(ticket: Ticket, drafts: list[Draft], mark: Mark, terms: Terms, story: Story | None) -> None:
    """Apply one mark at its instant: fields, overlays, the stock, then the clocks."""
    if ticket.episode == 0:
        _open(ticket, drafts)
    clocks = Clocks(ticket, drafts, terms, story)
    clocks.break_overdue(mark.time_us)
    was = standing(ticket, terms)
    is_first = not ticket.marks
    if mark.id:
        ticket.marks += 1
        ticket.updated_us = mark.time_us
        ticket.condensed = mark.condensed and is_first
        ticket.pulled_message |= mark.pulled and is_message(mark)
    else:  # spoken in an absorbed ticket: whatever comes at or before its instant has to be sorted in
        ticket.timed_us = max(ticket.timed_us, mark.time_us)
    ticket.erased |= erases(mark)
    if ticket.deleted and mark.activity is not Activity.RESTORED:
        return
    _overlay(ticket, mark.activity)
    show_fields(ticket, mark.fields)
    if is_first:
        ticket.status = NEW
        clocks.begin(mark)
        was = Standing(
            NEW, True, None, ticket.queue, ticket.priority, matched(ticket, terms), ticket.assignee, "",  # noqa: FBT003 - fields
        )  # fmt: skip
    ticket.status = _counting(ticket)
    if ticket.status != was.status:
        _move(ticket, drafts, mark.time_us, was)
    clocks.follow(mark, was)
    durations.follow(ticket, mark.time_us, was)
    attention.follow(ticket, drafts, mark.time_us, was)
    if ticket.open:
        # What the mark itself brings about is true from its instant on, whatever else happens then.
        attention.pass_time(ticket, drafts, terms, before_us=mark.time_us + 1)


def _move(ticket: Ticket, drafts: list[Draft], at_us: int, was: Standing) -> None:
    """State what a change of status means for the stock."""
    if ticket.open and not was.open:
        ticket.episode += 1
        ticket.episode_us, ticket.left_us, ticket.due_us = at_us, None, None
        ticket.advanced_us = at_us - 1
        drafts.append(Draft(FactType.REOPENED, at_us, ticket.episode, flow=1))
    elif not ticket.open:
        kind = _LEAVING[ticket.status]
        spent_us = durations.until(ticket, was, at_us) if kind in _DONE else None
        draft = Draft(kind, at_us, ticket.episode, flow=-1 if was.open else 0, spent_us=spent_us)
        if was.open:
            ticket.left_us, ticket.due_us = at_us, None
        if not is_stated(drafts, draft):
            drafts.append(draft)


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


def _changes(ticket: Ticket, fields: TicketFields, name: str) -> bool:
    """Return whether `fields` show another value of one that policies look at than the ticket has."""
    value = getattr(fields, name, UNSET)
    if value is UNSET:
        return False
    known = getattr(ticket, name)
    return bool(value != known if value else known)


def _wants_story(ticket: Ticket, mark: Mark, terms: Terms, until_us: int) -> bool:
    since_us = min(mark.time_us, ticket.advanced_us)
    if ticket.left_us is not None:  # what came into force while it was out reaches it when it is reopened
        since_us = min(since_us, ticket.left_us)
    turn_us = terms.next_running_us(since_us)
    if turn_us is not None and turn_us <= until_us:
        return True
    fields = mark.fields
    if not any(_changes(ticket, fields, name) for name in ("priority", *terms.fields)):
        return False
    shown = copy(ticket)
    show_fields(shown, fields)
    if matched(shown, terms) == matched(ticket, terms) and shown.priority == ticket.priority:
        return False
    policy = terms.match(shown, mark.time_us)
    running = {clock.name for clock in ticket.clocks}
    return any(
        name not in running and policy is not None and policy.target_us(name, shown.priority) is not None
        for name, _ in begun(ticket)
    )
