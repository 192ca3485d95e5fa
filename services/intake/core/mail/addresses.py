"""Who a mail is from and to: addresses in From, To and the like, in lower case.

A display name may hold anything, an address included: `"boss@example.com" <thief@example.org>` is the thief.
So quoted texts and comments go first, and what stands in angle brackets counts before what does not.
"""

from __future__ import annotations

import re
from typing import Final

ADDRESSES_MAX: Final = 200
"""Of one field; nobody is told by more."""
ADDRESS_CHARACTERS_MAX: Final = 320
"""64 before the @ and 255 behind it (RFC 5321, section 4.5.3.1)."""

_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)("|\\?$)', re.DOTALL)
"""It matches unclosed ones as well, to their end, for else each quote would be tried to the end of the text."""
_COMMENT: Final = re.compile(r"\([^()]*\)")
_COMMENTS_DEPTH_MAX: Final = 5
_ANGLED: Final = re.compile(r"<([^<>]*)>")
_ADDRESS: Final = re.compile(
    r"[^\s<>()\[\],;:\"\\@]{1,128}@(?:[^\s<>()\[\],;:\"\\@]{1,255}|\[[^\s\[\]]{1,64}\])"
)


def addresses_of(text: str) -> list[str]:
    """Return the addresses in a field's text, in order, in lower case; none for a group without members."""
    text = _bare(text)
    angled = [found for piece in _ANGLED.findall(text) for found in _ADDRESS.findall(piece)]
    found = angled + _ADDRESS.findall(_ANGLED.sub(" ", text))
    short = [one.lower() for one in found if len(one) <= ADDRESS_CHARACTERS_MAX and one.isprintable()]
    return list(dict.fromkeys(short))[:ADDRESSES_MAX]


def is_among(address: str, patterns: frozenset[str]) -> bool:
    """Return whether `address` is one of `patterns`: whole addresses, or `@domain` for all of a domain."""
    return address in patterns or f"@{address.rpartition('@')[2]}" in patterns


def _bare(text: str) -> str:
    """Return `text` without quoted texts and comments; a quote that is never closed is none."""
    text = _QUOTED.sub(lambda found: " " if found[2] else found[1], text)
    for _ in range(_COMMENTS_DEPTH_MAX):
        text = _COMMENT.sub(" ", text)
    return text
