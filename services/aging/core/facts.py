"""Facts: what the timeline says now, against what was stated before.

A fact's id is derived from what it says, so whoever computes it, from whatever order of arrival, gives
the same id. What changes is whether it stands: `turn` counts the flips, and only those are remembered
(`Ticket.turns`), since nearly all facts are stated once and stay.

What was stated before needs no table either: it is the fold of the marks that were known, up to the
instant the ticket had been advanced to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from services.aging.core.clock import ClockDetail
from services.aging.core.clocks import POLICY_CHANGE, PRIORITY_RAISED
from services.aging.core.ticket import Draft, Ticket, TurnKey
from shared.contracts.backlog import Cause, Fact, FactType
from shared.contracts.event_id import derived_id
from shared.contracts.instants import SECOND_US, from_us

LATE_AFTER_US: Final = SECOND_US
"""A fact stated at most this long after its instant is on time."""


OF_TIME: Final = frozenset({
    FactType.AGE_CROSSED, FactType.SLA_WARNED, FactType.SLA_BREACHED,
    FactType.ESCALATED, FactType.STUCK, FactType.STALE, FactType.CLOSE_CANDIDATE,
})  # fmt: skip
CALENDAR_CHANGE: Final = "calendar_change"
"""The reason of a deadline that moved though nothing happened to its ticket."""
_CHANGES: Final = {PRIORITY_RAISED: Cause.PRIORITY_RAISED, POLICY_CHANGE: Cause.POLICY_CHANGE}
"""Reasons that are the cause: nobody was late, the promise became another."""


class Statement(NamedTuple):
    """A draft and its turn: even asserts it, odd withdraws it."""

    draft: Draft
    turn: int


def news(ticket: Ticket, drafts: Sequence[Draft]) -> list[Statement]:
    """Return the statements for drafts that were never true before by the ticket's timeline."""
    if not ticket.turns:
        return [Statement(draft, 0) for draft in drafts]
    return [Statement(draft, _flip(ticket.turns, draft.key, stands=False)) for draft in drafts]


def changes(
    before: Sequence[Draft], after: Sequence[Draft], turns: dict[TurnKey, int] | None
) -> tuple[list[Statement], dict[TurnKey, int] | None]:
    """Return what to state so that `after` stands where `before` stood, and the turns from then on.

    Withdrawals come first, then assertions, each in the order of the timeline.
    """
    kept = dict(turns or {})
    stood = {draft.key for draft in before}
    stands = {draft.key for draft in after}
    statements = [
        Statement(draft, _flip(kept, draft.key, stands=True)) for draft in before if draft.key not in stands
    ]
    statements += [
        Statement(draft, _flip(kept, draft.key, stands=False)) for draft in after if draft.key not in stood
    ]
    return statements, kept or None


def _flip(turns: dict[TurnKey, int], key: TurnKey, *, stands: bool) -> int:
    """Return the next turn of a fact, and remember it if it is not the first."""
    turn = turns.get(key, 0 if stands else -1) + 1
    assert turn % 2 == (1 if stands else 0), f"fact {key} flips to turn {turn}"
    if turn:
        turns[key] = turn
    return turn


def fact_id(tenant: str, ticket: str, draft: Draft) -> str:
    """Return the id of what `draft` says of a ticket; every turn has the same."""
    return derived_id(tenant, ticket, draft.type._value_, draft.clock, str(draft.instance), str(draft.at_us))


def _id_of(tenant: str, key: str, ticket: Ticket, draft: Draft) -> str:
    """Return the id to publish `draft` under.

    What the timeline gives is known by what it says. What stands outside of it has an id of its own, or it could
    meet another statement: a change of mind may come several times in one instant, each with a state of the
    ticket, and where an edit touches both, the calendar moves a deadline in the instant in which the policy does.
    """
    known = fact_id(tenant, key, draft)
    if draft.type is FactType.SLA_RESTATED:
        return derived_id(known, str(ticket.version))
    if draft.detail is not None and draft.detail.reason == CALENDAR_CHANGE:
        return derived_id(known, CALENDAR_CHANGE)
    return known


def fact_of(
    tenant: str, key: str, ticket: Ticket, statement: Statement, *, stated_us: int, cause: Cause
) -> Fact:
    """Return the fact to publish. `cause` says why now; time and lateness are worked out here."""
    draft, detail = statement.draft, statement.draft.detail
    late_us = max(0, stated_us - draft.at_us)
    if cause is Cause.OBSERVED and draft.type in OF_TIME:
        cause = Cause.TIME
    fact = Fact(
        id=_id_of(tenant, key, ticket, draft),
        turn=statement.turn,
        type=draft.type,
        tenant=tenant,
        ticket=key,
        at=from_us(draft.at_us),
        instance=draft.instance,
        clock=draft.clock,
        stated_at=from_us(stated_us),
        cause=cause,
        late_seconds=late_us / SECOND_US if late_us > LATE_AFTER_US else 0.0,
        source=ticket.source,
        queue=ticket.queue,
        priority=ticket.priority,
        channel=ticket.channel,
        status=ticket.status,
        reason=draft.reason,
        priority_flag=draft.type is FactType.ESCALATED,
    )
    if draft.spent_us is not None:
        total_us, requester_us, agent_us = draft.spent_us
        return msgspec.structs.replace(
            fact,
            total_seconds=total_us / SECOND_US,
            requester_wait_seconds=requester_us / SECOND_US,
            agent_work_seconds=agent_us / SECOND_US,
        )
    return fact if detail is None else _with_detail(fact, detail)


def _with_detail(fact: Fact, detail: ClockDetail) -> Fact:
    changed = _CHANGES.get(detail.reason)
    own = changed is not None and fact.cause in {Cause.OBSERVED, Cause.TIME, Cause.LATE}
    return msgspec.structs.replace(
        fact,
        cause=changed if own else fact.cause,
        policy=detail.policy,
        target_seconds=detail.target_us / SECOND_US,
        used_seconds=detail.used_us / SECOND_US,
        deadline=from_us(detail.deadline_us) if detail.deadline_us >= 0 else None,
        reason=detail.reason,
        stage=detail.stage,
        notify_at=from_us(detail.notify_us) if detail.notify_us >= 0 else None,
    )


def flow_changes(before: Iterable[Draft], after: Iterable[Draft]) -> tuple[list[Draft], list[Draft]]:
    """Return the entries and leavings of the stock that are new, and those that are no longer true.

    Not the same as the statements: a ticket found out to have been solved before it was closed still
    was closed then, but no longer left the stock by it.
    """
    was = {(*draft.key, draft.flow): draft for draft in before if draft.flow}
    now = {(*draft.key, draft.flow): draft for draft in after if draft.flow}
    added = [draft for key, draft in now.items() if key not in was]
    gone = [draft for key, draft in was.items() if key not in now]
    return added, gone
