"""What is wrong with business hours that are well written: they overlap, never open, or do not ascend."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from shared.calendars.definition import CalendarInvalid, Flaw, definition_from
from shared.configuration.calendars import Calendar, HoursInForce
from shared.configuration.document import Path
from shared.configuration.models import Configuration
from shared.configuration.policies import ALWAYS_OPEN
from shared.configuration.validation import Finding

_PARTS: Final = re.compile(r"[^.\[\]]+")
_KEYS: Final = ("weekly", "overrides", "holidays", "timezone")


def calendars(configuration: Configuration) -> Iterator[Finding]:
    """Yield what is wrong with each calendar and each of its versions."""
    for name, calendar in configuration.calendars.items():
        path: Path = ("calendars", name)
        if name == ALWAYS_OPEN:
            yield Finding(path, f"the calendar `{name}` is always there", "give yours another name")
        starts = [version.effective_from for version in calendar.versions]
        yield from ascending((*path, "versions"), starts, f"calendar `{name}`")
        for number, hours in enumerate(calendar.history):
            place = (*path, "versions", number - 1) if number else path
            yield from _hours(place, name, hours, _written(calendar, number))


def reaching_back(configuration: Configuration, *, now: datetime) -> Iterator[Finding]:
    """Yield each version that gives a reason to reach what has passed but begins later than `now`."""
    for name, calendar in configuration.calendars.items():
        for index, version in enumerate(calendar.versions):
            if version.retroactive is not None and version.effective_from > now:
                path = ("calendars", name, "versions", index, "retroactive")
                begins = version.effective_from.isoformat()
                what = (
                    f"calendar `{name}`: this version begins in the future ({begins}), so nothing has passed"
                )
                yield Finding(path, what, "take `retroactive` out, or mend `effective_from`")


def ascending(path: Path, starts: Sequence[datetime], what: str) -> Iterator[Finding]:
    """Yield each version of `what` that does not begin after the one before it."""
    for index in range(1, len(starts)):
        if starts[index] <= starts[index - 1]:
            yield Finding(
                (*path, index, "effective_from"),
                f"{what}: this version does not begin after the one before it",
                "write the versions from old to new, each with its own `effective_from`",
            )


def _written(calendar: Calendar, number: int) -> frozenset[str]:
    """Return the keys that stand in this version itself, not in one before it."""
    return frozenset((calendar.versions[number - 1] if number else calendar).model_fields_set)


def _hours(path: Path, name: str, hours: HoursInForce, written: frozenset[str]) -> Iterator[Finding]:
    if flaws := _flaws(hours):
        for flaw in flaws:
            if (parts := _parts(flaw))[0] in written:  # what an earlier version wrote is told there
                yield Finding((*path, *parts), f"calendar `{name}`: {flaw.what}", flaw.mend)
    elif not hours.ever_opens:
        closed = any(hours.weekly.values())
        why = "its holidays close every day it is open" if closed else "it has no opening at all"
        mend = (
            "write `except:` beside the holidays" if closed else 'write `weekly: {mon: [["09:00", "17:00"]]}`'
        )
        yield Finding((*path, *_blamed(written)), f"calendar `{name}`: {why}", mend)


def _flaws(hours: HoursInForce) -> Sequence[Flaw]:
    try:
        definition_from(hours.document(), may_never_open=True)
    except CalendarInvalid as error:
        return error.flaws
    return ()


def _parts(flaw: Flaw) -> Path:
    return tuple(int(part) if part.isdigit() else part for part in _PARTS.findall(flaw.path))


def _blamed(written: frozenset[str]) -> tuple[str, ...]:
    return next(((key,) for key in _KEYS if key in written), ())
