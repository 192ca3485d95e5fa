"""Why a ticket is as old as it is, and why each promise is due when it is.

The whole timeline is folded once more, by the terms of the ticket's partition, with a story that remembers what
each interval began and ended with. So what is told is what was counted, not a second account of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.aging.core.clock import NEVER, Clock, instant, used_us
from services.aging.core.clocks import begun
from services.aging.core.explained import (
    Absent,
    AgeTold,
    Cause,
    ClockTold,
    Condition,
    Explanation,
    FactTold,
    Interval,
    PolicyTried,
)
from services.aging.core.facts import OF_TIME, fact_id
from services.aging.core.fold import derive
from services.aging.core.mark import Mark
from services.aging.core.merges import heard
from services.aging.core.policy import ClockName, Policy
from services.aging.core.story import OUTCOMES, RUNNING, Span, Story
from services.aging.core.terms import TAGS, TENANT, HoursVersion, Terms
from services.aging.core.ticket import Draft, Ticket, TurnKey
from shared.calendars.special import special_days
from shared.contracts.backlog import FactType
from shared.contracts.event_id import derived_id
from shared.contracts.tickets import Absorbed

MET: Final = "met"
BREACHED: Final = "breached"
SUPERSEDED: Final = "superseded"
PAUSED: Final = "paused"
NO_OPENING: Final = "no_opening"
PAUSED_FOR: Final = "paused:"

_ENDS: Final = {
    FactType.SLA_MET: MET,
    FactType.SLA_FINISHED: BREACHED,
    FactType.SLA_SUPERSEDED: SUPERSEDED,
}
_GOES_ON: Final = frozenset({FactType.SLA_STARTED, FactType.SLA_RESUMED})


def explain(
    tenant: str, key: str, marks: Sequence[Mark], registers: Sequence[Absorbed], terms: Terms, *,
    at_us: int, ignores_link: bool = False, turns: Mapping[TurnKey, int] | None = None,
) -> Explanation:  # fmt: skip
    """Return what is to be told of a ticket with the timeline `marks` (in order, at least one).

    `terms` are those of its partition, for all tenants. `at_us` is no earlier than the newest mark. `turns` are of
    the facts that were ever withdrawn.
    """
    terms, story = terms.of(tenant), Story()
    ticket, drafts = derive(
        marks, b"", terms=terms, until_us=at_us, ignores_link=ignores_link, messages=heard(registers),
        story=story,
    )  # fmt: skip
    fold = _Fold(ticket, tuple(drafts), story, terms, at_us, _observed(ticket, marks, story))
    facts = _facts(tenant, key, fold, turns or {})
    clocks = _clocks(fold, facts)
    return Explanation(
        ticket, at_us, _age(fold), clocks, _absent(fold, clocks), tried(terms, ticket, at_us), facts
    )


@dataclass(frozen=True, slots=True)
class _Fold:
    ticket: Ticket
    drafts: tuple[Draft, ...]
    story: Story
    terms: Terms
    at_us: int
    observed: Mapping[int, Mark]
    """By instant: for boundaries whose cause the fold does not know, because it counted in arrears."""

    def cause(self, mark: Mark | None, at_us: int) -> Cause:
        """Return what happened at `at_us`, by `mark` if it is known to be the reason."""
        mark = mark or self.observed.get(at_us)
        if mark is not None:
            return Cause("observation" if mark.id else "absorbed", mark)
        for version in self.terms.policies[1:]:
            if version.effective_us == at_us:
                labels = [policy.label.partition("@")[2] for policy in version.policies]
                return Cause("configuration", version=labels[0] if labels else "")
        return Cause("time")


def _observed(ticket: Ticket, marks: Sequence[Mark], story: Story) -> dict[int, Mark]:
    found = {ticket.created_us: marks[0]} | {mark.time_us: mark for mark in reversed(marks)}
    return found | {wait.at_us: wait.mark for wait in story.waits if wait.mark is not None}


# Facts.


def _facts(tenant: str, key: str, fold: _Fold, turns: Mapping[TurnKey, int]) -> tuple[FactTold, ...]:
    told = {draft.key: _fact(tenant, key, draft, fold, turns.get(draft.key, 0)) for draft in fold.drafts}
    withdrawn = [
        FactTold(derived_id(tenant, key, *map(str, turned)), *turned, turn, None, None)
        for turned, turn in turns.items()
        if turn % 2
    ]
    return tuple(sorted([*told.values(), *withdrawn], key=lambda fact: (fact.at_us, not fact.stands)))


def _fact(tenant: str, key: str, draft: Draft, fold: _Fold, turn: int) -> FactTold:
    mark = fold.story.causes.get(draft.key)
    cause = Cause("time") if mark is None and draft.type in OF_TIME else fold.cause(mark, draft.at_us)
    return FactTold(
        fact_id(tenant, key, draft), draft.type.value, draft.clock, draft.instance, draft.at_us, turn, draft, cause,
    )  # fmt: skip


# Clocks.


def _clocks(fold: _Fold, facts: Sequence[FactTold]) -> tuple[ClockTold, ...]:
    known = fold.story.gone | {(clock.name, clock.instance): clock for clock in fold.ticket.clocks}
    spans: dict[tuple[str, int], list[Span]] = {key: [] for key in known}
    for span in fold.story.until(fold.at_us, {key: clock.policy for key, clock in known.items()}):
        spans[span.clock, span.instance].append(span)
    stated: dict[tuple[str, int], list[FactTold]] = {key: [] for key in known}
    for fact in facts:
        if fact.draft is not None and fact.draft.detail is not None:
            stated[fact.clock, fact.instance].append(fact)
    told = [_clock(clock, spans[key], stated[key], fold) for key, clock in known.items()]
    return tuple(sorted(told, key=lambda one: (one.ended_us is not None, one.clock.started_us)))


def _clock(clock: Clock, spans: Sequence[Span], facts: Sequence[FactTold], fold: _Fold) -> ClockTold:
    promise, hours = fold.terms.promise(clock.policy, clock.name)
    policy = _policy(fold.terms, clock.policy)
    end = _end(facts)
    until_us = fold.at_us if end is None else end.at_us
    deadline_us, resumed_us = clock.deadline_us, -1
    if end is not None:
        assert end.detail is not None
        deadline_us = end.detail.deadline_us
    elif clock.since_us < 0 and not clock.breached:
        resumed_us = instant(hours, fold.at_us, clock.target_us - clock.used_us)
    return ClockTold(
        clock=clock,
        policy=policy,
        business=promise.business,
        versions=_versions(fold.terms, policy, clock.started_us, until_us) if promise.business else (),
        state=_state(clock, end),
        ended_us=None if end is None else end.at_us,
        used_us=used_us(clock, hours, until_us),
        deadline_us=deadline_us if deadline_us >= 0 else None,
        due_if_resumed_us=resumed_us if resumed_us >= 0 else None,
        intervals=tuple(_interval(span, fold) for span in sorted(spans, key=lambda one: one.from_us)),
        facts=tuple(facts),
    )


def _policy(terms: Terms, label: str) -> Policy:
    policy = terms.policy(label)
    assert policy is not None, "a clock follows a policy"
    return policy


def _end(facts: Sequence[FactTold]) -> FactTold | None:
    """Return the fact that ended an instance; None if it goes on, perhaps after a reopening."""
    for fact in reversed(facts):
        if fact.draft is not None and fact.draft.type in _ENDS:
            return fact
        if fact.draft is not None and fact.draft.type in _GOES_ON:
            return None
    return None


def _state(clock: Clock, end: FactTold | None) -> str:
    if end is not None:
        assert end.draft is not None
        return _ENDS[end.draft.type]
    if clock.since_us < 0:
        return PAUSED
    return NO_OPENING if clock.deadline_us == NEVER else RUNNING


def _interval(span: Span, fold: _Fold) -> Interval:
    promise, hours = fold.terms.promise(span.policy, span.clock)
    policy = _policy(fold.terms, span.policy)
    versions = _versions(fold.terms, policy, span.from_us, span.until_us) if promise.business else ()
    lasts = span.until_us == fold.at_us and span.ended is None
    open_us = hours.elapsed(span.from_us, span.until_us)
    return Interval(
        _kind(span.kind), span.from_us, span.until_us, open_us if span.kind == RUNNING else 0, open_us, span.policy,
        fold.cause(span.began, span.from_us), None if lasts else fold.cause(span.ended, span.until_us),
        tuple(special_days([(one.effective_us, one.hours) for one in versions], span.from_us, span.until_us)),
    )  # fmt: skip


def _kind(kind: str) -> str:
    return kind if kind == RUNNING or kind in OUTCOMES else f"{PAUSED_FOR}{kind}"


def _versions(terms: Terms, policy: Policy, from_us: int, until_us: int) -> tuple[HoursVersion, ...]:
    """Return the versions of a policy's calendar in force in [from_us, until_us]; none for 24x7."""
    versions = terms.timetables.get(policy.calendar, ())
    return tuple(
        version
        for index, version in enumerate(versions)
        if (not index or version.effective_us <= until_us)
        and (index + 1 == len(versions) or versions[index + 1].effective_us > from_us)
    )


