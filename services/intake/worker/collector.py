"""Some mails of a mailbox: fetched as far as they can be, put on the bus, then marked or moved.

What cannot be had is tried again, in a poorer way each time (core/mail/collecting.py), so that one bad mail
costs some tries and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from services.intake.core.mail.account import Account
from services.intake.core.mail.collecting import (
    How,
    Listed,
    Portion,
    bytes_asked,
    given_up,
    is_wanted,
    next_portion,
    receipt,
)
from services.intake.core.mail.reading import MEDIA_TYPE
from services.intake.core.normalise import Normaliser
from services.intake.core.sources import Sources
from services.intake.core.vendors.port import Delivery
from services.intake.ports import (
    Mailbox,
    MailboxCounters,
    MailboxError,
    MailboxRefused,
    MailOutcome,
    Mailroom,
    PostedMail,
)
from shared.clock import Clock
from shared.contracts.instants import from_us

VERIFIED: Final = "imap"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What collecting works with. `bytes_max` is how large a mail may be to be had whole."""

    mailbox: Mailbox
    mailroom: Mailroom
    sources: Sources
    clock: Clock
    counters: MailboxCounters
    bytes_max: int


class Collector:
    """Takes the mails of one mailbox, portion by portion."""

    def __init__(self, account: Account, parts: Parts) -> None:
        """Take mails in the name of the source of `account`."""
        self._account, self._parts = account, parts
        self._failures: dict[str, dict[int, int]] = {}
        self.complaint: str | None = None
        """Why the last mails were not marked; None: they were."""

    def done(self, folder: str, uid: int) -> None:
        """Forget what failed in `folder` up to `uid`."""
        failures = self._failures.get(folder, {})
        self._failures[folder] = {one: times for one, times in failures.items() if one > uid}

    def forget(self, folder: str) -> None:
        """Forget what failed in `folder`: its UIDs begin anew."""
        self._failures.pop(folder, None)

    async def collect(self, folder: str, listed: Sequence[Listed]) -> int:
        """Bring the first mails of `listed` (not empty, by UID) to the bus and mark them; return how many.

        Raises MailboxError, and Problem 503 while the bus or the store is away; then none of them is done.
        """
        failures = self._failures.get(folder, {})
        portion = next_portion(listed, failures, bytes_max=self._parts.bytes_max)
        await self._take(folder, portion)
        return len(portion.mails)

    async def _take(self, folder: str, portion: Portion) -> None:
        source = self._account.source
        normaliser = self._parts.sources.get(self._account.tenant, source)
        assert normaliser is not None, "every configured source has one"
        wanted = [mail for mail in portion.mails if is_wanted(mail, self._account.since)]
        for _ in range(len(portion.mails) - len(wanted)):
            self._parts.counters.count_mail(source, MailOutcome.PASSED_OVER)
        fetched = await self._fetch(folder, Portion(tuple(wanted), portion.how))
        taken: list[int] = []
        for mail in wanted:
            if portion.how is How.NOT:
                posted = await self._refuse(normaliser, folder, mail)
            elif mail.uid in fetched:
                posted = await self._post(normaliser, mail, fetched[mail.uid])
            else:
                continue  # somebody deleted or moved it meanwhile
            if posted.rejection is None:
                taken.append(mail.uid)
        if taken:
            await self._mark(taken)

    async def _fetch(self, folder: str, portion: Portion) -> Mapping[int, bytes]:
        """Return the mails of `portion` that are still there, whole or cut as they had to be."""
        if portion.how is How.NOT or not portion.mails:
            return {}
        limit = bytes_asked(portion, bytes_max=self._parts.bytes_max)
        header_only = portion.how is How.HEADER
        uids = [mail.uid for mail in portion.mails]
        try:
            fetched = await self._parts.mailbox.fetch(uids, header_only=header_only, bytes_max=limit + 1)
        except MailboxError:
            failures = self._failures.setdefault(folder, {})
            failures.update({uid: failures.get(uid, 0) + 1 for uid in uids})
            raise
        found = dict(fetched)
        for mail in portion.mails:
            raw = found.get(mail.uid, b"")
            if len(raw) > limit and len(uids) > 1:  # larger than the server said
                found |= await self._fetch(folder, Portion((mail,), portion.how))
            elif header_only or len(raw) > limit:
                found[mail.uid] = raw[:limit]
                self._parts.counters.count_cut(self._account.source)
                _log.warning(
                    "mail read by its beginning", source=self._account.source, folder=folder, uid=mail.uid,
                    size_bytes=mail.size_bytes,
                )  # fmt: skip
        return found

    async def _post(self, normaliser: Normaliser, mail: Listed, raw: bytes) -> PostedMail:
        received_at = receipt(mail, from_us(self._parts.clock.now_us()))
        posted = await self._parts.mailroom.take(normaliser, raw, verified=VERIFIED, received_at=received_at)
        source = self._account.source
        if posted.rejection is not None:
            self._parts.counters.count_mail(source, MailOutcome.REJECTED)
            kept = posted.rejected_id or "too large to be kept"
            _log.warning(
                "mail refused", source=source, uid=mail.uid, reason=posted.rejection.detail, kept=kept
            )
            return posted
        ignored = MailOutcome.IGNORED if posted.ignored else MailOutcome.ACCEPTED
        self._parts.counters.count_mail(source, ignored)
        return posted

    async def _refuse(self, normaliser: Normaliser, folder: str, mail: Listed) -> PostedMail:
        """Keep on record that a mail is there which the server does not hand over."""
        why = given_up(folder, mail)
        received_at = receipt(mail, from_us(self._parts.clock.now_us()))
        delivery = Delivery("IMAP", "", {"content-type": MEDIA_TYPE}, b"", received_at)
        posted = await self._parts.mailroom.refuse(normaliser, delivery, why, verified=VERIFIED)
        self._parts.counters.count_mail(self._account.source, MailOutcome.REJECTED)
        _log.error("mail given up", source=self._account.source, reason=why.detail, kept=posted.rejected_id)
        return posted

    async def _mark(self, uids: list[int]) -> None:
        """Mark and move mails that are on the bus. Refused mails stay as they are, for somebody to look at."""
        try:
            if self._account.mark_seen:
                await self._parts.mailbox.mark_seen(uids)
            if self._account.move_to is not None:
                await self._parts.mailbox.move(uids)
        except MailboxRefused as error:
            # What they show is known. To wait here would hold up those after them.
            self._parts.counters.count_mailbox_failure(self._account.source, error.failure)
            if self.complaint is None:
                _log.warning("mails not marked", source=self._account.source, reason=str(error))
            self.complaint = f"the last mails taken were not marked: {error}"
            return
        self.complaint = None
