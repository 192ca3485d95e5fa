"""The laws of open time for long, and every zone at every change of its clock."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings

from tests.unit.calendars import oracle
from tests.unit.calendars.calendars import (
    ALL_DAY,
    HOUR_US,
    MICROSECOND,
    SECOND_US,
    ZONES,
    Question,
    calendar,
    changes,
    from_us,
    questions,
    to_us,
    us,
)
from tests.unit.calendars.laws import AMOUNTS_US, LAWS, Law

pytestmark = pytest.mark.slow

YEARS = (1975, 1993, 1994, 2011, 2026, 2198)
"""Kwajalein left out a date in 1993, Kiritimati in 1994, Apia in 2011; from 2038 on zones follow their last rule."""

_EDGY = [["22:45", "00:15"], ["00:30", "01:15"], ["01:45", "02:30"], ["02:45", "05:00"]]
BESIDE = {"weekly": dict.fromkeys(oracle.DAYS, _EDGY), "holidays": [], "overrides": {}}
"""Windows whose ends lie in the hours at which clocks are changed."""


@pytest.mark.slow
@pytest.mark.parametrize("versions", [1, 3])
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_it_holds_for_any_hours_that(law: Law, versions: int) -> None:
    @given(questions(versions=versions), AMOUNTS_US, AMOUNTS_US)
    @settings(max_examples=120)
    def holds(asked: Question, one_us: int, other_us: int) -> None:
        law(asked, one_us, other_us)

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("quarter", range(4))
def test_in_every_zone_a_calendar_open_all_day_counts_every_second(quarter: int) -> None:
    instants = [us(f"{year}-01-01") for year in range(1970, 2040, 3)] + [us("2199-12-31T12:00")]
    for zone in ZONES[quarter::4]:
        always = calendar(ALL_DAY, zone)
        for start_us, end_us in pairwise(instants):
            assert end_us - start_us == always.elapsed(start_us, end_us), zone
        assert [(instants[0], instants[-1])] == always.openings(instants[0], instants[-1])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("year", YEARS)
def test_at_every_change_of_every_zone_elapsed_is_that_of_a_slow_reference(year: int) -> None:
    for zone in ZONES:
        for change in changes(zone, year):
            start, end = change - timedelta(hours=30), change + timedelta(hours=30)
            document = {"timezone": zone, **BESIDE}
            expected = [oracle.elapsed(document, start, at) // MICROSECOND for at in (change, end)]
            hours = Question(((0, document),), 0, 0).hours()
            assert expected == [hours.elapsed(to_us(start), to_us(at)) for at in (change, end)], (
                zone,
                change,
            )
            for amount_us in range(0, expected[1] + 1, HOUR_US // 4):
                assert amount_us == hours.elapsed(to_us(start), hours.add(to_us(start), amount_us)), (
                    zone,
                    change,
                )


@pytest.mark.parametrize("change", ["2026-03-29T01:00", "2026-10-25T01:00"])
def test_second_by_second_over_a_change_there_is_the_same_open_time(change: str) -> None:
    document = {"timezone": "Europe/Berlin", **BESIDE}
    start = from_us(us(change)) - timedelta(hours=4)
    hours = Question(((0, document),), 0, 0).hours()
    for end in (start + timedelta(hours=4, seconds=1), start + timedelta(hours=6, minutes=1, seconds=7)):
        expected_us = oracle.by_seconds(document, start, end) * SECOND_US
        assert expected_us == hours.elapsed(to_us(start), to_us(end))
