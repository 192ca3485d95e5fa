"""A mail from its bytes to an observation, in two steps: between them somebody looks up its thread."""

from __future__ import annotations

from typing import Final, NamedTuple

from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.mail.automatic import automatic
from services.intake.core.mail.message import Envelope, Mail, Unread, read_mail
from services.intake.core.mail.shown import Thread, members_of, thread_of
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.rejection import Reason, Rejection, rejected

MEDIA_TYPE: Final = "message/rfc822"


class Letter(NamedTuple):
    """A mail that somebody wrote, and where it belongs as far as it says."""

    mail: Mail
    thread: Thread


class Ignored(NamedTuple):
    """A mail that shows no ticket; `reason` is a short word for the answer and the metric."""

    reason: str


def sorted_out(
    normaliser: Normaliser, raw: bytes, envelope: Envelope | None = None
) -> Letter | Ignored | Rejection:
    """Return what `raw` is. Never raises."""
    definition = normaliser.definition
    mail = read_mail(raw, envelope)
    if isinstance(mail, Unread):
        return rejected(Reason.UNREADABLE, mail.why)
    why = automatic(mail, takes_lists=definition.mailbox.takes_lists)
    return Letter(mail, thread_of(mail, definition.name)) if why is None else Ignored(why.value)


def observed(normaliser: Normaliser, letter: Letter, ticket: str, arrival: Arrival) -> Normalised | Rejection:
    """Return what `letter` shows of `ticket` (its id at the source), dated by its receipt."""
    members = members_of(letter.mail, normaliser.definition.mailbox, letter.thread, ticket)
    return normaliser.fields(members, Defaults(members["event_id"]), arrival)


def read_again(normaliser: Normaliser, raw: bytes, arrival: Arrival) -> Normalised | Ignored | Rejection:
    """Return what a mail that was kept shows; without its thread, so of a ticket of its own if none is tagged."""
    found = sorted_out(normaliser, raw)
    if not isinstance(found, Letter):
        return found
    return observed(normaliser, found, found.thread.tagged or found.thread.fresh, arrival)
