"""Instants and seconds of questions and answers: exact, and bounded where calendars are."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from barometer.exits import Refused
from barometer.instants import parse_instant
from shared.calendars.compiled import FIRST_YEAR, LAST_YEAR
from shared.contracts.instants import EPOCH, SECOND_US, to_us

_FIRST_US: Final = to_us(EPOCH.replace(year=FIRST_YEAR))
_END_US: Final = to_us(EPOCH.replace(year=LAST_YEAR + 1))

SECONDS_MAX: Final = (_END_US - _FIRST_US) // SECOND_US
"""No two instants that calendars cover are further apart."""

_NO_NUMBER: Final = Decimal("NaN")


def instant_us(name: str, written: object) -> int:
    """Return the microseconds of an RFC 3339 instant with any offset. Raises Refused."""
    if not isinstance(written, str):
        raise Refused(f"{name}: write an instant such as 2016-04-01T00:00:00Z")
    return covered_us(name, to_us(parse_instant(name, written)))


def covered_us(name: str, at_us: int) -> int:
    """Return `at_us` if it lies in the years that calendars cover. Raises Refused."""
    if not _FIRST_US <= at_us < _END_US:
        raise Refused(f"{name} lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return at_us


def amount_us(name: str, written: object) -> int:
    """Return the microseconds of seconds: an int, a Decimal, or text that is a number. Raises Refused."""
    seconds = _number(written)
    if not seconds.is_finite():
        raise Refused(f"{name}: write a number of seconds, such as 14400")
    if abs(seconds) > SECONDS_MAX:
        raise Refused(f"{name}: write at most {SECONDS_MAX} seconds, {LAST_YEAR + 1 - FIRST_YEAR} years")
    amount = seconds * SECOND_US
    if amount != amount.to_integral_value():
        raise Refused(f"{name}: nothing is counted finer than a microsecond; round it")
    return int(amount)


def _number(written: object) -> Decimal:
    if isinstance(written, bool) or not isinstance(written, int | str | Decimal):
        return _NO_NUMBER
    try:
        return Decimal(written)
    except InvalidOperation:
        return _NO_NUMBER
