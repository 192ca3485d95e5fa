"""The mailbox of a source, read from where it was left: every mail once on the bus, none in the way of another.

A mail is marked or moved, and then the cursor follows, only after the bus has what the mail shows. So a crash
anywhere reads at most one portion again, which is harmless: a mail read twice is the same mail, and marking it
twice changes nothing. For the same reason nothing bad comes of two processes that read one mailbox for a
moment. As a rule one does: the cursor has a holder (`ports.Cursors`), and the others wait for it to let go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
import structlog

from services.intake.core.mail.account import Account
from services.intake.core.mail.collecting import FolderCursor, MailboxCursor, decode_cursor, encode_cursor
from services.intake.ports import CursorKey, Cursors, MailboxDenied, MailboxError, MailboxFailure, MailPage
from services.intake.worker.collector import Collector
from services.intake.worker.collector import Parts as CollectorParts
from shared.http.problems import Problem
from shared.sql.port import NotOwner, StoreUnavailable

KIND: Final = "imap"
LISTED_MAX: Final = 200
"""Mails listed by one command; only their sizes and dates are held."""
LIST_TRIES_MAX: Final = 3
"""After so many failures mails are listed without sizes and dates."""
LEASE_US: Final = 60_000_000
"""Another process takes over so long after the last word of one that died."""
ELSEWHERE_MS: Final = 5_000
"""How often the others ask whether the mailbox is free."""
LISTEN_MS: Final = 500
"""How soon `stop` is heard while nothing comes."""
GATHER_MS: Final = 200
"""Mails come in bursts, and some servers tell of one without end: so often is looked at most."""
RETRY_MS_MIN: Final = 1_000
RETRY_MS_MAX: Final = 30_000
"""Waits between tries; they double. There is no last try: the mails wait."""
DENIED_MS_MIN: Final = 60_000
DENIED_MS_MAX: Final = 15 * 60_000
"""The same after a refused password: servers lock accounts that try too often."""

_log = structlog.get_logger(__name__)

Pause = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What reading a mailbox works with. `pause` lets milliseconds pass, `member` is this process's name."""

    collecting: CollectorParts
    cursors: Cursors
    pause: Pause
    member: str
    listen_ms: int = LISTEN_MS


class _Held(NamedTuple):
    """The cursor in our hands."""

    epoch: int
    cursor: MailboxCursor
    until_us: int


