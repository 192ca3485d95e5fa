"""A public form as the core knows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

SUBJECT_CHARACTERS_MAX: Final = 300
"""A line or three. Barometer keeps no messages, so it asks for none."""
EMAIL_CHARACTERS_MAX: Final = 254
"""RFC 5321: a longer address reaches nobody."""


class EmailAsked(str, Enum):
    """Whether the page asks for an address."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class WebForm:
    """The public page of a source."""

    tenant: str
    source: str
    secrets: tuple[str, ...]
    """The first signs, any is taken."""
    language: str = "en"
    title: str | None = None
    intro: str = ""
    thanks: str = ""
    redirect: str | None = None
    email: EmailAsked = EmailAsked.REQUIRED
    categories: tuple[str, ...] = ()
    queue: str | None = None
    origins: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        """Return what may be shown: no secret."""
        return f"WebForm({self.tenant}/{self.source})"
