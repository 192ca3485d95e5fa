"""Is each instant counted by the hours in force at it?"""

from __future__ import annotations

from typing import Any

import pytest

from shared.calendars.compiled import Calendar
from shared.calendars.definition import CalendarInvalid
from shared.calendars.hours import ALWAYS, NoOpening, Opening
from shared.calendars.versions import HoursVersions, published_hours
from tests.unit.calendars.calendars import HOUR_US, OFFICE, WEEKDAYS, calendar, us

SHORT = {day: [["09:00", "12:00"]] for day in WEEKDAYS}
THURSDAY_US = us("2026-03-26")
CHANGED = HoursVersions([(us("2026-01-01"), calendar(OFFICE)), (THURSDAY_US, calendar(SHORT))])


def test_time_before_and_after_a_change_counts_by_its_own_version() -> None:
    assert (8 + 3) * HOUR_US == CHANGED.elapsed(us("2026-03-25"), us("2026-03-27"))
    assert -(8 + 3) * HOUR_US == CHANGED.elapsed(us("2026-03-27"), us("2026-03-25"))


def test_a_deadline_behind_a_change_moves_with_it() -> None:
    assert us("2026-03-26T11:00") == CHANGED.add(us("2026-03-25T16:00"), 3 * HOUR_US)
    assert us("2026-03-25T16:00") == CHANGED.add(us("2026-03-26T11:00"), -3 * HOUR_US)


def test_the_first_version_counts_from_the_beginning_of_time() -> None:
    assert 8 * HOUR_US == CHANGED.elapsed(us("1999-12-31"), us("2000-01-01"))


def test_time_used_up_at_the_last_closing_of_a_version_is_due_then() -> None:
    assert us("2026-03-25T17:00") == CHANGED.add(us("2026-03-25T16:00"), HOUR_US)


def test_backward_exactly_at_the_first_opening_of_a_version_gives_that_opening() -> None:
    late = HoursVersions([(0, calendar(OFFICE)), (THURSDAY_US, calendar({"thu": [["11:00", "12:00"]]}))])
    assert us("2026-03-26T11:00") == late.add(us("2026-03-26T11:30"), -HOUR_US // 2)


def test_a_change_inside_an_opening_leaves_no_gap() -> None:
    noon_us = us("2026-03-27T10:00")
    inside = HoursVersions([(0, calendar(OFFICE)), (noon_us, calendar(SHORT))])
    assert [Opening(us("2026-03-27T09:00"), us("2026-03-27T12:00"))] == inside.openings(
        us("2026-03-27"), us("2026-03-28")
    )


def test_the_next_opening_is_sought_in_the_versions_after_a_closed_one() -> None:
    closed = HoursVersions(
        [(0, calendar({})), (us("2026-03-27T12:00"), calendar({})), (us("2026-04-01T03:00"), ALWAYS)]
    )
    assert us("2026-04-01T03:00") == closed.add(us("2026-03-01"), 0)
    assert us("2026-04-01T04:00") == closed.add(us("2026-03-01"), HOUR_US)


def test_an_opening_of_a_version_that_is_no_longer_in_force_is_none() -> None:
    late = HoursVersions(
        [
            (0, calendar({"fri": [["09:00", "17:00"]]})),
            (us("2026-03-27"), calendar({"mon": [["09:00", "17:00"]]})),
        ]
    )
    assert us("2026-03-30T09:00") == late.add(us("2026-03-26"), 0)


def test_there_is_no_due_time_if_the_last_version_never_opens() -> None:
    ended = HoursVersions([(0, calendar(OFFICE)), (THURSDAY_US, calendar({}))])
    assert us("2026-03-25T17:00") == ended.add(us("2026-03-25"), 8 * HOUR_US)
    for amount_us in (8 * HOUR_US + 1, 100 * HOUR_US):
        with pytest.raises(NoOpening):
            ended.add(us("2026-03-25"), amount_us)
    with pytest.raises(NoOpening):
        ended.add(THURSDAY_US, 0)


def document(**more: Any) -> dict[str, Any]:
    return {"timezone": "UTC", "weekly": OFFICE, "holidays": [], "overrides": {}, "retroactive": None, **more}


def test_one_published_version_is_a_calendar_itself() -> None:
    assert isinstance(published_hours([document(effective_from=None)]), Calendar)


def test_published_versions_count_from_their_instants() -> None:
    hours = published_hours(
        [
            document(effective_from=None),
            document(effective_from="2026-03-26T01:00:00+01:00", weekly=SHORT, retroactive="strike"),
        ]
    )
    assert CHANGED.elapsed(us("2026-03-25"), us("2026-03-27")) == hours.elapsed(
        us("2026-03-25"), us("2026-03-27")
    )


def test_a_published_version_that_is_no_calendar_is_refused() -> None:
    with pytest.raises(CalendarInvalid, match="timezone"):
        published_hours([document(timezone="Mars")])
