"""The section `calendars`: business hours as people write them, with holidays and versions in time.

A calendar's own keys hold from the beginning of time. A version holds from its `effective_from` on and
names only what changes: what it leaves out stays as it was before it. Holidays are resolved into dates
while the file is read (`closed_dates.py`), so everything behind this module knows dates only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    PrivateAttr,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shared.calendars.definition import DATES_MAX, zone_flaw
from shared.calendars.windows import (
    DAY_SECONDS,
    WINDOWS_OF_A_DAY_MAX,
    Window,
    WindowInvalid,
    parse_window,
    time_text,
)
from shared.configuration.closed_dates import FIRST_HOLIDAY_YEAR, LAST_HOLIDAY_YEAR, country_dates, file_dates
from shared.configuration.problems import refused
from shared.configuration.section import Section
from shared.configuration.values import InstantValue, Seconds, Title

HOLIDAY_ENTRIES_MAX: Final = 1_000
CALENDAR_VERSIONS_MAX: Final = 200

DIRECTORY: Final = "directory"
"""Key of the validation's context: the directory that holds the file, where iCal files are looked for."""

_YEARS: Final = range(FIRST_HOLIDAY_YEAR, LAST_HOLIDAY_YEAR + 1)
_WEEKS: Final = (date(_YEARS[-1], 12, 31) - date(_YEARS[0], 1, 1)).days // 7

_DATE_SCHEMA: Final = {"type": "string", "format": "date", "examples": ["2026-12-25"]}
_WINDOW_MEND: Final = 'write windows as pairs, such as [["09:00", "12:30"], ["13:00", "17:00"]]'


class Weekday(str, Enum):
    """The days, as hours are written for them."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


def _date(value: Any) -> date:
    if isinstance(value, date):
        return value
    try:
        if len(value) == len("2026-12-25"):
            return date.fromisoformat(value)
    except (TypeError, ValueError):
        pass  # told below
    raise refused(f"`{value}` is no date", "write year, month and day, such as 2026-12-25")


DateValue = Annotated[date, BeforeValidator(_date), WithJsonSchema(_DATE_SCHEMA)]
"""A local date, written `2026-12-25`. It never becomes an instant, so no zone can move it."""


def _windows(value: Any) -> tuple[Window, ...]:
    if not isinstance(value, list | tuple):
        raise refused(f"`{value}` is no list of windows", _WINDOW_MEND)
    if len(value) > WINDOWS_OF_A_DAY_MAX:
        raise refused(f"{len(value)} windows in a day", f"write at most {WINDOWS_OF_A_DAY_MAX}")
    return tuple(sorted(map(_window, value)))


def _window(value: Any) -> Window:
    match value:
        case [str(start), str(end)]:
            try:
                return parse_window(start, end)
            except WindowInvalid as error:
                raise refused(error.what, error.mend) from None
        case (int(start_s), int(end_s)) if isinstance(value, tuple):
            return start_s, end_s
    raise refused(f"`{value}` is no window", _WINDOW_MEND)


_TIME_SCHEMA: Final = {"type": "string", "pattern": r"^[0-9]{2}:[0-9]{2}(:[0-9]{2})?$"}
_WINDOWS_SCHEMA: Final = {
    "type": "array",
    "items": {"type": "array", "items": _TIME_SCHEMA, "minItems": 2, "maxItems": 2},
    "maxItems": WINDOWS_OF_A_DAY_MAX,
    "examples": [[["09:00", "12:30"], ["13:00", "17:00"]]],
}

Windows = Annotated[tuple[Window, ...], BeforeValidator(_windows), WithJsonSchema(_WINDOWS_SCHEMA)]
"""The windows that start on one day, in order, in seconds after its midnight."""


def _zone(value: Any) -> str:
    if flaw := zone_flaw(str(value)):
        raise refused(*flaw)
    return str(value)


Zone = Annotated[str, BeforeValidator(_zone)]
"""A name of the tz database. Never an offset, which would be wrong for half of the year."""


class Holiday(Section):
    """Dates that are closed: one date, the public holidays of a country, or the events of an iCal file."""

    day: Annotated[DateValue | None, Field(alias="date")] = None
    country: str | None = None
    """ISO 3166 code: DE."""
    region: str | None = None
    """ISO 3166-2 without the country: BY."""
    ical: Annotated[str | None, Field(min_length=1)] = None
    """A file, relative to the configuration file."""
    excluded: Annotated[tuple[DateValue, ...], Field(alias="except", max_length=DATES_MAX)] = ()
    """Dates that are open all the same."""
    _dates: frozenset[date] = PrivateAttr(default=frozenset())

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {"date": value} if isinstance(value, str | date) else value

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> Holiday:
        if sum(one is not None for one in (self.day, self.country, self.ical)) != 1:
            mend = "write a date, or {country: DE, region: BY}, or {ical: FILE}"
            raise refused("a holiday is one thing", mend)
        if self.region is not None and self.country is None:
            raise refused(f"the region `{self.region}` belongs to a country", "add `country:`")
        found = self._found(Path((info.context or {}).get(DIRECTORY, Path())))
        if strange := sorted(set(self.excluded) - found):
            what = f"{strange[0].isoformat()} is none of these holidays, so it cannot be excepted"
            raise refused(what, "mend the date or take it out")
        self._dates = found.difference(self.excluded)
        return self

    def _found(self, directory: Path) -> frozenset[date]:
        if self.country is not None:
            return country_dates(self.country, self.region)
        if self.ical is not None:
            return file_dates(directory / self.ical)
        assert self.day is not None, "one of the three is given"
        return frozenset({self.day})

    @property
    def dates(self) -> frozenset[date]:
        """The dates that are closed."""
        return self._dates

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Let editors take a bare date too."""
        return {"anyOf": [_DATE_SCHEMA, handler.resolve_ref_schema(handler(core_schema))]}


