"""Instants as arguments: with an offset, or nobody knows which instant is meant."""

from __future__ import annotations

from datetime import datetime

from barometer.exits import Refused


def parse_instant(flag: str, written: str) -> datetime:
    """Return the instant `written` after `flag`. Raises Refused."""
    try:
        instant = datetime.fromisoformat(written)
    except ValueError:
        raise Refused(f"{flag} {written}: write an instant such as 2016-04-01T00:00:00Z") from None
    if instant.tzinfo is None:
        raise Refused(f"{flag} {written}: add the offset, such as {written}Z or {written}+02:00")
    return instant
