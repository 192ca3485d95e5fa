"""The open time of one year, in UTC: where a calendar's local windows meet the clock changes of its zone.

Three rules, decided for every zone and year (docs/calendars.md):

- A local time that is skipped comes as much later as the clock was put forward; a time that happens twice is the first
  of the two. This is what PEP 495 calls fold=0.
- A local date that a zone never had (Pacific/Apia crossed the date line on 30 December 2011) has no windows.
- Time is real: between two instants passes what passes, so a day open from 00:00 to 24:00 has 23, 24 or 25 hours.

Almost all days are like the one before, so they are the windows of their weekday moved by days; only days beside a
clock change are converted time by time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from shared.calendars.definition import CalendarDefinition
from shared.calendars.hours import Opening
from shared.calendars.windows import Window

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAYS_TOUCHED: Final = 2
"""A window ends before the second midnight after the one it starts behind; no zone changes its clock and changes it
back in so short a time, so equal offsets at the three midnights mean no change between them."""

_MICROSECOND: Final = timedelta(microseconds=1)
_LAST_SECOND: Final = 86_399


class Years:
    """The openings of a definition, by year."""

    def __init__(self, definition: CalendarDefinition) -> None:
        self._zone = ZoneInfo(definition.timezone)
        self._weekly = definition.weekly
        self._holidays = frozenset(day.toordinal() for day in definition.holidays)
        self._overrides = {day.toordinal(): windows for day, windows in definition.overrides}

    def openings(self, year: int) -> list[Opening]:
        """Return the windows that start on the local dates of `year`, as instants, united and in order."""
        return united(sorted(self._converted(date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal())))

    def _converted(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        if not any(self._weekly):
            for day in self._overrides:
                if first <= day < end:
                    yield from self._exact(day, self._overrides[day])
            return
        offsets = [
            self._zone.utcoffset(datetime.fromordinal(day)) for day in range(first, end + _DAYS_TOUCHED)
        ]
        for index, day in enumerate(range(first, end)):
            windows = self._windows(day)
            if offsets[index] == offsets[index + 1] == offsets[index + _DAYS_TOUCHED]:
                midnight_us = _midnight_us(day, offsets[index])
                for start_s, end_s in windows:
                    yield midnight_us + start_s * SECOND_US, midnight_us + end_s * SECOND_US
            else:
                yield from self._exact(day, windows)

    def _windows(self, day: int) -> tuple[Window, ...]:
        """Return the windows that start on a date: an override wins over a holiday, both over the week."""
        if (override := self._overrides.get(day)) is not None:
            return override
        return () if day in self._holidays else self._weekly[(day - 1) % 7]

    def _exact(self, day: int, windows: tuple[Window, ...]) -> Iterator[tuple[int, int]]:
        """Yield the windows of a date beside a clock change; one that lies in the skipped time may vanish."""
        if self._skipped(day, 0) and self._skipped(day, _LAST_SECOND):
            return
        for start_s, end_s in windows:
            start_us, end_us = self._instant_us(day, start_s), self._instant_us(day, end_s)
            if start_us < end_us:
                yield start_us, end_us

    def _skipped(self, day: int, second: int) -> bool:
        """Return whether the zone's clocks never showed this time."""
        local = (day - _EPOCH_DAY) * DAY_US + second * SECOND_US
        instant = datetime.fromtimestamp(self._instant_us(day, second) // SECOND_US, self._zone)
        shown = instant.replace(tzinfo=None) - datetime.fromordinal(_EPOCH_DAY)
        return shown // _MICROSECOND != local

    def _instant_us(self, day: int, second: int) -> int:
        local = datetime.fromordinal(day) + timedelta(seconds=second)
        return _midnight_us(day, self._zone.utcoffset(local)) + second * SECOND_US


def united(ordered: list[tuple[int, int]]) -> list[Opening]:
    """Return intervals in order of their start as one wherever they meet or overlap: nothing counts twice."""
    found: list[Opening] = []
    for start_us, end_us in ordered:
        if found and start_us <= found[-1].end_us:
            if end_us > found[-1].end_us:
                found[-1] = Opening(found[-1].start_us, end_us)
        else:
            found.append(Opening(start_us, end_us))
    return found


def _midnight_us(day: int, offset: timedelta | None) -> int:
    """Return the UTC instant of a local midnight under `offset`."""
    assert offset is not None, "a zone has an offset at every time"
    return (day - _EPOCH_DAY) * DAY_US - offset // _MICROSECOND
