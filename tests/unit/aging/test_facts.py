"""Facts: ids that whoever computes them agrees on, turns that alternate, and why a fact is stated now."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.clock import ClockDetail
from services.aging.core.facts import (
    CALENDAR_CHANGE,
    Statement,
    changes,
    fact_id,
    fact_of,
    flow_changes,
    news,
)
from services.aging.core.ticket import Draft, Ticket, TurnKey
from shared.contracts.backlog import Cause, FactType
from shared.contracts.instants import SECOND_US
from tests.unit.aging.observations import TENANT, at

OPENED = Draft(FactType.OPENED, 0, 1, flow=1)
SOLVED = Draft(FactType.SOLVED, 5, 1, flow=-1)
CLOSED = Draft(FactType.CLOSED, 7, 1)
DRAFTS = st.lists(
    st.builds(
        Draft, st.sampled_from([FactType.SOLVED, FactType.CLOSED]), st.integers(0, 3), st.just(1),
        flow=st.sampled_from([-1, 0]),
    ),
    unique_by=lambda draft: draft.key,
)  # fmt: skip


@given(st.lists(DRAFTS, max_size=8))
def test_the_turns_of_each_fact_follow_each_other_and_the_highest_stands(
    timelines: list[list[Draft]],
) -> None:
    said: dict[TurnKey, list[int]] = {}
    before: list[Draft] = []
    turns: dict[TurnKey, int] | None = None
    for after in timelines:
        statements, turns = changes(before, after, turns)
        for draft, turn in statements:
            said.setdefault(draft.key, []).append(turn)
        withdrawals = [turn % 2 == 1 for _, turn in statements]
        assert withdrawals == sorted(withdrawals, reverse=True), "withdrawals come first"
        before = after
    assert all(turn_list == list(range(len(turn_list))) for turn_list in said.values())
    assert {draft.key for draft in before} == {key for key, all_ in said.items() if all_[-1] % 2 == 0}
    assert {key: all_[-1] for key, all_ in said.items() if all_[-1]} == (turns or {})


def test_only_facts_that_were_ever_withdrawn_are_remembered() -> None:
    assert ([Statement(OPENED, 0), Statement(SOLVED, 0)], None) == changes([], [OPENED, SOLVED], None)
    assert ([Statement(SOLVED, 1)], {SOLVED.key: 1}) == changes([OPENED, SOLVED], [OPENED], None)


def test_news_that_were_withdrawn_once_are_asserted_by_the_next_turn() -> None:
    ticket = Ticket("desk", 0, turns={SOLVED.key: 1})
    assert [Statement(SOLVED, 2), Statement(CLOSED, 0)] == news(ticket, [SOLVED, CLOSED])
    assert {SOLVED.key: 2} == ticket.turns
    assert [Statement(SOLVED, 0)] == news(Ticket("desk", 0), [SOLVED])


def test_stating_what_stands_already_is_a_programmers_error() -> None:
    with pytest.raises(AssertionError):
        news(Ticket("desk", 0, turns={SOLVED.key: 2}), [SOLVED])


def restated(version: int) -> str:
    told = Statement(Draft(FactType.SLA_RESTATED, 5, 1, "resolution"), 0)
    ticket = Ticket("desk", 0, version=version)
    return fact_of(TENANT, "desk:1", ticket, told, stated_us=5, cause=Cause.LATE).id


def test_two_changes_of_mind_in_one_instant_have_two_ids() -> None:
    assert restated(1) == restated(1)
    assert restated(1) != restated(2)


def moved(reason: str) -> str:
    detail = ClockDetail("all@1", 10, 2, 20, reason)
    told = Statement(Draft(FactType.SLA_DEADLINE_CHANGED, 5, 1, "resolution", 0, detail), 0)
    return fact_of(TENANT, "desk:1", Ticket("desk", 0), told, stated_us=5, cause=Cause.CONFIGURATION).id


def test_a_deadline_moved_by_the_calendar_and_by_the_policy_in_one_instant_are_two_facts() -> None:
    assert moved(CALENDAR_CHANGE) == moved(CALENDAR_CHANGE)
    assert moved(CALENDAR_CHANGE) != moved("policy_change")


def test_a_facts_id_is_made_of_what_it_says_and_nothing_else() -> None:
    known = fact_id(TENANT, "desk:1", SOLVED)
    assert known == fact_id(TENANT, "desk:1", SOLVED._replace(flow=0))
    others = {
        fact_id("other", "desk:1", SOLVED),
        fact_id(TENANT, "desk:2", SOLVED),
        *(
            fact_id(TENANT, "desk:1", draft)
            for draft in (
                SOLVED._replace(type=FactType.CLOSED),
                SOLVED._replace(at_us=6),
                SOLVED._replace(instance=2),
                SOLVED._replace(clock="age.1"),
            )
        ),
    }
    assert 6 == len(others - {known})


def test_an_entry_that_is_no_longer_the_leaving_is_a_change_of_the_flows_but_no_statement() -> None:
    closed_later = CLOSED._replace(at_us=7, flow=0)
    before, after = [OPENED, CLOSED._replace(flow=-1)], [OPENED, SOLVED, closed_later]
    assert ([SOLVED], [CLOSED._replace(flow=-1)]) == flow_changes(before, after)
    assert ([Statement(SOLVED, 0)], None) == changes(before, after, None)


@pytest.mark.parametrize(
    ("late_us", "expected"), [(0, 0.0), (SECOND_US, 0.0), (SECOND_US + 1, 1.000001), (-5, 0.0)]
)
def test_a_fact_is_late_from_a_second_on(late_us: int, expected: float) -> None:
    ticket = Ticket("desk", at(0), queue="first", status="solved", priority="p1", channel="web")
    draft = Draft(FactType.SOLVED, at(1), 1)
    fact = fact_of(TENANT, "desk:1", ticket, Statement(draft, 2), stated_us=at(1) + late_us, cause=Cause.LATE)
    assert (expected, Cause.LATE, 2, True) == (fact.late_seconds, fact.cause, fact.turn, fact.stands)
    assert ("first", "solved", "p1", "web", "desk") == (
        fact.queue, fact.status, fact.priority, fact.channel, fact.source,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cause", "expected"),
    [(Cause.OBSERVED, Cause.TIME), (Cause.IMPORT, Cause.IMPORT), (Cause.LATE, Cause.LATE)],
)
def test_a_crossing_that_an_observation_brought_up_is_times_doing(cause: Cause, expected: Cause) -> None:
    draft = Draft(FactType.AGE_CROSSED, at(24), 1, "age.86400")
    fact = fact_of(
        TENANT, "desk:1", Ticket("desk", at(0)), Statement(draft, 0), stated_us=at(25), cause=cause
    )
    assert expected is fact.cause
