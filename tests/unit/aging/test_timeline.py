"""What a ticket truly was at an instant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.fold import derive
from services.aging.core.mark import mark_of, order_of
from services.aging.core.policy import Policy, PolicyVersion, Promise, Stage
from services.aging.core.terms import Terms
from services.aging.core.timeline import as_of
from shared.contracts.backlog import FactType
from shared.contracts.tickets import Observation, Priority, Status
from tests.unit.aging.observations import END_US, HOUR_US, TERMS, at, observations, seen
from tests.unit.aging.partitions import bare, derived

INSTANTS = st.builds(
    lambda hours, nudge: at(hours) + nudge, st.integers(-250, 210), st.sampled_from([-1, 0, 1])
)


@given(st.lists(observations(("desk:1",)), min_size=1, max_size=9), TERMS, INSTANTS)
def test_a_ticket_at_an_instant_is_the_fold_of_what_was_shown_by_then(
    all_seen: list[Observation], terms: Terms, at_us: int
) -> None:
    timeline = sorted((mark_of(one) for one in all_seen), key=order_of)
    whole, drafts = derived(timeline, terms, END_US)
    found = as_of(timeline, at_us, terms=terms)
    if whole.created_us > at_us:
        assert found is None
        return
    assert found is not None
    by_then = [mark for mark in timeline if mark.time_us <= at_us]
    expected, _ = derive(by_then, b"", terms=terms, until_us=at_us, created_us=whole.created_us)
    expected.source = timeline[0].source
    if not by_then:
        expected.clocks = found.clocks
    assert bare(expected) == bare(found)
    # The facts of the whole timeline tell the same story: who entered and left by then is in the stock.
    assert found.open == (sum(draft.flow for draft in drafts if draft.at_us <= at_us) == 1)
    assert whole.created_us == found.created_us


@given(st.lists(observations(("desk:1",)), min_size=1, max_size=9), TERMS, INSTANTS)
def test_a_broken_promise_at_an_instant_is_a_fact_of_the_whole_timeline(
    all_seen: list[Observation], terms: Terms, at_us: int
) -> None:
    timeline = sorted((mark_of(one) for one in all_seen), key=order_of)
    _, drafts = derived(timeline, terms, END_US)
    found = as_of(timeline, at_us, terms=terms)
    broken = any(draft.type is FactType.SLA_BREACHED and draft.at_us < at_us for draft in drafts)
    is_past = found is not None and found.past_sla
    if at_us < timeline[0].time_us:  # nothing was met or given up before anything was shown
        assert broken == is_past
    assert broken or not is_past


def test_a_promise_was_broken_before_anybody_recorded_the_ticket() -> None:
    timeline = [mark_of(seen(hours=9, created_hours=0, priority=Priority.P1))]
    policy = Policy("p", {"first_response": Promise({"p1": 2 * HOUR_US}, (Stage(0.5),))}, label="p@1")
    terms = Terms(policies=(PolicyVersion((policy,)),))
    found = [as_of(timeline, at_us, terms=terms) for at_us in (at(1) - 1, at(1), at(2), at(2) + 1, at(9))]
    assert [(False, False), (True, False), (True, False), (False, True), (False, True)] == [
        (one.at_risk, one.past_sla) for one in found if one is not None
    ]


def test_a_ticket_reported_at_nine_and_recorded_at_seven_past_was_open_at_five_past() -> None:
    timeline = [mark_of(seen(hours=7 / 60, created_hours=0, status=Status.IN_PROGRESS))]
    found = as_of(timeline, at(5 / 60))
    assert found is not None
    assert ("new", at(0), "desk") == (found.status, found.created_us, found.source)
    assert as_of(timeline, at(0) - 1) is None
    assert as_of([], at(0)) is None
