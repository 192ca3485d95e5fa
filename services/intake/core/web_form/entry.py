"""What a person entered, made plain, judged, and turned into the members of a ticket.

Nothing is cut silently: a text that is too long comes back with what is wrong. What nobody can see or mean
(control characters, marks that turn the direction of the text around them) is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from services.intake.core.web_form.definition import (
    EMAIL_CHARACTERS_MAX,
    SUBJECT_CHARACTERS_MAX,
    EmailAsked,
    WebForm,
)
from services.intake.core.web_form.token import Token

SUBJECT: Final = "subject"
EMAIL: Final = "email"
CATEGORY: Final = "category"
HONEYPOT: Final = "website"
"""No person sees this field, so no person fills it."""
TOKEN: Final = "token"  # noqa: S105 - a field's name
FIELDS: Final = (SUBJECT, EMAIL, CATEGORY, HONEYPOT, TOKEN)

_SHOWN_AGAIN_CHARACTERS_MAX: Final = 2_000
"""Of a text that is too long: what the page shows again, for its writer to shorten."""
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]+"
)
_SPACES: Final = re.compile(r"\s+")
_EMAIL: Final = re.compile(
    r"[^\s@<>,;:\"()\[\]\\]{1,64}@(?:[^\s@<>,;:\"()\[\]\\.]{1,63}\.)+[^\s@<>,;:\"()\[\]\\.]{2,63}"
)


class Entry(NamedTuple):
    """The fields as they are shown again and used; absent ones are empty."""

    subject: str = ""
    email: str = ""
    category: str = ""
    honeypot: str = ""
    token: str = ""


class EntryFault(str, Enum):
    """What is wrong with a field; the page has words for each."""

    SUBJECT_MISSING = "subject_missing"
    SUBJECT_TOO_LONG = "subject_too_long"
    EMAIL_MISSING = "email_missing"
    EMAIL_WRONG = "email_wrong"
    CATEGORY_MISSING = "category_missing"

    @property
    def field(self) -> str:
        """The field's name."""
        return self.value.partition("_")[0]


def entry_of(fields: Mapping[str, Any]) -> Entry:
    """Return the entry in `fields`; what is no text counts as empty."""
    shown = {name: fields.get(name) for name in FIELDS}
    texts = {name: value if isinstance(value, str) else "" for name, value in shown.items()}
    return Entry(
        _plain(texts[SUBJECT]),
        _plain(texts[EMAIL]),
        _plain(texts[CATEGORY]),
        texts[HONEYPOT].strip()[:1],
        texts[TOKEN],
    )


def _plain(text: str) -> str:
    seen = _UNSEEN.sub(" ", text[: 2 * _SHOWN_AGAIN_CHARACTERS_MAX])
    return _SPACES.sub(" ", seen).strip()[:_SHOWN_AGAIN_CHARACTERS_MAX]


def faults_of(form: WebForm, entry: Entry) -> tuple[EntryFault, ...]:
    """Return what is wrong with `entry`, in the order of the fields."""
    faults = []
    if not entry.subject:
        faults.append(EntryFault.SUBJECT_MISSING)
    elif len(entry.subject) > SUBJECT_CHARACTERS_MAX:
        faults.append(EntryFault.SUBJECT_TOO_LONG)
    if form.categories and entry.category not in form.categories:
        faults.append(EntryFault.CATEGORY_MISSING)
    if form.email is EmailAsked.REQUIRED and not entry.email:
        faults.append(EntryFault.EMAIL_MISSING)
    elif form.email is not EmailAsked.HIDDEN and entry.email and not _is_email(entry.email):
        faults.append(EntryFault.EMAIL_WRONG)
    return tuple(faults)


def _is_email(text: str) -> bool:
    """Tell whether `text` has the shape of an address. Whether it reaches anybody, or whom, nobody knows."""
    return len(text) <= EMAIL_CHARACTERS_MAX and _EMAIL.fullmatch(text) is not None


def members_of(form: WebForm, entry: Entry, token: Token) -> dict[str, Any]:
    """Return what a faultless `entry` shows, as members of the plain ticket for the normaliser to check."""
    members: dict[str, Any] = {
        "id": token.ticket,
        "event_id": token.event,
        "subject": entry.subject,
        "web": {"form": form.source, "verified": False},
    }
    if form.categories:
        members["category"] = entry.category
    if form.email is not EmailAsked.HIDDEN and entry.email:
        members["requester"] = entry.email.lower()
    if form.queue is not None:
        members["queue"] = form.queue
    return members
