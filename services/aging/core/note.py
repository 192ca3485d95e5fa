"""What a partition keeps beside its position: committed with it, and all there is to know after a crash."""

from __future__ import annotations

from typing import Final

import msgspec

from services.aging.core.adoption import AdoptionNote
from services.aging.core.cells import CellKey
from services.aging.core.flows import FlowKey


class Note(msgspec.Struct, array_like=True):
    """What belongs to the position beside tickets: small, and committed with it."""

    runs: dict[str, int] = {}
    """Open import runs, and the partition's clock when each last showed something."""
    waking: bool = False
    merges: bool = False
    """An absorbed register was ever seen, so registers are worth loading."""
    cells: list[CellKey] = []
    """Changed but not yet published."""
    flows: list[FlowKey] = []
    configs: list[tuple[int, int]] = []
    """Configuration versions adopted, oldest first, each with the instant from which it holds here."""
    judging: tuple[int, str, str] | None = None
    """Closed tickets that left since this instant are judged anew, beginning after this one."""
    adoption: AdoptionNote = AdoptionNote()
    config: int = 0
    version: int = 0
    """Of the newest cells, flows and clock published."""
    read: bool = False
    """An observation was ever read, so something may have been stated."""
    edges_us: int = -1
    """From when on the age edges hold by which cells are counted; -1: those of the clock. Newer ones may be in
    force already, and not all tickets counted by them."""


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Note)


def encode_note(note: Note) -> bytes:
    """Return the bytes of a commit's note."""
    return _encoder.encode(note)


def decode_note(data: bytes) -> Note:
    """Return the note of `data`; an empty one before the first commit."""
    return _decoder.decode(data) if data else Note()
