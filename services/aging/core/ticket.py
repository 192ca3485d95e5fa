"""The ticket: what the fold of a timeline keeps in memory, and the one step that moves it.

`Ticket` is what an open ticket costs: plain values, no marks. `derive` folds a whole timeline from
nothing; `extend` folds one more mark that belongs at its end. Both take the same steps, so they cannot
disagree: `derive(marks + [m])` equals `extend(derive(marks), m)` whenever m is the last in order
(tests/stateful/test_backlog.py holds them to it).

Facts come out as drafts: what is true of the ticket, at exact instants. Whether a draft is news is
decided elsewhere (facts.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET

from services.aging.core.age import AgePolicy
from services.aging.core.mark import Mark, order_of, without_repeats
from shared.contracts.backlog import FactType
from shared.contracts.instants import to_us
from shared.contracts.tickets import Activity, Status, TicketFields, WaitReason

NEW: Final = intern(Status.NEW.value)
WAITING: Final = intern(Status.WAITING.value)
MERGED: Final = intern(Status.MERGED.value)
VOID: Final = intern(Status.VOID.value)
OPEN: Final = frozenset({NEW, intern(Status.IN_PROGRESS.value), WAITING})
_LEAVING: Final = {
    Status.SOLVED.value: FactType.SOLVED,
    Status.CLOSED.value: FactType.CLOSED,
    Status.MERGED.value: FactType.MERGED,
    Status.VOID.value: FactType.VOIDED,
}
_UNSTATED: Final = intern(WaitReason.INTERNAL.value)
"""Of a ticket that waits and does not say for whom: the reason that never pauses a clock."""
TurnKey = tuple[str, str, int, int]
"""(fact type, clock, instance, at_us): what a fact says, within its ticket."""


class Draft(NamedTuple):
    """A fact as the timeline gives it. `flow`: +1 enters the stock, -1 leaves it, 0 neither."""

    type: FactType
    at_us: int
    instance: int
    clock: str = ""
    flow: int = 0

    @property
    def key(self) -> TurnKey:
        """What it says."""
        return (self.type._value_, self.clock, self.instance, self.at_us)


class Ticket(msgspec.Struct, array_like=True, gc=False):
    """The fold of a ticket's marks. Missing text is the empty string; instants are microseconds.

    `shown` is the status the source last showed; `status` is what counts: a merge or a void lies over
    it. `advanced_us` is the instant up to which age crossings were stated.
    """

    source: str
    created_us: int
    last_order: bytes = b""
    updated_us: int = 0
    advanced_us: int = 0
    timed_us: int = -1
    """Instant of the newest fact that time alone brought about; -1 before the first."""
    status: str = NEW
    shown: str = NEW
    wait_reason: str = ""
    kind: str = ""
    priority: str = ""
    channel: str = ""
    queue: str = ""
    assignee: str = ""
    segment: str = ""
    category: str = ""
    requester: str = ""
    subject: str = ""
    url: str = ""
    tags: tuple[str, ...] = ()
    spam: bool = False
    deleted: bool = False
    merged: bool = False
    link: str = ""
    """Key of the survivor, as shown; empty when not merged."""
    ignores_link: bool = False
    """In a cycle of merges the smallest key ignores its own link."""
    episode: int = 0
    episode_us: int = 0
    left_us: int | None = None
    marks: int = 0
    version: int = 0
    revision: int = 0
    """Of the newest `absorbed` event about this ticket."""
    told: bytes = b""
    """Digest of what that event said."""
    turns: dict[TurnKey, int] | None = None
    """Turns of the facts that were ever withdrawn; all others are at turn 0."""
    due_us: int | None = None
    """When time next brings about a fact; None while closed."""

    @property
    def open(self) -> bool:
        """Whether the ticket is in the stock."""
        return self.status in OPEN


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Ticket)
_INTERNED: Final = ("source", "status", "shown", "wait_reason", "kind", "priority", "channel", "queue",
                    "assignee", "segment", "category")  # fmt: skip


def encode_ticket(ticket: Ticket) -> bytes:
    """Return the body of a ticket's row."""
    return _encoder.encode(ticket)


def decode_ticket(body: bytes) -> Ticket:
    """Return the ticket of a row's body; repeated words share their memory."""
    ticket = _decoder.decode(body)
    for name in _INTERNED:
        setattr(ticket, name, intern(getattr(ticket, name)))
    return ticket


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
