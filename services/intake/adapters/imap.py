"""A mailbox read by IMAP: imap-tools in one thread, for mail servers are slow and its calls wait for them.

imap-tools connects, encrypts, logs in (passwords of any letters, XOAUTH2) and writes the names of folders as
IMAP wants them. Its own reading is not used: it parses each mail, and it expunges after marking one, which
would delete what a person marked as deleted and may still want back. Here mails are only looked at (EXAMINE,
BODY.PEEK), marked, or moved by the server in one step (RFC 6851), so that a crash leaves no copies.
"""

from __future__ import annotations

import asyncio
import imaplib
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, Final, TypeVar

from imap_tools import BaseMailBox, MailBox, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError
from imap_tools.utils import encode_folder

from services.intake.adapters.imap_idle import Idle
from services.intake.adapters.imap_replies import listed_in, mails_in, uids_in
from services.intake.core.mail.account import Account, Encryption
from services.intake.core.mail.collecting import Listed
from services.intake.ports import MailboxDenied, MailboxFailure, MailboxLost, MailboxRefused, MailPage
from shared.configuration.problems import ConfigurationInvalid

ANSWER_S: Final = 20.0
"""A server that says nothing for so long is given up; a stop waits no longer than this for it."""
WINDOW_UIDS: Final = 5_000
"""UIDs asked about by one SEARCH; more while there are none, for UIDs may have wide gaps."""
LITERAL_BYTES_MAX: Final = 64 * 1024 * 1024
"""Above all that is asked for (WHOLE_BYTES_MAX): a server that sends more is not heard to the end."""
SAID_CHARACTERS_MAX: Final = 200
_PASSING: Final = (b"[UNAVAILABLE]", b"[INUSE]", b"[LIMIT]")
"""Refusals that pass by themselves (RFC 5530)."""
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_FAILS: Final = (imaplib.IMAP4.error, ImapToolsError, OSError)
_TRIPS: Final = (ValueError, TypeError, LookupError, AttributeError)
"""In all these ways imaplib trips over what no IMAP server says."""

T = TypeVar("T")


