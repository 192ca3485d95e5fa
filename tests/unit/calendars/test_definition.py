"""Is everything that a calendar can say wrongly told with its place and mend, and nothing else refused?"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from shared.calendars.compiled import compiled
from shared.calendars.definition import DATES_MAX, CalendarInvalid, definition_from
from shared.calendars.windows import WINDOWS_OF_A_DAY_MAX, WindowInvalid, parse_window, window_text

GOOD: dict[str, Any] = {
    "timezone": "Europe/Berlin",
    "weekly": {"mon": [["13:00", "17:00"], ["09:00", "12:30"]], "fri": [["22:00", "06:00"]]},
    "holidays": ["2026-12-25"],
    "overrides": {"2026-12-24": [["09:00", "12:00"]], "2026-12-23": []},
}


def flaws(document: object) -> list[str]:
    with pytest.raises(CalendarInvalid) as refused:
        definition_from(document)
    return [str(flaw) for flaw in refused.value.flaws]


def test_a_calendar_is_read_whole_and_in_order() -> None:
    definition = definition_from(GOOD)
    assert "Europe/Berlin" == definition.timezone
    assert ((32_400, 45_000), (46_800, 61_200)) == definition.weekly[0]
    assert ((79_200, 108_000),) == definition.weekly[4]
    assert frozenset({date(2026, 12, 25)}) == definition.holidays
    assert ((date(2026, 12, 23), ()), (date(2026, 12, 24), ((32_400, 43_200),))) == definition.overrides


def test_equal_calendars_share_one_that_is_compiled() -> None:
    other = {
        **GOOD,
        "weekly": {"fri": [["22:00", "06:00"]], "mon": [["09:00", "12:30"], ["13:00:00", "17:00"]]},
    }
    assert compiled(definition_from(GOOD)) is compiled(definition_from(other))


@pytest.mark.parametrize(
    ("start", "end", "window"),
    [
        ("09:00", "17:00", (32_400, 61_200)),
        ("00:00", "24:00", (0, 86_400)),
        ("22:00", "06:00", (79_200, 108_000)),
        ("22:00", "24:00", (79_200, 86_400)),
        ("22:00", "00:00", (79_200, 86_400)),
        ("09:00", "09:00", (32_400, 118_800)),
        ("09:00:01", "09:00:02", (32_401, 32_402)),
    ],
)
def test_a_window_that_ends_at_or_before_its_start_runs_over_midnight(
    start: str, end: str, window: tuple[int, int]
) -> None:
    assert window == parse_window(start, end)


@pytest.mark.parametrize(
    "written", ["9:00", "25:00", "24:01", "24:00:01", "12:60", "12:00:60", "", "noon", "12.30", "１２:30"]
)
def test_what_is_no_time_of_a_day_is_refused(written: str) -> None:
    with pytest.raises(WindowInvalid, match="such as 09:00 or 24:00"):
        parse_window(written, "17:00")


def test_no_window_starts_at_the_end_of_a_day() -> None:
    with pytest.raises(WindowInvalid, match="write 00:00 of the next day"):
        parse_window("24:00", "06:00")


def test_a_window_is_told_as_on_a_clock() -> None:
    assert "09:00:30-24:00" == window_text(parse_window("09:00:30", "24:00"))
    assert "22:00-06:00" == window_text(parse_window("22:00", "06:00"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"timezone": "Europe/Berln"}, "timezone: there is no time zone `Europe/Berln`; did you mean `Europe/Berlin`?"),
        ({"timezone": "europe/berlin"}, "timezone: there is no time zone `europe/berlin`; did you mean `Europe/Berlin`?"),
        ({"timezone": "../etc/passwd"}, "timezone: there is no time zone `../etc/passwd`; use a name of the tz database, such as Europe/Berlin or UTC"),
        ({"timezone": "localtime"}, "timezone: there is no time zone `localtime`; use a name of the tz database, such as Europe/Berlin or UTC"),
        ({"timezone": None}, "timezone: a calendar needs a time zone; write one, such as Europe/Berlin or UTC"),
        ({"hours": {}}, "hours: a calendar has no such member; use timezone, weekly, holidays, overrides"),
        ({"weekly": []}, "weekly: the hours of a week are an object; give it mon, tue, wed, thu, fri, sat, sun"),
        ({"weekly": {"monday": []}}, "weekly.monday: there is no such weekday; use mon, tue, wed, thu, fri, sat, sun"),
        ({"weekly": {"mon": "09:00-17:00"}}, 'weekly.mon: the hours of a day are a list; write a list of windows, such as [["09:00", "12:30"], ["13:00", "17:00"]]'),
        ({"weekly": {"mon": ["09:00-17:00"]}}, 'weekly.mon[0]: a window is a start and an end; write a list of windows, such as [["09:00", "12:30"], ["13:00", "17:00"]]'),
        ({"weekly": {"mon": [["09:00", 17]]}}, 'weekly.mon[0]: a window is a start and an end; write a list of windows, such as [["09:00", "12:30"], ["13:00", "17:00"]]'),
        ({"weekly": {"mon": [["09:00", "10:00"], ["9am", "17:00"]]}}, "weekly.mon[1]: `9am` is no time of a day; write hours and minutes, such as 09:00 or 24:00"),
        ({"weekly": {"mon": [["09:00", "13:00"], ["12:00", "17:00"]]}}, "weekly.mon: 09:00-13:00 overlaps 12:00-17:00 of mon; end one where the other starts, or make them one"),
        ({"weekly": {"sun": [["22:00", "06:00"]], "mon": [["05:00", "17:00"]]}}, "weekly.sun: 22:00-06:00 overlaps 05:00-17:00 of mon; end one where the other starts, or make them one"),
        ({"weekly": {}, "overrides": {}}, 'weekly: there is no opening at all; write hours, such as "mon": [["09:00", "17:00"]]'),
        ({"holidays": "2026-12-25"}, 'holidays: holidays are a list of dates; write them as ["2026-12-25"]'),
        ({"holidays": ["2026-12-25", "25.12.2026"]}, "holidays[1]: `25.12.2026` is no date; write year, month and day, such as 2026-12-25"),
        ({"holidays": ["2026-02-30"]}, "holidays[0]: `2026-02-30` is no date; write year, month and day, such as 2026-12-25"),
        ({"holidays": [20261225]}, "holidays[0]: `20261225` is no date; write year, month and day, such as 2026-12-25"),
        ({"overrides": []}, 'overrides: overrides are an object of dates and their windows; write {"2026-12-24": [["09:00", "12:00"]]}'),
        ({"overrides": {"Christmas": []}}, "overrides.Christmas: `Christmas` is no date; write year, month and day, such as 2026-12-25"),
        ({"overrides": {"2026-12-24": [["09:00", "12:00"], ["11:00", "13:00"]]}}, "overrides.2026-12-24: 09:00-12:00 overlaps 11:00-13:00; end one where the other starts, or make them one"),
    ],
    ids=lambda value: value.split(";")[0] if isinstance(value, str) else "",
)  # fmt: skip
def test_each_flaw_is_told_with_its_place_and_mend(change: dict[str, Any], told: str) -> None:
    assert [told] == flaws({**GOOD, **change})


def test_all_flaws_are_told_at_once() -> None:
    assert 4 == len(flaws({"zone": "UTC", "weekly": {"mon": [["x", "y"]]}, "holidays": [None]}))


@pytest.mark.parametrize("document", [None, "24x7", [], 3])
def test_what_is_no_object_is_no_calendar(document: object) -> None:
    assert ["a calendar is an object; give it timezone, weekly, holidays, overrides"] == flaws(document)


def test_more_than_a_calendar_can_mean_is_refused() -> None:
    assert ["holidays: 10001 dates; write at most 10000"] == flaws(
        {**GOOD, "holidays": ["2026-12-25"] * (DATES_MAX + 1)}
    )
    windows = [["00:00", "00:01"]] * (WINDOWS_OF_A_DAY_MAX + 1)
    assert ["overrides.2026-12-24: 97 windows in a day; write at most 96"] == flaws(
        {**GOOD, "overrides": {"2026-12-24": windows}}
    )


def test_windows_that_touch_do_not_overlap() -> None:
    weekly = {
        "mon": [["00:00", "12:00"], ["12:00", "24:00"]],
        "tue": [["00:00", "24:00"]],
        "sun": [["12:00", "00:00"]],
    }
    assert definition_from({"timezone": "UTC", "weekly": weekly}).ever_opens
