"""What is agreed with customers, in few words: instants, amounts, hours, policies and their versions.

Times are Berlin's: `Mon 09:00` is of the week of 2 March 2026, `Mon+1 09:00` a week later, `2026-03-29 03:30` any
other, a `Z` at the end means UTC. The calendar `office` is open Monday to Friday, 09:00 to 17:00.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.aging.core.policy import ALWAYS_OPEN, Policy, PolicyVersion, Promise, Stage
from services.aging.core.terms import HoursVersion, Terms
from shared.calendars.compiled import compiled
from shared.calendars.definition import definition_from
from shared.calendars.hours import Hours
from shared.contracts.instants import SECOND_US, from_us, to_us

_MONDAY: Final = date(2026, 3, 2)
_WEEK: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_BERLIN: Final = ZoneInfo("Europe/Berlin")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


# ---------------------------------------------------------------------------------------------- times
def us(when: str) -> int:
    """Return the instant that `when` names."""
    day, time = when.removesuffix("Z").split(" ")
    if day[:3] in _WEEK:
        name, _, weeks = day.partition("+")
        on = _MONDAY + timedelta(days=_WEEK.index(name), weeks=int(weeks or 0))
    else:
        on = date.fromisoformat(day)
    zone = ZoneInfo("UTC") if when.endswith("Z") else _BERLIN
    naive = datetime.fromisoformat(f"{on} {time}")
    return to_us(naive.replace(tzinfo=zone))


def when(at_us: int) -> str:
    """Return how a story names an instant: by its weekday in March 2026, or whole."""
    local = from_us(at_us).astimezone(_BERLIN)
    time = local.strftime("%H:%M" if local.second == local.microsecond == 0 else "%H:%M:%S")
    time += f".{local.microsecond:06}" if local.microsecond else ""
    days = (local.date() - _MONDAY).days
    if not 0 <= days < 21:
        return f"{local.date()} {time}"
    return f"{_WEEK[days % 7]}{f'+{days // 7}' if days >= 7 else ''} {time}"


def long(text: str) -> int:
    """Return how many microseconds `90s`, `15m`, `4h`, `2d` or `1h30m` are."""
    total, digits = 0, ""
    for letter in text:
        if letter in _SECONDS:
            total, digits = total + int(digits) * _SECONDS[letter], ""
        else:
            digits += letter
    assert not digits, f"no unit in {text!r}"
    return total * SECOND_US


def length(amount_us: int) -> str:
    """Return `1h30m` for an amount; `0s` for none."""
    assert amount_us % SECOND_US == 0, f"{amount_us} us are no whole seconds"
    seconds, parts = amount_us // SECOND_US, ""
    for unit, size in (("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        parts += f"{count}{unit}" if count else ""
    return parts or "0s"


# ---------------------------------------------------------------------------------------------- terms
def hours(
    zone: str = "Europe/Berlin", days: str = "mon tue wed thu fri", *windows: str, **more: Any
) -> Hours:
    """Return hours of `days`, 09:00-17:00 unless `windows` say otherwise; `more`: holidays, overrides."""
    weekly = {day: [window.split("-") for window in windows or ("09:00-17:00",)] for day in days.split()}
    return compiled(definition_from({"timezone": zone, "weekly": weekly, **more}))


def clock(
    target: str | Mapping[str, str], *, warn: str = "", pauses: str = "", wall: bool = False
) -> Promise:
    """Return a promise; `warn` and `pauses` are words, such as `50% 30m` and `customer vendor`."""
    targets = {"default": target} if isinstance(target, str) else target
    stages = tuple(
        Stage(share=int(one[:-1]) / 100) if one.endswith("%") else Stage(left_us=long(one))
        for one in warn.split()
    )
    return Promise(
        {name: long(text) for name, text in targets.items()},
        stages,
        frozenset(pauses.split()),
        business=not wall,
    )


def policy(
    name: str = "support",
    match: Mapping[str, str] | None = None,
    calendar: str = ALWAYS_OPEN,
    version: str = "1",
    **clocks: Promise | str | Mapping[str, str],
) -> Policy:
    """Return a policy with the default settings; a clock that is only a text is a target and no more."""
    return Policy(
        name,
        {key: one if isinstance(one, Promise) else clock(one) for key, one in clocks.items()},
        {key: frozenset(words.split()) for key, words in (match or {}).items()},
        calendar,
        label=f"{name}@{version}",
    )


def terms(*policies: Policy | PolicyVersion, **timetables: Hours | tuple[HoursVersion, ...]) -> Terms:
    """Return terms of policies, or of versions of them; `office` is open in office hours."""
    versions = [one for one in policies if isinstance(one, PolicyVersion)]
    first = tuple(one for one in policies if isinstance(one, Policy))
    named: dict[str, Hours | tuple[HoursVersion, ...]] = {"office": OFFICE, **timetables}
    return Terms(
        policies=[PolicyVersion(first), *versions] if first else versions,
        timetables={
            name: found if isinstance(found, tuple) else (HoursVersion(0, found),)
            for name, found in named.items()
        },
    )


def promises(*, calendar: str = ALWAYS_OPEN, **clocks: Promise | str | Mapping[str, str]) -> Terms:
    """Return terms of the one policy that has these clocks."""
    return terms(policy("support", None, calendar, "1", **clocks))


def since(when_: str, *policies: Policy, running: bool = False) -> PolicyVersion:
    """Return the version of the policies from then on."""
    return PolicyVersion(policies, us(when_), running)


OFFICE: Final = hours()
NEVER: Final = compiled(definition_from({"timezone": "Europe/Berlin", "weekly": {}}, may_never_open=True))
