"""Outbox blocks: the records of one batch as bytes, kept in the batch's transaction until published.

One byte of format version, then a MessagePack array of records. Not compressed: at zlib's fastest a
block of 800 kB takes 10 ms and more, writing it to SQLite 2 ms, and it lives for milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.bus.port import Outgoing
from shared.runtime.port import StoreMisconfigured

_VERSION: Final = 1
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[Outgoing])


def encode_block(records: Sequence[Outgoing]) -> bytes:
    """Return `records` as a block."""
    block = bytearray((_VERSION,))
    _ENCODER.encode_into(list(records), block, 1)
    return bytes(block)


def decode_block(block: bytes) -> list[Outgoing]:
    """Return the records of a block. Raises StoreMisconfigured if a newer version wrote it."""
    if block[:1] != bytes((_VERSION,)):
        raise StoreMisconfigured(
            f"an outbox block has format {block[:1].hex()}, this version knows {_VERSION:02x}: "
            f"start the version of Barometer that wrote it and let it publish its outbox"
        )
    return _DECODER.decode(memoryview(block)[1:])
