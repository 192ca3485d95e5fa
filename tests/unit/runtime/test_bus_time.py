"""When the wall clock may drive timers."""

from __future__ import annotations

from shared.runtime.bus_time import APART_US_MAX, SAMPLE_GOOD_US, BusTime, Trust

NOON_US = 1_700_000_000_000_000


def heard(bus_us: int, wall_us: int) -> BusTime:
    time = BusTime()
    time.acknowledged(bus_us, wall_us)
    return time


def test_without_an_append_time_nothing_is_known() -> None:
    assert Trust.UNHEARD is BusTime().trust(NOON_US)
    assert Trust.UNHEARD is heard(None, NOON_US).trust(NOON_US)  # type: ignore[arg-type]


def test_a_clock_within_five_minutes_is_trusted_and_one_beyond_is_held() -> None:
    for sign in (1, -1):
        near, far = NOON_US + sign * APART_US_MAX, NOON_US + sign * (APART_US_MAX + 1)
        assert Trust.TRUSTED is heard(NOON_US, near).trust(near)
        assert Trust.HELD is heard(NOON_US, far).trust(far)


def test_a_sample_is_no_longer_good_after_a_minute_or_a_jump() -> None:
    time = heard(NOON_US, NOON_US)
    assert Trust.TRUSTED is time.trust(NOON_US + SAMPLE_GOOD_US)
    assert Trust.UNHEARD is time.trust(NOON_US + SAMPLE_GOOD_US + 1)
    assert Trust.UNHEARD is time.trust(NOON_US - 1)


def test_an_append_time_heard_before_is_no_new_sample() -> None:
    time = heard(NOON_US, NOON_US)
    time.acknowledged(NOON_US, NOON_US + 10 * APART_US_MAX)
    assert Trust.UNHEARD is time.trust(NOON_US + 10 * APART_US_MAX)


def test_a_record_of_the_future_shows_that_the_wall_clock_is_behind_until_it_is_not() -> None:
    time = BusTime()
    time.read(NOON_US + APART_US_MAX + 1)
    time.read(NOON_US)
    assert Trust.HELD is time.trust(NOON_US)
    assert Trust.UNHEARD is time.trust(NOON_US + 1)
