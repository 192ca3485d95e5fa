"""Business hours in the file: what they come to, and what a person sees who wrote something wrong."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.configuration.closed_dates import FIRST_HOLIDAY_YEAR, LAST_HOLIDAY_YEAR, country_dates
from shared.configuration.facts import facts_document
from shared.configuration.loader import load, read
from shared.configuration.models import Configuration
from shared.configuration.problems import ConfigurationInvalid
from tests.unit.configuration.reading import problems

HOURS = 'weekly: {mon: [["09:00", "17:00"]]}'


def desk(rest: str) -> str:
    """Return a file with the calendar `desk`; its keys begin at line 4, behind its time zone."""
    lines = "".join(f"    {line}\n" for line in rest.strip().splitlines())
    return f"calendars:\n  desk:\n    timezone: Europe/Berlin\n{lines}"


def published(configuration: Configuration, name: str = "desk") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = facts_document(configuration)["calendars"][name]
    return found


def test_hours_are_published_as_they_are_written_in_order() -> None:
    (version,) = published(
        read(
            desk(
                """
weekly:
  tue: [[13:00, 17:00], [09:00, 12:30]]
  fri: [[22:00, 06:00]]
  wed: [[00:00, 24:00]]
  sun: []
holidays: [2026-12-26, 2026-12-25]
overrides: {2026-12-24: [[09:00, 12:00]], 2026-12-31: []}
"""
            )
        )
    )
    assert {
        "timezone": "Europe/Berlin",
        "weekly": {
            "tue": [["09:00", "12:30"], ["13:00", "17:00"]],
            "fri": [["22:00", "06:00"]],
            "wed": [["00:00", "24:00"]],
        },
        "holidays": ["2026-12-25", "2026-12-26"],
        "overrides": {"2026-12-24": [["09:00", "12:00"]], "2026-12-31": []},
        "effective_from": None,
        "retroactive": None,
    } == version


def test_half_past_twelve_stays_a_time() -> None:
    (version,) = published(read(desk("weekly: {mon: [[09:00, 12:30]]}")))
    assert {"mon": [["09:00", "12:30"]]} == version["weekly"]


def test_a_version_names_what_changes_and_keeps_the_rest() -> None:
    first, second, third = published(
        read(
            desk(
                f"""
{HOURS}
holidays: [2026-12-25]
versions:
  - {{effective_from: "2027-01-01T00:00:00+01:00", weekly: {{tue: [[08:00, 12:00]]}}}}
  - {{effective_from: 2027-06-01T00:00:00Z, retroactive: Flood, holidays: []}}
"""
            )
        )
    )
    assert first["effective_from"] is None
    assert ("2026-12-31T23:00:00Z", None) == (second["effective_from"], second["retroactive"])
    assert ({"tue": [["08:00", "12:00"]]}, ["2026-12-25"]) == (second["weekly"], second["holidays"])
    assert ("Flood", {"tue": [["08:00", "12:00"]]}) == (third["retroactive"], third["weekly"])
    assert [] == third["holidays"]


def test_a_country_and_a_region_become_dates_of_the_whole_range() -> None:
    holidays = "holidays: [2026-12-24, {country: DE, region: BY, except: [2026-01-06]}]"
    (version,) = published(read(desk(f"{HOURS}\n{holidays}")))
    dates = version["holidays"]
    assert {"2026-12-24", "2026-12-25", "2010-01-06"} <= set(dates)
    assert "2026-01-06" not in dates
    assert (str(FIRST_HOLIDAY_YEAR), str(LAST_HOLIDAY_YEAR)) == (dates[0][:4], dates[-1][:4])
    assert sorted(dates) == dates


def test_a_region_has_holidays_of_its_own() -> None:
    epiphany = date(2026, 1, 6)
    assert epiphany in country_dates("DE", "BY")
    assert epiphany not in country_dates("DE", "BE")


ICAL = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//y//EN
{events}END:VCALENDAR
"""


def event(*lines: str) -> str:
    inner = "".join(
        f"{line}\n" for line in ("UID:1@x", "DTSTAMP:20260101T000000Z", "SUMMARY:Day off", *lines)
    )
    return f"BEGIN:VEVENT\n{inner}END:VEVENT\n"


def ical_problems(tmp_path: Path, content: bytes, rest: str = "") -> list[str]:
    """Return the messages for a file whose holidays, on line 5, come from `content`."""
    (tmp_path / "off.ics").write_bytes(content.replace(b"\n", b"\r\n"))
    path = tmp_path / "barometer.yaml"
    path.write_text(desk(f"{HOURS}\nholidays: [{{ical: off.ics{rest}}}]"))
    try:
        load(path)
    except ConfigurationInvalid as error:
        return [str(problem).removeprefix(f"{path}:") for problem in error.problems]
    return []


def ical_dates(tmp_path: Path, *events: str) -> list[str]:
    assert [] == ical_problems(tmp_path, ICAL.format(events="".join(events)).encode())
    dates: list[str] = published(load(tmp_path / "barometer.yaml"))[0]["holidays"]
    return dates