class ImapMailbox:
    """`ports.Mailbox`."""

    def __init__(self, account: Account) -> None:
        """Connect later, to `account`."""
        self._account = account
        self._thread: ThreadPoolExecutor | None = None
        self._opened: _Opened | None = None

    async def connect(self) -> None:
        """See `ports.Mailbox.connect`."""
        await self.close()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"imap-{self._account.source}")
        self._opened = await self._call(lambda: _connected(self._account))

    async def open_folder(self, folder: str) -> int:
        """See `ports.Mailbox.open_folder`."""
        return await self._call(lambda: self._connection.open_folder(folder))

    async def mails_after(self, uid: int, *, limit: int, since: date | None, bare: bool) -> MailPage:
        """See `ports.Mailbox.mails_after`."""
        return await self._call(lambda: self._connection.mails_after(uid, limit, since, bare=bare))

    async def fetch(self, uids: Sequence[int], *, header_only: bool, bytes_max: int) -> Mapping[int, bytes]:
        """See `ports.Mailbox.fetch`."""
        return await self._call(lambda: self._connection.fetch(uids, bytes_max, header_only=header_only))

    async def mark_seen(self, uids: Sequence[int]) -> None:
        """See `ports.Mailbox.mark_seen`."""
        await self._call(lambda: self._connection.mark_seen(uids))

    async def move(self, uids: Sequence[int]) -> None:
        """See `ports.Mailbox.move`."""
        await self._call(lambda: self._connection.move(uids))

    async def wait(self, *, wait_ms: int) -> bool:
        """See `ports.Mailbox.wait`. Without IDLE it only waits."""
        if not self._connection.tells:
            await asyncio.sleep(wait_ms / 1_000)
            return False
        return await self._call(lambda: self._connection.wait(wait_ms / 1_000))

    async def close(self) -> None:
        """See `ports.Mailbox.close`."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await self._call(opened.close)
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)

    @property
    def _connection(self) -> _Opened:
        if self._opened is None:
            raise MailboxLost("not connected")
        return self._opened

    async def _call(self, work: Callable[[], T]) -> T:
        """Run `work` in the thread of this mailbox. Raises MailboxError for all that a server can do."""
        assert self._thread is not None, "connect comes first"
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except imaplib.IMAP4.readonly as error:
            message = "the folder may only be read: take out `mark_seen` and `move_to`, or mend its rights"
            raise MailboxRefused(message, MailboxFailure.FOLDER) from error
        except _FAILS as error:
            raise MailboxLost(_said(error)) from error
        except _TRIPS as error:
            raise MailboxLost(f"the server does not speak IMAP: {type(error).__name__}") from error


class _Opened:
    """One connection, logged in; used in its thread only."""

    def __init__(self, account: Account, mailbox: BaseMailBox) -> None:
        self._account, self._mailbox = account, mailbox
        self._client: imaplib.IMAP4 = mailbox.client
        self._next_uid = 0
        self._window = WINDOW_UIDS
        # What a server can do it may tell only after the login, and neither library asks again.
        said = b" ".join(part for part in self._client.capability()[1] if isinstance(part, bytes))
        self._can = frozenset(said.upper().split())
        self._idle = Idle(self._client, ANSWER_S) if account.idle and b"IDLE" in self._can else None

    @property
    def tells(self) -> bool:
        """Whether the server tells of mails by itself."""
        return self._idle is not None

    def check_move(self) -> None:
        """Return if mails can be moved to where they are to go. Raises MailboxRefused."""
        target = self._account.move_to
        if target is None:
            return
        if b"MOVE" not in self._can:
            message = "the server cannot move mails in one step (RFC 6851): write `mark_seen: true` instead"
            raise MailboxRefused(message, MailboxFailure.FOLDER)
        if not self._mailbox.folder.exists(target):
            raise MailboxRefused(f"there is no folder `{target}` to move mails to", MailboxFailure.FOLDER)

    def open_folder(self, folder: str) -> int:
        self._listen_again()
        changes = self._account.mark_seen or self._account.move_to is not None
        result = self._client.select(encode_folder(folder).decode("ascii"), readonly=not changes)
        self._data(result, MailboxFailure.FOLDER, f"the folder `{folder}` cannot be opened")
        validity, following = self._number("UIDVALIDITY"), self._number("UIDNEXT")
        if validity is None:
            message = f"the server gives the mails in `{folder}` no lasting numbers (UIDVALIDITY)"
            raise MailboxRefused(message, MailboxFailure.FOLDER)
        self._next_uid = following or 0
        return validity

    def mails_after(self, uid: int, limit: int, since: date | None, *, bare: bool) -> MailPage:
        self._listen_again()
        low = uid + 1
        bounded = low + self._window <= self._next_uid
        high = low + self._window - 1
        criteria = [f"UID {low}:{high if bounded else '*'}"]
        if since is not None:
            # The server compares with its own local date, so a day more; the exact instant is looked at later.
            criteria.append(f"SINCE {_imap_date(since - timedelta(days=1))}")
        result = self._client.uid("SEARCH", *criteria)
        # `*` is the last mail, even if its UID is below the range.
        uids = [one for one in uids_in(self._data(result, MailboxFailure.FETCH, "SEARCH")) if one >= low]
        self._window = WINDOW_UIDS if uids else 2 * self._window
        some, more = uids[:limit], len(uids) > limit
        through = some[-1] if some else uid
        if bounded and not more:
            through = high
        mails = [Listed(one, None, None) for one in some] if bare else self._listed(some)
        return MailPage(mails, through, at_end=not bounded and not more)

    def fetch(self, uids: Sequence[int], bytes_max: int, *, header_only: bool) -> dict[int, bytes]:
        self._listen_again()
        section = "HEADER" if header_only else ""
        result = self._client.uid("FETCH", _set(uids), f"(UID BODY.PEEK[{section}]<0.{bytes_max}>)")
        found = mails_in(self._data(result, MailboxFailure.FETCH, f"FETCH of {len(uids)} mails"))
        return {uid: found[uid][:bytes_max] for uid in uids if uid in found}

    def mark_seen(self, uids: Sequence[int]) -> None:
        self._listen_again()
        result = self._client.uid("STORE", _set(uids), "+FLAGS.SILENT", r"(\Seen)")
        self._data(result, MailboxFailure.MARK, "mails cannot be marked")

    def move(self, uids: Sequence[int]) -> None:
        self._listen_again()
        target = self._account.move_to
        assert target is not None, "who calls this knows that there is one"
        result = self._client.uid("MOVE", _set(uids), encode_folder(target).decode("ascii"))
        self._data(result, MailboxFailure.MARK, f"mails cannot be moved to `{target}`")

    def wait(self, wait_s: float) -> bool:
        assert self._idle is not None, "who calls this knows that the server tells"
        return self._idle.wait(wait_s)

    def close(self) -> None:
        with suppress(*_FAILS, *_TRIPS):
            self._client.sock.settimeout(1)
            self._listen_again()
            self._client.logout()
        with suppress(OSError):
            self._client.shutdown()

    def _listen_again(self) -> None:
        """End IDLE, so that the server listens to commands."""
        if self._idle is not None:
            self._idle.end()

    def _listed(self, uids: Sequence[int]) -> Sequence[Listed]:
        if not uids:
            return ()
        try:
            return self._sizes(uids)
        except MailboxRefused:
            if len(uids) == 1:
                return (Listed(uids[0], None, None),)
        # One that the server cannot read must not hide the others.
        return [mail for uid in uids for mail in self._listed([uid])]

    def _sizes(self, uids: Sequence[int]) -> list[Listed]:
        result = self._client.uid("FETCH", _set(uids), "(UID RFC822.SIZE INTERNALDATE)")
        asked = frozenset(uids)
        found = listed_in(self._data(result, MailboxFailure.FETCH, "FETCH of sizes"))
        return [mail for mail in found if mail.uid in asked]

    def _number(self, code: str) -> int | None:
        data = self._client.response(code)[1]
        return int(data[-1]) if data and data[-1] is not None else None

    def _data(self, result: tuple[str, Any], failure: MailboxFailure, what: str) -> Any:
        """Return what came with an OK. Raises MailboxRefused, or MailboxLost for what passes by itself."""
        status, data = result
        if status == "OK":
            return data
        words = b" ".join(part for part in data if isinstance(part, bytes))
        message = f"{what}: {_shown(words)}"
        if any(code in words.upper() for code in _PASSING):
            raise MailboxLost(message)
        raise MailboxRefused(message, failure)


def _connected(account: Account) -> _Opened:
    """Return a connection that is logged in. Raises MailboxDenied, MailboxRefused, and what the libraries raise."""
    secret = _secret(account)
    mailbox = _reached(account)
    client: imaplib.IMAP4 = mailbox.client
    _bound_literals(client)
    try:
        if account.encryption is Encryption.STARTTLS:
            client.starttls(_context(account))
        _log_in(account, mailbox, secret)
        opened = _Opened(account, mailbox)
        opened.check_move()
    except BaseException:
        with suppress(OSError):
            client.shutdown()
        raise
    return opened


def _secret(account: Account) -> str:
    try:
        secret = account.secret()
    except ConfigurationInvalid as error:
        raise MailboxDenied("; ".join(problem.what for problem in error.problems)) from error
    if not secret.isprintable():
        raise MailboxDenied("the password or token has control characters, such as the end of a line")
    return secret


def _reached(account: Account) -> BaseMailBox:
    if account.encryption is Encryption.TLS:
        return MailBox(account.host, account.port, timeout=ANSWER_S, ssl_context=_context(account))
    return MailBoxUnencrypted(account.host, account.port, timeout=ANSWER_S)


def _context(account: Account) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=account.ca_file)


def _bound_literals(client: imaplib.IMAP4) -> None:
    read = client.read

    def bounded(size: int) -> bytes:
        if size > LITERAL_BYTES_MAX:
            raise imaplib.IMAP4.abort(f"the server sends {size} bytes at once")
        return read(size)

    client.read = bounded  # type: ignore[method-assign]


def _log_in(account: Account, mailbox: BaseMailBox, secret: str) -> None:
    if "LOGINDISABLED" in mailbox.client.capabilities and not account.is_token:
        raise MailboxDenied("the server takes no password over this connection: use `encryption`")
    try:
        if account.is_token:
            mailbox.xoauth2(account.user, secret, initial_folder=None)
        elif f"{account.user}{secret}".isascii():
            mailbox.login(account.user, secret, initial_folder=None)
        else:
            mailbox.login_utf8(account.user, secret, initial_folder=None)
    except imaplib.IMAP4.abort:
        raise
    except (imaplib.IMAP4.error, ImapToolsError) as error:
        if any(code.decode() in str(error).upper() for code in _PASSING):
            raise
        raise MailboxDenied(f"the server does not let `{account.user}` in: {_said(error)}") from error


def _set(uids: Sequence[int]) -> str:
    return ",".join(map(str, uids))


def _imap_date(day: date) -> str:
    return f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}"


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {ANSWER_S:.0f} s"
    return _shown(str(error).encode()) or type(error).__name__


def _shown(words: bytes) -> str:
    text = words.decode("utf-8", "replace")
    return "".join(each if each.isprintable() else " " for each in text)[:SAID_CHARACTERS_MAX]
