"""Hours that changed in the course of time: each instant is counted by the version in force at it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shared.calendars.compiled import compiled
from shared.calendars.definition import definition_from
from shared.calendars.hours import Hours, NoOpening, Opening
from shared.calendars.years import united

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OF_A_VERSION: Final = frozenset({"effective_from", "retroactive"})


class HoursVersions:
    """Hours by the version in force. The first counts from the beginning of time, whatever it says.

    `versions` are (effective_us, hours), at least one, ascending and no two from the same instant.
    """

    __slots__ = ("_from_us", "_hours")

    def __init__(self, versions: Sequence[tuple[int, Hours]]) -> None:
        self._from_us = [effective_us for effective_us, _ in versions[1:]]
        self._hours = [hours for _, hours in versions]
        assert self._hours, "there is a version"
        assert sorted(set(self._from_us)) == self._from_us, "versions ascend"

    def add(self, start_us: int, amount_us: int) -> int:
        """Return the instant at which `amount_us` of open time have passed since `start_us`; see Hours.add."""
        if not self._from_us:
            return self._hours[0].add(start_us, amount_us)
        if amount_us < 0:
            return self._back(start_us, -amount_us)
        return self._forth(start_us, amount_us) if amount_us else self._next(start_us)

    def elapsed(self, start_us: int, end_us: int) -> int:
        """Return the open microseconds in [start_us, end_us); negative if the end comes first."""
        if not self._from_us:
            return self._hours[0].elapsed(start_us, end_us)
        if end_us < start_us:
            return -self.elapsed(end_us, start_us)
        return sum(hours.elapsed(from_us, to_us) for hours, from_us, to_us in self._parts(start_us, end_us))

    def openings(self, start_us: int, end_us: int) -> list[Opening]:
        """Return the open intervals within [start_us, end_us), clipped to it, in order."""
        return united(
            [
                opening
                for hours, from_us, to_us in self._parts(start_us, end_us)
                for opening in hours.openings(from_us, to_us)
            ]
        )

    def _forth(self, at_us: int, left_us: int) -> int:
        for version in range(bisect_right(self._from_us, at_us), len(self._from_us)):
            hours, until_us = self._hours[version], self._from_us[version]
            passes_us = hours.elapsed(at_us, until_us)
            if passes_us >= left_us:
                return hours.add(at_us, left_us)
            at_us, left_us = until_us, left_us - passes_us
        return self._hours[-1].add(at_us, left_us)

    def _next(self, at_us: int) -> int:
        for version in range(bisect_right(self._from_us, at_us), len(self._from_us)):
            until_us = self._from_us[version]
            try:
                opens_us = self._hours[version].add(at_us, 0)
            except NoOpening:
                opens_us = until_us
            if opens_us < until_us:
                return opens_us
            at_us = until_us
        return self._hours[-1].add(at_us, 0)

    def _back(self, at_us: int, left_us: int) -> int:
        """Return the latest instant since which `left_us` passed; the time before `at_us` belongs to a version."""
        for version in range(bisect_left(self._from_us, at_us), 0, -1):
            hours, since_us = self._hours[version], self._from_us[version - 1]
            passed_us = hours.elapsed(since_us, at_us)
            if passed_us >= left_us:
                return hours.add(at_us, -left_us)
            at_us, left_us = since_us, left_us - passed_us
        return self._hours[0].add(at_us, -left_us)

    def _parts(self, start_us: int, end_us: int) -> list[tuple[Hours, int, int]]:
        """Return the versions in force within [start_us, end_us), each with its part of it."""
        first, last = bisect_right(self._from_us, start_us), bisect_left(self._from_us, end_us)
        edges = [start_us, *self._from_us[first:last], end_us]
        return [
            (self._hours[first + index], edges[index], edges[index + 1]) for index in range(len(edges) - 1)
        ]


def published_hours(versions: Sequence[Mapping[str, Any]]) -> Hours:
    """Return the hours of a calendar as the configuration is published: its versions, ascending.

    Each is the document of a calendar with `effective_from` (RFC 3339, or null for the first) and `retroactive`.
    Raises CalendarInvalid.
    """
    found: list[tuple[int, Hours]] = []
    for version in versions:
        document = {name: value for name, value in version.items() if name not in _OF_A_VERSION}
        hours = compiled(definition_from(document, may_never_open=True))
        written = version.get("effective_from")
        effective_us = (
            0 if written is None else (datetime.fromisoformat(written) - _EPOCH) // timedelta(microseconds=1)
        )
        found.append((effective_us, hours))
    return found[0][1] if len(found) == 1 else HoursVersions(found)
