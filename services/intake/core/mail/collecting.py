"""How a mailbox is gone through: what to fetch next, and in which way, so that no mail holds up those after it.

A mailbox may hold a hundred thousand mails, one of which is larger than memory, and one that the server fails
to hand over each time. So mails are taken in small portions in the order of their UIDs. One that is too large,
or that could not be had whole, is read by its header alone, which is all that Barometer looks at but the count
of attachments; one whose header cannot be had either is refused, and kept on record.

How far a folder was read is its UIDVALIDITY and the last UID, not which mails were seen: people read mails too. A
changed UIDVALIDITY means that UIDs begin anew, and so does the reading; mails read twice are the same mails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from services.intake.core.rejection import Reason, Rejection, rejected
from shared.contracts.instants import EARLIEST

PORTION_MAILS_MAX: Final = 25
"""Fetched by one command. After a crash so many are read again at most."""
SMALL_BYTES_MAX: Final = 256 * 1024
"""Mails up to this size are fetched together; larger ones each by itself."""
WHOLE_BYTES_MAX: Final = 60 * 1024 * 1024
"""Of a mail that is had whole, whatever the limit for those that are sent to us: so much may be in memory."""
WHOLE_TRIES_MAX: Final = 2
"""After so many failures of a mail its header has to do."""
HEADER_TRIES_MAX: Final = 5
"""After so many failures it is given up."""
HEADER_BYTES_MAX: Final = 256 * 1024
"""As much of a header as is looked at (core/mail/headers.py)."""


class FolderCursor(msgspec.Struct, frozen=True, gc=False):
    """How far a folder was read."""

    validity: int
    """The UIDVALIDITY under which `uid` counts."""
    uid: int
    """The last UID that is done; 0: none is."""


class MailboxCursor(msgspec.Struct, frozen=True):
    """How far the folders of a mailbox were read, and when all of them were last read to their ends."""

    folders: dict[str, FolderCursor] = {}  # msgspec gives each its own
    read_us: int = 0
    """Microseconds since 1970; 0: never yet."""

    def after(self, folder: str, validity: int) -> int:
        """Return the last UID that is done in `folder`, 0 if it is to be read from its beginning."""
        known = self.folders.get(folder)
        return known.uid if known is not None and known.validity == validity else 0

    def moved(self, folder: str, place: FolderCursor) -> MailboxCursor:
        """Return the cursor with `folder` read up to `place`."""
        return msgspec.structs.replace(self, folders={**self.folders, folder: place})


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(MailboxCursor)


def encode_cursor(cursor: MailboxCursor) -> bytes:
    """Return the body of a cursor's row."""
    return _encoder.encode(cursor)


def decode_cursor(body: bytes) -> MailboxCursor:
    """Return the cursor of a row's body; an empty one is a mailbox that was never read."""
    return _decoder.decode(body) if body else MailboxCursor()


class Listed(NamedTuple):
    """A mail as the server lists it. None: it would not say."""

    uid: int
    size_bytes: int | None
    received_at: datetime | None
    """When the server got it (INTERNALDATE)."""


class How(str, Enum):
    """How a mail is to be had."""

    WHOLE = "whole"
    HEADER = "header"
    NOT = "not"
    """Not at all: it was tried often enough."""


class Portion(NamedTuple):
    """Mails to be had by one command, in the order of their UIDs."""

    mails: tuple[Listed, ...]
    how: How


def next_portion(listed: Sequence[Listed], failures: Mapping[int, int], *, bytes_max: int) -> Portion:
    """Return what to fetch first of `listed` (not empty, by UID).

    `failures` says how often each UID could not be had, `bytes_max` how large a mail may be to be had whole.
    """
    bytes_max = min(bytes_max, WHOLE_BYTES_MAX)
    first = listed[0]
    how = _how(first, failures.get(first.uid, 0), bytes_max)
    together = [first]
    small = min(SMALL_BYTES_MAX, bytes_max)
    if how is How.WHOLE and _is_small(first, failures, small):
        for mail in listed[1:PORTION_MAILS_MAX]:
            if not _is_small(mail, failures, small):
                break
            together.append(mail)
    return Portion(tuple(together), how)


def _how(mail: Listed, failed: int, bytes_max: int) -> How:
    if failed >= HEADER_TRIES_MAX:
        return How.NOT
    too_large = mail.size_bytes is not None and mail.size_bytes > bytes_max
    return How.HEADER if too_large or failed >= WHOLE_TRIES_MAX else How.WHOLE


def _is_small(mail: Listed, failures: Mapping[int, int], small_bytes: int) -> bool:
    """Return whether `mail` may be fetched beside others: nothing is known against it."""
    return mail.size_bytes is not None and mail.size_bytes <= small_bytes and mail.uid not in failures


def bytes_asked(portion: Portion, *, bytes_max: int) -> int:
    """Return how much of each mail to ask for, whatever size the server says: memory is bounded by this."""
    if portion.how is How.HEADER:
        return HEADER_BYTES_MAX
    return min(bytes_max, WHOLE_BYTES_MAX if len(portion.mails) == 1 else 2 * SMALL_BYTES_MAX)


def is_wanted(mail: Listed, since: date | None) -> bool:
    """Return whether `mail` came on the day `since` (UTC) or later."""
    if since is None or mail.received_at is None:
        return True
    return mail.received_at >= datetime.combine(since, time(), UTC)


def receipt(mail: Listed, now: datetime) -> datetime:
    """Return when the clocks of a ticket start: at receipt by the server, as far as that can be true."""
    received_at = mail.received_at
    return now if received_at is None or received_at < EARLIEST else min(received_at.astimezone(UTC), now)


def given_up(folder: str, mail: Listed) -> Rejection:
    """Return why a mail that cannot be had is refused."""
    size = "of unknown size" if mail.size_bytes is None else f"of {mail.size_bytes} bytes"
    detail = (
        f"the mail server did not hand over the mail with UID {mail.uid} {size} in the folder `{folder}`, tried "
        f"{HEADER_TRIES_MAX} times; look at it with a mail program and, if it is a customer's, send it anew"
    )
    return rejected(Reason.UNREADABLE, detail)
