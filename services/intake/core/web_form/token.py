"""What proves that a page was ours, and when: a signed token in every page, and nothing remembered here.

Intake is stateless, so a token cannot be struck off a list once it was used. Instead a token *is* the
ticket: the ticket's id and the event's id are derived from the token's nonce. Whoever posts one again (a
double click, a retry after a 503, a replay) speaks of the same ticket, and the same text once more is the
same observation. So a replay can change the subject of its own ticket until the token expires, and can make
no second one: each ticket costs a page, and the time it takes to fill it.
"""

from __future__ import annotations

import hmac
import re
from enum import Enum
from typing import Final, NamedTuple

from services.intake.core.web_form.definition import WebForm
from shared.contracts.event_id import derived_id

TOKEN_CHARACTERS_MAX: Final = 200
_TOKEN: Final = re.compile(r"([ac])\.([0-9a-f]{1,12})\.([0-9a-f]{32})\.([0-9a-f]{64})", re.ASCII)
_ID_PREFIX: Final = "web-"
_ID_DIGITS: Final = 16
REFERENCE: Final = re.compile(r"web-[0-9a-f]{16}", re.ASCII)
"""What a ticket of a form is called; a page shows nothing else that stands in its address."""


class Stage(str, Enum):
    """Which page a token was in."""

    ASKED = "a"
    """The form."""
    CONFIRMED = "c"
    """The second page, for what looked like a machine's."""


class Token(NamedTuple):
    """A token that is ours."""

    stage: Stage
    issued_s: int
    nonce: str

    @property
    def ticket(self) -> str:
        """The id of the ticket that this page opens."""
        return f"{_ID_PREFIX}{derived_id('form', self.nonce)[:_ID_DIGITS]}"

    @property
    def event(self) -> str:
        """The id of the event."""
        return derived_id("form-post", self.nonce)


class TokenFault(str, Enum):
    """Why a token is not taken."""

    FORGED = "token_forged"
    EXPIRED = "token_expired"


def written(form: WebForm, token: Token) -> str:
    """Return `token` as the page of `form` carries it. `nonce`: 32 hexadecimal digits, drawn by chance."""
    return f"{_said(token)}.{_signature(form, form.secrets[0], token)}"


def read(form: WebForm, shown: str, *, now_s: int, valid_s: int) -> Token | TokenFault:
    """Return the token in `shown` if `form` gave it out, no longer than `valid_s` ago."""
    found = _TOKEN.fullmatch(shown) if len(shown) <= TOKEN_CHARACTERS_MAX else None
    if found is None:
        return TokenFault.FORGED
    token = Token(Stage(found[1]), int(found[2], 16), found[3])
    is_ours = False
    for secret in form.secrets:  # all of them, so that the time does not tell which one fits
        is_ours |= hmac.compare_digest(_signature(form, secret, token), found[4])
    if not is_ours:
        return TokenFault.FORGED
    return token if now_s - token.issued_s <= valid_s else TokenFault.EXPIRED


def _said(token: Token) -> str:
    return f"{token.stage.value}.{token.issued_s:x}.{token.nonce}"


def _signature(form: WebForm, secret: str, token: Token) -> str:
    signed = f"barometer form\n{form.tenant}\n{form.source}\n{_said(token)}"
    return hmac.new(secret.encode(), signed.encode(), "sha256").hexdigest()
