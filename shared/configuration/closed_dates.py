"""Holidays as dates: of a country and region, or of an iCal file, for a bounded range of years.

The dates are found while the configuration is read, and the version that is published holds them. So a
new release of the `holidays` package, or another iCal file, can never move a deadline by itself: it makes
another list, which is a new version like any edit. Both libraries take a fifth of a second to import, so
only a file that names a country or an iCal file pays for them.

An all-day event is a date of the calendar, not an instant: nothing here passes through UTC.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from shared.configuration.problems import did_you_mean, refused

FIRST_HOLIDAY_YEAR: Final = 2010
LAST_HOLIDAY_YEAR: Final = 2040
"""Of what is resolved: logs from 2010 on are measured right, and nobody plans beyond 2040. One country takes
some 5 ms and 400 dates, 5 kB in a version of the configuration."""

ICAL_BYTES_MAX: Final = 1 << 20
ICAL_EVENTS_MAX: Final = 5_000
COUNTRIES_REMEMBERED: Final = 64

_FIRST: Final = date(FIRST_HOLIDAY_YEAR, 1, 1)
_END: Final = date(LAST_HOLIDAY_YEAR + 1, 1, 1)
_TOO_OFTEN: Final = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})
_CODE_CHARACTERS: Final = 2


@lru_cache(maxsize=COUNTRIES_REMEMBERED)
def country_dates(country: str, region: str | None = None) -> frozenset[date]:
    """Return the public holidays of a country (ISO 3166 code) and region, in the range.

    Raises the error of a validator if there is no such country or region.
    """
    import holidays  # noqa: PLC0415 - only a file that names a country pays for it

    supported = holidays.list_supported_countries(include_aliases=False)
    if country not in supported:
        codes = [code for code in supported if len(code) == _CODE_CHARACTERS]
        mend = did_you_mean(country, codes) if len(country) == _CODE_CHARACTERS else _CODE_MEND
        raise refused(f"no holidays are known of the country `{country}`", mend)
    if region is not None and region not in (regions := supported[country]):
        mend = did_you_mean(region, regions) if regions else "take `region` out"
        raise refused(f"`{country}` has no region `{region}` with holidays of its own", mend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some countries are known for fewer years, which the docs say
        found = holidays.country_holidays(
            country, subdiv=region, years=range(FIRST_HOLIDAY_YEAR, LAST_HOLIDAY_YEAR + 1), expand=False
        )
    return frozenset(day for day in found if _FIRST <= day < _END)


_CODE_MEND: Final = "write its ISO 3166 code of two letters, such as DE, and `region:` beside it"


def file_dates(path: Path) -> frozenset[date]:
    """Return the dates of the all-day events in an iCal file, repetitions included, in the range.

    Cancelled events are left out. Raises the error of a validator for what cannot be read, or is no
    file of all-day events.
    """
    import icalendar  # noqa: PLC0415 - only a file that names an iCal file pays for it
    import recurring_ical_events  # noqa: PLC0415 - as above

    content = _content(path)
    try:
        calendar = icalendar.Calendar.from_ical(content)
    except ValueError as error:
        what = f"`{path.name}` is no iCal file: {error}"
        raise refused(what, "export it anew as iCalendar (.ics)") from None
    events = calendar.walk("VEVENT")
    if len(events) > ICAL_EVENTS_MAX:
        raise refused(f"`{path.name}` has {len(events)} events", f"leave at most {ICAL_EVENTS_MAX}")
    _check(path, events)
    try:
        repeated = recurring_ical_events.of(calendar).between(_FIRST, _END)
        return frozenset(day for event in repeated for day in _days(event))
    except (ValueError, TypeError, AttributeError, KeyError) as error:  # what its rules may hold is endless
        what = f"the repetitions in `{path.name}` cannot be read: {error}"
        raise refused(what, "export it anew, or list the dates") from None


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            content = opened.read(ICAL_BYTES_MAX + 1)
    except OSError as error:
        what = f"the iCal file `{path.name}` cannot be read: {error.strerror}"
        raise refused(what, "put it beside the configuration file and check its rights") from None
    if len(content) > ICAL_BYTES_MAX:
        raise refused(f"the iCal file `{path.name}` has more than {ICAL_BYTES_MAX} bytes", "shorten it")
    return content


def _check(path: Path, events: Iterable[Any]) -> None:
    for event in events:
        start = event.get("DTSTART")
        title = event.get("SUMMARY", "without a title")
        if start is None or isinstance(start.dt, datetime):
            what = f"the event `{title}` in `{path.name}` is no whole day"
            raise refused(what, "make it an all-day event, or take it out and write it under `overrides`")
        rule = event.get("RRULE")
        if rule is not None and _TOO_OFTEN.intersection(map(str, rule.get("FREQ", []))):
            what = f"the event `{title}` in `{path.name}` repeats within a day"
            raise refused(what, "make it repeat daily or less often")


def _days(event: Any) -> Iterator[date]:
    if str(event.get("STATUS", "")) == "CANCELLED":
        return
    day, end = event["DTSTART"].dt, event["DTEND"].dt
    while day < max(end, day) or day == event["DTSTART"].dt:
        if _FIRST <= day < _END:
            yield day
        day += timedelta(days=1)
