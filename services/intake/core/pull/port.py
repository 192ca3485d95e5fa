"""What a connector is: pure knowledge of one vendor's list of what changed, tickets or messages.

A connector says two things. What to ask (`request`): the list from an instant on, oldest change first, a page
of it. And what an answer shows (`read`): tickets in the shape of the vendor's own webhooks, so that the
adapter that reads webhooks reads them as well and a ticket comes out the same by both ways. When to ask again
and how far the list has been read is decided for all vendors in flow.py, and whoever drives it does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from services.intake.core.vendors.body import Node, parse
from services.intake.core.vendors.port import Unreadable
from shared.contracts.event_id import derived_id

LAST: Final = 2**53 - 1
"""The sequence of a state among what was told of the same instant: the list shows what all of that came to. No vendor
counts so far, and every reader of JSON can hold it."""

_encode: Final = msgspec.json.Encoder().encode


class Request(NamedTuple):
    """A GET below the source's base address. Credentials are no part of it: the shell adds them."""

    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = {}

    @property
    def identity(self) -> str:
        """A digest by which the same request is known again."""
        return derived_id(self.path, *(part for pair in self.query for part in pair))


class Answer(NamedTuple):
    """What came back. Header names are in lower case; `at` is our clock when it was there."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    at: datetime

    def header(self, name: str) -> str:
        """Return a header by its lower-case name, empty if it is missing."""
        return self.headers.get(name, "")


class Unreached(NamedTuple):
    """No answer came: a timeout, a cut connection, a name that leads nowhere. `why` shows no secret."""

    why: str


class Item(NamedTuple):
    """One ticket of the list, as the vendor's webhook would show it now, or one message as it was told."""

    key: str
    """Unique in the source."""
    at: datetime
    """Where it stands in the list: when it changed last, by the vendor's clock."""
    headers: Mapping[str, str]
    body: bytes
    sequence: int | None
    """Of its state among what was told of the same instant: LAST, unless the vendor itself tells such states apart.
    None: that of the webhook, for a message has the place it was told at."""
    is_ticket: bool = True
    """False: it has its place in the list, and is nothing for us."""
    written_at: datetime | None = None
    """Of a message: one from before the list is wanted is not, though it was edited since."""

    @property
    def mark(self) -> str:
        """A digest of this state of the ticket: pulled twice, it is one observation."""
        return derived_id("pull", self.key, self.at.isoformat(), str(self.sequence))


class Page(NamedTuple):
    """A page of the list, oldest change first.

    `next` asks for what is behind it. On the last page it may be there as well, for what is yet to come;
    without it the page is the last.
    """

    items: Sequence[Item]
    next: str | None = None
    is_last: bool = False


class Conversations(Protocol):
    """How what was said in one ticket is asked for, where a vendor has no list of messages: newest first."""

    pause_seconds: float
    """Before each request: there is one for each ticket that changed, and others want to ask the vendor as well."""

    def request(self, ticket: Item, page: str | None) -> Request | None:
        """Return the request for the messages of a ticket of the list; None: there are none to ask for."""
        ...

    def read(self, ticket: Item, answer: Answer) -> Page:
        """Return the messages that a page shows, each with its `written_at`. Raises Unreadable."""
        ...


class Listing(Protocol):
    """One list of what changed: a repository's, a project's, a help desk's."""

    name: str
    """Of its cursor, and for the log."""
    resolution: timedelta
    """The steps in which `since` can be asked for."""
    pages_last: bool
    """A page's handle stays good, whatever changes meanwhile: it may be kept over days."""
    pause_seconds: int
    """Between two requests, for a vendor that counts them."""
    page_items: int
    """How many items a page is asked to have."""
    conversations: Conversations | None
    """Wanted is what was said in the tickets of the list. None: wanted are its items."""

    def preparation(self) -> Request | None:
        """Return what has to be asked before the list, None for nothing."""
        ...

    def prepared(self, answer: Answer) -> Listing:
        """Return the list as it is to be asked after that answer. Raises Unreadable."""
        ...

    def request(self, since: datetime, page: str | None) -> Request:
        """Return the request for what changed at or after `since`; `page` None is the first page."""
        ...

    def read(self, answer: Answer) -> Page:
        """Return what a page shows. Raises Unreadable."""
        ...


def object_of(answer: Answer) -> Node:
    """Return the JSON object of an answer. Raises Unreadable."""
    body = parse(answer.body)
    if not isinstance(body.value, dict):
        raise Unreadable("the answer is no JSON object")
    return body


def list_of(node: Node, what: str) -> list[Any]:
    """Return the list in `node`. Raises Unreadable."""
    if not isinstance(node.value, list):
        raise Unreadable(f"the answer has no list of {what}")
    return node.value


def instant_of(node: Node, what: str) -> datetime:
    """Return the instant in `node`: a list without times cannot be followed. Raises Unreadable."""
    found = node.instant()
    if found is None:
        raise Unreadable(f"{what} shows no time of its last change")
    return found


def encoded(body: Mapping[str, Any]) -> bytes:
    """Return a body as the vendor would send it."""
    return _encode(body)
