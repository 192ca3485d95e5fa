"""What intake asks of the outside beside the bus (shared/bus/port.py): somewhere to count outcomes."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from services.intake.core.rejection import Reason


class Outcome(str, Enum):
    """What becomes of events, label `outcome` of `barometer_events_total{service="intake"}`."""

    ACCEPTED = "accepted"
    """On the bus, acknowledged."""
    REJECTED = "rejected"
    """Authenticated, but not usable; kept in tickets.rejected.v1 if the bus takes it."""
    UNMAPPED = "unmapped"
    """A word that no map of the source knows; the event itself counts as accepted beside."""
    IGNORED = "ignored"
    """A vendor's request that shows no ticket; `count_ignored` says why."""
    HANDSHAKE = "handshake"
    """A vendor's question whether the address is meant; answered, and nothing else."""
    UNAUTHENTICATED = "unauthenticated"
    """A request without a valid key or signature; not kept."""
    FORBIDDEN = "forbidden"
    """A request for a source or with a scope that the key has not."""
    REFUSED = "refused"
    """A request that was not read: too large, of an unknown type, for an unknown source."""
    THROTTLED = "throttled"
    """A request over the bound of what is in flight."""
    UNAVAILABLE = "unavailable"
    """A request whose events the bus did not acknowledge; the sender was told to come again."""


class Counters(Protocol):
    """Counts outcomes; never fails, never waits."""

    def count(self, outcome: Outcome, number: int = 1) -> None:
        """Count `number` more events (or requests) with `outcome`."""
        ...

    def count_rejected(self, reason: Reason) -> None:
        """Count one rejected event."""
        ...

    def count_ignored(self, source: str, reason: str) -> None:
        """Count one webhook of `source` that shows no ticket, by its adapter's short word for it."""
        ...

    def count_untrusted(self, source: str) -> None:
        """Count one request in the name of `source` that proved nothing."""
        ...
