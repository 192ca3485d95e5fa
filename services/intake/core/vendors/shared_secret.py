"""Checking the secret of a vendor that signs nothing and sends what its administrator typed in.

Such vendors (Azure DevOps, Freshdesk, ServiceNow) let people set a header of their own. Accepted are
`X-Barometer-Secret` and `Authorization: Bearer`; basic authentication is checked for every vendor alike
(core/webhook.py).
"""

from __future__ import annotations

from typing import Final

from services.intake.core.vendors.port import Delivery, Untrusted, Verified
from services.intake.core.vendors.signing import verify_token

HEADER: Final = "x-barometer-secret"
_BEARER: Final = "bearer"


def verify_shared(delivery: Delivery, secrets: tuple[str, ...], *, how: str) -> Verified | Untrusted:
    """Return whether the request carries one of `secrets` in one of the two headers."""
    scheme, _, token = delivery.header("authorization").partition(" ")
    shown = token.strip() if scheme.casefold() == _BEARER else delivery.header(HEADER)
    return verify_token(shown, secrets, how=how)
