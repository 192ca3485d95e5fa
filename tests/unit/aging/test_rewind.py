"""Taking back what time brought about: the same flags as the fold of the timeline up to the instant."""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st

from services.aging.core.attention import BOUNCING, flags_of
from services.aging.core.fold import derive
from services.aging.core.mark import mark_of, order_of
from services.aging.core.rewind import flags_then
from services.aging.core.terms import Terms
from shared.contracts.tickets import Observation
from tests.unit.aging.observations import END_US, HOUR_US, TERMS, at, observations

TIMELINES = st.lists(observations(("desk:1",), merges=False, runs=False), min_size=1, max_size=6)


@given(TIMELINES, TERMS, st.integers(0, 40 * 24), st.sampled_from([-1, 0, 0, 1]))
def test_what_stood_then_is_what_the_timeline_gives_up_to_then(
    observed: list[Observation], terms: Terms, hours: int, nudge_us: int
) -> None:
    marks = sorted(map(mark_of, observed), key=order_of)
    at_us = max(at(hours / 2) + nudge_us, marks[-1].time_us)
    now, _ = derive(marks, b"", terms=terms, until_us=END_US)
    then, _ = derive(marks, b"", terms=terms, until_us=at_us)
    if now.open and now.created_us <= at_us:
        found = flags_then(now, terms, at_us)
        event(f"found={found is not None}")
        assert found in {None, flags_of(then)}


@given(TIMELINES, TERMS)
def test_only_edges_and_changed_terms_want_the_timeline(observed: list[Observation], terms: Terms) -> None:
    marks = sorted(map(mark_of, observed), key=order_of)
    now, _ = derive(marks, b"", terms=terms, until_us=END_US)
    deadlines = {clock.deadline_us for clock in now.clocks}
    at_us = max(marks[-1].time_us, at(300)) + HOUR_US // 7
    is_plain = not now.signals & BOUNCING and not any(0 < clock.used_us for clock in now.clocks)
    if now.open and at_us not in deadlines and is_plain:
        assert flags_then(now, terms, at_us) is not None
