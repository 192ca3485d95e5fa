"""Spans of time as people write them (`90s`, `10m`, `24h`, `7d`) and the names of age buckets.

Configuration, metrics, JSON answers and tables name the same edge, so all of them take its name here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3_600
DAY_SECONDS: Final = 86_400

_UNIT_SECONDS: Final = {"s": 1, "m": MINUTE_SECONDS, "h": HOUR_SECONDS, "d": DAY_SECONDS}
_WRITTEN: Final = re.compile(r"([0-9]{1,9})\s*([smhd])")

_DAYS_FROM_SECONDS: Final = 7 * DAY_SECONDS
"""From a week on, whole days are named in days: support people say 72h, not 3d, and 7d, not 168h."""


def parse_duration(written: str) -> int | None:
    """Return the seconds of `90s`, `10m`, `24h` or `7d`; None if it is not written like that."""
    found = _WRITTEN.fullmatch(written.strip())
    return int(found[1]) * _UNIT_SECONDS[found[2]] if found else None


def duration_text(seconds: int) -> str:
    """Return the name of a span: whole days from a week on, else whole hours, minutes or seconds."""
    if seconds >= _DAYS_FROM_SECONDS and seconds % DAY_SECONDS == 0:
        return f"{seconds // DAY_SECONDS}d"
    for unit in ("h", "m"):
        if seconds and seconds % _UNIT_SECONDS[unit] == 0:
            return f"{seconds // _UNIT_SECONDS[unit]}{unit}"
    return f"{seconds}s"


def span_text(seconds: float) -> str:
    """Return a span exactly, in hours, minutes and seconds: `52h 10m`, `1h 5s`, `0.25s`, `-3m`.

    Never in days: a day of open time is no 24 hours.
    """
    minutes, rest = divmod(abs(seconds), MINUTE_SECONDS)
    hours, minutes = divmod(int(minutes), MINUTE_SECONDS)
    parts = [f"{hours}h"] * bool(hours) + [f"{minutes}m"] * bool(minutes)
    rest_text = f"{rest:.6f}".rstrip("0").rstrip(".")
    parts += [f"{rest_text}s"] * (rest_text != "0" or not parts)
    return ("-" if seconds < 0 else "") + " ".join(parts)


def bucket_labels(edges_seconds: Sequence[int]) -> tuple[str, ...]:
    """Return the names of the buckets between ascending edges: `0-24h`, `24-72h`, `72h+`.

    One more than there are edges; an edge belongs to the older side.
    """
    labels: list[str] = []
    begin = "0"
    for edge in map(duration_text, edges_seconds):
        shared_unit = begin[-1] == edge[-1]
        labels.append(f"{begin[:-1] if shared_unit else begin}-{edge}")
        begin = edge
    return (*labels, f"{begin}+")
