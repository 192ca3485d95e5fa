"""What intake asks of the outside beside the bus (shared/bus/port.py): counting, and a small memory.

The memory is for what cannot be read off a single request: the threads of e-mail, and how far mailboxes and
help desks were read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import NamedTuple, Protocol

from services.intake.core.mail.collecting import Listed
from services.intake.core.mail.message import Envelope
from services.intake.core.mail.shown import Thread
from services.intake.core.normalise import Normaliser
from services.intake.core.pull.limits import Outcome as PullOutcome
from services.intake.core.pull.port import Answer as PullAnswer
from services.intake.core.pull.port import Request as PullRequest
from services.intake.core.pull.port import Unreached
from services.intake.core.rejection import Reason, Rejection
from services.intake.core.vendors.port import Delivery
from shared.contracts.tickets import Observation


class Outcome(str, Enum):
    """What becomes of events, label `outcome` of `barometer_events_total{service="intake"}`."""

    ACCEPTED = "accepted"
    """On the bus, acknowledged."""
    REJECTED = "rejected"
    """Authenticated, but not usable; kept in tickets.rejected.v1 if the bus takes it."""
    UNMAPPED = "unmapped"
    """A word that no map of the source knows; the event itself counts as accepted beside."""
    IGNORED = "ignored"
    """A vendor's request that shows no ticket; `count_ignored` says why."""
    HANDSHAKE = "handshake"
    """A vendor's question whether the address is meant; answered, and nothing else."""
    UNAUTHENTICATED = "unauthenticated"
    """A request without a valid key or signature; not kept."""
    FORBIDDEN = "forbidden"
    """A request for a source or with a scope that the key has not."""
    REFUSED = "refused"
    """A request that was not read: too large, of an unknown type, for an unknown source."""
    THROTTLED = "throttled"
    """A request over the bound of what is in flight."""
    UNAVAILABLE = "unavailable"
    """A request whose events the bus did not acknowledge; the sender was told to come again."""


class FormOutcome(str, Enum):
    """What becomes of a post to a public form, label `outcome` of `barometer_form_posts_total`."""

    ACCEPTED = "accepted"
    """On the bus, acknowledged."""
    INVALID = "invalid"
    """A field is missing or wrong; the page says which, and shows the text again."""
    HONEYPOT = "honeypot"
    """This and the next four: asked to confirm, because it looks like a machine's."""
    TOO_FAST = "too_fast"
    LINKS = "links"
    REPEATED = "repeated"
    FLOOD = "flood"
    TOKEN_FORGED = "token_forged"  # noqa: S105 - an outcome
    """No token of this form; asked again with one."""
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - an outcome
    """The page was open for too long; asked again."""
    FOREIGN = "foreign"
    """Posted by a page of another site."""
    THROTTLED = "throttled"
    """Too many from one address."""
    REFUSED = "refused"
    """Not read: too large, of an unknown type, or too much in flight."""
    UNAVAILABLE = "unavailable"
    """The bus did not acknowledge; the page shows the text again."""


class Counters(Protocol):
    """Counts outcomes; never fails, never waits."""

    def count(self, outcome: Outcome, number: int = 1) -> None:
        """Count `number` more events (or requests) with `outcome`."""
        ...

    def count_rejected(self, reason: Reason) -> None:
        """Count one rejected event."""
        ...

    def count_ignored(self, source: str, reason: str) -> None:
        """Count one webhook of `source` that shows no ticket, by its adapter's short word for it."""
        ...

    def count_untrusted(self, source: str, number: int = 1) -> None:
        """Count `number` more requests in the name of `source` that proved nothing; 0 shows the counter."""
        ...

    def count_form(self, source: str, outcome: FormOutcome, number: int = 1) -> None:
        """Count `number` more posts to the form of `source`; 0 shows the counter."""
        ...

    def count_pull(self, source: str, outcome: PullOutcome, number: int = 1) -> None:
        """Count `number` more requests to the vendor of `source`; 0 shows the counter."""
        ...

    def show_pull(self, source: str, *, alone: bool) -> None:
        """Show that `source` is pulled, and whether that is the only way its changes come: then none was lost."""
        ...

    def show_pulled(self, source: str, known_until_us: int) -> None:
        """Show up to when all changes at `source` are known by pulling."""
        ...