# The age.


def _age(fold: _Fold) -> AgeTold:
    ticket, at_us = fold.ticket, fold.at_us
    version = fold.terms.age.at(at_us)
    from_us = version.start_us(ticket.created_us, ticket.episode_us)
    until_us = at_us if ticket.open or ticket.left_us is None else ticket.left_us
    next_us = None
    if ticket.open:
        next_us = fold.terms.age.next_us(ticket.created_us, ticket.episode_us, after_us=at_us)
    waits = fold.story.waits
    ends = [*[(wait.at_us, wait.mark) for wait in waits[1:]], (until_us, None)]
    intervals = []
    for wait, (end_us, ended) in zip(waits, ends, strict=True):
        low, high = max(wait.at_us, from_us), min(end_us, until_us)
        if low < high:
            began, lasts = fold.cause(wait.mark, low), high == at_us and ended is None
            end = None if lasts else fold.cause(ended, high)
            intervals.append(
                Interval(_kind(wait.why or RUNNING), low, high, high - low, high - low, "", began, end)
            )
    return AgeTold(version, from_us, until_us, next_us, tuple(intervals))


# Why there is none.


def tried(terms: Terms, ticket: Ticket, at_us: int) -> tuple[PolicyTried, ...]:
    """Return the policies in force at `at_us`, in their order, up to the first that matches `ticket`."""
    found = []
    for policy in terms.version_at(at_us).policies:
        asked = [(name, accepted) for name, accepted in policy.match.items() if name != TENANT]
        found.append(PolicyTried(policy.label, tuple(_condition(*one, ticket) for one in asked)))
        if found[-1].matches:
            break
    return tuple(found)


def _condition(name: str, accepted: frozenset[str], ticket: Ticket) -> Condition:
    shown = ticket.tags if name == TAGS else (getattr(ticket, name),)
    return Condition(name, tuple(sorted(accepted)), shown, not accepted.isdisjoint(shown))


def _absent(fold: _Fold, clocks: Sequence[ClockTold]) -> tuple[Absent, ...]:
    ticket = fold.ticket
    if not ticket.open:
        return ()
    policy = fold.terms.policy(ticket.policy)
    running = {told.clock.name for told in clocks if told.ended_us is None}
    ended = {told.clock.name for told in clocks} - {name for name, _ in begun(ticket)}
    return tuple(
        Absent(name.value, _why_absent(name.value, policy, ticket.priority, ended))
        for name in ClockName
        if name.value not in running
    )


def _why_absent(name: str, policy: Policy | None, priority: str, ended: set[str]) -> str:
    if name in ended:
        return "ended"
    if policy is None:
        return "no_policy"
    if name not in policy.promises:
        return "not_promised"
    return "no_target" if policy.target_us(name, priority) is None else "not_begun"
