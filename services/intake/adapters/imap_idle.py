"""IDLE (RFC 2177): the server tells of a new mail at once, and nobody has to ask.

imap-tools' own IDLE misses what came together with the server's word to begin, and takes a closed connection
for silence. So here nothing that was read ahead is overlooked, and lines are read as whole ones: first look
whether there is anything, then read a line as any other reply.
"""

from __future__ import annotations

import imaplib
import select
import ssl
from typing import Any, Final

import imap_tools.idle  # noqa: F401 - imaplib takes the command only after that

from shared.clock import monotonic_seconds

RENEW_S: Final = 25 * 60.0
"""A server may end a connection in IDLE after 29 minutes."""
LINES_AT_ONCE_MAX: Final = 1_000
"""Heard before the caller has its turn again, however much a server has to tell."""


class Idle:
    """IDLE on one connection; begun by the first `wait`, ended by `end`."""

    def __init__(self, client: imaplib.IMAP4, answer_s: float, *, renew_s: float = RENEW_S) -> None:
        """`answer_s` is how long a reply may take, `renew_s` when IDLE is begun anew."""
        self._client, self._answer_s, self._renew_s = client, answer_s, renew_s
        self._tag: bytes | None = None
        self._began_s = 0.0
        self._has_news = False

    def wait(self, wait_s: float) -> bool:
        """Return True once the server told of a new mail, False after `wait_s`."""
        if self._tag is not None and monotonic_seconds() - self._began_s > self._renew_s:
            self.end()
        if self._tag is None:
            self._begin()
        for _ in range(LINES_AT_ONCE_MAX):
            if not self._is_readable(0 if self._has_news else wait_s):
                break
            self._hear()
        news, self._has_news = self._has_news, False
        return news

    def end(self) -> None:
        """Let the server listen to commands again."""
        if self._tag is None:
            return
        tag, self._tag = self._tag, None
        self._client.send(b"DONE\r\n")
        while self._client.tagged_commands.get(tag) is None:
            self._hear()
        del self._client.tagged_commands[tag]

    def _begin(self) -> None:
        tag = self._client._command("IDLE")  # noqa: SLF001 - imaplib before 3.14 has no IDLE
        while self._hear() is not None:
            if (result := self._client.tagged_commands.get(tag)) is not None:
                raise imaplib.IMAP4.abort(f"IDLE is refused: {result}")
        self._tag, self._began_s = tag, monotonic_seconds()

    def _hear(self) -> bytes | None:
        """Read one reply, wholly; None is the server's word to go on."""
        line: bytes | None = self._client._get_response()  # noqa: SLF001
        self._client._check_bye()  # noqa: SLF001
        if line is not None and line.upper().endswith((b" EXISTS", b" RECENT")):
            self._has_news = True
        # imaplib keeps every reply for the command they might belong to, and here there is none for hours.
        self._client.untagged_responses.clear()
        return line

    def _is_readable(self, wait_s: float) -> bool:
        if self._has_read_ahead():
            return True
        poller = select.poll()
        poller.register(self._client.sock.fileno(), select.POLLIN)
        return bool(poller.poll(wait_s * 1_000))

    def _has_read_ahead(self) -> bool:
        """Return whether bytes were taken from the socket already, which it would not show."""
        sock = self._client.sock
        if (taken := getattr(self._client, "_readbuf", None)) is not None:  # Python 3.14 and newer
            return bool(taken) or (isinstance(sock, ssl.SSLSocket) and sock.pending() > 0)
        file: Any = self._client.file
        sock.settimeout(0)
        try:
            return bool(file.peek(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            sock.settimeout(self._answer_s)
