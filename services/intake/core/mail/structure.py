"""What a mail consists of: its parts, by their headers, within bounds. Texts are not read and nothing is kept.

Python's parser recurses for each level and asks each level about each line, so a mail of a few megabytes can
hold it for minutes. Here a level is one search for its boundary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from services.intake.core.mail.headers import Header, header_of

PARTS_MAX: Final = 500
DEPTH_MAX: Final = 8
_BOUNDARY_CHARACTERS_MAX: Final = 256
"""RFC 2046 allows 70; some programs take more."""
_UUENCODED: Final = b"\nbegin "
_UUENCODED_LINE: Final = re.compile(rb"\nbegin [0-7]{3,4} [^\r\n]{1,255}\r?\n")
_REST_OF_LINE: Final = re.compile(rb"(--)?[ \t]*(?:\r\n|\n|\r|$)")
_LINE_ENDS: Final = (b"\n", b"\r")


class Structure(NamedTuple):
    """The media types of all parts, the mail's own first; and how many parts (or uuencoded files) are attached."""

    types: tuple[str, ...]
    attachments: int


def parts_of(raw: bytes, header: Header) -> list[tuple[int, int]]:
    """Return where each part of `raw` begins and ends, those of parts left out."""
    return [(part.start, part.stop) for part in reversed(_parts(raw, header, header.end, len(raw), 0))]


class _Part(NamedTuple):
    start: int
    stop: int
    depth: int
    usual: str
    """Its type, if it says none."""


def structure_of(raw: bytes, header: Header) -> Structure:
    """Return what the mail `raw` with that `header` consists of. Attached mails are attachments, not looked into."""
    types, attachments = [header.content_type or "text/plain"], 0
    waiting = _parts(raw, header, header.end, len(raw), 0)
    if not waiting:
        attachments = _alone(raw, header)
    while waiting and len(types) < PARTS_MAX:
        part = waiting.pop()
        inner = header_of(raw, part.start, part.stop)
        types.append(inner.content_type or part.usual)
        if inner.content_type.startswith("multipart/"):
            waiting += _parts(raw, inner, inner.end, part.stop, part.depth)
        elif _is_attached(inner, types[-1]):
            attachments += 1
    return Structure(tuple(types), attachments)


def _parts(raw: bytes, header: Header, start: int, stop: int, depth: int) -> list[_Part]:
    boundary = header.parameter("content-type", "boundary").encode("latin-1")
    multipart = header.content_type.startswith("multipart/")
    if not multipart or not 0 < len(boundary) <= _BOUNDARY_CHARACTERS_MAX or depth >= DEPTH_MAX:
        return []
    usual = "message/rfc822" if header.content_type == "multipart/digest" else "text/plain"
    found: list[_Part] = []
    last: int | None = None
    for begin, end, closes in _delimiters(raw, b"--" + boundary, start, stop):
        if last is not None:
            found.append(_Part(last, begin, depth + 1, usual))
        last = None if closes else end
        if closes or len(found) > PARTS_MAX:
            break
    if last is not None and last < stop:
        found.append(_Part(last, stop, depth + 1, usual))  # cut off before its end
    return found[::-1]


def _delimiters(raw: bytes, mark: bytes, start: int, stop: int) -> Iterator[tuple[int, int, bool]]:
    """Yield the lines that are `mark`: where each begins and ends, and whether it is the last one."""
    place = raw.find(mark, start, stop)
    while place >= 0:
        after = _REST_OF_LINE.match(raw, place + len(mark), stop)
        if after is not None and (place == start or raw[place - 1 : place] in _LINE_ENDS):
            yield place, after.end(), after[1] is not None
        place = raw.find(mark, place + len(mark), stop)


def _is_attached(header: Header, kind: str) -> bool:
    """Return whether a part is something to open: called so, named, or no text at all."""
    disposition = header.raw("content-disposition").partition(b";")[0].strip().lower()
    if disposition == b"attachment":
        return True
    named = header.parameter("content-disposition", "filename") or header.parameter("content-type", "name")
    return bool(named) or not kind.startswith(("text/", "message/delivery-status"))


def _alone(raw: bytes, header: Header) -> int:
    """Return the attachments of a mail without parts: itself, or files written into its text by uuencode."""
    if _is_attached(header, header.content_type or "text/plain"):
        return 1
    found, place = 0, raw.find(_UUENCODED, header.end)
    while place >= 0 and found < PARTS_MAX:
        found += _UUENCODED_LINE.match(raw, place) is not None
        place = raw.find(_UUENCODED, place + len(_UUENCODED))
    return found
