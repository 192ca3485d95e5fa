"""Open time the slow way: no layout, no sums, no fold; only what the clocks on the wall show, instant by instant.

Shares no code with shared.calendars. Right, and fit only for spans of days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Document = Mapping[str, Any]


def shown(zone: str, instant: datetime) -> datetime:
    """Return what the clocks of `zone` show at an instant (both naive)."""
    return instant.replace(tzinfo=UTC).astimezone(_zone(zone)).replace(tzinfo=None)


@lru_cache(maxsize=700)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=20_000)
def first_shown(zone: str, local: datetime) -> datetime:
    """Return the first UTC instant at which the clocks show `local`; a skipped time comes later by the skip."""
    offsets = [shown(zone, local + hours * timedelta(hours=1)) - (local + hours * timedelta(hours=1)) for hours in range(-48, 49)]  # fmt: skip
    candidates = [local - offset for offset in dict.fromkeys(offsets)]
    shows_it = [instant for instant in candidates if shown(zone, instant) == local]
    return min(shows_it) if shows_it else candidates[0]


@lru_cache(maxsize=20_000)
def was(zone: str, day: date) -> bool:
    """Return whether the zone ever had this date: some instant around it showed it."""
    midday = datetime(day.year, day.month, day.day, 12)
    return any(
        shown(zone, midday + minutes * timedelta(minutes=20)).date() == day for minutes in range(-144, 145)
    )


def windows(document: Document, day: date) -> list[list[str]]:
    found: list[list[str]]
    if day.isoformat() in document.get("overrides", {}):
        found = document["overrides"][day.isoformat()]
    elif day.isoformat() in document.get("holidays", ()):
        found = []
    else:
        found = document.get("weekly", {}).get(DAYS[day.weekday()], [])
    return found


def converted(document: Document, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the windows that may touch [start, end), in UTC; they may overlap and be empty."""
    zone, day = document["timezone"], (start - 4 * DAY).date()
    while day <= (end + 4 * DAY).date():
        for opens, closes in windows(document, day) if was(zone, day) else ():
            midnight = datetime(day.year, day.month, day.day)
            to = midnight + _time(closes) + (DAY if _time(closes) <= _time(opens) else timedelta())
            yield first_shown(zone, midnight + _time(opens)), first_shown(zone, to)
        day += DAY


def _time(written: str) -> timedelta:
    parts = [*map(int, written.split(":")), 0]
    return timedelta(hours=parts[0], minutes=parts[1], seconds=parts[2])


def elapsed(document: Document, start: datetime, end: datetime) -> timedelta:
    """Return the open time in [start, end): the sum of all pieces between any two edges in which it is open."""
    if end < start:
        return -elapsed(document, end, start)
    all_windows = list(converted(document, start, end))
    edges = sorted({start, end, *(edge for window in all_windows for edge in window if start < edge < end)})
    return sum((to - at for at, to in pairwise(edges) if _open(all_windows, at)), timedelta())


def by_seconds(document: Document, start: datetime, end: datetime) -> int:
    """Return the open seconds in [start, end), each looked at."""
    all_windows = list(converted(document, start, end))
    seconds = (end - start) // SECOND
    return sum(_open(all_windows, start + second * SECOND) for second in range(seconds))


def is_open(document: Document, at: datetime) -> bool:
    return _open(list(converted(document, at, at)), at)


def _open(all_windows: Sequence[tuple[datetime, datetime]], at: datetime) -> bool:
    return any(opens <= at < closes for opens, closes in all_windows)
