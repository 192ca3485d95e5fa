"""Checking a JSON Web Token by which an app's webhooks prove where they come from (RFC 7519, HS256).

Only HS256 is taken: a token that names its own method, or none, proves nothing. It says nothing of the body,
so it is worth less than a signature.
"""

from __future__ import annotations

import base64
from datetime import datetime

from services.intake.core.vendors.body import parse
from services.intake.core.vendors.port import TOLERANCE_SECONDS, Unreadable, Untrusted, Verified
from services.intake.core.vendors.signing import verify_hmac


def verify_jwt(
    token: str, secrets: tuple[str, ...], received_at: datetime, *, how: str
) -> Verified | Untrusted:
    """Return whether `token` is signed by one of `secrets` and has not expired."""
    signed, _, shown = token.rpartition(".")
    found = verify_hmac(
        shown, signed.encode("utf-8", "replace"), secrets, algorithm="sha256", how=how, text=_text
    )
    if isinstance(found, Untrusted):
        return found
    header, _, claims = signed.partition(".")
    try:
        method, expires_at = parse(_bytes(header))["alg"].text(), parse(_bytes(claims))["exp"].instant()
    except (Unreadable, ValueError):
        return Untrusted("the token cannot be read")
    if method != "HS256":
        return Untrusted("the token is of another method than HS256")
    if expires_at is None or (received_at - expires_at).total_seconds() > TOLERANCE_SECONDS:
        return Untrusted("the token has expired")
    return found


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
