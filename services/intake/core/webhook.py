"""A vendor's request, from what it proves to what it shows; and what a retry of it needs.

Everything here is pure. An adapter meets bytes that nobody has foreseen, and a defect in it must cost
neither the event (it is kept whole) nor the answer (a vendor that is answered 500 for long switches the
webhook off): so callers go through shared/runtime/attempt.py, and `failed` is what they make of a defect.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.rejection import Reason, Rejection, rejected
from services.intake.core.vendors.port import (
    Delivery,
    Members,
    Shown,
    Unreadable,
    Untrusted,
    Vendor,
    Verified,
)
from services.intake.core.vendors.signing import verify_token
from shared.contracts.event_id import derived_id, digest

HEADERS_KEPT_MAX: Final = 32
HEADER_CHARACTERS_MAX: Final = 1_024
"""Longer headers are credentials or nonsense; no vendor's event id or name is."""
_POST: Final = "POST"
_BASIC: Final = "basic "
_CREDENTIAL_WORDS: Final = (
    "auth", "signature", "secret", "token", "password", "cookie", "credential", "jwt", "api-key",
)  # fmt: skip
_TRANSPORT: Final = frozenset(
    {"host", "accept", "accept-encoding", "accept-language", "connection", "content-length", "expect",
     "forwarded", "origin", "referer", "te", "transfer-encoding", "upgrade", "user-agent", "via", "x-real-ip"}
)  # fmt: skip
"""Says nothing of the event, and where it came from is nobody's business later."""
_FORWARDED: Final = "x-forwarded-"


@dataclass(frozen=True, slots=True)
class Hook:
    """A source that a vendor calls, and what proves a request to be the vendor's."""

    tenant: str
    source: str
    vendor: Vendor
    secrets: tuple[str, ...] = ()
    basic: str | None = None
    """`user:password`."""
    unsigned: bool = False
    url: str | None = None
    """The address as the vendor calls it; None: as the request says."""

    def __repr__(self) -> str:
        """Return what may be shown: no secret."""
        return f"Hook({self.tenant}/{self.source}, {self.vendor.name})"


class Received(NamedTuple):
    """What became of a delivery: its tickets, those that cannot be used, or why there are none."""

    accepted: tuple[Normalised, ...] = ()
    refused: tuple[Rejection, ...] = ()
    ignored: str = ""


def prove(hook: Hook, delivery: Delivery) -> Verified | Untrusted:
    """Return whether `delivery` is the vendor's: by basic authentication, by a secret, by both if both are set."""
    if hook.unsigned:
        return Verified(f"unsigned:{hook.vendor.name}")
    if hook.basic is None:
        return hook.vendor.verify(delivery, hook.secrets)
    found = verify_token(_basic(delivery.header("authorization")), (hook.basic,), how="basic")
    return (
        found
        if isinstance(found, Untrusted) or not hook.secrets
        else hook.vendor.verify(delivery, hook.secrets)
    )


def _basic(shown: str) -> str:
    """Return `user:password` of an Authorization header, empty if it is of another scheme (RFC 7617)."""
    if shown[: len(_BASIC)].lower() != _BASIC:
        return ""
    try:
        return base64.b64decode(shown[len(_BASIC) :].strip(), validate=True).decode()
    except ValueError:
        return ""


def receive(normaliser: Normaliser, vendor: Vendor, delivery: Delivery, arrival: Arrival) -> Received:
    """Return what a verified `delivery` shows, normalised."""
    try:
        shown = vendor.read(delivery)
    except Unreadable as error:
        return Received(refused=(rejected(Reason.UNREADABLE, str(error)),))
    return _normalised(normaliser, shown, delivery, arrival)


def failed(error: str) -> Rejection:
    """Return why a request is not used whose adapter raised `error`."""
    return rejected(Reason.ADAPTER_FAILED, f"a defect in the vendor's adapter: {error}")


def _normalised(normaliser: Normaliser, shown: Shown, delivery: Delivery, arrival: Arrival) -> Received:
    outcomes = [
        _one(normaliser, dict(members), index, delivery, arrival)
        for index, members in enumerate(shown.tickets)
    ]
    accepted = tuple(each for each in outcomes if isinstance(each, Normalised))
    refused = tuple(each for each in outcomes if isinstance(each, Rejection))
    return Received(accepted, refused, "" if outcomes else shown.ignored or "nothing")


def _one(
    normaliser: Normaliser, members: Members, index: int, delivery: Delivery, arrival: Arrival
) -> Normalised | Rejection:
    """Return the observation of one ticket.

    Where the vendor gives no event id, one is derived from the body, so that a redelivery is no news. A
    body without a time is another matter: open, pending and open again are three events, and the third
    looks like the first to the last byte. So there the receive time is part of the id.
    """
    parts = [digest(delivery.body).hex(), str(index)]
    undated = members.get("time") in (None, delivery.received_at)
    if undated:
        members.pop("time", None)  # dated by receipt: with an event id of its own it may come again
        parts.append(delivery.received_at.isoformat())
    return normaliser.fields(members, Defaults(derived_id("webhook", *parts), is_fresh=undated), arrival)


def kept_headers(delivery: Delivery, secrets: tuple[str, ...]) -> dict[str, str]:
    """Return the headers that a retry may need: neither credentials (by name or by value) nor transport."""
    kept = {
        name: value
        for name, value in delivery.headers.items()
        if len(value) <= HEADER_CHARACTERS_MAX and _is_kept(name) and not any(one in value for one in secrets)
    }
    return dict(sorted(kept.items())[:HEADERS_KEPT_MAX])


def _is_kept(name: str) -> bool:
    if name in _TRANSPORT or name.startswith(_FORWARDED) or len(name) > HEADER_CHARACTERS_MAX:
        return False
    return not any(word in name for word in _CREDENTIAL_WORDS)


def kept_delivery(headers: Mapping[str, str], body: bytes, received_at: datetime) -> Delivery:
    """Return the delivery that was kept, as far as `read` looks at it."""
    return Delivery(_POST, "", headers, body, received_at)
