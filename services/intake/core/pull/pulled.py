"""What a pulled observation has that a webhook's has not, at once or when what was kept of it is retried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from services.intake.core.pull.port import Item
from shared.contracts.tickets import Observation, TicketFields

VERIFIED: Final = "pull:"
"""How what was kept had been proved, before the vendor's name: we asked for it."""
_HEADER: Final = "x-barometer-pulled"
_MESSAGE: Final = "message"
_AS_TOLD: Final = ""


def kept_headers_of(item: Item) -> dict[str, str]:
    """Return the headers to keep with `item`, by which it is known as pulled when it is retried."""
    return {**item.headers, _HEADER: _how(item)}


def as_listed(observation: Observation, item: Item) -> Observation:
    """Return the observation that `item` shows, of what the adapter made of it."""
    return _marked(observation, _how(item))


def as_kept(observation: Observation, headers: Mapping[str, str]) -> Observation:
    """Return the observation that a kept item shows, of what the adapter made of it."""
    return _marked(observation, headers.get(_HEADER, _AS_TOLD))


def _how(item: Item) -> str:
    if item.written_at is not None:
        return _MESSAGE
    return _AS_TOLD if item.sequence is None else str(item.sequence)


def _marked(observation: Observation, how: str) -> Observation:
    if how == _MESSAGE:
        # A message is listed with its ticket as it is now, if at all, and says nothing of how it was then.
        return msgspec.structs.replace(observation, pulled=True, fields=TicketFields())
    sequence = int(how) if how.isdecimal() else observation.sequence
    return msgspec.structs.replace(observation, pulled=True, sequence=sequence)
