"""Is there an answer, and a quick one, where there is no opening or where it lies beyond all years?"""

from __future__ import annotations

import pytest

from shared.calendars.hours import NoOpening, Opening
from tests.unit.calendars.calendars import HOUR_US, OFFICE, calendar, us

YEAR_US = 366 * 24 * HOUR_US
NOW_US = us("2026-03-27T12:00")
ONCE = {"2027-01-01": [["09:00", "10:00"]]}


@pytest.mark.parametrize("amount_us", [0, 1, -1])
def test_a_calendar_that_never_opens_has_no_due_time_and_no_open_time(amount_us: int) -> None:
    closed = calendar({})
    with pytest.raises(NoOpening, match="never opens"):
        closed.add(NOW_US, amount_us)
    assert 0 == closed.elapsed(NOW_US, NOW_US + 100 * YEAR_US)
    assert [] == closed.openings(NOW_US, NOW_US + YEAR_US)


def test_a_calendar_that_opens_once_has_answers_up_to_it_and_none_behind() -> None:
    once = calendar({}, overrides=ONCE)
    assert us("2027-01-01T09:00") == once.add(NOW_US, 0)
    assert us("2027-01-01T10:00") == once.add(NOW_US, HOUR_US)
    assert us("2027-01-01T09:00") == once.add(us("2100-01-01"), -HOUR_US)
    for start_us, amount_us in ((NOW_US, HOUR_US + 1), (us("2027-01-01T10:00"), 0), (NOW_US, -1)):
        with pytest.raises(NoOpening):
            once.add(start_us, amount_us)


@pytest.mark.parametrize("amount_us", [10**18, -(10**18), 10**30, -(10**30)])
def test_what_cannot_be_within_the_horizon_is_refused(amount_us: int) -> None:
    with pytest.raises(NoOpening, match="not so much open time"):
        calendar(OFFICE).add(NOW_US, amount_us)


@pytest.mark.parametrize(
    "at_us", [us("0001-01-01"), us("1919-12-31"), us("2250-01-01"), us("9999-12-31"), 10**30]
)
def test_instants_beyond_the_horizon_have_no_answer(at_us: int) -> None:
    office = calendar(OFFICE)
    for ask in (
        office.is_open,
        office.next_opening,
        lambda at: office.add(at, 1),
        lambda at: office.elapsed(NOW_US, at),
    ):
        with pytest.raises(NoOpening):
            ask(at_us)


def test_the_first_and_last_instants_of_tickets_are_within_the_horizon() -> None:
    office = calendar(OFFICE)
    assert us("1970-01-01T17:00") == office.add(us("1970-01-01"), 8 * HOUR_US)
    assert us("1969-12-31T16:00") == office.add(us("1970-01-01"), -HOUR_US)
    assert us("2200-01-01T10:00") == office.add(us("2199-12-31T23:59:59.999999"), HOUR_US)


def test_decades_are_counted_as_exactly_as_days() -> None:
    office = calendar(OFFICE)
    assert 52 * 40 * HOUR_US == office.elapsed(us("2026-03-30"), us("2027-03-29"))
    weeks = (us("2199-12-30") - us("1970-01-01")) // (7 * 24 * HOUR_US)
    assert weeks * 40 * HOUR_US == office.elapsed(
        us("1970-01-01"), us("1970-01-01") + weeks * 7 * 24 * HOUR_US
    )


def test_an_empty_span_has_no_openings() -> None:
    assert [] == calendar(OFFICE).openings(NOW_US, NOW_US)
    assert [] == calendar(OFFICE).openings(NOW_US, NOW_US - HOUR_US)
    assert [Opening(NOW_US, NOW_US + 1)] == calendar(OFFICE).openings(NOW_US, NOW_US + 1)
