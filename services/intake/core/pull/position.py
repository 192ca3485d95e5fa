"""How far a source's lists have been read: what a cursor keeps, as bytes.

What is known is a watermark, an instant by the vendor's clock: everything that changed up to it is on the bus.
Sources commit out of order, so reading goes on a little before it (the overlap), and what was read there already
is remembered, so that it is not published at every turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.intake.core.pull.limits import WAIT_SECONDS_MAX
from services.intake.core.pull.port import Item
from shared.contracts.instants import EPOCH, Instant, to_us

SEEN_MAX: Final = 5_000
"""Remembered of one list, the newest; what is forgotten is published again, which is a repeat and harmless."""
_MARK_CHARACTERS: Final = 16


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """A state of a ticket that is on the bus already."""

    at_us: int
    mark: str


class Position(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How far one list has been read."""

    watermark: Instant
    """What changed up to here is on the bus."""
    known_until: Instant
    """Up to here nothing else had changed when the list was last read to its end."""
    begun: Instant = EPOCH
    """From when on anything is wanted."""
    page: str = ""
    """The handle of the next page, where the vendor's last."""
    seen: tuple[Seen, ...] = ()
    etag: str = ""
    etag_of: str = ""
    """The identity of the request that `etag` belongs to."""

    @classmethod
    def begin(cls, at: datetime) -> Position:
        """Return the position of a list of which nothing is wanted before `at`."""
        return cls(at, at, at)

    def has(self, item: Item) -> bool:
        """Return whether this state of the ticket is known to be on the bus."""
        return _seen(item) in self.seen

    def with_items(
        self, items: Iterable[Item], *, watermark: datetime, kept_from: datetime | None
    ) -> Position:
        """Return the position once `items` are on the bus, forgetting what stands before `kept_from`."""
        both = dict.fromkeys((*self.seen, *map(_seen, items)))
        kept = [one for one in both if kept_from is None or one.at_us >= to_us(kept_from)]
        return msgspec.structs.replace(self, watermark=watermark, seen=tuple(kept[-SEEN_MAX:]))


def _seen(item: Item) -> Seen:
    return Seen(to_us(item.at), item.mark[:_MARK_CHARACTERS])


class Progress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """All that is kept of a source: its lists by name, and what decides when they are read next."""

    read_at: Instant = EPOCH
    """When the last turn began, by our clock."""
    not_before: Instant = EPOCH
    """Until when the vendor asked to wait."""
    lists: dict[str, Position]

    def due(self, interval: timedelta, now: datetime) -> datetime:
        """Return when the lists are to be read next.

        Instants further ahead than any that is written here come of a clock that was wrong: they do not count.
        """
        if self.read_at > now or self.not_before - now > timedelta(seconds=WAIT_SECONDS_MAX):
            return now
        return max(self.read_at + interval, self.not_before)


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Progress)


def encode_progress(progress: Progress) -> bytes:
    """Return a cursor's body."""
    return _encoder.encode(progress)


def decode_progress(body: bytes) -> Progress | None:
    """Return what a cursor's body says, None if it is none of ours."""
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError:
        return None
