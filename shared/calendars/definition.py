"""What a business calendar says, read from its JSON form: every flaw named, with its place and mend.

    {"timezone": "Europe/Berlin", "weekly": {"mon": [["09:00", "17:00"]], ...},
     "holidays": ["2026-12-25", ...], "overrides": {"2026-12-24": [["09:00", "12:00"]]}}

A holiday closes the windows that start on that date of the calendar's zone, so the tail of a night shift runs into it.
An override replaces the windows of one date; on a date that is both it wins, being the more specific.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import available_timezones

from shared.calendars.windows import (
    WEEKDAYS,
    WINDOWS_OF_A_DAY_MAX,
    Weekly,
    Window,
    WindowInvalid,
    overlapping,
    overlaps,
    parse_window,
    window_text,
)

DATES_MAX: Final = 10_000
"""Holidays, and overrides, of one calendar: thirty a year for three centuries."""

_MEMBERS: Final = ("timezone", "weekly", "holidays", "overrides")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ZONES_REMEMBERED: Final = 1_024
_OF_THE_MACHINE: Final = frozenset({"localtime", "Factory"})
"""Names among the zones that mean another zone on each machine, or none."""

_SHAPE: Final = 'write a list of windows, such as [["09:00", "12:30"], ["13:00", "17:00"]]'


@dataclass(frozen=True, slots=True)
class CalendarDefinition:
    """The hours of a calendar, sound and in one order: equal definitions have equal hours.

    `weekly` has seven members, Monday first; `overrides` are ascending. Times are those of `timezone`.
    """

    timezone: str
    weekly: Weekly
    holidays: frozenset[date] = frozenset()
    overrides: tuple[tuple[date, tuple[Window, ...]], ...] = ()

    @property
    def ever_opens(self) -> bool:
        """Whether there is a window at all."""
        return any(self.weekly) or any(windows for _, windows in self.overrides)


class Flaw(NamedTuple):
    """One thing to mend. `path` is where in the document, such as `weekly.mon[0]`; empty for the whole."""

    path: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}; {self.mend}" if self.path else f"{self.what}; {self.mend}"


class CalendarInvalid(Exception):
    """A document that is no calendar; `flaws` are all that were found."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("; ".join(map(str, self.flaws)))


def definition_from(document: object, *, may_never_open: bool = False) -> CalendarDefinition:
    """Return what `document` (the form above, as JSON decodes it) says.

    A calendar that never opens is a flaw, unless it may: it has no due time, but zero seconds are an answer.
    Raises CalendarInvalid.
    """
    if not isinstance(document, Mapping):
        raise CalendarInvalid([Flaw("", "a calendar is an object", f"give it {', '.join(_MEMBERS)}")])
    flaws = list(_unknown(document))
    definition = CalendarDefinition(
        timezone=_timezone(document.get("timezone"), flaws),
        weekly=_weekly(document.get("weekly", {}), flaws),
        holidays=_holidays(document.get("holidays", []), flaws),
        overrides=_overrides(document.get("overrides", {}), flaws),
    )
    if not (flaws or may_never_open or definition.ever_opens):
        flaws.append(Flaw("weekly", "there is no opening at all", 'write hours, such as "mon": [["09:00", "17:00"]]'))  # fmt: skip
    if flaws:
        raise CalendarInvalid(flaws)
    return definition


@lru_cache(maxsize=_ZONES_REMEMBERED)
def zone_flaw(name: str) -> tuple[str, str] | None:
    """Return what is wrong with the name of a zone and the mend; None for a zone of the tz database."""
    zones = _zones()
    if name in zones:
        return None
    near = get_close_matches(name, zones, n=1) or get_close_matches(name.title(), zones, n=1)
    mend = (
        f"did you mean `{near[0]}`?"
        if near
        else "use a name of the tz database, such as Europe/Berlin or UTC"
    )
    return f"there is no time zone `{name}`", mend


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - _OF_THE_MACHINE


def _unknown(document: Mapping[object, object]) -> Iterator[Flaw]:
    for member in document:
        if member not in _MEMBERS:
            yield Flaw(str(member), "a calendar has no such member", f"use {', '.join(_MEMBERS)}")


