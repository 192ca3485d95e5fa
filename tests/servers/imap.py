"""A mail server with IMAP4rev1 (RFC 3501), IDLE, MOVE and LITERAL+, whose troubles are at a test's command.

It runs in a thread of its own, so that blocking clients and processes of their own can be tested against it.
What it does by the book was compared with Dovecot (docs/email.md says what is used). Everything else is a
`Trouble`: a connection that breaks in the middle of an answer, silence, a refusal, other servers' ways.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

USER: Final = "desk@example.org"
PASSWORD: Final = "let me in"
CERTIFICATE_S: Final = 60.0
START_S: Final = 10.0

What = Literal["drop", "half", "silent", "no", "bad", "bye", "garbage", "disordered", "gone"]


@dataclass
class Trouble:
    """What goes wrong when a command that contains `command` (in capitals) comes, `times` times."""

    command: str
    what: What
    times: int = 1
    said: str = "[SERVERBUG] something is wrong"
    uid: int | None = None
    """Only if the command is about this mail too."""

    def befalls(self, command: str) -> bool:
        """Return whether `command` goes wrong."""
        about = self.uid is None or re.search(rf"UID [A-Z]+ ([\d,]*,)?{self.uid}[, ]", command) is not None
        return about and self.command in command.upper() and self.times > 0


@dataclass
class StoredMail:
    """A mail in a folder."""

    uid: int
    raw: bytes
    received_at: datetime
    flags: set[str] = field(default_factory=set)
    said_bytes: int | None = None
    """The size the server says, if it is not the true one."""


@dataclass
class StoredFolder:
    """A folder: UIDs only grow, as long as `validity` is the same."""

    validity: int = 1
    next_uid: int = 1
    mails: list[StoredMail] = field(default_factory=list)
    is_read_only: bool = False

    def add(self, raw: bytes, received_at: datetime) -> StoredMail:
        mail = StoredMail(self.next_uid, raw, received_at)
        self.next_uid += 1
        self.mails.append(mail)
        return mail

    def renew(self) -> None:
        """Give every mail another UID, as after a server was moved."""
        self.validity += 1
        for number, mail in enumerate(self.mails, start=1):
            mail.uid = number
        self.next_uid = len(self.mails) + 1


class ImapServer:
    """The server. Change `folders` and `troubles` as you like; `heard` has the commands without their tags."""

    def __init__(self, *, context: ssl.SSLContext | None = None, starttls: bool = False) -> None:
        """`context`: encrypted from the first byte on, or after STARTTLS."""
        self.passwords = {USER: PASSWORD}
        self.tokens: dict[str, str] = {}
        self.folders: dict[str, StoredFolder] = {"INBOX": StoredFolder(), "Archive": StoredFolder()}
        self.troubles: list[Trouble] = []
        self.heard: list[str] = []
        self.can = ["IDLE", "MOVE", "LITERAL+", "SASL-IR"]
        self.port = 0
        self.context, self.starttls = context, starttls
        self.pokes = 0
        self.idling: set[asyncio.Event] = set()
        self.writers: set[asyncio.StreamWriter] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def deliver(
        self, *raws: bytes, folder: str = "INBOX", received_at: datetime | None = None
    ) -> list[StoredMail]:
        """Put mails into a folder and tell whoever listens."""
        at = received_at or datetime.now(UTC).replace(microsecond=0)
        added = [self.folders[folder].add(raw, at) for raw in raws]
        assert self._loop is not None, "the server runs"
        self._loop.call_soon_threadsafe(self._tell)
        return added

    def poke(self) -> None:
        """Tell whoever listens of mails, new or not."""
        assert self._loop is not None, "the server runs"
        self.pokes += 1
        self._loop.call_soon_threadsafe(self._tell)

    def drop_all(self) -> None:
        """Break every connection."""
        assert self._loop is not None, "the server runs"
        self._loop.call_soon_threadsafe(self._abort_all)

    def trouble(self, command: str) -> Trouble | None:
        """Return what is to go wrong with `command`, and use it up."""
        for trouble in self.troubles:
            if trouble.befalls(command):
                trouble.times -= 1
                return trouble
        return None

    def commands(self, name: str) -> list[str]:
        """Return the commands heard that begin with `name`."""
        return [command for command in self.heard if command.upper().startswith(name)]

    def _tell(self) -> None:
        for event in self.idling:
            event.set()

    @contextmanager
    def running(self, port: int = 0) -> Iterator[ImapServer]:
        """Serve on loopback, on a free port or the one given."""
        ready, failed = threading.Event(), list[BaseException]()
        thread = threading.Thread(target=self._serve, args=(port, ready, failed), name="imap-server")
        thread.start()
        assert ready.wait(START_S), "the server starts"
        if failed:
            raise failed[0]
        try:
            yield self
        finally:
            assert self._loop is not None, "the server runs"
            self._loop.call_soon_threadsafe(self._stopping.set)
            thread.join(START_S)

    def _serve(self, port: int, ready: threading.Event, failed: list[BaseException]) -> None:
        try:
            asyncio.run(self._main(port, ready))
        except OSError as error:
            failed.append(error)
            ready.set()

    async def _main(self, port: int, ready: threading.Event) -> None:
        from tests.servers.imap_session import Session

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.writers.add(writer)
            try:
                await Session(self, reader, writer).serve()
            finally:
                self.writers.discard(writer)
                writer.transport.abort()

        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        context = None if self.starttls else self.context
        server = await asyncio.start_server(connected, "127.0.0.1", port, ssl=context, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopping.wait()
        server.close()
        self._abort_all()

    def _abort_all(self) -> None:
        for writer in tuple(self.writers):
            writer.transport.abort()


def certificate(directory: Path) -> Path:
    """Return a new certificate for localhost with its key, in one file of PEM, which is its own authority."""
    key, found = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(found)],
        check=True, capture_output=True, timeout=CERTIFICATE_S,
    )  # fmt: skip
    return found


def context_of(found: Path) -> ssl.SSLContext:
    """Return what a server needs to prove itself by `certificate`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(found, found.with_name("key.pem"))
    return context