_Weekly = Mapping[Weekday, Windows]
_Holidays = Annotated[tuple[Holiday, ...], Field(max_length=HOLIDAY_ENTRIES_MAX)]
_Overrides = Annotated[Mapping[DateValue, Windows], Field(max_length=DATES_MAX)]


class CalendarVersion(Section):
    """What changes at an instant. With `retroactive` (the reason) it reaches what has passed already."""

    effective_from: InstantValue
    retroactive: Title | None = None
    timezone: Zone | None = None
    weekly: _Weekly | None = None
    holidays: _Holidays | None = None
    overrides: _Overrides | None = None
    day_seconds: Annotated[Seconds | None, Field(alias="day", gt=0, le=DAY_SECONDS)] = None


class HoursInForce(NamedTuple):
    """All that a calendar says from an instant on (None: always), whole."""

    effective_from: datetime | None
    retroactive: str | None
    timezone: str
    weekly: Mapping[Weekday, tuple[Window, ...]]
    holidays: frozenset[date]
    overrides: Mapping[date, tuple[Window, ...]]
    day_seconds: int | None

    @property
    def nominal_day_seconds(self) -> int:
        """What `1bd` comes to: `day`, or the longest open day of the week. 0 if the week has none."""
        if self.day_seconds is not None:
            return self.day_seconds
        return max((sum(end - start for start, end in one) for one in self.weekly.values()), default=0)

    @property
    def ever_opens(self) -> bool:
        """Whether there is a window that holidays do not close in all the years they are known for."""
        closed = _closed_weekdays(self.holidays)
        return any(self.overrides.values()) or any(
            one and day not in closed for day, one in self.weekly.items()
        )

    def document(self) -> dict[str, Any]:
        """Return the calendar's document: what is published, and what `sla --jsonl` takes."""
        return {
            "timezone": self.timezone,
            "weekly": {day.value: _texts(one) for day, one in self.weekly.items() if one},
            "holidays": [day.isoformat() for day in sorted(self.holidays)],
            "overrides": {day.isoformat(): _texts(one) for day, one in sorted(self.overrides.items())},
        }


def _texts(windows: tuple[Window, ...]) -> list[list[str]]:
    return [[time_text(start), time_text(end)] for start, end in windows]


def _closed_weekdays(holidays: frozenset[date]) -> frozenset[Weekday]:
    """Return the weekdays that are holidays each week, as Sundays are in Sweden."""
    counts = Counter(day.weekday() for day in holidays if day.year in _YEARS)
    return frozenset(day for index, day in enumerate(Weekday) if counts[index] >= _WEEKS)


class Calendar(Section):
    """Business hours, with a history."""

    timezone: Zone
    weekly: _Weekly = Field(default_factory=dict)
    holidays: _Holidays = ()
    overrides: _Overrides = Field(default_factory=dict)
    day_seconds: Annotated[Seconds | None, Field(alias="day", gt=0, le=DAY_SECONDS)] = None
    """What `1bd` comes to; by default the longest open day of the week."""
    versions: Annotated[tuple[CalendarVersion, ...], Field(max_length=CALENDAR_VERSIONS_MAX)] = ()

    @property
    def history(self) -> tuple[HoursInForce, ...]:
        """All versions, whole, in the order of the file; the first holds from the beginning of time."""
        found = [
            HoursInForce(
                None,
                None,
                self.timezone,
                self.weekly,
                _closed(self.holidays),
                self.overrides,
                self.day_seconds,
            )
        ]
        for version in self.versions:
            before = found[-1]
            found.append(
                HoursInForce(
                    version.effective_from,
                    version.retroactive,
                    before.timezone if version.timezone is None else version.timezone,
                    before.weekly if version.weekly is None else version.weekly,
                    before.holidays if version.holidays is None else _closed(version.holidays),
                    before.overrides if version.overrides is None else version.overrides,
                    before.day_seconds if version.day_seconds is None else version.day_seconds,
                )
            )
        return tuple(found)

    def at(self, instant: datetime | None) -> HoursInForce:
        """Return what holds at `instant` (None: the beginning of time), of ascending versions."""
        found = self.history[0]
        for version in self.history[1:]:
            assert version.effective_from is not None, "only the first holds always"
            if instant is None or version.effective_from > instant:
                break
            found = version
        return found


def _closed(holidays: tuple[Holiday, ...]) -> frozenset[date]:
    return frozenset().union(*(one.dates for one in holidays))
