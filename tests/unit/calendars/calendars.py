"""Calendars, and questions that come close to clock changes, for the tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import available_timezones

from hypothesis import strategies as st

from shared.calendars.compiled import Calendar
from shared.calendars.definition import CalendarDefinition, CalendarInvalid, definition_from
from shared.calendars.hours import Hours
from shared.calendars.versions import HoursVersions
from tests.unit.calendars import oracle

ZONES: Final = sorted(available_timezones() - {"localtime", "Factory"})
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri")
OFFICE: Final = {day: [["09:00", "17:00"]] for day in WEEKDAYS}
ALL_DAY: Final = {day: [["00:00", "24:00"]] for day in oracle.DAYS}
EPOCH: Final = datetime(1970, 1, 1)
MICROSECOND: Final = timedelta(microseconds=1)
SECOND_US: Final = 1_000_000
HOUR_US: Final = 3_600 * SECOND_US


def calendar(weekly: object, zone: str = "UTC", **more: object) -> Calendar:
    """Return a calendar of its own, with nothing laid out yet."""
    return Calendar(definition_from({"timezone": zone, "weekly": weekly, **more}, may_never_open=True))


def us(written: str) -> int:
    """Return the instant of `2026-03-27T17:00+01:00`; without an offset it is UTC."""
    instant = datetime.fromisoformat(written)
    return to_us(instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant)


def to_us(naive: datetime) -> int:
    return (naive - EPOCH) // MICROSECOND


def from_us(instant_us: int) -> datetime:
    return EPOCH + instant_us * MICROSECOND


@lru_cache(maxsize=5_000)
def changes(zone: str, year: int) -> tuple[datetime, ...]:
    """Return the UTC instants of a year, exact to the second, at which a zone changed its clock."""

    def offset(at: datetime) -> timedelta:
        return oracle.shown(zone, at) - at

    found = []
    at = datetime(year, 1, 1)
    while at.year == year:
        after = at + timedelta(days=1)
        if offset(at) != offset(after):
            low, high = at, after
            while high - low > oracle.SECOND:
                middle = low + (high - low) // 2 // oracle.SECOND * oracle.SECOND
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            found.append(high)
        at = after
    return tuple(found)


class Question(NamedTuple):
    """Hours and two instants near each other, in microseconds.

    `versions` are documents and the instants from which each is in force; the first counts always.
    """

    versions: tuple[tuple[int, dict[str, Any]], ...]
    start_us: int
    end_us: int

    def hours(self) -> Hours:
        """Return the hours, with nothing laid out yet."""
        made = [(from_us, Calendar(_defined(document))) for from_us, document in self.versions]
        return made[0][1] if len(made) == 1 else HoursVersions(made)

    def slow_elapsed_us(self, start_us: int, end_us: int) -> int:
        """Return what the slow reference says of [start_us, end_us), which are in order."""
        ends_us = [*(version[0] for version in self.versions[1:]), end_us]
        spans = [
            (document, max(from_us if index else start_us, start_us), min(until_us, end_us))
            for index, ((from_us, document), until_us) in enumerate(zip(self.versions, ends_us, strict=True))
        ]
        parts = (
            oracle.elapsed(each, from_us(start), from_us(end)) for each, start, end in spans if start < end
        )
        return sum(parts, timedelta()) // MICROSECOND


def _defined(document: dict[str, Any]) -> CalendarDefinition:
    return definition_from(document, may_never_open=True)


@st.composite
def questions(draw: st.DrawFn, *, versions: int = 1, days: int = 5) -> Question:
    """Draw hours of any zone and two instants at most `days` apart, beside a clock change if there is one."""
    zone = draw(st.sampled_from(ZONES))
    year = draw(st.integers(1971, 2060))
    near = draw(st.sampled_from(changes(zone, year) or (datetime(year, 1, 1), datetime(year, 7, 4, 12))))
    instants = instants_near(near, days)
    from_us = sorted(draw(st.lists(instants, min_size=versions, max_size=versions, unique=True)))
    return Question(
        tuple((each_us, draw(documents(zone, near))) for each_us in from_us), draw(instants), draw(instants)
    )


def instants_near(near: datetime, days: int) -> st.SearchStrategy[int]:
    """Draw microseconds: anywhere within half of `days` to either side, at the instant itself, hours from it."""
    half_us = days * 12 * HOUR_US
    distances_us = (
        st.integers(-half_us, half_us)
        | st.integers(-half_us // SECOND_US, half_us // SECOND_US).map(lambda seconds: seconds * SECOND_US)
        | st.integers(-5, 5).map(lambda hours: hours * HOUR_US)
    )
    return distances_us.map(lambda distance_us: to_us(near) + distance_us)


@st.composite
def documents(draw: st.DrawFn, zone: str, near: datetime) -> dict[str, Any]:
    """Draw a calendar with windows, a holiday and an override about the (UTC) instant `near`."""
    local = oracle.shown(zone, near)
    dates = st.sampled_from([(local + timedelta(days=day)).date().isoformat() for day in range(-2, 3)])
    return {
        "timezone": zone,
        "weekly": draw(_weeks(local)),
        "holidays": draw(st.lists(dates, max_size=1)),
        "overrides": draw(st.dictionaries(dates, _days(local), max_size=1)),
    }


def _weeks(near: datetime) -> st.SearchStrategy[dict[str, list[list[str]]]]:
    any_days = st.dictionaries(st.sampled_from(oracle.DAYS), _days(near), min_size=1)
    same_days = _days(near).map(lambda day: dict.fromkeys(oracle.DAYS, day))
    return st.one_of(any_days, same_days).filter(_is_sound)


def _days(near: datetime) -> st.SearchStrategy[list[list[str]]]:
    """Draw the windows of a day: around the time of the change, over midnight, whole days, none."""
    around = st.integers(-8, 8).map(lambda quarters: near + quarters * timedelta(minutes=15))
    anywhere = st.integers(0, 95).map(lambda quarters: EPOCH + quarters * timedelta(minutes=15))
    times = st.lists((around | anywhere).map("{:%H:%M}".format), min_size=2, max_size=6, unique=True)
    return times.flatmap(
        lambda drawn: st.sampled_from([_paired(sorted(drawn)), [drawn[:2]], [["00:00", "24:00"]], []])
    )


def _paired(times: list[str]) -> list[list[str]]:
    return [times[index : index + 2] for index in range(0, len(times) - 1, 2)]


def _is_sound(weekly: dict[str, list[list[str]]]) -> bool:
    try:
        definition_from({"timezone": "UTC", "weekly": weekly}, may_never_open=True)
    except CalendarInvalid:
        return False
    return True
