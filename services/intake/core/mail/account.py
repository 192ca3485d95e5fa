"""A mailbox of a mail server that a source reads, as the configuration says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from enum import Enum


class Encryption(str, Enum):
    """How the connection is encrypted: from its first byte on, after a word in plain text, or not at all."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox of a mail server that a source reads, and how to get in."""

    tenant: str
    source: str
    host: str
    port: int
    encryption: Encryption
    ca_file: str | None
    user: str
    secret: Callable[[], str] = field(repr=False)
    """Reads the password or token anew, so that it can be replaced meanwhile. Raises ConfigurationInvalid."""
    is_token: bool
    folders: tuple[str, ...]
    poll_ms: int
    idle: bool
    mark_seen: bool
    move_to: str | None
    since: date | None
