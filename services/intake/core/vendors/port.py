"""What a vendor's adapter is: pure functions from a request, as it came, to what it shows of tickets.

An adapter answers three questions. Is this request from the vendor (`verify`, over the raw bytes, before
anything is parsed)? Is it a handshake that wants an answer of its own (`shake`)? What does it show (`read`)?
What it shows are members of the plain JSON ticket in the vendor's own words; the normaliser maps statuses
and priorities, checks every value and keeps the raw words, as for everybody else. What an event does not
show is absent. A new vendor is one module and one test (docs/vendors.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from services.intake.core.definition import ShownStatus
from shared.contracts.tickets import Channel, Kind, Priority

Members = dict[str, Any]
"""Members of the plain JSON ticket (core/ticket.py), times as aware datetimes or RFC 3339 texts.

`event_id` and `time` are left out where the vendor says none: core/webhook.py knows what to do then. `status`
may be a tuple of words, the most telling first: the first that a map knows counts. So a source's own map may
override a state that people invented, and without it the category counts that the vendor puts it in.
"""

TOLERANCE_SECONDS: Final = 300
"""How far a signed timestamp may be from the receive time: beyond, a request may be a replay."""


class Delivery(NamedTuple):
    """A request as it came. Header names are in lower case; values as sent."""

    method: str
    url: str
    """As the sender called it: some vendors sign it."""
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime

    def header(self, name: str) -> str:
        """Return a header by its lower-case name, empty if it is missing."""
        return self.headers.get(name, "")


class Verified(NamedTuple):
    """The request is the vendor's. `how` is kept with it, such as `signature:github`."""

    how: str


class Untrusted(NamedTuple):
    """The request proves nothing; `why` is for the operator's log and metric, never shows a secret."""

    why: str


class Shaken(NamedTuple):
    """The answer to a handshake."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    content_type: str = "text/plain"


class Shown(NamedTuple):
    """What a request shows: tickets, or nothing and why (`ignored`: a short word for the metric)."""

    tickets: tuple[Members, ...] = ()
    ignored: str = ""


class Unreadable(Exception):
    """The body is verified and cannot be understood; the text says what is wrong, for people."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The vendor's words and what they mean; a configuration may override each.

    An unknown word takes the default and is counted; without a default it says nothing and is counted.
    """

    statuses: Mapping[str, ShownStatus] = field(default_factory=dict)
    status_default: ShownStatus | None = None
    priorities: Mapping[str, Priority] = field(default_factory=dict)
    priority_default: Priority | None = None
    channel: Channel | None = None
    kind: Kind | None = None


class Vendor(Protocol):
    """One vendor's adapter. Never raises anything but Unreadable, whatever the bytes are."""

    name: str
    """Its word in the configuration (`kind:`) and in the metrics."""
    vocabulary: Vocabulary

    def verify(self, delivery: Delivery, secrets: tuple[str, ...]) -> Verified | Untrusted:
        """Say whether the request is the vendor's, by any of `secrets` (two while one is rotated).

        Without secrets nothing is verified; that unsigned requests are taken all the same is said in the
        configuration aloud, and decided outside.
        """
        ...

    def shake(self, delivery: Delivery, secrets: tuple[str, ...]) -> Shaken | None:
        """Return the answer to a handshake; None: this is none.

        Asked of requests that were not verified as well, for some handshakes come before there is a secret.
        """
        ...

    def read(self, delivery: Delivery) -> Shown:
        """Return what a verified request shows. Raises Unreadable."""
        ...
