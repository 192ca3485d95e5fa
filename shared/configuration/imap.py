"""Which mailbox of a mail server a source reads (IMAP), and what happens to mails that were taken.

A password travels over this connection, so it is encrypted and the server proves who it is. Only a server on
this machine may be spoken to in plain text; any other has to be wanted aloud.
"""

from __future__ import annotations

import ipaddress
from enum import Enum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator

from shared.configuration.calendars import DateValue
from shared.configuration.problems import refused
from shared.configuration.secrets import SecretReference
from shared.configuration.section import Section
from shared.configuration.values import Seconds
from shared.contracts.durations import duration_text

FOLDERS_MAX: Final = 50
"""Each is looked at in turn, over one connection."""
HOST_CHARACTERS_MAX: Final = 253
USER_CHARACTERS_MAX: Final = 320
FOLDER_CHARACTERS_MAX: Final = 255
POLL_SECONDS_MIN: Final = 5
POLL_SECONDS_MAX: Final = 20 * 60
"""Servers may end a connection on which nothing was said for 30 minutes."""
PORT_TLS: Final = 993
PORT_PLAIN: Final = 143
PORT_MAX: Final = 65_535


class Encryption(str, Enum):
    """How the connection is encrypted: from its first byte on, after a word in plain text, or not at all."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


def _folder(name: str) -> str:
    if not name.isprintable() or any(each in name for each in "*%"):
        raise refused("this is no name of a folder", "write it as the mail program shows it, such as INBOX")
    return "INBOX" if name.upper() == "INBOX" else name


def _host(name: str) -> str:
    if not name.isprintable() or any(each in name for each in " /@[]"):
        raise refused("this is no name of a server", "write imap.example.org, without a scheme and a port")
    return name.lower()


def _poll(seconds: int) -> int:
    if not POLL_SECONDS_MIN <= seconds <= POLL_SECONDS_MAX:
        shown = f"from {duration_text(POLL_SECONDS_MIN)} to {duration_text(POLL_SECONDS_MAX)}"
        raise refused(f"{duration_text(seconds)} is no interval to look at a mailbox", f"write {shown}")
    return seconds


Folder = Annotated[str, Field(min_length=1, max_length=FOLDER_CHARACTERS_MAX), AfterValidator(_folder)]
"""A folder's name in plain words; the letter case of INBOX does not matter, that of others does."""


class SourceImap(Section):
    """A mailbox to read."""

    host: Annotated[str, Field(min_length=1, max_length=HOST_CHARACTERS_MAX), AfterValidator(_host)]
    encryption: Encryption = Encryption.TLS
    port: Annotated[int | None, Field(ge=1, le=PORT_MAX)] = None
    """None: 993 for `tls`, 143 for the others."""
    ca_file: Annotated[str | None, Field(min_length=1)] = None
    """The authorities whose certificates count, instead of the system's: a file of PEM."""
    unencrypted: bool = False
    """Said aloud: the password may cross a network in plain text."""
    user: Annotated[str, Field(min_length=1, max_length=USER_CHARACTERS_MAX, pattern=r"^[^\x00-\x1f\x7f]+$")]
    password: SecretReference | None = None
    token: SecretReference | None = None
    """An OAuth 2 access token (XOAUTH2) instead of a password; read anew for each connection."""
    folders: Annotated[tuple[Folder, ...], Field(min_length=1, max_length=FOLDERS_MAX)] = ("INBOX",)
    poll_seconds: Annotated[Seconds, AfterValidator(_poll), Field(alias="poll")] = 60
    """How often the folders are looked at, whatever the server tells by itself."""
    idle: bool = True
    """Let the server tell at once of mails in the first folder, if it can (RFC 2177)."""
    mark_seen: bool = False
    """Mark a mail as read once the bus has what it shows."""
    move_to: Folder | None = None
    """Move a mail there once the bus has what it shows."""
    since: DateValue | None = None
    """Mails that the server got before this day (UTC) are passed over."""

    @property
    def port_or_usual(self) -> int:
        """The port to connect to."""
        usual = PORT_TLS if self.encryption is Encryption.TLS else PORT_PLAIN
        return usual if self.port is None else self.port

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @model_validator(mode="after")
    def _one_proof(self) -> SourceImap:
        if (self.password is None) == (self.token is None):
            mend = "write either `password: {env: NAME}` or `token: {file: PATH}`"
            raise refused("a mailbox is opened by one of a password and a token", mend)
        return self

    @model_validator(mode="after")
    def _encrypted(self) -> SourceImap:
        plain = self.encryption is Encryption.NONE
        if plain and not self.is_local and not self.unencrypted:
            mend = "write `encryption: tls` or `starttls`, or say aloud `unencrypted: true`"
            raise refused(f"the password would cross the network to {self.host} in plain text", mend)
        if self.unencrypted and not plain:
            raise refused("`unencrypted: true` beside an encryption", "take one of them out")
        if plain and self.ca_file is not None:
            raise refused("`ca_file` without an encryption", "take it out")
        if self.encryption is Encryption.STARTTLS and self.port == PORT_TLS:
            raise refused(f"port {PORT_TLS} is encrypted from the first byte on", "write `encryption: tls`")
        return self

    @model_validator(mode="after")
    def _moved_away(self) -> SourceImap:
        if self.move_to in self.folders:
            raise refused(f"`{self.move_to}` is read and moved to", "move mails to a folder that is not read")
        if len(set(self.folders)) != len(self.folders):
            raise refused("a folder is there twice", "write each once")
        return self
