"""CloudEvents on HTTP, read: binary, structured and batched, without a web framework.

A sender of five hundred events with one mistake must learn which one it was, and the others must not
suffer. So what is wrong with *one* event is a value in the answer (`Bad`, with its index and a JSON
pointer); only a request of which no event can be told raises.

Who calls has already limited the size of the body.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from shared.codec.envelope import (
    BATCH,
    STRUCTURED,
    STRUCTURED_PREFIX,
    CloudEvent,
    EnvelopeError,
    checked,
    is_json,
    parse_structured,
)
from shared.codec.nesting import depth_exceeds

HttpHeaders = Iterable[tuple[bytes, bytes]]
"""Names and values as ASGI gives them: names in lower case, repeats kept."""

_PREFIX: Final = b"ce-"
_CONTENT_TYPE: Final = b"content-type"
_QUOTED: Final = re.compile(rb'"(.*)"', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([^\";\s]+)", re.IGNORECASE)
_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii"})


class Mode(Enum):
    """How a request carries events."""

    BINARY = "binary"
    STRUCTURED = "structured"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may ask of us. `depth_max` counts from the data's own outermost bracket."""

    items_max: int
    depth_max: int


class Good(msgspec.Struct, frozen=True):
    """One event that is sound as an event; what it means is for others to say. `raw` is as sent."""

    index: int
    event: CloudEvent
    raw: bytes


class Bad(msgspec.Struct, frozen=True):
    """One event that is none. `pointer` leads into this event (RFC 6901, empty: all of it)."""

    index: int
    pointer: str
    detail: str
    raw: bytes


Item = Good | Bad


class RequestError(Exception):
    """No event of the request can be told."""


class NotCloudEvents(RequestError):
    """Neither a CloudEvents media type nor the headers of binary mode (415 at an events endpoint)."""


class Unreadable(RequestError):
    """The body is not the JSON its media type promises (400)."""


class TooManyItems(RequestError):
    """The batch has more than `limit` events (413)."""

    def __init__(self, items: int, limit: int) -> None:
        super().__init__(f"{items} events in one batch; at most {limit} are taken")
        self.items, self.limit = items, limit


class TooDeep(RequestError):
    """The JSON is nested more deeply than `limit` (400)."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the JSON is nested more than {limit} levels deep")
        self.limit = limit


_BATCH_LEVELS: Final = 2
_STRUCTURED_LEVELS: Final = 1
"""What the envelope itself adds to the depth of the data."""

_items: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def mode_of(headers: HttpHeaders) -> Mode | None:
    """Return how a request carries events; None: it carries no CloudEvents.

    An unknown `application/cloudevents+...` format is None too, since its bytes cannot be read.
    """
    content_type, binary = "", False
    for name, value in headers:
        if name == _CONTENT_TYPE:
            content_type = value.decode("latin-1").lower()
        elif name == b"ce-specversion":
            binary = True
    return _mode(content_type, binary=binary)


def _mode(content_type: str, *, binary: bool) -> Mode | None:
    media_type = content_type.partition(";")[0].strip()
    if media_type.startswith(STRUCTURED_PREFIX):
        return {BATCH: Mode.BATCH, STRUCTURED: Mode.STRUCTURED}.get(media_type)
    return Mode.BINARY if binary else None


def read(headers: Sequence[tuple[bytes, bytes]], body: bytes, limits: Limits) -> list[Item]:
    """Return the events of a request, in order; a batch may be empty.

    Raises NotCloudEvents, Unreadable, TooManyItems or TooDeep when no event can be told.
    """
    mode = mode_of(headers)
    if mode is None:
        raise NotCloudEvents(
            "the content type is no CloudEvents format and there is no ce-specversion header"
        )
    if mode is Mode.BINARY:
        return [_binary(headers, body, limits)]
    _refuse_other_charsets(headers)
    if mode is Mode.STRUCTURED:
        _refuse_depth(body, limits.depth_max + _STRUCTURED_LEVELS, limits)
        return [_one(0, body)]
    _refuse_depth(body, limits.depth_max + _BATCH_LEVELS, limits)
    return [_one(index, raw) for index, raw in enumerate(_batch(body, limits))]


def _batch(body: bytes, limits: Limits) -> list[msgspec.Raw]:
    try:
        items: list[msgspec.Raw] = _items(body)
    except msgspec.ValidationError:
        raise Unreadable("a batch is a JSON array of events") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from None
    except RecursionError:
        raise TooDeep(limits.depth_max) from None
    if len(items) > limits.items_max:
        raise TooManyItems(len(items), limits.items_max)
    return items


def _one(index: int, document: bytes | msgspec.Raw) -> Item:
    raw = bytes(document)
    try:
        return Good(index, parse_structured(raw), raw)
    except EnvelopeError as error:
        return Bad(index, error.pointer, error.detail, raw)


def _binary(headers: HttpHeaders, body: bytes, limits: Limits) -> Item:
    try:
        attributes = _attributes(headers)
        if is_json(attributes.get("datacontenttype", "application/json")):
            _refuse_depth(body, limits.depth_max, limits)
        # HTTP cannot tell an empty body from none; an event without data is what both mean.
        return Good(0, checked(attributes, body or None), body)
    except EnvelopeError as error:
        return Bad(0, error.pointer, error.detail, body)


def _attributes(headers: HttpHeaders) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for header, value in headers:
        if header == _CONTENT_TYPE:
            attributes["datacontenttype"] = value.decode("latin-1")
        elif header.startswith(_PREFIX):
            name = header.removeprefix(_PREFIX).decode("latin-1")
            if name in attributes:
                raise EnvelopeError(f"/{name}", "the header is there twice")
            attributes[name] = _header_text(name, value)
    return attributes


def _header_text(name: str, value: bytes) -> str:
    """Return an attribute as it was before it became a header: unquoted, then percent-decoded once."""
    quoted = _QUOTED.fullmatch(value)
    if quoted is not None:
        value = _QUOTED_PAIR.sub(rb"\1", quoted[1])
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise EnvelopeError(f"/{name}", "the header is not percent-encoded UTF-8") from None


def _refuse_other_charsets(headers: HttpHeaders) -> None:
    for name, value in headers:
        charset = _CHARSET.search(value.decode("latin-1")) if name == _CONTENT_TYPE else None
        if charset is not None and charset[1].lower() not in _UTF_8:
            raise Unreadable(f"the charset is {charset[1]}; CloudEvents in JSON are UTF-8")


def _refuse_depth(body: bytes, levels: int, limits: Limits) -> None:
    if depth_exceeds(body, levels):
        raise TooDeep(limits.depth_max)
