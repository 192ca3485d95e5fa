"""Instants as the core counts them (microseconds since 1970 UTC) and as everybody else writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final

from msgspec import Meta

Instant = Annotated[datetime, Meta(tz=True)]
"""An aware datetime. On the wire a time without an offset is refused: nobody knows which instant it is."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_US: Final = 1_000_000
_DAY_US: Final = 86_400 * SECOND_US

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Instants outside [EARLIEST, LATEST) are no times of tickets; intake refuses them."""

INSTANTS_REMEMBERED: Final = 4_096
"""All that one commit shows has a handful of instants between them, each shown many times."""


def to_us(instant: datetime) -> int:
    """Return microseconds since 1970 UTC of an aware datetime; exact, no floating point."""
    delta = instant - EPOCH
    return delta.days * _DAY_US + delta.seconds * SECOND_US + delta.microseconds


@lru_cache(maxsize=INSTANTS_REMEMBERED)
def from_us(us: int) -> datetime:
    """Return the aware UTC datetime of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=us)


def rfc3339(us: int) -> str:
    """Return `2026-01-02T03:04:05Z`, with as many decimals as the instant has."""
    return from_us(us).isoformat().replace("+00:00", "Z")
