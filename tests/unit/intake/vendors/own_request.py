"""What a vendor's own test says of its requests, so that all the common tests try the vendor without another word.

They forge, truncate, encode again, replay, break and fuzz what is told here (tests/api/test_intake_webhooks.py and
its fuzzing neighbour).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

Headers = dict[str, str]


class Signing(NamedTuple):
    """What a signature is made of."""

    body: bytes
    secret: str
    at: datetime
    url: str

    def hmac(self, signed: bytes, algorithm: str = "sha256") -> bytes:
        """Return the HMAC of `signed` by the secret."""
        return hmac.new(self.secret.encode(), signed, algorithm).digest()

    @property
    def milliseconds(self) -> str:
        """The time, as vendors that count milliseconds write it."""
        return str(round(self.at.timestamp() * 1_000))


class Request(NamedTuple):
    """A vendor's request, from its documentation and not from our adapter, so that both must agree."""

    ticket: Any
    """A body that shows one ticket, as JSON."""
    headers: Callable[[Signing], Headers]
    """What proves a request, and what else the vendor sends along."""
    signs_nothing: bool = False
    """The secret itself is sent, which says nothing of the body."""
    signs_a_time: bool = False
    """So an old request can be told from a new one."""
