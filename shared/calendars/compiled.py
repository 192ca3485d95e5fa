"""Open time by bisection: due and elapsed cost the same over an hour and over ten years.

A calendar's openings are laid out in UTC once, a year at a time, as far as questions reach, with the open time that had
passed at the end of each. A question is then two bisections and a difference of two sums; no day is walked.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from typing import Final

from shared.calendars.definition import CalendarDefinition
from shared.calendars.hours import NoOpening, Opening
from shared.calendars.years import DAY_US, Years, united

FIRST_YEAR: Final = 1920
LAST_YEAR: Final = 2249
"""The horizon. Instants of tickets lie in 1970 to 2199; due times may lie fifty years beyond, either way."""

CALENDARS_REMEMBERED: Final = 64
"""Compiled calendars that are shared; at two windows a day one takes 60 kB for each year it was asked about."""

_EDGE_US: Final = 3 * DAY_US
"""So near to its ends a run of years does not know all: windows of the year beside it reach in by the length of a
window (at most a day), the offset of the zone and a jump over the date line (a day)."""

_NEVER_US: Final = -(2**62)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _year_us(year: int) -> int:
    return (datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


_BEGIN_US: Final = _year_us(FIRST_YEAR)
_END_US: Final = _year_us(LAST_YEAR + 1)


@dataclass(frozen=True, slots=True)
class _Layout:
    """The openings of some years, first to last. Never changed, only replaced: readers need no lock.

    Position 0 is an opening of no length before all others, so that each instant has one at or before it.
    `totals[i]` is the open time up to `ends[i]`, from a beginning that only differences forget. All of it is right
    for instants in [from_us, to_us].
    """

    starts: list[int]
    ends: list[int]
    totals: list[int]
    from_us: int
    to_us: int
    first_year: int
    last_year: int

    @classmethod
    def of(cls, openings: list[Opening], first_year: int, last_year: int) -> _Layout:
        """Return the layout of all openings of some years."""
        return cls([_NEVER_US], [_NEVER_US], [0], 0, 0, first_year, first_year - 1).followed(
            openings, last_year
        )

    def followed(self, openings: list[Opening], last_year: int) -> _Layout:
        """Return this with the openings of the year after it; those that meet at New Year become one."""
        kept = bisect_left(self.ends, openings[0].start_us) if openings else len(self.ends)
        fresh = united(sorted([*self._between(kept, len(self.ends)), *openings]))
        return _Layout(
            self.starts[:kept] + [one.start_us for one in fresh],
            self.ends[:kept] + [one.end_us for one in fresh],
            self.totals[: kept - 1] + list(accumulate(map(_length, fresh), initial=self.totals[kept - 1])),
            _year_us(self.first_year) + _EDGE_US,
            _year_us(last_year + 1) - _EDGE_US,
            self.first_year,
            last_year,
        )

    def preceded(self, openings: list[Opening], first_year: int) -> _Layout:
        """Return this with the openings of the year before it; those that meet at New Year become one."""
        kept = bisect_right(self.starts, openings[-1].end_us) if openings else 1
        fresh = united(sorted([*openings, *self._between(1, kept)]))
        before_us = self.totals[kept - 1] - sum(map(_length, fresh))
        return _Layout(
            [_NEVER_US, *(one.start_us for one in fresh), *self.starts[kept:]],
            [_NEVER_US, *(one.end_us for one in fresh), *self.ends[kept:]],
            [*accumulate(map(_length, fresh), initial=before_us), *self.totals[kept:]],
            _year_us(first_year) + _EDGE_US,
            self.to_us,
            first_year,
            self.last_year,
        )

    def _between(self, first: int, end: int) -> list[tuple[int, int]]:
        return list(zip(self.starts[first:end], self.ends[first:end], strict=True))


_UNSEEN: Final = _Layout([_NEVER_US], [_NEVER_US], [0], 1, 0, 0, 0)
"""Before the first question: right nowhere."""


class Calendar:
    """The hours of a definition. Raises NoOpening for what lies beyond the horizon, in every method."""

    __slots__ = ("_ever_opens", "_layout", "_years", "definition")

    def __init__(self, definition: CalendarDefinition) -> None:
        self.definition: Final = definition
        self._ever_opens = definition.ever_opens
        self._years = Years(definition)
        self._layout = _UNSEEN

    def add(self, start_us: int, amount_us: int) -> int:
        """Return the instant at which `amount_us` of open time have passed since `start_us`; see Hours.add."""
        layout = self._layout
        if not layout.from_us <= start_us <= layout.to_us:
            layout = self._covering(start_us)
        if amount_us <= 0:
            return self._back(layout, start_us, -amount_us) if amount_us else self._next(layout, start_us)
        while True:
            starts, ends, totals = layout.starts, layout.ends, layout.totals
            index = bisect_right(starts, start_us) - 1
            target_us = totals[index] + amount_us
            if ends[index] > start_us:
                target_us -= ends[index] - start_us
            index = bisect_left(totals, target_us, index)
            if index < len(totals):
                due_us = ends[index] - totals[index] + target_us
                if due_us <= layout.to_us:
                    return due_us
            layout = self._longer(layout, start_us + amount_us)

    def elapsed(self, start_us: int, end_us: int) -> int:
        """Return the open microseconds in [start_us, end_us); negative if the end comes first."""
        layout = self._layout
        if not layout.from_us <= start_us <= layout.to_us:
            layout = self._covering(start_us)
        if not layout.from_us <= end_us <= layout.to_us:
            layout = self._covering(end_us)
        starts, ends, totals = layout.starts, layout.ends, layout.totals
        index = bisect_right(starts, end_us) - 1
        passed_us = totals[index]
        if ends[index] > end_us:
            passed_us -= ends[index] - end_us
        index = bisect_right(starts, start_us) - 1
        if ends[index] > start_us:
            passed_us += ends[index] - start_us
        return passed_us - totals[index]

    def openings(self, start_us: int, end_us: int) -> list[Opening]:
        """Return the open intervals within [start_us, end_us), clipped to it, in order."""
        if start_us >= end_us:
            return []
        self._covering(start_us)
        layout = self._covering(end_us)
        first = bisect_right(layout.ends, start_us)
        last = bisect_left(layout.starts, end_us)
        return [
            Opening(max(layout.starts[index], start_us), min(layout.ends[index], end_us))
            for index in range(first, last)
        ]

    def is_open(self, at_us: int) -> bool:
        """Return whether `at_us` counts: the opening instant does, the closing instant does not."""
        layout = self._covering(at_us)
        return layout.ends[bisect_right(layout.starts, at_us) - 1] > at_us

    def next_opening(self, at_us: int) -> int:
        """Return `at_us` if it is open, else when the calendar opens next. Raises NoOpening."""
        return self._next(self._covering(at_us), at_us)

    def _next(self, layout: _Layout, at_us: int) -> int:
        while True:
            index = bisect_right(layout.starts, at_us)
            if layout.ends[index - 1] > at_us:
                return at_us
            if index < len(layout.starts) and layout.starts[index] <= layout.to_us:
                return layout.starts[index]
            layout = self._longer(layout)

    def _back(self, layout: _Layout, start_us: int, amount_us: int) -> int:
        """Return the latest instant since which `amount_us` of open time have passed at `start_us`."""
        while True:
            starts, ends, totals = layout.starts, layout.ends, layout.totals
            index = bisect_right(starts, start_us) - 1
            target_us = totals[index] - amount_us
            if ends[index] > start_us:
                target_us -= ends[index] - start_us
            index = bisect_right(totals, target_us)
            if index:
                at_us = starts[index] + target_us - totals[index - 1]
                if at_us >= layout.from_us:
                    return at_us
            layout = self._earlier(layout, start_us - amount_us)

    def _covering(self, at_us: int) -> _Layout:
        """Return a layout that is right at `at_us`. Raises NoOpening beyond the horizon."""
        layout = self._layout
        if layout is _UNSEEN:
            layout = self._begun(at_us)
        while at_us > layout.to_us:
            layout = self._longer(layout)
        while at_us < layout.from_us:
            layout = self._earlier(layout)
        return layout

    def _begun(self, at_us: int) -> _Layout:
        if not _BEGIN_US <= at_us < _END_US:
            raise NoOpening(f"the instant lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
        year = (_EPOCH + timedelta(microseconds=at_us)).year
        self._layout = _Layout.of(self._years.openings(year), year, year)
        return self._layout

    def _longer(self, layout: _Layout, at_least_us: int = 0) -> _Layout:
        """Return `layout` with the year after it, if `at_least_us` lies before the end of the last year."""
        if layout.last_year >= LAST_YEAR or at_least_us >= _END_US:
            raise self._no_opening(f"before {LAST_YEAR + 1}")
        year = layout.last_year + 1
        self._layout = layout.followed(self._years.openings(year), year)
        return self._layout

    def _earlier(self, layout: _Layout, at_most_us: int = 0) -> _Layout:
        """Return `layout` with the year before it, if `at_most_us` lies behind the beginning of the first."""
        if layout.first_year <= FIRST_YEAR or at_most_us < _BEGIN_US:
            raise self._no_opening(f"since {FIRST_YEAR}")
        year = layout.first_year - 1
        self._layout = layout.preceded(self._years.openings(year), year)
        return self._layout

    def _no_opening(self, within: str) -> NoOpening:
        told = f"there is not so much open time {within}" if self._ever_opens else "the calendar never opens"
        return NoOpening(told)


@lru_cache(maxsize=CALENDARS_REMEMBERED)
def compiled(definition: CalendarDefinition) -> Calendar:
    """Return the calendar of `definition`; equal definitions share one, with what it has laid out."""
    return Calendar(definition)


def _length(opening: Opening) -> int:
    return opening.end_us - opening.start_us
