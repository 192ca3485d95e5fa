"""Reading a vendor's JSON without ever being surprised by it.

Bodies have members missing, null, of another type, nested without end, and texts of any length. A `Node`
walks through all of that and gives a value of the asked kind or None, so adapters say what they look for
and nothing else. Texts are cut to what a ticket holds: a long subject must not lose a ticket.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from services.intake.core.check import WEB
from services.intake.core.ticket import URL_CHARACTERS_MAX
from services.intake.core.vendors.port import Unreadable
from shared.contracts.tickets import SUBJECT_CHARACTERS_MAX, TAGS_MAX, TEXT_CHARACTERS_MAX

_MILLISECONDS_FROM: Final = 100_000_000_000
"""Epoch numbers from here on are milliseconds: as seconds they would be later than the year 5100."""
_FORMS: Final = (
    "%Y-%m-%d %H:%M:%S UTC",
    "%Y-%m-%d %H:%M:%S %z",
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%Y-%m-%dT%H:%M:%S%z",
)
_decode: Final = msgspec.json.Decoder().decode


def parse(body: bytes) -> Node:
    """Return the JSON in `body`. Raises Unreadable."""
    try:
        return Node(_decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Unreadable(f"this is no JSON: {error}") from error


class Node:
    """A value somewhere in a body; absent ones are Nodes as well, of None."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __getitem__(self, name: str) -> Node:
        """Return a member of an object."""
        return Node(self.value.get(name)) if isinstance(self.value, dict) else Node(None)

    def at(self, path: str) -> Node:
        """Return what lies at `path`, such as `issue.user.login`."""
        node = self
        for name in path.split("."):
            node = node[name]
        return node

    def has(self, name: str) -> bool:
        """Return whether an object shows a member, even as null."""
        return isinstance(self.value, dict) and name in self.value

    def items(self) -> Iterator[Node]:
        """Yield the items of a list."""
        if isinstance(self.value, list):
            yield from map(Node, self.value)

    def text(self, limit: int = TEXT_CHARACTERS_MAX) -> str | None:
        """Return a text or a number as text, cut to `limit`; None for anything else, or if it is empty."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        return clean(str(value), limit) or None

    def subject(self) -> str | None:
        """Return a text as long as a subject may be."""
        return self.text(SUBJECT_CHARACTERS_MAX)

    def address(self) -> str | None:
        """Return an http or https address; a longer one than a ticket holds is none, for a cut one leads nowhere."""
        text = self.text(URL_CHARACTERS_MAX + 1)
        return text if text and text.startswith(WEB) and len(text) <= URL_CHARACTERS_MAX else None

    def flag(self) -> bool:
        """Return whether it is true."""
        return self.value is True

    def integer(self) -> int | None:
        """Return a whole number, also one written as text."""
        value = self.value
        if isinstance(value, str) and value.strip().removeprefix("-").isdecimal() and len(value) < 20:  # noqa: PLR2004
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def texts(self, *names: str) -> list[str]:
        """Return the texts of a list, or those members `names` of its objects; at most TAGS_MAX."""
        found = []
        for item in self.items():
            text = (
                next((text for name in names if (text := item[name].text())), None) if names else item.text()
            )
            if text:
                found.append(text)
        return found[:TAGS_MAX]

    def instant(self) -> datetime | None:
        """Return an instant: ISO 8601 with an offset, epoch seconds or milliseconds. Without offset: None."""
        return instant(self.value)


def clean(text: str, limit: int) -> str:
    """Return `text` without control characters, cut to `limit` characters."""
    if len(text) > limit:
        text = text[:limit]
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def instant(value: object) -> datetime | None:
    """Return the instant that `value` says, None if it says none."""
    try:
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float):
            seconds = value / 1_000 if abs(value) >= _MILLISECONDS_FROM else value
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(value, str):
            return _written(value.strip())
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _written(text: str) -> datetime | None:
    if text.isdecimal():
        return instant(int(text)) if len(text) < 20 else None  # noqa: PLR2004
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
        for form in _FORMS:
            try:
                found = datetime.strptime(text, form)  # noqa: DTZ007 - one without an offset is refused below
            except ValueError:
                continue
            if form.endswith("UTC"):
                found = found.replace(tzinfo=UTC)
            break
    return None if found is None or found.tzinfo is None else found.astimezone(UTC)
