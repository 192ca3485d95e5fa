"""Which dates of a span were no ordinary ones: holidays, and dates with hours of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from shared.calendars.compiled import Calendar
from shared.calendars.definition import CalendarDefinition
from shared.calendars.hours import Hours

HOLIDAY: Final = "holiday"
OVERRIDE: Final = "override"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SpecialDay(NamedTuple):
    """A date of the calendar's zone. `kind`: `holiday` (closed) or `override` (its own hours, or none)."""

    date: date
    kind: str


def special_days(versions: Sequence[tuple[int, Hours]], from_us: int, until_us: int) -> list[SpecialDay]:
    """Return the special dates that [from_us, until_us) touches, by the version in force, in order.

    `versions` are (effective_us, hours), ascending; the first counts always. A holiday on a date that would be closed
    anyway is none. Hours without a definition (24x7) have no special days.
    """
    found: set[SpecialDay] = set()
    for index, (effective_us, hours) in enumerate(versions):
        low = max(from_us, effective_us) if index else from_us
        high = min(until_us, versions[index + 1][0]) if index + 1 < len(versions) else until_us
        if low < high and isinstance(hours, Calendar):
            found |= _between(hours.definition, low, high)
    return sorted(found)


def _between(definition: CalendarDefinition, from_us: int, until_us: int) -> set[SpecialDay]:
    first, last = (_local(at_us, definition.timezone) for at_us in (from_us, until_us - 1))
    overridden = {day for day, _ in definition.overrides}
    days = {SpecialDay(day, OVERRIDE) for day in overridden if first <= day <= last}
    return days | {
        SpecialDay(day, HOLIDAY)
        for day in definition.holidays - overridden
        if first <= day <= last and definition.weekly[day.weekday()]
    }


def _local(at_us: int, zone: str) -> date:
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(ZoneInfo(zone)).date()
