"""Tickets as answers: one line of a list, or the whole story."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from services.aging.api.answers import AbsorbedTicket, Entry, Episode, TicketDetail, TicketItem
from services.aging.api.asking import DIMENSIONS
from services.aging.api.figures import age_seconds
from services.aging.api.groups import GroupSizes, group_members
from services.aging.api.present import present
from services.aging.api.promises import clock_items
from services.aging.core.age import AgeVersion
from services.aging.core.attention import names_of
from services.aging.core.fold import derive
from services.aging.core.mark import Mark, decode_mark
from services.aging.core.merges import decode_register
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket, decode_ticket
from services.aging.core.timeline import BARE
from services.aging.ports import MarkRow, RegisterRow, TicketRow
from shared.contracts.backlog import FactType
from shared.contracts.durations import bucket_labels
from shared.contracts.instants import from_us

TIMELINE_ENTRIES_MAX: Final = 1_000
"""Observations shown of one ticket, the newest; a ticket may have 200,000."""

_BEGINNINGS: Final = frozenset({FactType.OPENED, FactType.REOPENED})
_OUTCOMES: Final = {
    FactType.SOLVED: "solved",
    FactType.CLOSED: "closed",
    FactType.MERGED: "merged",
    FactType.VOIDED: "void",
}


def item(
    row: TicketRow, terms: Mapping[int, Terms], age: AgeVersion, now_us: int, sizes: GroupSizes | None = None
) -> TicketItem:
    """Return `row` as lists show it, its clocks as they are at `now_us` by the terms of its partition."""
    return TicketItem(
        **_members(row, age, now_us), **_promises(row, terms, now_us), **group_members(row, sizes)
    )


def _promises(row: TicketRow, terms: Mapping[int, Terms], now_us: int) -> dict[str, Any]:
    if not row.body:  # asleep: nothing is promised yet
        return {"due": None, "past_sla": False, "at_risk": False, "clocks": []}
    ticket = present(row.tenant, row.body, row.partition, terms, now_us)
    due_us = ticket.tightest_us
    return {
        "due": None if due_us is None else from_us(due_us),
        "past_sla": ticket.past_sla,
        "at_risk": ticket.at_risk,
        "clocks": clock_items(ticket, terms[row.partition].of(row.tenant), now_us),
    }


def _members(row: TicketRow, age: AgeVersion, now_us: int) -> dict[str, Any]:
    end_us = row.left_us if not row.open and row.left_us is not None else now_us
    seconds = age_seconds(row.aged_from_us, end_us)
    bucket = bisect_right(age.bucket_edges_seconds, seconds)
    return {
        "key": row.ticket,
        "source": row.source,
        "subject": row.subject or None,
        "open": row.open,
        "status": row.status,
        "wait_reason": row.wait_reason or None,
        "kind": row.kind or None,
        "priority": row.priority or None,
        "channel": row.channel or None,
        "queue": row.queue or None,
        "assignee": row.assignee or None,
        "segment": row.segment or None,
        "category": row.category or None,
        "age_seconds": seconds,
        "age_bucket": bucket_labels(age.bucket_edges_seconds)[bucket],
        "created_at": from_us(row.created_us),
        "updated_at": from_us(row.updated_us),
        "left_at": None if row.left_us is None else from_us(row.left_us),
        "attention": names_of(row.flags),
    }


def detail(
    row: TicketRow, marks: Sequence[MarkRow], registers: Sequence[RegisterRow], terms: Mapping[int, Terms],
    age: AgeVersion, now_us: int, *, sizes: GroupSizes,
) -> TicketDetail:  # fmt: skip
    """Return the ticket with its story. Folds all of `marks`: run it off the event loop."""
    timeline = [decode_mark(mark.body) for mark in marks]
    if row.body:
        ticket = decode_ticket(row.body)
    else:
        ticket, _ = derive(timeline, b"", terms=BARE, until_us=now_us)
        row = _woken(row, ticket, age)
    if ticket.condensed:
        row = row._replace(left_us=ticket.left_us)
    absorbed = [decode_register(register.body) for register in registers]
    return TicketDetail(
        **_members(row, age, now_us),
        **_promises(row, terms, now_us),
        **group_members(row, sizes),
        requester=ticket.requester or None,
        url=ticket.url or None,
        tags=list(ticket.tags),
        merged_into=(ticket.link or None) if ticket.merged else None,
        asleep=row.asleep,
        erased=ticket.erased,
        condensed=ticket.condensed,
        version=row.version,
        episodes=_episodes(ticket, timeline, max(now_us, row.updated_us)),
        absorbed=[AbsorbedTicket(key=each.ticket, at=each.at) for each in absorbed if not each.withdrawn],
        timeline=[_entry(mark) for mark in timeline[-TIMELINE_ENTRIES_MAX:]],
        timeline_omitted=max(0, len(timeline) - TIMELINE_ENTRIES_MAX),
    )


def _woken(row: TicketRow, ticket: Ticket, age: AgeVersion) -> TicketRow:
    # A ticket that sleeps was not folded yet: its row knows only that it is there.
    dimensions = {name: getattr(ticket, name) for name in DIMENSIONS}
    return row._replace(
        open=ticket.open,
        created_us=ticket.created_us,
        aged_from_us=age.start_us(ticket.created_us, ticket.episode_us),
        updated_us=ticket.updated_us,
        left_us=ticket.left_us,
        subject=ticket.subject,
        **dimensions,
    )


def _entry(mark: Mark) -> Entry:
    return Entry(
        at=from_us(mark.time_us),
        received_at=from_us(mark.received_us) if mark.received_us else None,
        activity=mark.activity.value,
        actor=None if mark.actor is None else mark.actor.value,
        visibility=None if mark.visibility is None else mark.visibility.value,
        source=mark.source,
        event_id=mark.id,
        sequence=mark.sequence,
        import_run=mark.run,
        pulled=mark.pulled,
        reason=mark.reason,
        shown=msgspec.to_builtins(mark.fields),
    )


def _episodes(ticket: Ticket, timeline: list[Mark], until_us: int) -> list[Episode]:
    if not timeline:
        return []
    _, drafts = derive(timeline, b"", terms=BARE, until_us=until_us, ignores_link=ticket.ignores_link)
    episodes: list[Episode] = []
    for draft in drafts:
        at = from_us(draft.at_us)
        if draft.type in _BEGINNINGS:
            episodes.append(Episode(number=draft.instance, opened_at=at, left_at=None, outcome=None))
        elif episodes and draft.type in _OUTCOMES:
            last = episodes[-1]
            last.left_at, last.outcome = last.left_at or at, _OUTCOMES[draft.type]
    return episodes
