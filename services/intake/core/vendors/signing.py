"""Checking signatures and secrets over raw bytes, in constant time, with two secrets while one is rotated."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime

from services.intake.core.vendors.port import TOLERANCE_SECONDS, Untrusted, Verified


def hexadecimal(digest: bytes) -> str:
    """Return `digest` as lower-case hexadecimal digits."""
    return digest.hex()


def base64_text(digest: bytes) -> str:
    """Return `digest` in standard base64."""
    return base64.b64encode(digest).decode()


def verify_hmac(
    shown: str, signed: bytes, secrets: tuple[str, ...], *, algorithm: str, how: str,
    text: Callable[[bytes], str] = hexadecimal, prefix: str = "",
) -> Verified | Untrusted:  # fmt: skip
    """Return whether `shown` is `prefix` and the HMAC of `signed` by one of `secrets`, as `text`."""
    if not shown:
        return Untrusted("the signature is missing")
    if not secrets:
        return Untrusted("no secret is configured")
    found = False
    for secret in secrets:  # all of them, so that the time does not tell which one fits
        digest = hmac.new(secret.encode(), signed, getattr(hashlib, algorithm)).digest()
        found |= hmac.compare_digest((prefix + text(digest)).encode(), shown.encode("utf-8", "replace"))
    return Verified(f"signature:{how}") if found else Untrusted("the signature does not fit")


def verify_token(shown: str, secrets: tuple[str, ...], *, how: str) -> Verified | Untrusted:
    """Return whether `shown` is one of `secrets`, for vendors that send a shared secret as it is."""
    if not shown:
        return Untrusted("the secret is missing")
    if not secrets:
        return Untrusted("no secret is configured")
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(secret.encode(), shown.encode("utf-8", "replace"))
    return Verified(f"secret:{how}") if found else Untrusted("the secret does not fit")


def if_fresh(found: Verified | Untrusted, at: datetime | None, received_at: datetime) -> Verified | Untrusted:
    """Return `found` if the instant signed with it is near enough to the receive time to be no replay."""
    if isinstance(found, Untrusted):
        return found
    if at is None or abs((received_at - at).total_seconds()) > TOLERANCE_SECONDS:
        return Untrusted("the signed timestamp is too far from now")
    return found
