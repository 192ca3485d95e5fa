"""What a mail server answers to FETCH, taken apart: one place that knows the shapes in which imaplib gives it.

imaplib gives a reply with a literal as a pair of what stood before the literal and the literal itself, followed
by what stood after it; a reply without one as plain bytes. Other replies may stand between: a server tells of
flags that somebody changes whenever it likes. Values are looked for by name, for their order is the server's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.intake.core.mail.collecting import Listed

Data = Sequence[bytes | tuple[bytes, bytes] | None]
"""The second half of what imaplib returns."""

_BEGINS: Final = re.compile(rb"\d+ \(")
_UID: Final = re.compile(rb"\bUID (\d+)")
_SIZE: Final = re.compile(rb"\bRFC822\.SIZE (\d+)")
_RECEIVED: Final = re.compile(rb'\bINTERNALDATE "([^"]{1,40})"')
_BODY: Final = re.compile(rb"\bBODY\[")


class _Reply(NamedTuple):
    said: bytes
    """All of it but the literal."""
    literal: bytes | None


def listed_in(data: Data) -> list[Listed]:
    """Return the mails of a FETCH of their sizes and dates, by UID."""
    found = {}
    for reply in _replies(data):
        uid, size = _number(_UID, reply.said), _number(_SIZE, reply.said)
        if uid is not None:
            found[uid] = Listed(uid, size, _received(reply.said))
    return [found[uid] for uid in sorted(found)]


def mails_in(data: Data) -> dict[int, bytes]:
    """Return the mails (or headers) of a FETCH, by UID. One without a literal is empty."""
    found = {}
    for reply in _replies(data):
        uid = _number(_UID, reply.said)
        if uid is not None and _BODY.search(reply.said):
            found[uid] = reply.literal or b""
    return found


def uids_in(data: Data) -> list[int]:
    """Return the UIDs of a SEARCH, ascending."""
    words = [word for line in data if isinstance(line, bytes) for word in line.split()]
    return sorted({int(word) for word in words if word.isdigit()})


def _replies(data: Data) -> Iterator[_Reply]:
    said, literal = b"", None
    for item in data:
        head, held = item if isinstance(item, tuple) else (item or b"", None)
        if _BEGINS.match(head) and said:
            yield _Reply(said, literal)
            said, literal = b"", None
        said += head
        literal = held if held is not None else literal
    if said:
        yield _Reply(said, literal)


def _number(pattern: re.Pattern[bytes], said: bytes) -> int | None:
    found = pattern.search(said)
    return None if found is None else int(found[1])


def _received(said: bytes) -> datetime | None:
    found = _RECEIVED.search(said)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1].decode("ascii").strip(), "%d-%b-%Y %H:%M:%S %z")
    except ValueError:
        return None
