"""Age edges: exact instants, half-open on the older side, by the version that was in force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.age import AgePolicy, AgeVersion, Crossing
from shared.contracts.instants import SECOND_US
from tests.unit.aging.observations import DAY_US, HOUR_US, START_US, TERMS, at

HOURLY = AgeVersion(edges_seconds=(3_600, 7_200), bucket_edges_seconds=(3_600,))


def test_an_edge_belongs_to_the_older_side() -> None:
    assert [0, 1, 1, 2] == [
        AgeVersion().passed(0, at_us) for at_us in (DAY_US - 1, DAY_US, 2 * DAY_US - 1, 2 * DAY_US)
    ]


def test_the_default_edges_are_a_day_two_three_seven_and_thirty() -> None:
    found = AgePolicy().crossings(0, 0, first_us=0, before_us=100 * DAY_US)
    assert [Crossing(days * DAY_US, days * 86_400) for days in (1, 2, 3, 7, 30)] == found


def test_crossings_are_those_in_the_half_open_span() -> None:
    policy = AgePolicy((HOURLY,))
    assert [] == policy.crossings(0, 0, first_us=HOUR_US + 1, before_us=2 * HOUR_US)
    assert [Crossing(HOUR_US, 3_600)] == policy.crossings(0, 0, first_us=HOUR_US, before_us=2 * HOUR_US)


def test_each_version_counts_for_the_instants_it_was_in_force() -> None:
    later = AgeVersion(effective_us=30 * HOUR_US, edges_seconds=(3_600, 40 * 3_600), bucket_edges_seconds=())
    policy = AgePolicy((AgeVersion(), later))
    assert [Crossing(24 * HOUR_US, 86_400), Crossing(40 * HOUR_US, 144_000)] == policy.crossings(
        0, 0, first_us=0, before_us=100 * DAY_US
    )
    assert [24 * HOUR_US, 40 * HOUR_US, None] == [
        policy.next_us(0, 0, after_us=after) for after in (0, 24 * HOUR_US, 40 * HOUR_US)
    ]
    assert [0, 0, 30 * HOUR_US] == [policy.at(us).effective_us for us in (0, 30 * HOUR_US - 1, 30 * HOUR_US)]


def test_age_counts_from_the_episode_where_that_is_asked_for() -> None:
    version = AgeVersion(from_episode=True)
    assert (7, 3) == (version.start_us(3, 7), AgeVersion().start_us(3, 7))


@given(
    TERMS.map(lambda terms: terms.age),
    st.integers(-10, 10),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(0, 200),
)
def test_the_next_crossing_is_the_first_of_the_crossings(
    policy: AgePolicy, created: int, episode: int, after: int, span: int
) -> None:
    created_us, episode_us, after_us = at(created), at(created) + episode * HOUR_US, at(after) - 1
    found = policy.crossings(created_us, episode_us, first_us=after_us + 1, before_us=after_us + 300 * DAY_US)
    assert found == sorted(found)
    assert min((one.at_us for one in found), default=None) == policy.next_us(
        created_us, episode_us, after_us=after_us
    )
    middle_us = after_us + span * HOUR_US
    halves = [
        *policy.crossings(created_us, episode_us, first_us=after_us + 1, before_us=middle_us + 1),
        *policy.crossings(created_us, episode_us, first_us=middle_us + 1, before_us=after_us + 300 * DAY_US),
    ]
    assert found == halves, "a span may be cut anywhere"


@given(st.integers(0, 10**7))
def test_passed_counts_the_crossings_up_to_the_instant(age_s: int) -> None:
    at_us = START_US + age_s * SECOND_US
    crossings = AgePolicy().crossings(START_US, START_US, first_us=START_US, before_us=at_us + 1)
    assert len(crossings) == AgeVersion().passed(START_US, at_us)


def test_edges_must_ascend_and_buckets_must_be_edges() -> None:
    for edges, buckets in (((2, 1), ()), ((1, 1), ()), ((0, 1), ()), ((1,), (2,))):
        with pytest.raises(AssertionError):
            AgeVersion(edges_seconds=edges, bucket_edges_seconds=buckets)
