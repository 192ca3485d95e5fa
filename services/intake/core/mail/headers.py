"""The header fields of a mail or of one of its parts, by bytes, within bounds.

Mails come with mbox lines in front, with lone carriage returns, with fields that are none, with no end of
the header. What cannot be a field ends the header, as everywhere; nothing raises.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.intake.core.mail.charsets import unfolded

HEADER_BYTES_MAX: Final = 256 * 1024
"""Of the header block; what is beyond is not looked at. Servers refuse far less."""
FIELDS_MAX: Final = 1_000
VALUE_BYTES_MAX: Final = 32 * 1024
"""Of one field: a long Subject is cut, a long References keeps both of its ends."""

_BLANKS_BEFORE_MAX: Final = 2
"""Bytes of empty lines in front of a mail, which pipes and mailbox files leave there."""
_FIELD: Final = re.compile(rb"([!-9;-~]{1,128})[ \t]*:(.*)", re.DOTALL)
_END_OF_LINE: Final = re.compile(rb"\r\n|\n|\r")
_MBOX: Final = (b"From ", b">From ")
_PARAMETER: Final = re.compile(r';\s*([\w!#$&+.^`|~-]+)\*?(?:0\*?)?\s*=\s*(?:"([^"]*)"|([^;\s"]+))')
_CHARSET: Final = re.compile(rb"charset\*?=[\"']?([\w.:-]+)", re.IGNORECASE)


class Header(NamedTuple):
    """Fields in order, names in lower case, values unfolded; and where the body begins."""

    fields: tuple[tuple[bytes, bytes], ...]
    end: int

    def raw(self, name: str) -> bytes:
        """Return the first value of a field, empty if there is none."""
        wanted = name.encode()
        return next((value for field, value in self.fields if field == wanted), b"")

    def all(self, name: str) -> list[bytes]:
        """Return every value of a field."""
        wanted = name.encode()
        return [value for field, value in self.fields if field == wanted]

    def has(self, name: str) -> bool:
        """Return whether the field is there, even empty."""
        wanted = name.encode()
        return any(field == wanted for field, _ in self.fields)

    def text(self, name: str) -> str:
        """Return the first value of a field as text."""
        raw = self.raw(name)
        return unfolded(raw, self.charset) if raw else ""

    @property
    def charset(self) -> str:
        """Return the charset of the body, which fields without one of their own mostly share."""
        found = _CHARSET.search(self.raw("content-type"))
        return found[1].decode("ascii", "replace") if found else ""

    @property
    def content_type(self) -> str:
        """Return the media type in lower case, empty if none is shown."""
        shown = self.raw("content-type").partition(b";")[0].decode("latin-1").strip().lower()
        return "" if "/" not in shown else shown

    def parameter(self, field: str, name: str) -> str:
        """Return a parameter of a field such as Content-Type, empty if it is missing."""
        value = self.raw(field).decode("latin-1")
        found = (one for one in _PARAMETER.finditer(value) if one[1].lower() == name)
        one = next(found, None)
        return "" if one is None else (one[2] if one[2] is not None else one[3])


def header_of(raw: bytes, start: int = 0, stop: int | None = None) -> Header:
    """Return the header of the mail (or part) that lies at `start` to `stop` in `raw`."""
    stop = len(raw) if stop is None else stop
    limit = min(stop, start + HEADER_BYTES_MAX)
    fields: list[tuple[bytes, list[bytes]]] = []
    place = start
    while place < limit and len(fields) <= FIELDS_MAX:
        found = _END_OF_LINE.search(raw, place, limit)
        line, after = raw[place : found.start() if found else limit], found.end() if found else limit
        if not line.strip():
            if fields or start or place > _BLANKS_BEFORE_MAX:  # a part may have no field at all
                return _header(fields, after)
        elif line[:1] in b" \t" and fields:
            fields[-1][1].append(line)
        elif (field := _FIELD.fullmatch(line)) is not None:
            fields.append((field[1].lower(), [field[2]]))
        elif not (line.startswith(_MBOX) and not fields):
            return _header(fields, place)
        place = after
    return _header(fields, place)


def _header(fields: list[tuple[bytes, list[bytes]]], end: int) -> Header:
    return Header(tuple((name, _bounded(b"".join(pieces))) for name, pieces in fields), end)


def _bounded(value: bytes) -> bytes:
    value = value.strip()
    if len(value) <= VALUE_BYTES_MAX:
        return value
    half = VALUE_BYTES_MAX // 2
    return value[:half] + b" " + value[-half:]
