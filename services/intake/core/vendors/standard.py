"""Signatures as Standard Webhooks 1.0.0 has them: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

Signed is `<id>.<timestamp>.<body>`, by HMAC-SHA256 with the key that stands in base64 behind `whsec_`. The
header may hold several signatures, separated by spaces, while a secret is rotated.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from services.intake.core.vendors.body import instant
from services.intake.core.vendors.port import Delivery, Untrusted, Verified
from services.intake.core.vendors.signing import if_fresh

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1,"
_SIGNATURES_MAX: Final = 8
"""More than any rotation needs: a header full of guesses is not tried."""


def is_standard(delivery: Delivery) -> bool:
    """Return whether the request is signed in this way."""
    return bool(delivery.header("webhook-signature"))


def verify_standard(delivery: Delivery, secrets: tuple[str, ...], *, how: str) -> Verified | Untrusted:
    """Return whether one signature is of one of those `secrets` that begin with `whsec_`, and fresh."""
    stamp = delivery.header("webhook-timestamp")
    keys = [key for secret in secrets if (key := _key(secret))]
    if not keys:
        return Untrusted("no secret that begins with whsec_ is configured")
    signed = f"{delivery.header('webhook-id')}.{stamp}.".encode("utf-8", "replace") + delivery.body
    found = False
    for shown in delivery.header("webhook-signature").split()[:_SIGNATURES_MAX]:
        for key in keys:
            digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
            found |= hmac.compare_digest(_VERSION.encode() + digest, shown.encode("utf-8", "replace"))
    if not found:
        return Untrusted("the signature does not fit")
    return if_fresh(Verified(f"signature:{how}"), instant(stamp), delivery.received_at)


def _key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return b""
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""