def test_an_ical_file_beside_the_configuration_gives_its_whole_days(tmp_path: Path) -> None:
    days = event("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227")
    assert ["2026-12-24", "2026-12-25", "2026-12-26"] == ical_dates(tmp_path, days)


def test_a_day_without_an_end_is_one_day(tmp_path: Path) -> None:
    assert ["2026-07-14"] == ical_dates(tmp_path, event("DTSTART;VALUE=DATE:20260714"))


def test_a_repeated_event_gives_the_years_of_the_range_without_its_exceptions(tmp_path: Path) -> None:
    dates = ical_dates(
        tmp_path, event("DTSTART;VALUE=DATE:20000501", "RRULE:FREQ=YEARLY", "EXDATE;VALUE=DATE:20200501")
    )
    years = [year for year in range(FIRST_HOLIDAY_YEAR, LAST_HOLIDAY_YEAR + 1) if year != 2020]
    assert [f"{year}-05-01" for year in years] == dates


def test_a_cancelled_event_is_no_holiday(tmp_path: Path) -> None:
    days = event("DTSTART;VALUE=DATE:20260714", "STATUS:CANCELLED")
    assert ["2026-07-15"] == ical_dates(
        tmp_path, days, event("DTSTART;VALUE=DATE:20260715").replace("1@x", "2@x")
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"what", "`off.ics` is no iCal file"),
        (b"\xff\xfe\x00", "`off.ics` is no iCal file"),
        (
            ICAL.format(events=event("DTSTART:20261224T120000Z")).encode(),
            (
                "the event `Day off` in `off.ics` is no whole day; make it an all-day event, or take it out "
                "and write it under `overrides`"
            ),
        ),
        (
            ICAL.format(events=event("DTSTART;VALUE=DATE:20261224", "RRULE:FREQ=SECONDLY")).encode(),
            "the event `Day off` in `off.ics` repeats within a day; make it repeat daily or less often",
        ),
        (b"x" * (1 << 20) + b"x", "has more than 1048576 bytes; shorten it"),
        (ICAL.format(events=event() * 5_001).encode(), "has 5001 events; leave at most 5000"),
    ],
)
def test_an_ical_file_that_cannot_be_used_is_told_where_it_is_named(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    (told,) = ical_problems(tmp_path, content)
    assert told.startswith("5: `calendars.desk.holidays[0]`: ")
    assert expected in told


def test_an_ical_file_that_is_away_is_told_with_line_and_mend(tmp_path: Path) -> None:
    path = tmp_path / "barometer.yaml"
    path.write_text(desk(f"{HOURS}\nholidays: [{{ical: away.ics}}]"))
    with pytest.raises(ConfigurationInvalid) as caught:
        load(path)
    assert (
        f"{path}:5: `calendars.desk.holidays[0]`: the iCal file `away.ics` cannot be read: No such file or "
        "directory; put it beside the configuration file and check its rights"
    ) == str(caught.value)


def test_an_exception_that_is_no_holiday_of_the_file_is_told(tmp_path: Path) -> None:
    days = ICAL.format(events=event("DTSTART;VALUE=DATE:20261224")).encode()
    (told,) = ical_problems(tmp_path, days, ", except: [2026-12-25]")
    assert "2026-12-25 is none of these holidays, so it cannot be excepted" in told


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (
            "weekly: {mon: [[09:00, 17:00], [16:00, 18:00]]}",
            (
                "b.yaml:4: calendar `desk`: 09:00-17:00 overlaps 16:00-18:00 of mon; end one where the other "
                "starts, or make them one"
            ),
        ),
        (
            "weekly:\n  sun: [[22:00, 06:00]]\n  mon: [[05:30, 12:00]]",
            (
                "b.yaml:5: calendar `desk`: 22:00-06:00 overlaps 05:30-12:00 of mon; end one where the other "
                "starts, or make them one"
            ),
        ),
        (
            f"{HOURS}\noverrides:\n  2026-12-24: [[09:00, 12:00], [11:00, 13:00]]",
            (
                "b.yaml:6: calendar `desk`: 09:00-12:00 overlaps 11:00-13:00; end one where the other starts, "
                "or make them one"
            ),
        ),
        (
            "holidays: [2026-12-24]",
            (
                "b.yaml:4: calendar `desk`: it has no opening at all; "
                'write `weekly: {mon: [["09:00", "17:00"]]}`'
            ),
        ),
        (
            "weekly: {mn: [[09:00, 17:00]]}",
            "b.yaml:4: `calendars.desk.weekly.mn`: `mn` is not known; did you mean `mon`?",
        ),
        (
            "weekly: {mon: [9:00, 17:00]}",
            (
                "b.yaml:4: `calendars.desk.weekly.mon`: `9:00` is no window; write windows as pairs, such as "
                '[["09:00", "12:30"], ["13:00", "17:00"]]'
            ),
        ),
        (
            "weekly: {mon: [[9:00, 17:00]]}",
            (
                "b.yaml:4: `calendars.desk.weekly.mon`: `9:00` is no time of a day; "
                "write hours and minutes, such as 09:00 or 24:00"
            ),
        ),
        (
            f"{HOURS}\nholidays:\n- 2026-02-30",
            (
                "b.yaml:6: `calendars.desk.holidays[0].date`: `2026-02-30` is no date; "
                "write year, month and day, such as 2026-12-25"
            ),
        ),
        (
            f"{HOURS}\nholidays:\n- {{country: XQ}}",
            "b.yaml:6: `calendars.desk.holidays[0]`: no holidays are known of the country `XQ`; ",
        ),
        (
            f"{HOURS}\nholidays:\n- {{country: Germany}}",
            (
                "b.yaml:6: `calendars.desk.holidays[0]`: no holidays are known of the country `Germany`; "
                "write its ISO 3166 code of two letters, such as DE, and `region:` beside it"
            ),
        ),
        (
            f"{HOURS}\nholidays:\n- {{country: DE, region: by}}",
            (
                "b.yaml:6: `calendars.desk.holidays[0]`: `DE` has no region `by` with holidays of its own; "
                "did you mean `BY`?"
            ),
        ),
        (
            f"{HOURS}\nholidays:\n- {{country: MC, region: MC}}",
            (
                "b.yaml:6: `calendars.desk.holidays[0]`: `MC` has no region `MC` with holidays of its own; "
                "take `region` out"
            ),
        ),
        (
            f"{HOURS}\nholidays:\n- {{region: BY}}",
            (
                "b.yaml:6: `calendars.desk.holidays[0]`: a holiday is one thing; write a date, or "
                "{country: DE, region: BY}, or {ical: FILE}"
            ),
        ),
        (
            f"{HOURS}\nholidays:\n- {{ical: a.ics, region: BY}}",
            "b.yaml:6: `calendars.desk.holidays[0]`: the region `BY` belongs to a country; add `country:`",
        ),
        (
            f"{HOURS}\nversions:\n- {{effective_from: 2026-01-01T00:00:00}}",
            (
                "b.yaml:6: `calendars.desk.versions[0].effective_from`: `2026-01-01T00:00:00` has no offset, "
                "so nobody knows which instant it is; write 2026-01-01T00:00:00Z, or with +02:00 at its end"
            ),
        ),
        (
            f"{HOURS}\nversions:\n- {{effective_from: soon}}",
            (
                "b.yaml:6: `calendars.desk.versions[0].effective_from`: `soon` is no instant; "
                "write an instant such as 2026-01-01T00:00:00Z"
            ),
        ),
        (
            (
                f"{HOURS}\nversions:\n- {{effective_from: 2026-02-01T00:00:00Z}}\n"
                "- {effective_from: 2026-01-31T23:59:59Z}"
            ),
            (
                "b.yaml:7: calendar `desk`: this version does not begin after the one before it; "
                "write the versions from old to new, each with its own `effective_from`"
            ),
        ),
        (
            f"{HOURS}\nday: 25h",
            (
                "b.yaml:5: `calendars.desk.day`: Input should be less than or equal to 86400; "
                "write at most that"
            ),
        ),
    ],
)
def test_what_is_wrong_with_hours_is_told_with_line_and_mend(rest: str, expected: str) -> None:
    (told,) = problems(desk(rest))
    assert expected == told[: len(expected)]


