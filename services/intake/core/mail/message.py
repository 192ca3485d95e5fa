"""A mail as far as Barometer looks at it: who, to whom, in which thread, with what subject. Never its text."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.intake.core.mail.addresses import addresses_of
from services.intake.core.mail.headers import Header, header_of
from services.intake.core.mail.structure import Structure, structure_of
from services.intake.core.vendors.body import clean
from shared.contracts.event_id import digest
from shared.contracts.tickets import SUBJECT_CHARACTERS_MAX

REFERENCES_MAX: Final = 50
"""Message-IDs looked up for one mail: the thread's first and its newest ones."""

_ID: Final = re.compile(rb"<([^<>\s]{1,998})>")
_BARE_ID: Final = re.compile(rb"[^<>\s,;]{1,998}@[^<>\s,;]{1,255}")
_FROM: Final = ("from", "sender", "x-sender", "reply-to", "return-path")
_TO: Final = ("x-original-to", "delivered-to", "to", "cc")
_STABLE: Final = ("from", "to", "subject", "date")
"""What does not change on the way, unlike Received and the like."""


class Envelope(NamedTuple):
    """What the sending server said, where one spoke to us: None if nobody did. An empty sender is a bounce's."""

    sender: str | None = None
    recipients: tuple[str, ...] = ()


class Mail(NamedTuple):
    """One mail, read."""

    header: Header
    envelope: Envelope
    id: str
    """Identifies the mail: a digest of its Message-ID, without one of what does not change on its way."""
    answers: tuple[str, ...]
    """Ids (as `id`) of mails of the same thread: those it answers first, then the newest ones."""
    sender: str
    """An address in lower case, empty if none is shown."""
    recipients: tuple[str, ...]
    """The mailbox it came to first, if that is shown; then To and Cc."""
    subject: str
    structure: Structure


class Unread(NamedTuple):
    """These bytes are no mail; `why` is for people."""

    why: str


def read_mail(raw: bytes, envelope: Envelope | None = None) -> Mail | Unread:
    """Return the mail in `raw`. Bytes without a single header field are none. Never raises."""
    header = header_of(raw)
    if not header.fields:
        return Unread("this is no mail: it has no header field")
    envelope = envelope or Envelope()
    shown = _ids(header.raw("message-id"))
    return Mail(
        header,
        envelope,
        shown[0] if shown else _fingerprint(raw, header),
        _answers(header),
        _sender(header, envelope),
        _recipients(header, envelope),
        clean(header.text("subject"), SUBJECT_CHARACTERS_MAX),
        structure_of(raw, header),
    )


def _ids(value: bytes) -> list[str]:
    """Return the Message-IDs of a field, as digests: they name servers and people, and have any length."""
    found = _ID.findall(value) or _BARE_ID.findall(value)
    return list(dict.fromkeys(digest(b"message-id", one).hex() for one in found))


def _fingerprint(raw: bytes, header: Header) -> str:
    return digest(b"mail", *(header.raw(name) for name in _STABLE), raw[header.end :]).hex()


def _answers(header: Header) -> tuple[str, ...]:
    references = _ids(header.raw("references"))
    newest = [*_ids(header.raw("in-reply-to")), *reversed(references[1:]), *references[:1]]
    unique = list(dict.fromkeys(newest))
    return tuple(unique if len(unique) <= REFERENCES_MAX else [*unique[: REFERENCES_MAX - 1], unique[-1]])


def _sender(header: Header, envelope: Envelope) -> str:
    for name in _FROM:
        if found := addresses_of(header.text(name)):
            return found[0]
    found = addresses_of(envelope.sender or "")
    return found[0] if found else ""


def _recipients(header: Header, envelope: Envelope) -> tuple[str, ...]:
    texts = [*envelope.recipients, *(header.text(name) for name in _TO)]
    return tuple(dict.fromkeys(address for text in texts for address in addresses_of(text)))