class MailOutcome(str, Enum):
    """What became of a mail of a mailbox, label `outcome` of `barometer_mailbox_mails_total`."""

    ACCEPTED = "accepted"
    IGNORED = "ignored"
    """Nobody's message; `count_ignored` says why."""
    REJECTED = "rejected"
    """No mail, or not to be had from the server."""
    PASSED_OVER = "passed_over"
    """Older than the source wants."""


class MailboxFailure(str, Enum):
    """Why a mailbox could not be read, label `reason` of `barometer_mailbox_failures_total`."""

    CONNECTION = "connection"
    """Not reached, lost, silent, or not speaking IMAP; it is tried again."""
    AUTHENTICATION = "authentication"
    """The server refuses the user, or the secret cannot be read."""
    FOLDER = "folder"
    """A folder is missing, or may not be changed."""
    FETCH = "fetch"
    """The server refused to hand over mails."""
    MARK = "mark"
    """The server refused to mark or move mails that were taken; they stay as they are."""
    INTAKE = "intake"
    """The bus or the database is away: the mails wait where they are."""


class MailboxCounters(Protocol):
    """Counts what becomes of mailboxes, by source; never fails, never waits."""

    def show_mailbox(self, source: str) -> None:
        """Show the counters of a mailbox, at zero."""
        ...

    def count_mail(self, source: str, outcome: MailOutcome) -> None:
        """Count one mail that is done."""
        ...

    def count_cut(self, source: str) -> None:
        """Count one mail that was read by its header alone."""
        ...

    def count_mailbox_failure(self, source: str, failure: MailboxFailure) -> None:
        """Count one failure."""
        ...

    def mailbox_read(self, source: str, at_us: int | None) -> None:
        """Say when the mailbox was last read to its end; None: another process reads it, and says so."""
        ...


class MailboxError(Exception):
    """What can go wrong with a mailbox while it is used as intended; the message is for people."""

    failure = MailboxFailure.CONNECTION


class MailboxLost(MailboxError):
    """No connection, or none any more: connect again."""


class MailboxDenied(MailboxError):
    """The server does not let us in; trying often would only lock the account."""

    failure = MailboxFailure.AUTHENTICATION


class MailboxRefused(MailboxError):
    """The server said no to one command; `failure` says to which."""

    def __init__(self, message: str, failure: MailboxFailure) -> None:
        """`message` has what the server said."""
        super().__init__(message)
        self.failure = failure


class MailPage(NamedTuple):
    """Some of the mails in a folder."""

    mails: Sequence[Listed]
    """By UID."""
    through: int
    """Every mail up to this UID is in this page or before it (or gone, or older than asked for)."""
    at_end: bool


class Mailbox(Protocol):
    """A mailbox at a mail server, used by one caller, one call at a time.

    Every call is bounded in time, and raises MailboxLost if the connection is. Nothing is ever deleted, and
    nothing is marked by reading it.
    """

    async def connect(self) -> None:
        """Connect and log in; a connection that is there is given up. Raises MailboxDenied, MailboxRefused."""
        ...

    async def open_folder(self, folder: str) -> int:
        """Go to `folder`, seeing what is new there, and return its UIDVALIDITY. Raises MailboxRefused."""
        ...

    async def mails_after(self, uid: int, *, limit: int, since: date | None, bare: bool) -> MailPage:
        """Return mails of the folder above `uid`, not more than `limit`, by UID.

        Mails from before `since` may be left out. `bare`: without sizes and dates. Raises MailboxRefused.
        """
        ...

    async def fetch(self, uids: Sequence[int], *, header_only: bool, bytes_max: int) -> Mapping[int, bytes]:
        """Return the mails (or their headers) that are still there, by UID, each cut after `bytes_max`.

        Raises MailboxRefused if one of them cannot be had.
        """
        ...

    async def mark_seen(self, uids: Sequence[int]) -> None:
        """Mark mails as read. Repeats are harmless; mails that are gone do not matter. Raises MailboxRefused."""
        ...

    async def move(self, uids: Sequence[int]) -> None:
        """Move mails to where taken ones go. Repeats are harmless, as above. Raises MailboxRefused."""
        ...

    async def wait(self, *, wait_ms: int) -> bool:
        """Return True once the server tells of a new mail, False after `wait_ms`."""
        ...

    async def close(self) -> None:
        """Give up the connection, in good order if there is one. Never raises."""
        ...


