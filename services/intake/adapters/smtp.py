"""Mails from a mail server, by SMTP or LMTP: taken when the bus has them, and not before.

250 makes the mail ours; whatever may pass by itself (the bus is away, too much in flight) is answered 451, and
the server keeps the mail and tries again for days. LMTP answers for each recipient by itself. There is no
authentication and no relaying: it belongs behind the mail server of the house, on loopback.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.intake.core.mail.message import Envelope as Shown
from services.intake.core.sources import Sources
from services.intake.ports import Mailroom
from shared.http.problems import Problem

HOSTNAME: Final = "barometer"
AIOSMTPD_LOGGER: Final = "mail.log"
IDLE_S: Final = 60.0
"""A server that says nothing for so long is let go."""
STOP_S: Final = 10.0
"""For mails in hand when the process stops; a server that got no answer sends again."""
CONNECTIONS_MAX: Final = 20
"""Each may hold one mail of the largest size; a mail server opens no more than this by itself."""
RECIPIENTS_MAX: Final = 100
"""Of one mail; a server sends the rest separately (RFC 5321, section 4.5.3.1.10)."""
LINE_BYTES_MAX: Final = 256 * 1024
"""RFC 5321 allows 1,000; programs that send longer lines exist, and their mails count as well."""

TAKEN: Final = "250 2.0.0 taken"
LATER: Final = "451 4.3.0 not now; try again"
UNKNOWN: Final = "550 5.1.1 no source has this mailbox"
CROWDED: Final = "452 4.5.3 too many recipients; send the rest separately"
BUSY: Final = b"421 4.7.0 too many connections; try again\r\n"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a listener works with. `mailboxes` are addresses (or `@domain`) to (tenant, source)."""

    mailroom: Mailroom
    sources: Sources
    mailboxes: Mapping[str, tuple[str, str]]
    bytes_max: int


class _Smtp(SMTP):
    line_length_limit = LINE_BYTES_MAX


class _Lmtp(LMTP):
    line_length_limit = LINE_BYTES_MAX


class MailListener:
    """A worker that takes mails on one socket."""

    def __init__(self, parts: Parts, listening: socket.socket, *, is_lmtp: bool) -> None:
        """Take mails on `listening`, which is closed at the end."""
        self._parts, self._listening = parts, listening
        self._protocol: type[SMTP] = _Lmtp if is_lmtp else _Smtp
        self._desk = _Desk(parts, answers_each=is_lmtp)
        self._stopping = asyncio.Event()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listening.getsockname()[1])

    async def run(self) -> None:
        """Take mails until stopped; those in hand are finished."""
        # It would log every command, and so who writes to whom.
        logging.getLogger(AIOSMTPD_LOGGER).setLevel(logging.WARNING)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._connected, sock=self._listening)
        async with server:
            await self._stopping.wait()
            server.close()
            await self._desk.finished(STOP_S)

    def stop(self) -> None:
        """Take no more mails."""
        self._stopping.set()

    def _connected(self) -> asyncio.Protocol:
        if self._desk.connections >= CONNECTIONS_MAX:
            return _Turned()
        protocol = self._protocol(
            self._desk, data_size_limit=self._parts.bytes_max, enable_SMTPUTF8=True, hostname=HOSTNAME,
            ident=HOSTNAME, timeout=IDLE_S, loop=asyncio.get_running_loop(),
        )  # fmt: skip
        return _counted(protocol, self._desk)


class _Turned(asyncio.Protocol):
    """Answers a connection too many."""

    def connection_made(self, transport: Any) -> None:
        transport.write(BUSY)
        transport.close()


def _counted(protocol: SMTP, desk: _Desk) -> SMTP:
    """Return `protocol`, counted among the connections of `desk` while it lasts."""
    desk.connections += 1
    lost = protocol.connection_lost

    def counted(error: Exception | None) -> None:
        desk.connections -= 1
        lost(error)

    protocol.connection_lost = counted  # type: ignore[method-assign]
    return protocol


class _Desk:
    """What aiosmtpd asks: whether a recipient is known, and what becomes of a mail."""

    def __init__(self, parts: Parts, *, answers_each: bool) -> None:
        self._parts, self._answers_each = parts, answers_each
        self.connections = 0
        self._in_hand: set[asyncio.Task[Any]] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient that is the mailbox of a source."""
        if self._source_of(address) is None:
            return UNKNOWN
        if len(envelope.rcpt_tos) >= RECIPIENTS_MAX:
            return CROWDED
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail for each source it is for, once."""
        raw = envelope.content
        assert isinstance(raw, bytes), "the protocol was told not to decode"
        answers: dict[tuple[str, str], str] = {}
        for address in envelope.rcpt_tos:
            source = self._source_of(address)
            if source is not None and source not in answers:
                answers[source] = await self._watched(source, raw, envelope)
        if self._answers_each:
            return "\r\n".join(
                answers.get(self._source_of(one) or ("", ""), LATER) for one in envelope.rcpt_tos
            )
        # One answer for all: a source that has the mail already takes it a second time without harm.
        return next((one for one in answers.values() if one != TAKEN), TAKEN)

    async def handle_exception(self, error: Exception) -> str:
        """Answer a defect of ours: the mail stays where it is."""
        _log.error("a mail could not be taken", error=f"{type(error).__name__}: {error}")
        return LATER

    async def finished(self, wait_s: float) -> None:
        """Return when no mail is in hand any more, or after `wait_s`."""
        if self._in_hand:
            await asyncio.wait(self._in_hand, timeout=wait_s)

    async def _watched(self, source: tuple[str, str], raw: bytes, envelope: Envelope) -> str:
        taking = asyncio.ensure_future(self._taken(source, raw, envelope))
        self._in_hand.add(taking)
        taking.add_done_callback(self._in_hand.discard)
        return await asyncio.shield(taking)

    async def _taken(self, source: tuple[str, str], raw: bytes, envelope: Envelope) -> str:
        normaliser = self._parts.sources.get(*source)
        assert normaliser is not None, "every configured source has one"
        shown = Shown((envelope.mail_from or "").strip("<>"), tuple(envelope.rcpt_tos))
        try:
            posted = await self._parts.mailroom.take(normaliser, raw, verified="smtp", envelope=shown)
        except Problem:
            return LATER
        if posted.rejection is not None and posted.rejected_id is None:
            return "554 5.6.0 this is no mail, and it is too large to be kept"
        return TAKEN

    def _source_of(self, address: str) -> tuple[str, str] | None:
        address = address.lower()
        mailboxes = self._parts.mailboxes
        return mailboxes.get(address) or mailboxes.get(f"@{address.rpartition('@')[2]}")
