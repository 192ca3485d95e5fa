"""Opening windows as people write them (`09:00` to `17:00`), and which of them cross each other.

A window is a pair of seconds after local midnight of the day on which it starts, (start_s, end_s): 0 <= start_s <
86,400 and start_s < end_s <= start_s + 86,400. A window over midnight ends after 86,400 and belongs to the day it
starts on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

Window = tuple[int, int]
Weekly = tuple[tuple[Window, ...], ...]
"""The windows of Monday, Tuesday, ... Sunday: seven of them."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_SECONDS: Final = 86_400

WINDOWS_OF_A_DAY_MAX: Final = 96
"""A window each quarter of an hour: more in a day is a mistake, and would cost memory for nothing."""

_WRITTEN: Final = re.compile(r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?")


class WindowInvalid(ValueError):
    """Hours that cannot be read: `what` is wrong, and the `mend`."""

    def __init__(self, what: str, mend: str) -> None:
        self.what = what
        self.mend = mend
        super().__init__(f"{what}; {mend}")


class Overlap(NamedTuple):
    """Two windows that share time. `day` and `other_day` count from Monday = 0, and may be the same."""

    day: int
    window: Window
    other_day: int
    other: Window


def parse_time(written: str) -> int:
    """Return the seconds after midnight of `09:00`, `09:00:30` or `24:00`. Raises WindowInvalid."""
    if found := _WRITTEN.fullmatch(written):
        hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
        total_s = hours * 3_600 + minutes * 60 + seconds
        if minutes < 60 and seconds < 60 and total_s <= DAY_SECONDS:  # noqa: PLR2004 (a clock has sixty)
            return total_s
    raise WindowInvalid(f"`{written}` is no time of a day", "write hours and minutes, such as 09:00 or 24:00")


def parse_window(start: str, end: str) -> Window:
    """Return the window from `start` to `end`; one that ends at or before its start runs over midnight.

    Raises WindowInvalid.
    """
    start_s, end_s = parse_time(start), parse_time(end)
    if start_s == DAY_SECONDS:
        raise WindowInvalid(f"no window starts at {start}, the end of a day", "write 00:00 of the next day")
    return start_s, end_s if end_s > start_s else end_s + DAY_SECONDS


def window_text(window: Window) -> str:
    """Return `09:00-17:00`; the end of the day is 24:00, and what lies behind it is written as on a clock."""
    return f"{time_text(window[0])}-{time_text(window[1])}"


def time_text(time_s: int) -> str:
    """Return `09:00`, or `09:00:30` where there are seconds."""
    minutes, seconds = divmod(time_s - DAY_SECONDS if time_s > DAY_SECONDS else time_s, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


def overlapping(windows: Sequence[Window]) -> list[tuple[Window, Window]]:
    """Return the neighbours among the windows of one day that share time; to touch is not to share."""
    ordered = sorted(windows)
    return [(one, other) for one, other in pairwise(ordered) if other[0] < one[1]]


def overlaps(weekly: Weekly) -> list[Overlap]:
    """Return the windows of a week that share time: of one day, or over midnight with those of the next.

    Sunday's run into Monday's. Empty for a sound week.
    """
    found = []
    for day, windows in enumerate(weekly):
        found += [Overlap(day, one, day, other) for one, other in overlapping(windows)]
        next_day = (day + 1) % len(WEEKDAYS)
        found += [
            Overlap(day, one, next_day, other)
            for one in windows
            for other in weekly[next_day]
            if other[0] + DAY_SECONDS < one[1]
        ]
    return found
