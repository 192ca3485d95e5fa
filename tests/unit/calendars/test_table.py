"""The questions on which calendars differ, and those on which they agree, each as an example with its answer.

Dates: 2026-03-27 is a Friday; Europe/Berlin goes from 02:00 to 03:00 on 2026-03-29 and from 03:00 back to 02:00 on
2026-10-25, both Sundays.
"""

from __future__ import annotations

import pytest

from shared.calendars.hours import ALWAYS, Opening
from tests.unit.calendars.calendars import ALL_DAY, HOUR_US, OFFICE, SECOND_US, calendar, us

BERLIN = "Europe/Berlin"
NIGHTS = {day: [["22:00", "06:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


def test_time_used_up_exactly_at_closing_is_due_at_that_closing() -> None:
    assert us("2026-03-27T17:00") == calendar(OFFICE).add(us("2026-03-27T16:00"), HOUR_US)


def test_a_microsecond_more_is_due_just_behind_the_next_opening() -> None:
    assert us("2026-03-30T09:00") + 1 == calendar(OFFICE).add(us("2026-03-27T16:00"), HOUR_US + 1)


def test_backward_exactly_at_opening_gives_that_opening() -> None:
    assert us("2026-03-30T09:00") == calendar(OFFICE).add(us("2026-03-30T10:00"), -HOUR_US)


def test_backward_from_outside_hours_counts_from_the_closing_before() -> None:
    assert us("2026-03-27T16:00") == calendar(OFFICE).add(us("2026-03-29T12:00"), -HOUR_US)


def test_the_opening_instant_is_open_and_the_closing_instant_is_not() -> None:
    office = calendar(OFFICE)
    expected = [False, True, True, False]
    instants = (
        us("2026-03-27T09:00") - 1,
        us("2026-03-27T09:00"),
        us("2026-03-27T17:00") - 1,
        us("2026-03-27T17:00"),
    )
    assert expected == [office.is_open(at_us) for at_us in instants]


@pytest.mark.parametrize("start", ["2026-03-27T17:00", "2026-03-28T12:00", "2026-03-30T08:59:59"])
def test_nothing_added_outside_hours_gives_the_next_opening(start: str) -> None:
    office = calendar(OFFICE)
    assert us("2026-03-30T09:00") == office.add(us(start), 0) == office.next_opening(us(start))


def test_nothing_added_inside_hours_gives_the_instant_itself() -> None:
    assert us("2026-03-27T12:34:56") == calendar(OFFICE).add(us("2026-03-27T12:34:56"), 0)


def test_an_end_before_the_start_is_negative() -> None:
    assert -HOUR_US == calendar(OFFICE).elapsed(us("2026-03-30T09:30"), us("2026-03-27T16:30"))


@pytest.mark.parametrize(
    ("zone", "date", "next_date", "hours"),
    [
        (BERLIN, "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", 23),
        (BERLIN, "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", 25),
        ("Australia/Lord_Howe", "2026-04-05T00:00+11:00", "2026-04-06T00:00+10:30", 24.5),
        ("Australia/Lord_Howe", "2026-10-04T00:00+10:30", "2026-10-05T00:00+11:00", 23.5),
        ("Asia/Beirut", "2026-03-29T01:00+03:00", "2026-03-30T00:00+03:00", 23),
        ("America/Havana", "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00", 25),
    ],
)  # fmt: skip
def test_a_day_open_from_midnight_to_midnight_is_as_long_as_it_is(
    zone: str, date: str, next_date: str, hours: float
) -> None:
    assert hours * HOUR_US == calendar(ALL_DAY, zone).elapsed(us(date), us(next_date))
    assert us(next_date) == calendar({"sun": [["00:00", "24:00"]]}, zone).add(us(date), int(hours * HOUR_US))


def test_a_window_over_midnight_belongs_to_the_day_it_starts_on() -> None:
    friday_night = calendar({"fri": [["22:00", "06:00"]]})
    expected = [Opening(us("2026-03-27T22:00"), us("2026-03-28T06:00"))]
    assert expected == friday_night.openings(us("2026-03-23T00:00"), us("2026-03-30T00:00"))


@pytest.mark.parametrize(
    ("date", "until", "hours"),
    [
        ("2026-03-28T22:00+01:00", "2026-03-29T06:00+02:00", 7),
        ("2026-10-24T22:00+02:00", "2026-10-25T06:00+01:00", 9),
    ],
)
def test_a_night_shift_over_a_clock_change_is_as_long_as_it_is(date: str, until: str, hours: int) -> None:
    nights = calendar(NIGHTS, BERLIN)
    assert hours * HOUR_US == nights.elapsed(us(date), us(until))
    assert us(until) == nights.add(us(date), hours * HOUR_US)


def test_a_night_shift_runs_into_a_holiday_and_none_starts_on_it() -> None:
    nights = calendar(NIGHTS, holidays=["2026-12-25"])
    expected = [
        Opening(us("2026-12-24T22:00"), us("2026-12-25T06:00")),
        Opening(us("2026-12-26T22:00"), us("2026-12-27T06:00")),
    ]
    assert expected == nights.openings(us("2026-12-24T12:00"), us("2026-12-27T12:00"))


def test_an_opening_inside_the_skipped_hour_comes_an_hour_later() -> None:
    early = calendar({"sun": [["02:30", "05:00"]]}, BERLIN)
    assert us("2026-03-29T03:30+02:00") == early.next_opening(us("2026-03-29T00:00+01:00"))


def test_a_closing_inside_the_skipped_hour_comes_an_hour_later() -> None:
    night = calendar({"sun": [["00:00", "02:30"]]}, BERLIN)
    assert us("2026-03-29T03:30+02:00") == night.add(us("2026-03-29T00:00+01:00"), 150 * 60 * SECOND_US)


def test_windows_that_meet_only_because_an_hour_was_skipped_count_once() -> None:
    split = calendar({"sun": [["02:15", "02:45"], ["03:00", "04:00"]]}, BERLIN)
    expected = [Opening(us("2026-03-29T03:00+02:00"), us("2026-03-29T04:00+02:00"))]
    assert expected == split.openings(us("2026-03-29T00:00+01:00"), us("2026-03-30T00:00+02:00"))


def test_a_window_that_ends_before_it_starts_because_an_hour_was_skipped_is_none() -> None:
    odd = calendar({"sun": [["02:30", "03:15"]]}, BERLIN)
    assert [] == odd.openings(us("2026-03-29T00:00+01:00"), us("2026-03-30T00:00+02:00"))


def test_a_time_that_happens_twice_is_its_first_occurrence() -> None:
    twice = calendar({"sun": [["02:30", "04:00"]]}, BERLIN)
    expected = [Opening(us("2026-10-25T02:30+02:00"), us("2026-10-25T04:00+01:00"))]
    assert expected == twice.openings(us("2026-10-25T00:00+02:00"), us("2026-10-26T00:00+01:00"))


def test_a_closing_at_a_time_that_happens_twice_is_the_first_occurrence() -> None:
    until = calendar({"sun": [["01:00", "02:30"]]}, BERLIN)
    assert us("2026-10-25T02:30+02:00") == until.add(us("2026-10-25T01:00+02:00"), 90 * 60 * SECOND_US)


def test_a_date_that_a_zone_never_had_has_no_windows() -> None:
    """Samoa went from Thursday the 29th to Saturday the 31st."""
    samoa = calendar({**OFFICE, "sat": [["10:00", "12:00"]]}, "Pacific/Apia")
    expected = [
        Opening(us("2011-12-29T09:00-10:00"), us("2011-12-29T17:00-10:00")),
        Opening(us("2011-12-31T10:00+14:00"), us("2011-12-31T12:00+14:00")),
    ]
    assert expected == samoa.openings(us("2011-12-29T00:00-10:00"), us("2012-01-01T00:00+14:00"))


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("at", ["2026-12-31T23:30", "2027-01-01T00:30", "2027-01-01T05:59"])
def test_a_night_shift_over_new_year_is_open_whenever_it_is_asked_for_first(zone: str, at: str) -> None:
    offset = {"UTC": "+00:00", "Pacific/Kiritimati": "+14:00", "Etc/GMT+12": "-12:00"}[zone]
    assert calendar({"thu": [["22:00", "06:00"]]}, zone).is_open(us(f"{at}{offset}"))


def test_an_override_replaces_the_hours_of_one_date() -> None:
    early = calendar(
        OFFICE, overrides={"2026-12-24": [["09:00", "12:00"]], "2026-12-26": [["10:00", "11:00"]]}
    )
    expected = [
        Opening(us("2026-12-24T09:00"), us("2026-12-24T12:00")),
        Opening(us("2026-12-25T09:00"), us("2026-12-25T17:00")),
        Opening(us("2026-12-26T10:00"), us("2026-12-26T11:00")),
    ]
    assert expected == early.openings(us("2026-12-24T00:00"), us("2026-12-27T00:00"))


def test_an_override_without_windows_closes_the_date() -> None:
    closed = calendar(OFFICE, overrides={"2026-03-27": []})
    assert us("2026-03-30T10:00") == closed.add(us("2026-03-27T09:00"), HOUR_US)


def test_an_override_wins_over_a_holiday_of_the_same_date() -> None:
    both = calendar(OFFICE, holidays=["2026-03-27"], overrides={"2026-03-27": [["10:00", "11:00"]]})
    assert HOUR_US == both.elapsed(us("2026-03-27T00:00"), us("2026-03-28T00:00"))


def test_the_tail_of_the_day_before_and_an_override_that_meets_it_count_once() -> None:
    met = calendar(NIGHTS, overrides={"2026-03-27": [["05:00", "12:00"]]})
    assert 12 * HOUR_US == met.elapsed(us("2026-03-27T00:00"), us("2026-03-28T00:00"))


def test_only_the_instant_counts_whatever_its_offset() -> None:
    office = calendar(OFFICE, BERLIN)
    dues = {office.add(us(start), HOUR_US) for start in ("2026-03-27T09:30+01:00", "2026-03-27T17:30+09:00")}
    assert {us("2026-03-27T10:30+01:00")} == dues


@pytest.mark.parametrize(
    ("start", "amount_minutes", "due"),
    [
        ("2026-03-27T16:30", 60, "2026-03-30T09:30"),
        ("2026-03-27T20:00", 60, "2026-03-30T10:00"),
        ("2026-03-27T08:00", 8 * 60, "2026-03-27T17:00"),
        ("2026-03-27T16:59:59", 1, "2026-03-30T09:00:59"),
    ],
)
def test_time_outside_hours_does_not_count(start: str, amount_minutes: int, due: str) -> None:
    assert us(due) == calendar(OFFICE).add(us(start), amount_minutes * 60 * SECOND_US)


def test_the_break_between_two_windows_does_not_count() -> None:
    lunch = calendar({"fri": [["09:00", "12:30"], ["13:15", "17:00"]]})
    assert us("2026-03-27T14:15") == lunch.add(us("2026-03-27T11:30"), 2 * HOUR_US)


def test_a_holiday_closes_a_date_of_the_calendars_zone_not_of_utc() -> None:
    auckland = calendar(OFFICE, "Pacific/Auckland", holidays=["2026-03-27"])
    assert 0 == auckland.elapsed(us("2026-03-27T00:00+13:00"), us("2026-03-28T00:00+13:00"))
    assert 8 * HOUR_US == auckland.elapsed(us("2026-03-26T00:00+13:00"), us("2026-03-27T00:00+13:00"))


def test_seconds_and_their_parts_are_kept() -> None:
    assert us("2026-03-27T10:00:07.000001") == calendar(OFFICE).add(us("2026-03-27T09:59:58.5"), 8_500_001)


def test_a_day_until_24_loses_no_minute_and_touches_the_next() -> None:
    touching = calendar({"mon": [["09:00", "24:00"]], "tue": [["00:00", "24:00"]]})
    expected = [Opening(us("2026-03-23T09:00"), us("2026-03-25T00:00"))]
    assert expected == touching.openings(us("2026-03-23T00:00"), us("2026-03-30T00:00"))


def test_openings_that_meet_at_new_year_are_one_whichever_year_was_asked_first() -> None:
    expected = [Opening(us("2026-12-20T00:00"), us("2027-01-20T00:00"))]
    for first in ("2026-06-01T00:00", "2027-06-01T00:00"):
        always = calendar(ALL_DAY)
        assert always.is_open(us(first))
        assert expected == always.openings(*expected[0])


def test_a_pause_takes_out_the_open_time_inside_it() -> None:
    office = calendar(OFFICE)
    paused_us = office.elapsed(us("2026-03-27T16:00"), us("2026-03-30T09:30"))
    assert us("2026-03-30T10:30") == office.add(us("2026-03-27T15:00"), 2 * HOUR_US + paused_us)


def test_a_pause_outside_hours_moves_nothing() -> None:
    assert 0 == calendar(OFFICE).elapsed(us("2026-03-27T17:00"), us("2026-03-30T09:00"))


def test_a_warning_is_counted_back_in_open_time() -> None:
    assert us("2026-03-27T16:30") == calendar(OFFICE).add(us("2026-03-30T09:30"), -HOUR_US)


def test_24x7_counts_every_second() -> None:
    assert us("2026-03-29T00:00+01:00") + 24 * HOUR_US == ALWAYS.add(
        us("2026-03-29T00:00+01:00"), 24 * HOUR_US
    )
