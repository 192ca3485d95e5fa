"""Explaining a ticket: whatever happened to it, the intervals add up to the figures, and each says what it began with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.clock import used_us
from services.aging.core.explain import explain
from services.aging.core.explained import ClockTold, Explanation, Interval
from services.aging.core.fold import derive
from services.aging.core.mark import Mark, mark_of, order_of
from services.aging.core.merges import heard
from services.aging.core.policy import Policy, PolicyVersion, Promise, Stage
from services.aging.core.story import RUNNING
from services.aging.core.terms import HoursVersion, Terms
from shared.calendars.compiled import compiled
from shared.calendars.definition import definition_from
from shared.contracts.backlog import FactType
from shared.contracts.instants import from_us, to_us
from shared.contracts.tickets import (
    Absorbed,
    Activity,
    Actor,
    Channel,
    MessageMark,
    Observation,
    Priority,
    Status,
    WaitReason,
)
from tests.unit.aging.observations import END_US, HOUR_US, TENANT, TERMS, at, observations, seen

MESSAGES = st.lists(
    st.builds(MessageMark, st.integers(-30, 200).map(lambda h: from_us(at(h))), st.sampled_from([Actor.CUSTOMER, Actor.AGENT])),
    max_size=3,
)  # fmt: skip
TIMELINES = st.lists(observations(("desk:1",), merges=True, runs=False), min_size=1, max_size=12)


def timeline(observed: Sequence[Observation]) -> list[Mark]:
    by_order = {order_of(mark): mark for mark in map(mark_of, observed)}
    return [by_order[order] for order in sorted(by_order)]


def absorbed(messages: Sequence[MessageMark]) -> list[Absorbed]:
    return [
        Absorbed(
            tenant=TENANT, ticket="desk:9", survivor="desk:1", revision=1, at=from_us(at(0)),
            messages=tuple(sorted(messages, key=lambda message: message.time)),
        )
    ]  # fmt: skip


def follows(intervals: Sequence[Interval]) -> bool:
    """Whether each begins where the one before ended, and none is empty."""
    return all(a.until_us == b.from_us for a, b in pairwise(intervals)) and all(
        one.wall_us > 0 for one in intervals
    )


@given(TIMELINES, MESSAGES, TERMS, st.sampled_from([END_US, at(20), at(49), at(73)]))
def test_the_intervals_add_up_to_what_is_used_and_follow_each_other(
    observed: list[Observation], messages: list[MessageMark], terms: Terms, at_us: int
) -> None:
    marks = [mark for mark in timeline(observed) if mark.time_us <= at_us] or timeline(observed)[:1]
    at_us = max(at_us, marks[-1].time_us)
    found = explain(TENANT, "desk:1", marks, absorbed(messages), terms, at_us=at_us)
    for told in found.clocks:
        assert told.used_us == sum(one.counted_us for one in told.intervals), told.clock
        assert told.clock.target_us == told.used_us + told.left_us
        assert follows(told.intervals)
        if told.intervals:
            assert told.clock.started_us == told.intervals[0].from_us


@given(TIMELINES, TERMS, st.sampled_from([END_US, at(49)]))
def test_the_intervals_of_the_age_add_up_to_the_age(
    observed: list[Observation], terms: Terms, at_us: int
) -> None:
    marks = [mark for mark in timeline(observed) if mark.time_us <= at_us] or timeline(observed)[:1]
    at_us = max(at_us, marks[-1].time_us)
    age = explain(TENANT, "desk:1", marks, (), terms, at_us=at_us).age
    assert max(0, age.until_us - age.from_us) == sum(one.counted_us for one in age.intervals)
    assert follows(age.intervals)


@given(TIMELINES, MESSAGES, TERMS)
def test_what_is_told_is_what_the_ticket_is_and_what_is_stated(
    observed: list[Observation], messages: list[MessageMark], terms: Terms
) -> None:
    marks, registers = timeline(observed), absorbed(messages)
    found = explain(TENANT, "desk:1", marks, registers, terms, at_us=END_US)
    ticket, drafts = derive(marks, b"", terms=terms, until_us=END_US, messages=heard(registers))
    now = {(clock.name, clock.instance): clock for clock in ticket.clocks}
    told = {(one.clock.name, one.clock.instance): one for one in found.clocks}
    assert [draft.key for draft in drafts] == [
        (fact.type, fact.clock, fact.instance, fact.at_us) for fact in found.facts
    ]
    assert now.keys() <= told.keys()
    for key, clock in now.items():
        _, hours = terms.promise(clock.policy, clock.name)
        if told[key].ended_us is None:
            assert used_us(clock, hours, END_US) == told[key].used_us


# Examples.

OFFICE = compiled(
    definition_from(
        {
            "timezone": "UTC",
            "weekly": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
            "holidays": ["2023-11-16", "2023-11-18"],
            "overrides": {"2023-11-17": [["10:00", "12:00"]]},
        }
    )
)
SUPPORT = Policy(
    "support",
    {
        "first_response": Promise({"default": 4 * HOUR_US}, (Stage(0.5),)),
        "resolution": Promise({"p1": 10 * HOUR_US, "default": 20 * HOUR_US}, (Stage(0.8),), frozenset({"customer"})),
        "team": Promise({"p1": HOUR_US}),
    },
    calendar="office",
    label="support@4",
)  # fmt: skip
BILLING = replace(SUPPORT, name="billing", match={"queue": frozenset({"billing"}), "tags": frozenset({"vip", "gold"})}, label="billing@4")  # fmt: skip
OPEN = Terms(
    policies=(PolicyVersion((BILLING, SUPPORT)),), timetables={"office": (HoursVersion(0, OFFICE, "4"),)}
)
TUESDAY = (to_us(from_us(at(0)).replace(hour=9, minute=0, second=0)) - at(0)) / HOUR_US
"""Hours from the start to Tuesday 14 November 2023 at 09:00."""


def told(*observed: Observation, hours: float, terms: Terms = OPEN, **asked: Any) -> Explanation:
    return explain(TENANT, "desk:1", timeline(observed), (), terms, at_us=at(TUESDAY + hours), **asked)


def on(hours: float, **fields: Any) -> Observation:
    """Return what was seen so many hours after Tuesday 09:00."""
    return seen("desk:1", TUESDAY + hours, **fields)


def clock_of(found: Explanation, name: str) -> ClockTold:
    (one,) = [each for each in found.clocks if each.clock.name == name]
    return one


def kinds(intervals: Sequence[Interval]) -> list[tuple[str, float, float]]:
    return [(one.kind, one.wall_us / HOUR_US, one.open_us / HOUR_US) for one in intervals]


CREATED = on(
    0, id="created", activity=Activity.CREATED, actor=Actor.CUSTOMER, channel=Channel.EMAIL, queue="billing"
)
ASKED = on(2, id="asked", activity=Activity.AGENT_MESSAGE, actor=Actor.AGENT, status=Status.WAITING, wait_reason=WaitReason.CUSTOMER)  # fmt: skip
REPLIED = on(
    26, id="replied", activity=Activity.CUSTOMER_MESSAGE, actor=Actor.CUSTOMER, status=Status.IN_PROGRESS
)


def test_each_interval_says_what_began_and_ended_it() -> None:
    resolution = clock_of(told(CREATED, ASKED, REPLIED, hours=28), "resolution")
    assert [(RUNNING, 2, 2), ("paused:customer", 24, 8), (RUNNING, 2, 2)] == kinds(resolution.intervals)
    assert [("created", "asked"), ("asked", "replied"), ("replied", None)] == [
        (one.began.mark and one.began.mark.id, one.ended and one.ended.mark and one.ended.mark.id)
        for one in resolution.intervals
    ]
    assert (RUNNING, 4 * HOUR_US, 16 * HOUR_US) == (resolution.state, resolution.used_us, resolution.left_us)


def test_an_ended_instance_says_its_verdict_its_deadline_and_by_how_much() -> None:
    first = clock_of(told(CREATED, ASKED, hours=28), "first_response")
    assert ("met", at(TUESDAY + 2), at(TUESDAY + 4), -2 * HOUR_US) == (
        first.state, first.ended_us, first.deadline_us, first.used_us - first.clock.target_us,
    )  # fmt: skip


def test_a_broken_and_finished_promise_keeps_the_deadline_it_broke() -> None:
    late = on(6, id="late", activity=Activity.AGENT_MESSAGE, actor=Actor.AGENT)
    first = clock_of(told(CREATED, late, hours=7), "first_response")
    assert ("breached", at(TUESDAY + 4), -2 * HOUR_US) == (first.state, first.deadline_us, first.left_us)
    assert [True, False] == [first.clock.breached, first.at_risk]


def test_a_paused_clock_says_when_it_would_be_due_if_it_went_on_now() -> None:
    resolution = clock_of(told(CREATED, ASKED, hours=25), "resolution")
    assert ("paused", None, at(TUESDAY + 24 * 7 + 1)) == (
        resolution.state, resolution.deadline_us, resolution.due_if_resumed_us,
    )  # fmt: skip


def test_an_interval_names_holidays_and_exceptional_hours_but_not_closed_weekends() -> None:
    (only,) = clock_of(told(CREATED, hours=24 * 5), "resolution").intervals
    assert [("2023-11-16", "holiday"), ("2023-11-17", "override")] == [
        (day.date.isoformat(), day.kind) for day in only.special
    ]


def test_solved_time_is_an_interval_of_its_own_kind() -> None:
    solved, again = on(3, id="solved", status=Status.SOLVED), on(27, id="again", status=Status.IN_PROGRESS)
    found = told(CREATED, solved, again, hours=28)
    assert [(RUNNING, 3, 3), ("solved", 24, 8), (RUNNING, 1, 1)] == kinds(
        clock_of(found, "resolution").intervals
    )
    assert [(RUNNING, 3, 3), ("solved", 24, 24), (RUNNING, 1, 1)] == kinds(found.age.intervals)


def test_a_solved_ticket_has_met_its_resolution_and_its_age_stands() -> None:
    found = told(CREATED, on(3, status=Status.SOLVED), hours=28)
    assert ("met", 3 * HOUR_US) == (
        clock_of(found, "resolution").state,
        clock_of(found, "resolution").used_us,
    )
    assert at(TUESDAY + 3) == found.age.until_us
    assert () == found.absent


def test_a_policy_that_does_not_fit_says_which_conditions_fail() -> None:
    billing, support = told(CREATED, hours=1).policies
    assert [("queue", ("billing",), True), ("tags", (), False)] == [
        (one.field, one.shown, one.holds) for one in billing.conditions
    ]
    assert (False, True, "support@4") == (billing.matches, support.matches, support.label)


def test_promises_that_do_not_run_say_why() -> None:
    assert {"next_response": "not_promised", "update": "not_promised", "team": "no_target"} == {
        one.clock: one.reason for one in told(CREATED, hours=1).absent
    }
    assert "ended" == dict(told(CREATED, ASKED, hours=3).absent)["first_response"]
    nobody = Terms(policies=(PolicyVersion((BILLING,)),), timetables=OPEN.timetables)
    assert {"no_policy"} == {one.reason for one in told(CREATED, hours=1, terms=nobody).absent}


def test_a_calendar_that_never_opens_is_said_aloud() -> None:
    never = compiled(definition_from({"timezone": "UTC", "weekly": {}}, may_never_open=True))
    terms = Terms(policies=OPEN.policies, timetables={"office": (HoursVersion(0, never, "4"),)})
    resolution = clock_of(told(CREATED, hours=30, terms=terms), "resolution")
    assert ("no_opening", None, 0) == (resolution.state, resolution.deadline_us, resolution.used_us)


def test_a_deadline_says_which_versions_of_its_calendar_it_was_counted_by() -> None:
    versions = (
        HoursVersion(0, OFFICE, "3"),
        HoursVersion(at(TUESDAY + 1), OFFICE, "4"),
        HoursVersion(at(900), OFFICE, "5"),
    )
    terms = Terms(policies=OPEN.policies, timetables={"office": versions})
    assert ["3", "4"] == [
        one.label for one in clock_of(told(CREATED, hours=2, terms=terms), "resolution").versions
    ]


def test_a_policy_that_reached_a_running_clock_ends_an_interval_and_is_named() -> None:
    later = replace(SUPPORT, label="support@5", calendar="24x7")
    terms = Terms(
        policies=(PolicyVersion((SUPPORT,)), PolicyVersion((later,), at(TUESDAY + 4), running=True)),
        timetables=OPEN.timetables,
    )
    resolution = clock_of(told(CREATED, hours=24, terms=terms), "resolution")
    assert [(RUNNING, 4, 4), (RUNNING, 20, 20)] == kinds(resolution.intervals)
    cause = resolution.intervals[0].ended
    assert cause is not None
    assert ("configuration", "5") == (cause.by, cause.version)


def test_the_longest_pause_ends_by_time() -> None:
    short = replace(SUPPORT, max_pause_us=HOUR_US)
    terms = Terms(policies=(PolicyVersion((short,)),), timetables=OPEN.timetables)
    resolution = clock_of(told(CREATED, ASKED, hours=5, terms=terms), "resolution")
    assert [(RUNNING, 2, 2), ("paused:customer", 1, 1), (RUNNING, 2, 2)] == kinds(resolution.intervals)
    assert "time" == resolution.intervals[2].began.by


def test_what_was_said_in_a_merged_ticket_is_a_cause_of_its_own() -> None:
    said = absorbed([MessageMark(from_us(at(TUESDAY + 1)), Actor.AGENT)])
    found = explain(TENANT, "desk:1", timeline([CREATED]), said, OPEN, at_us=at(TUESDAY + 2))
    cause = clock_of(found, "first_response").intervals[0].ended
    assert cause is not None
    assert "absorbed" == cause.by


def test_facts_say_whether_they_stand_and_what_brought_them_about() -> None:
    breached = (FactType.SLA_BREACHED.value, "first_response", 1, at(TUESDAY + 4))
    found = told(CREATED, ASKED, hours=28, turns={breached: 1})
    withdrawn = [fact for fact in found.facts if not fact.stands]
    met = next(fact for fact in found.facts if fact.type == FactType.SLA_MET.value)
    assert [breached] == [(fact.type, fact.clock, fact.instance, fact.at_us) for fact in withdrawn]
    assert met.cause is not None
    assert met.cause.mark is not None
    assert (0, "asked") == (met.turn, met.cause.mark.id)


def test_a_raised_priority_moves_the_deadline_and_is_named_as_the_reason() -> None:
    raised = on(3, id="raised", priority=Priority.P1)
    resolution = clock_of(told(CREATED, raised, hours=4), "resolution")
    moved = next(fact for fact in resolution.facts if fact.type == FactType.SLA_DEADLINE_CHANGED.value)
    assert moved.cause is not None
    assert moved.cause.mark is not None
    assert ("raised", 10 * HOUR_US) == (moved.cause.mark.id, resolution.clock.target_us)
