"""What a ticket truly was at an instant."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.fold import derive
from services.aging.core.mark import mark_of, order_of
from services.aging.core.terms import Terms
from services.aging.core.timeline import as_of
from shared.contracts.tickets import Observation, Status
from tests.unit.aging.observations import END_US, TERMS, at, observations, seen
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
    assert bare(expected) == bare(found)
    # The facts of the whole timeline tell the same story: who entered and left by then is in the stock.
    assert found.open == (sum(draft.flow for draft in drafts if draft.at_us <= at_us) == 1)
    assert whole.created_us == found.created_us


def test_a_ticket_reported_at_nine_and_recorded_at_seven_past_was_open_at_five_past() -> None:
    timeline = [mark_of(seen(hours=7 / 60, created_hours=0, status=Status.IN_PROGRESS))]
    found = as_of(timeline, at(5 / 60))
    assert found is not None
    assert ("new", at(0), "desk") == (found.status, found.created_us, found.source)
    assert as_of(timeline, at(0) - 1) is None
    assert as_of([], at(0)) is None