class MailboxWorker:
    """Reads the mailbox of one source, as long as nobody else does, until stopped."""

    def __init__(self, account: Account, parts: Parts) -> None:
        """Read the mailbox of `account`."""
        self._account, self._parts = account, parts
        self._mailbox, self._clock = parts.collecting.mailbox, parts.collecting.clock
        self._counters = parts.collecting.counters
        self._collector = Collector(account, parts.collecting)
        self._key = CursorKey(account.tenant, account.source, KIND)
        self._stopping = False
        self._held = _Held(0, MailboxCursor(), 0)
        self._retry_ms: dict[bool, int] = {}
        self._lists_failed = 0
        self._began_us = 0
        self._complaint: str | None = "not read yet"

    def stop(self) -> None:
        """Let `run` finish the mails in hand and return."""
        self._stopping = True

    def complaint(self) -> str | None:
        """Return why the mailbox is not being read as configured; None if it is, here or elsewhere."""
        return self._complaint or self._collector.complaint

    async def run(self) -> None:
        """Work until stopped. What waiting can mend is waited for; the rest raises."""
        self._counters.show_mailbox(self._account.source)
        self._began_us = self._clock.now_us()
        while not self._stopping:
            try:
                await self._work()
            except MailboxError as error:
                await self._failed(error.failure, str(error), is_denied=isinstance(error, MailboxDenied))
            except StoreUnavailable as error:
                await self._failed(MailboxFailure.INTAKE, str(error))
            except Problem as problem:
                await self._failed(MailboxFailure.INTAKE, str(problem.detail))
            except NotOwner as error:
                _log.warning("mailbox is read elsewhere", source=self._account.source, reason=str(error))
                await self._rest(
                    ELSEWHERE_MS
                )  # two processes of one name would take it from each other without end

    async def _work(self) -> None:
        if not await self._take():
            await self._rest(ELSEWHERE_MS)
            return
        try:
            await self._mailbox.connect()
            while not self._stopping:
                # The first folder comes last, so that the server tells of mails in that one.
                for folder in reversed(self._account.folders):
                    await self._read(folder)
                await self._caught_up()
                await self._listen()
        finally:
            await self._mailbox.close()
            await self._parts.cursors.release(self._key, epoch=self._held.epoch)

    async def _take(self) -> bool:
        """Take the cursor, if nobody else holds it."""
        now_us = self._clock.now_us()
        until_us = now_us + LEASE_US
        taken = await self._parts.cursors.take(
            self._key, holder=self._parts.member, now_us=now_us, until_us=until_us
        )
        if taken is None:
            self._complaint = None
            self._counters.mailbox_read(self._account.source, None)
            return False
        cursor = decode_cursor(taken.body)
        self._held = _Held(taken.epoch, cursor, until_us)
        self._counters.mailbox_read(self._account.source, cursor.read_us or self._began_us)
        return True

    async def _read(self, folder: str) -> None:
        """Take what is new in `folder`, to its end."""
        validity = await self._mailbox.open_folder(folder)
        known = self._held.cursor.folders.get(folder)
        if known is not None and known.validity != validity:
            _log.warning("mailbox begins anew", source=self._account.source, folder=folder, was=known.uid)
            self._collector.forget(folder)
        place, at_end = self._held.cursor.after(folder, validity), False
        while not (at_end or self._stopping):
            page = await self._page(place)
            listed = page.mails
            while listed and not self._stopping:
                done = await self._collector.collect(folder, listed)
                await self._move_on(folder, FolderCursor(validity, listed[done - 1].uid))
                listed = listed[done:]
            if listed:
                return
            if page.through > self._held.cursor.after(folder, validity):
                await self._move_on(folder, FolderCursor(validity, page.through))
            place, at_end = page.through, page.at_end

    async def _page(self, place: int) -> MailPage:
        """List mails; one that the server cannot even list is found by its number alone."""
        bare = self._lists_failed >= LIST_TRIES_MAX
        self._lists_failed += 1
        page = await self._mailbox.mails_after(place, limit=LISTED_MAX, since=self._account.since, bare=bare)
        self._lists_failed = 0
        return page

    async def _move_on(self, folder: str, place: FolderCursor) -> None:
        await self._save(self._held.cursor.moved(folder, place))
        self._collector.done(folder, place.uid)
        self._complaint = None
        self._retry_ms.clear()

    async def _save(self, cursor: MailboxCursor) -> None:
        now_us = self._clock.now_us()
        epoch, until_us = self._held.epoch, now_us + LEASE_US
        await self._parts.cursors.save(
            self._key, encode_cursor(cursor), epoch=epoch, at_us=now_us, until_us=until_us
        )
        self._held = _Held(epoch, cursor, until_us)

    async def _caught_up(self) -> None:
        now_us = self._clock.now_us()
        self._counters.mailbox_read(self._account.source, now_us)
        if self._complaint is not None:
            _log.info("mailbox is read", source=self._account.source, host=self._account.host)
        self._complaint = None
        self._retry_ms.clear()
        self._held = self._held._replace(cursor=msgspec.structs.replace(self._held.cursor, read_us=now_us))
        await self._hold_on()

    async def _listen(self) -> None:
        """Return once the server tells of something, or it is time to look again."""
        for _ in range(0, self._account.poll_ms, self._parts.listen_ms):
            if self._stopping:
                return
            if await self._mailbox.wait(wait_ms=self._parts.listen_ms):
                await self._parts.pause(GATHER_MS)
                return
            await self._hold_on()

    async def _hold_on(self) -> None:
        """Keep the cursor ours, before half of its time is over."""
        if self._held.until_us - self._clock.now_us() < LEASE_US // 2:
            await self._save(self._held.cursor)

    async def _failed(self, failure: MailboxFailure, why: str, *, is_denied: bool = False) -> None:
        lowest, highest = (DENIED_MS_MIN, DENIED_MS_MAX) if is_denied else (RETRY_MS_MIN, RETRY_MS_MAX)
        wait_ms = self._retry_ms.get(is_denied, lowest)
        self._retry_ms[is_denied] = min(2 * wait_ms, highest)
        self._complaint = why
        self._counters.count_mailbox_failure(self._account.source, failure)
        _log.warning(
            "mailbox waits", source=self._account.source, host=self._account.host, failure=failure.value,
            reason=why, wait_ms=wait_ms,
        )  # fmt: skip
        await self._rest(wait_ms)

    async def _rest(self, wait_ms: int) -> None:
        for _ in range(0, wait_ms, LISTEN_MS):
            if self._stopping:
                return
            await self._parts.pause(LISTEN_MS)
