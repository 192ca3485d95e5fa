"""One connection of the mail server for tests: commands in, answers out (RFC 3501)."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from tests.servers.imap import ImapServer, StoredFolder, StoredMail, Trouble

_LITERAL: Final = re.compile(rb"\{(\d+)(\+?)\}\r\n$")
_WORD: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|\(([^)]*)\)|(\S+)')
_FETCH: Final = re.compile(r"BODY\.PEEK\[(HEADER)?\](?:<(\d+)\.(\d+)>)?")
_LAST_WORDS: Final = {
    "drop": b"",
    "half": b"* 1 FETCH (UID 1 BODY[]<0> {100}\r\nFrom: half",
    "bye": b"* BYE the server goes down\r\n",
}
_SIZES: Final = ("UID", "RFC822.SIZE", "INTERNALDATE")


class Over(Exception):
    """The connection ends."""


class Session:
    """A client's connection."""

    def __init__(
        self, server: ImapServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._folder: StoredFolder | None = None
        self._shown, self._poked = 0, server.pokes
        self._is_in = False
        self._is_encrypted = server.context is not None and not server.starttls

    async def serve(self) -> None:
        """Answer until the client goes or is sent away."""
        self._say("* OK ready")
        try:
            while True:
                tag, _, command = (await self._command()).partition(" ")
                self._server.heard.append("LOGIN ..." if command.upper().startswith("LOGIN") else command)
                trouble = self._server.trouble(command)
                if trouble is not None:
                    await self._troubled(tag, command, trouble)
                else:
                    await self._answer(tag, command)
        except (Over, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return

    async def _command(self) -> str:
        line = await self._line()
        while found := _LITERAL.search(line):
            if not found[2]:
                self._say("+ go on")
            literal = await self._reader.readexactly(int(found[1]))
            quoted = literal.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            line = line[: found.start()] + b'"' + quoted + b'"' + await self._line()
        return line.decode("utf-8").rstrip("\r\n")

    async def _line(self) -> bytes:
        line = await self._reader.readline()
        if not line:
            raise Over
        return line

    def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")

    async def _troubled(self, tag: str, command: str, trouble: Trouble) -> None:
        if trouble.what in _LAST_WORDS:
            self._writer.write(_LAST_WORDS[trouble.what])
            await self._writer.drain()
            raise Over
        match trouble.what:
            case "silent":
                await self._reader.read()  # until the client gives up
                raise Over
            case "garbage":
                self._writer.write(b"\x00\xff{}((( no IMAP\r\n* FETCH FETCH\r\n")
            case "disordered":
                self._say("* 1 FETCH (FLAGS (\\Seen))\r\n* OK still here")
                await self._answer(tag, command)
            case "gone":  # somebody deletes the mail just before
                self._numbered().remove(next(one for one in self._numbered() if one.uid == trouble.uid))
                await self._answer(tag, command)
            case _:
                self._say(f"{tag} {trouble.what.upper()} {trouble.said}")

    async def _answer(self, tag: str, command: str) -> None:
        words = list(_words(command))
        name = " ".join(words[:2]).upper() if words[0].upper() == "UID" else words[0].upper()
        handler = self._handlers().get(name)
        if handler is None or (name not in _BEFORE and not self._is_in):
            self._say(f"{tag} BAD {name} is not known here")
            return
        arguments = words[2:] if name.startswith("UID ") else words[1:]
        if name in {"IDLE", "STARTTLS"} or name.startswith("AUTHENTICATE"):
            await self._longer(name, tag, arguments)
            return
        said = handler(arguments)
        self._say(f"{tag} {said}")
        await self._writer.drain()
        if name == "LOGOUT":
            raise Over

    def _handlers(self) -> dict[str, Callable[[list[str]], str]]:
        nothing: Callable[[list[str]], str] = lambda _: "OK done"  # noqa: E731 - answered elsewhere
        return {
            "CAPABILITY": self._capability, "LOGIN": self._login, "AUTHENTICATE": nothing, "STARTTLS": nothing,
            "LOGOUT": self._logout, "NOOP": nothing, "IDLE": nothing, "LIST": self._list, "SELECT": self._select,
            "EXAMINE": self._select, "UID SEARCH": self._search, "UID FETCH": self._fetch, "UID STORE": self._store,
            "UID MOVE": self._move,
        }  # fmt: skip

    async def _longer(self, name: str, tag: str, arguments: list[str]) -> None:
        match name:
            case "IDLE":
                await self._idle(tag)
            case "STARTTLS":
                self._say(f"{tag} OK begin")
                assert self._server.context is not None, "a server that says STARTTLS has a certificate"
                await self._writer.start_tls(self._server.context)
                self._is_encrypted = True
            case _:
                await self._authenticate(tag, arguments)

    def _capability(self, _: list[str]) -> str:
        can = ["IMAP4rev1", "AUTH=PLAIN", "AUTH=XOAUTH2"]
        if self._is_in:
            can += self._server.can  # some tell the rest only to those they know
        if self._server.starttls and not self._is_encrypted:
            can += ["STARTTLS", "LOGINDISABLED"]
        self._say(f"* CAPABILITY {' '.join(can)}")
        return "OK done"

    def _login(self, arguments: list[str]) -> str:
        user, password = arguments
        self._is_in = self._server.passwords.get(user) == password
        return "OK welcome" if self._is_in else "NO [AUTHENTICATIONFAILED] Authentication failed."

    async def _authenticate(self, tag: str, arguments: list[str]) -> None:
        self._say("+ ")
        said = base64.b64decode(await self._line()).decode()
        if arguments[0].upper() == "PLAIN":
            _, user, password = said.split("\0")
            self._is_in = self._server.passwords.get(user) == password
        else:
            user, token = re.fullmatch("user=(.*)\1auth=Bearer (.*)\1\1", said).groups()  # type: ignore[union-attr]
            self._is_in = self._server.tokens.get(user) == token
            if not self._is_in:
                self._say("+ " + base64.b64encode(b'{"status":"400"}').decode())
                await self._line()
        self._say(
            f"{tag} OK welcome" if self._is_in else f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials"
        )

    def _logout(self, _: list[str]) -> str:
        self._say("* BYE see you")
        return "OK done"

    def _list(self, arguments: list[str]) -> str:
        for name in self._server.folders:
            if arguments[1] in {"*", name}:
                self._say(f'* LIST (\\HasNoChildren) "/" "{name}"')
        return "OK done"

    def _select(self, arguments: list[str]) -> str:
        self._folder = self._server.folders.get(arguments[0])
        if self._folder is None:
            return "NO [NONEXISTENT] no such folder"
        mode = (
            "READ-ONLY"
            if self._folder.is_read_only or self._server.heard[-1].startswith("EXAMINE")
            else "READ-WRITE"
        )
        self._shown = len(self._folder.mails)
        self._say(f"* {self._shown} EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen)")
        self._say(
            f"* OK [UIDVALIDITY {self._folder.validity}] valid\r\n* OK [UIDNEXT {self._folder.next_uid}] next"
        )
        return f"OK [{mode}] done"

    def _search(self, arguments: list[str]) -> str:
        assert arguments[0].upper() == "UID", "only UIDs are asked for"
        mails = self._chosen(arguments[1])
        if len(arguments) > 2:
            day = datetime.strptime(arguments[3], "%d-%b-%Y").date()  # noqa: DTZ007 - IMAP's dates have no zone
            mails = [mail for mail in mails if mail.received_at.date() >= day]
        self._say("* SEARCH" + "".join(f" {mail.uid}" for mail in mails))
        return "OK done"

    def _fetch(self, arguments: list[str]) -> str:
        found = _FETCH.search(arguments[1])
        for mail in self._chosen(arguments[0]):
            number = self._numbered().index(mail) + 1
            if found is None:
                values = (mail.uid, mail.said_bytes or len(mail.raw), _internaldate(mail.received_at))
                said = " ".join(f"{name} {value}" for name, value in zip(_SIZES, values, strict=True))
                self._say(f"* {number} FETCH ({said})")
            else:
                self._hand_over(number, mail, found)
        return "OK done"

    def _hand_over(self, number: int, mail: StoredMail, found: re.Match[str]) -> None:
        raw = mail.raw
        if found[1]:
            ends = [place + len(end) for end in (b"\r\n\r\n", b"\n\n") if (place := raw.find(end)) >= 0]
            raw = raw[: min(ends, default=len(raw))]
        origin = ""
        if found[2]:
            raw, origin = raw[int(found[2]) : int(found[2]) + int(found[3])], f"<{found[2]}>"
        # The UID comes last, and flags that nobody asked for: other servers' ways, allowed by the standard.
        section = f"BODY[{found[1] or ''}]{origin}"
        self._writer.write(f"* {number} FETCH ({section} {{{len(raw)}}}\r\n".encode() + raw)
        self._writer.write(f" UID {mail.uid} FLAGS (\\Recent))\r\n".encode())

    def _store(self, arguments: list[str]) -> str:
        assert arguments[1:] == ["+FLAGS.SILENT", "\\Seen"], "only \\Seen is ever set"
        for mail in self._chosen(arguments[0]):
            mail.flags.add("\\Seen")
        return "OK done"

    def _move(self, arguments: list[str]) -> str:
        target = self._server.folders.get(arguments[1])
        if target is None:
            return "NO [TRYCREATE] no such folder"
        assert self._folder is not None, "a folder is selected"
        for mail in self._chosen(arguments[0]):
            number = self._numbered().index(mail) + 1
            self._folder.mails.remove(mail)
            target.add(mail.raw, mail.received_at).flags = mail.flags
            self._say(f"* {number} EXPUNGE")
        return "OK done"

    async def _idle(self, tag: str) -> None:
        event = asyncio.Event()
        self._server.idling.add(event)
        self._say("+ idling")
        done = asyncio.ensure_future(self._line())
        try:
            while not done.done():
                self._tell_of_new()
                told = asyncio.ensure_future(event.wait())
                await asyncio.wait({done, told}, return_when=asyncio.FIRST_COMPLETED)
                told.cancel()
                event.clear()
            assert (await done).strip().upper() == b"DONE"
        finally:
            done.cancel()
            self._server.idling.discard(event)
        self._say(f"{tag} OK done")

    def _tell_of_new(self) -> None:
        exists = len(self._numbered())
        if exists != self._shown or self._poked != self._server.pokes:
            self._shown, self._poked = exists, self._server.pokes
            self._say(f"* {exists} EXISTS")

    def _numbered(self) -> list[StoredMail]:
        assert self._folder is not None, "a folder is selected"
        return self._folder.mails

    def _chosen(self, wanted: str) -> list[StoredMail]:
        mails = self._numbered()
        last = mails[-1].uid if mails else 0
        chosen: set[int] = set()
        for part in wanted.split(","):
            low, _, high = part.partition(":")
            ends = sorted(last if each == "*" else int(each) for each in (low, high or low))
            chosen |= {mail.uid for mail in mails if ends[0] <= mail.uid <= ends[1]}
        return [mail for mail in mails if mail.uid in chosen]


_BEFORE: Final = frozenset({"CAPABILITY", "LOGIN", "AUTHENTICATE", "STARTTLS", "LOGOUT", "NOOP"})


def _words(command: str) -> Iterator[str]:
    for found in _WORD.finditer(command):
        quoted, listed, plain = found.groups()
        if quoted is not None:
            yield re.sub(r"\\(.)", r"\1", quoted)
        else:
            yield listed if listed is not None else plain


def _internaldate(at: datetime) -> str:
    return f'"{at:%d-%b-%Y %H:%M:%S} +0000"'
