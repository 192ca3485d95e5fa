"""Ids that are derived, never drawn: the same statement has the same id, whoever computes it, whenever.

A redelivery, another order of arrival and a backtest all give the same ids, so a reader can drop
repeats by id alone.
"""

from __future__ import annotations

from hashlib import blake2b

DIGEST_BYTES = 16


def digest(*parts: bytes) -> bytes:
    """Return 16 bytes that identify `parts`; a part's boundary is part of what is hashed."""
    framed = b"".join([piece for part in parts for piece in (len(part).to_bytes(4, "big"), part)])
    return blake2b(framed, digest_size=DIGEST_BYTES).digest()


def derived_id(*parts: str) -> str:
    """Return 32 hex characters that identify `parts`."""
    return digest(*(part.encode() for part in parts)).hex()
