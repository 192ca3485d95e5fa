"""How a personal detail of a ticket is handled on its way in (docs/personal-data.md)."""

from __future__ import annotations

from enum import Enum


class Handling(str, Enum):
    """What becomes of a value before anything is written."""

    PLAIN = "plain"
    """It is kept as it was sent."""
    HASHED = "hashed"
    """A keyed hash stands for it: equal values stay equal, and nobody without the key can try names."""
    DROPPED = "dropped"
    """It is left out, as if it had never been shown."""
