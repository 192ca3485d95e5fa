"""Age edges: exact instants, half-open on the older side, by the version that was in force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.age import AgePolicy, AgeVersion, Crossing, bucket_names, edge_name
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
    policy = AgePolicy((AgeVersion(),)).with_version(
        AgeVersion(effective_us=30 * HOUR_US, edges_seconds=(3_600, 40 * 3_600), bucket_edges_seconds=())
    )
    assert [Crossing(24 * HOUR_US, 86_400), Crossing(40 * HOUR_US, 144_000)] == policy.crossings(
        0, 0, first_us=0, before_us=100 * DAY_US
    )
    assert [24 * HOUR_US, 40 * HOUR_US, None] == [
        policy.next_us(0, 0, after_us=after) for after in (0, 24 * HOUR_US, 40 * HOUR_US)
    ]
    assert [0, 0, 30 * HOUR_US] == [policy.at(us).effective_us for us in (0, 30 * HOUR_US - 1, 30 * HOUR_US)]


def test_a_version_replaces_those_that_would_begin_later_or_with_it() -> None:
    policy = AgePolicy().with_version(AgeVersion(effective_us=10)).with_version(AgeVersion(effective_us=20))
    assert [0, 10, 15] == [
        one.effective_us for one in policy.with_version(AgeVersion(effective_us=15)).versions
    ]
    assert [0, 10] == [one.effective_us for one in policy.with_version(AgeVersion(effective_us=10)).versions]
    assert (HOURLY,) == AgePolicy().with_version(HOURLY).versions


def test_age_counts_from_the_episode_where_that_is_asked_for() -> None:
    version = AgeVersion(from_episode=True)
    assert (7, 3) == (version.start_us(3, 7), AgeVersion().start_us(3, 7))
    assert not AgePolicy().episode_may_cross(0, 10**18)
    assert [False, True] == [
        AgePolicy((version,)).episode_may_cross(5, us) for us in (DAY_US + 4, DAY_US + 5)
    ]


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


def test_buckets_are_named_by_their_edges() -> None:
    assert ("0-24h", "24-72h", "72h+") == bucket_names((86_400, 259_200))
    assert ("0-24h", "24-72h", "72h-7d", "7-30d", "30d+") == bucket_names(
        (86_400, 259_200, 604_800, 2_592_000)
    )
    assert ("all",) == bucket_names(())
    assert ["45s", "90m", "1h", "72h", "4d"] == [edge_name(s) for s in (45, 5_400, 3_600, 259_200, 345_600)]