def _timezone(written: object, flaws: list[Flaw]) -> str:
    if not isinstance(written, str):
        flaws.append(
            Flaw("timezone", "a calendar needs a time zone", "write one, such as Europe/Berlin or UTC")
        )
        return ""
    if flaw := zone_flaw(written):
        flaws.append(Flaw("timezone", *flaw))
    return written


def _weekly(written: object, flaws: list[Flaw]) -> Weekly:
    if not isinstance(written, Mapping):
        flaws.append(Flaw("weekly", "the hours of a week are an object", f"give it {', '.join(WEEKDAYS)}"))
        return ()
    before = len(flaws)
    flaws += [
        Flaw(f"weekly.{day}", "there is no such weekday", f"use {', '.join(WEEKDAYS)}")
        for day in written
        if day not in WEEKDAYS
    ]
    weekly = tuple(_windows(f"weekly.{day}", written.get(day, []), flaws) for day in WEEKDAYS)
    if len(flaws) == before:
        flaws += [
            _crossing(f"weekly.{WEEKDAYS[one.day]}", one.window, f" of {WEEKDAYS[one.other_day]}", one.other)
            for one in overlaps(weekly)
        ]
    return weekly


def _windows(path: str, written: object, flaws: list[Flaw]) -> tuple[Window, ...]:
    """Return the windows of one day, in order."""
    if not isinstance(written, Sequence) or isinstance(written, str):
        flaws.append(Flaw(path, "the hours of a day are a list", _SHAPE))
        return ()
    if len(written) > WINDOWS_OF_A_DAY_MAX:
        flaws.append(Flaw(path, f"{len(written)} windows in a day", f"write at most {WINDOWS_OF_A_DAY_MAX}"))
        return ()
    windows = []
    for index, pair in enumerate(written):
        match pair:
            case [str(start), str(end)]:
                try:
                    windows.append(parse_window(start, end))
                except WindowInvalid as invalid:
                    flaws.append(Flaw(f"{path}[{index}]", invalid.what, invalid.mend))
            case _:
                flaws.append(Flaw(f"{path}[{index}]", "a window is a start and an end", _SHAPE))
    return tuple(sorted(windows))


def _crossing(path: str, window: Window, of: str, other: Window) -> Flaw:
    what = f"{window_text(window)} overlaps {window_text(other)}{of}"
    return Flaw(path, what, "end one where the other starts, or make them one")


def _holidays(written: object, flaws: list[Flaw]) -> frozenset[date]:
    if not isinstance(written, Sequence) or isinstance(written, str):
        flaws.append(Flaw("holidays", "holidays are a list of dates", 'write them as ["2026-12-25"]'))
        return frozenset()
    if _too_many("holidays", len(written), flaws):
        return frozenset()
    dates = (_date(f"holidays[{index}]", each, flaws) for index, each in enumerate(written))
    return frozenset(day for day in dates if day is not None)


def _overrides(written: object, flaws: list[Flaw]) -> tuple[tuple[date, tuple[Window, ...]], ...]:
    if not isinstance(written, Mapping):
        mend = 'write {"2026-12-24": [["09:00", "12:00"]]}'
        flaws.append(Flaw("overrides", "overrides are an object of dates and their windows", mend))
        return ()
    if _too_many("overrides", len(written), flaws):
        return ()
    found = []
    for key, windows in written.items():
        path = f"overrides.{key}"
        day, its_windows = _date(path, key, flaws), _windows(path, windows, flaws)
        flaws += [_crossing(path, one, "", other) for one, other in overlapping(its_windows)]
        if day is not None:
            found.append((day, its_windows))
    return tuple(sorted(found))


def _too_many(path: str, count: int, flaws: list[Flaw]) -> bool:
    if count > DATES_MAX:
        flaws.append(Flaw(path, f"{count} dates", f"write at most {DATES_MAX}"))
    return count > DATES_MAX


def _date(path: str, written: object, flaws: list[Flaw]) -> date | None:
    if isinstance(written, str) and _DATE.fullmatch(written):
        try:
            return date.fromisoformat(written)
        except ValueError:
            pass  # the 30th of February; told below
    flaws.append(Flaw(path, f"`{written}` is no date", "write year, month and day, such as 2026-12-25"))
    return None
