"""`GET /v1/tickets/{key}/explain`: why a ticket is as old as it is, and why each promise is due when it is.

What the core tells (core/explain.py), in the form of answers: instants in UTC, amounts in seconds, and no list so long
that nobody can hold it. What is left out of a list is added up, so the sums stay exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.concurrency import run_in_threadpool

from services.aging.api.explained import (
    AgeExplained,
    Because,
    ClockExplained,
    ConditionTried,
    FactExplained,
    HoursUsed,
    IntervalExplained,
    Left,
    NoClock,
    PolicyTried,
    SpecialDate,
    TicketExplained,
)
from services.aging.api.terms import TermsOf
from services.aging.core.age import AgeVersion
from services.aging.core.explain import explain
from services.aging.core.explained import AgeTold, Cause, ClockTold, Explanation, FactTold, Interval
from services.aging.core.explained import PolicyTried as Tried
from services.aging.core.mark import decode_mark
from services.aging.core.merges import decode_register
from services.aging.core.policy import ALWAYS_OPEN
from services.aging.core.stopwatch import seconds_of
from services.aging.core.terms import HoursVersion, Terms
from services.aging.core.ticket import Ticket, decode_ticket
from services.aging.ports import AgingQueries, MarkRow, RegisterRow, TicketRow
from shared.contracts.durations import bucket_labels, duration_text
from shared.contracts.instants import SECOND_US, from_us

INTERVALS_MAX: Final = 500
"""Intervals shown of one clock, the newest; a ticket of 200,000 observations may have as many."""
ENDED_CLOCKS_MAX: Final = 100
"""Ended instances shown, the newest; all that go on are."""
FACTS_MAX: Final = 1_000
"""Facts shown, the newest."""


async def explained(
    queries: AgingQueries, terms: TermsOf, tenant: str, key: str, now_us: int
) -> TicketExplained | None:
    """Return what is to be told of a ticket at `now_us`; None if nothing is kept of it."""
    row = None if "\0" in key else await queries.ticket(tenant, key)
    marks = await queries.marks(tenant, key) if row is not None else ()
    if row is None or not marks:
        return None
    registers = await queries.registers(tenant, key)
    return await run_in_threadpool(_told, row, marks, registers, await terms(), now_us)


def _told(
    row: TicketRow, marks: Sequence[MarkRow], registers: Sequence[RegisterRow], terms: Mapping[int, Terms], now_us: int
) -> TicketExplained:  # fmt: skip
    was = decode_ticket(row.body) if row.body else None
    found = explain(
        row.tenant, row.ticket, [decode_mark(mark.body) for mark in marks],
        [decode_register(register.body) for register in registers], terms[row.partition],
        # To the second: nobody adds up the parts of one that pass while they read.
        at_us=max(now_us // SECOND_US * SECOND_US, row.updated_us),
        ignores_link=was is not None and was.ignores_link,
        turns=was.turns if was is not None else None,
    )  # fmt: skip
    return _explained(row, found)


def _explained(row: TicketRow, found: Explanation) -> TicketExplained:
    going_on = [told for told in found.clocks if told.ended_us is None]
    ended = [told for told in found.clocks if told.ended_us is not None]
    ticket: Ticket = found.ticket
    return TicketExplained(
        key=row.ticket,
        at=from_us(found.at_us),
        subject=ticket.subject or None,
        status=ticket.status,
        wait_reason=ticket.wait_reason or None,
        priority=ticket.priority or None,
        open=ticket.open,
        asleep=row.asleep,
        past_sla=ticket.past_sla,
        at_risk=ticket.at_risk,
        policy=ticket.policy or None,
        age=_age(found.age),
        clocks=[_clock(told) for told in (*going_on, *ended[-ENDED_CLOCKS_MAX:])],
        clocks_omitted=max(0, len(ended) - ENDED_CLOCKS_MAX),
        no_clock=[NoClock(clock=one.clock, reason=one.reason) for one in found.absent],
        policies=[policy_tried(one) for one in found.policies],
        facts=[_fact(fact) for fact in found.facts[-FACTS_MAX:]],
        facts_omitted=max(0, len(found.facts) - FACTS_MAX),
    )


def policy_tried(found: Tried) -> PolicyTried:
    """Return a policy and what it asks for, as answers have it."""
    return PolicyTried(
        policy=found.label,
        matches=found.matches,
        conditions=[
            ConditionTried(
                field=one.field,
                accepted=list(one.accepted),
                shown=[value for value in one.shown if value],
                holds=one.holds,
            )
            for one in found.conditions
        ],
    )


def _age(told: AgeTold) -> AgeExplained:
    intervals, left = _newest(told.intervals)
    version: AgeVersion = told.version
    age_us = max(0, told.until_us - told.from_us)
    bucket = bisect_right(version.bucket_edges_seconds, age_us // SECOND_US)
    edge_us = None if told.next_edge_us is None else told.next_edge_us - told.from_us
    return AgeExplained(
        counted_from="episode" if version.from_episode else "created",
        since=from_us(told.from_us),
        until=from_us(told.until_us),
        age_seconds=seconds_of(age_us),
        age_bucket=bucket_labels(version.bucket_edges_seconds)[bucket],
        next_edge=None if edge_us is None else duration_text(edge_us // SECOND_US),
        next_edge_at=None if told.next_edge_us is None else from_us(told.next_edge_us),
        intervals=intervals,
        earlier=left,
    )


def _clock(told: ClockTold) -> ClockExplained:
    clock = told.clock
    intervals, left = _newest(told.intervals)
    return ClockExplained(
        clock=clock.name,
        instance=clock.instance,
        policy=clock.policy,
        calendar=told.policy.calendar if told.business else ALWAYS_OPEN,
        hours=[_hours(version) for version in told.versions],
        state=told.state,
        breached=clock.breached,
        at_risk=told.at_risk,
        started_at=from_us(clock.started_us),
        ended_at=None if told.ended_us is None else from_us(told.ended_us),
        target_seconds=seconds_of(clock.target_us),
        used_seconds=seconds_of(told.used_us),
        remaining_seconds=seconds_of(told.left_us),
        due=None if told.deadline_us is None else from_us(told.deadline_us),
        due_if_resumed=None if told.due_if_resumed_us is None else from_us(told.due_if_resumed_us),
        warn_at=from_us(clock.warn_us) if clock.warn_us >= 0 and told.ended_us is None else None,
        intervals=intervals,
        earlier=left,
        facts=[_fact(fact) for fact in told.facts[-FACTS_MAX:]],
    )


def _hours(version: HoursVersion) -> HoursUsed:
    return HoursUsed(
        version=version.label,
        effective_from=from_us(version.effective_us) if version.effective_us > 0 else None,
        retroactive=version.retroactive,
    )


def _newest(intervals: Sequence[Interval]) -> tuple[list[IntervalExplained], Left]:
    earlier = intervals[:-INTERVALS_MAX]
    left = Left(intervals=len(earlier), counted_seconds=seconds_of(sum(one.counted_us for one in earlier)))
    return [_interval(one) for one in intervals[-INTERVALS_MAX:]], left


def _interval(interval: Interval) -> IntervalExplained:
    return IntervalExplained(
        kind=interval.kind,
        since=from_us(interval.from_us),
        until=from_us(interval.until_us),
        counted_seconds=seconds_of(interval.counted_us),
        wall_seconds=seconds_of(interval.wall_us),
        closed_seconds=seconds_of(interval.wall_us - interval.open_us),
        policy=interval.policy or None,
        began=_because(interval.began),
        ended=None if interval.ended is None else _because(interval.ended),
        special_dates=[SpecialDate(date=day.date, kind=day.kind) for day in interval.special],
    )


def _fact(told: FactTold) -> FactExplained:
    detail = told.detail
    reason = detail.reason if detail is not None else told.draft.reason if told.draft is not None else ""
    return FactExplained(
        id=told.id,
        type=told.type,
        clock=told.clock or None,
        instance=told.instance,
        at=from_us(told.at_us),
        turn=told.turn,
        stands=told.stands,
        reason=reason or None,
        stage=(detail.stage or None) if detail is not None else None,
        deadline=from_us(detail.deadline_us) if detail is not None and detail.deadline_us >= 0 else None,
        because=None if told.cause is None else _because(told.cause),
    )


def _because(cause: Cause) -> Because:
    mark = cause.mark
    if mark is None:
        return Because(by=cause.by, version=cause.version or None)
    return Because(
        by=cause.by,
        at=from_us(mark.time_us),
        event_id=mark.id or None,
        source=mark.source or None,
        activity=mark.activity.value,
        actor=None if mark.actor is None else mark.actor.value,
        reason=mark.reason,
    )
