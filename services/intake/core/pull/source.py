"""A source that is pulled: its lists, how often they are read, and what proves to the vendor who asks."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.intake.core.pull.flow import Margins
from services.intake.core.pull.port import Listing
from services.intake.core.vendors.port import Vendor


@dataclass(frozen=True, slots=True)
class PulledSource:
    """What the configuration says of one source's pull, with the secrets read."""

    tenant: str
    source: str
    vendor: Vendor
    url: str
    """Below it the API lies; without a slash at the end."""
    credentials: Mapping[str, str]
    """Headers of every request."""
    listings: Sequence[Listing]
    interval: timedelta
    margins: Margins
    begin: datetime | None = None
    """From when on changes are wanted; None: from the first start on."""
    alone: bool = False
    """No webhook of the source is taken, so nothing that is pulled was lost."""

    def __repr__(self) -> str:
        """Return what may be shown: no secret."""
        return f"PulledSource({self.tenant}/{self.source}, {self.vendor.name})"


def bearer(token: str) -> dict[str, str]:
    """Return the headers that show a bearer token (RFC 6750)."""
    return {"authorization": f"Bearer {token}"}


def basic(user: str, password: str) -> dict[str, str]:
    """Return the headers that show a name and a password (RFC 7617)."""
    shown = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"authorization": f"Basic {shown}"}