def test_an_unknown_zone_is_told_with_the_one_that_was_meant() -> None:
    assert [
        "b.yaml:3: `calendars.desk.timezone`: there is no time zone `Europe/Berln`; did you mean `Europe/Berlin`?"
    ] == problems(desk(HOURS).replace("Berlin", "Berln"))


def test_the_calendar_that_is_always_there_cannot_be_written() -> None:
    assert ["b.yaml:2: the calendar `24x7` is always there; give yours another name"] == problems(
        desk(HOURS).replace("desk", "24x7")
    )


def test_a_calendar_whose_every_open_day_is_a_holiday_never_opens(tmp_path: Path) -> None:
    mondays = ICAL.format(events=event("DTSTART;VALUE=DATE:20091228", "RRULE:FREQ=WEEKLY")).encode()
    assert [
        "4: calendar `desk`: its holidays close every day it is open; write `except:` beside the holidays"
    ] == ical_problems(tmp_path, mondays)


def test_a_reason_for_the_past_needs_a_past() -> None:
    late = desk(f"{HOURS}\nversions:\n- {{effective_from: 2027-01-01T00:00:00Z, retroactive: Flood}}")
    assert [] == problems(late, now=datetime(2027, 1, 2, tzinfo=UTC))
    assert [
        (
            "b.yaml:6: calendar `desk`: this version begins in the future (2027-01-01T00:00:00+00:00), so "
            "nothing has passed; take `retroactive` out, or mend `effective_from`"
        )
    ] == problems(late, now=datetime(2026, 6, 1, tzinfo=UTC))


def test_the_published_form_is_plain_json() -> None:
    configuration = read(desk(f"{HOURS}\nholidays: [{{country: FR}}]"))
    document = facts_document(configuration)
    assert document == json.loads(json.dumps(document))