class Threads(Protocol):
    """Remembers which mail belongs to which ticket: the one thing that intake has to remember."""

    async def join(self, tenant: str, source: str, thread: Thread, *, at_us: int) -> str:
        """Return the ticket (its id at the source) that a mail belongs to, and remember the mail as its.

        The ticket is the one its subject names; that of the mail itself, when it comes again; that of a mail
        which came before and answered this one; that of the first mail it answers that is known; or a fresh
        one. Mails of other sources do not matter. Raises StoreUnavailable.
        """
        ...

    async def forget(self, tenant: str, source: str, ticket: str) -> None:
        """Forget every mail of the ticket (its id at the source): an answer to one opens a ticket of its own.

        Raises StoreUnavailable.
        """
        ...


class Fetch(Protocol):
    """Asks one vendor's API. Credentials are its own business: no caller sees them."""

    async def get(self, request: PullRequest) -> PullAnswer | Unreached:
        """Return the answer, whatever its status, or why there is none. Bounded in time and bytes; never raises.

        A redirect is an answer, and is not followed: it might lead the credentials elsewhere.
        """
        ...


class CursorKey(NamedTuple):
    """Whose cursor: a source of a tenant, and the `kind` of what is read there (`imap`, `pull`)."""

    tenant: str
    source: str
    kind: str


class HeldCursor(NamedTuple):
    """A cursor in the hands of one reader, until it saves no more."""

    epoch: int
    """To be shown with each `save`."""
    body: bytes
    """As last saved, by whomever; empty: nothing was."""


class Cursors(Protocol):
    """Remembers how far each source was read, and that only one process reads it.

    A holder keeps a cursor as long as it saves before `until_us`; after that anybody may take it, and the
    former holder's next `save` fails. So two may read for a moment, which is harmless, but never does the
    cursor follow the slower one. Raises StoreUnavailable.
    """

    async def take(self, key: CursorKey, *, holder: str, now_us: int, until_us: int) -> HeldCursor | None:
        """Return the cursor, held for `holder` until `until_us`; None while another one holds it at `now_us`.

        A holder that takes it again (a process started anew under its name) gets it at once.
        """
        ...

    async def save(self, key: CursorKey, body: bytes, *, epoch: int, at_us: int, until_us: int) -> None:
        """Replace the body, and hold on until `until_us`. Raises NotOwner once somebody else took it."""
        ...

    async def release(self, key: CursorKey, *, epoch: int) -> None:
        """Let anybody take it at once. Nothing happens if somebody else did."""
        ...

    async def load(self, key: CursorKey) -> bytes:
        """Return the body as last saved, without holding it; empty: nothing was."""
        ...


class Memory(NamedTuple):
    """What intake remembers, in one database (`intake.db`)."""

    threads: Threads
    cursors: Cursors


class PostedMail(NamedTuple):
    """What became of a mail: accepted (acknowledged by the bus), ignored with its reason, or refused."""

    accepted: Observation | None = None
    attachments: int = 0
    ignored: str = ""
    rejection: Rejection | None = None
    rejected_id: str | None = None
    """Under which a refused mail is kept whole; None: it is too large to be kept."""


class Mailroom(Protocol):
    """Takes mails, whichever way they come."""

    async def take(
        self, normaliser: Normaliser, raw: bytes, *, verified: str, envelope: Envelope | None = None,
        received_at: datetime | None = None,
    ) -> PostedMail:  # fmt: skip
        """Return what became of the mail `raw` of a source; what it shows is durable on the bus then.

        `verified` says how its sender was, `received_at` when a mailbox got it (None: now). Raises Problem 503
        if the bus or the store is away: the mail has to be sent again.
        """
        ...

    async def refuse(
        self, normaliser: Normaliser, delivery: Delivery, why: Rejection, *, verified: str
    ) -> PostedMail:
        """Keep a mail service's request whole in which no mail can be found. Raises Problem 503."""
        ...
