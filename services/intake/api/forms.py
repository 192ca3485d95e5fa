"""The forms a request may have, and the items in it: a ticket, a list, lines, or CloudEvents.

Only what concerns the request as a whole is an error here (no JSON at all, too many items, an unknown
media type). What is wrong with one item is that item's own matter (core/reception.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from services.intake.api.splitting import NoArray, split_array
from services.intake.core.envelope import OBSERVED_TYPE, Context
from services.intake.core.reception import Item
from services.intake.core.rejection import Reason, Rejection, pointer_to, rejected
from services.intake.settings import Limits
from shared.codec.envelope import BATCH, STRUCTURED, CloudEvent, is_json
from shared.codec.nesting import depth_exceeds
from shared.http import cloudevents
from shared.http.cloudevents import Bad, Good, Mode
from shared.http.problems import Problem

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
_LINES: Final = frozenset({NDJSON, "application/ndjson", "application/jsonl", "application/x-jsonlines"})
TAKEN: Final = (JSON, NDJSON, STRUCTURED, BATCH)
_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii"})
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([^\";\s]+)", re.IGNORECASE)
_BLANK: Final = b" \t\r\n"
_SHOWN_CHARACTERS_MAX: Final = 80

_any: Final = msgspec.json.Decoder(Raw).decode


class Parsed(NamedTuple):
    """The items of a request. `single`: it was not sent as a batch, and is not answered as one."""

    items: Sequence[Item]
    single: bool


class Unreadable(NamedTuple):
    """No item can be told; the body as a whole is rejected."""

    rejection: Rejection
    content_type: str


class Ids(NamedTuple):
    """Where the event ids of tickets without one come from: `base` for one, `base.<index>` in batches."""

    base: str
    is_fresh: bool = False
    """`base` was drawn; else it is the sender's Idempotency-Key."""

    def of(self, index: int) -> str:
        """Return the id of the item at `index` of a batch."""
        return f"{self.base}.{index}"


def parse(
    headers: Sequence[tuple[bytes, bytes]], content_type: str, body: bytes, ids: Ids, limits: Limits
) -> Parsed | Unreadable:
    """Return the items in `body`. Raises Problem 413 or 415."""
    media_type = content_type.partition(";")[0].strip().lower()
    if cloudevents.mode_of(headers) is not None:
        return _cloudevents(headers, media_type, body, limits)
    _refuse_charset(content_type)
    if media_type in _LINES:
        return _lines(body, ids, limits)
    if media_type and (media_type.startswith("application/cloudevents") or not is_json(media_type)):
        raise _unsupported(media_type)
    listed = body.lstrip(_BLANK)[:1] == b"["
    if depth_exceeds(body, limits.nesting_depth_max + listed):
        return _too_deep(limits, JSON)
    if listed:
        return _listed(body, ids, limits)
    return Parsed((Item(body, ids.base, is_fresh=ids.is_fresh),), single=True)


def _unsupported(media_type: str) -> Problem:
    shown = media_type[:_SHOWN_CHARACTERS_MAX]
    detail = f"{shown!a} is not taken; send {', '.join(TAKEN)}, or a CloudEvent in binary mode"
    return Problem("unsupported-media-type", 415, detail, headers={"Accept-Post": ", ".join(TAKEN)})


def _refuse_charset(content_type: str) -> None:
    charset = _CHARSET.search(content_type)
    if charset is not None and charset[1].lower() not in _UTF_8:
        raise Problem("unsupported-media-type", 415, "send JSON in UTF-8")


def _too_many(items: int, limits: Limits) -> Problem:
    return Problem(
        "too-large", 413, f"{items} items in one batch; at most {limits.batch_items_max} are taken"
    )


def _too_deep(limits: Limits, content_type: str) -> Unreadable:
    detail = f"the JSON is nested more than {limits.nesting_depth_max} levels deep"
    return Unreadable(rejected(Reason.TOO_DEEP, detail), content_type)


def _listed(body: bytes, ids: Ids, limits: Limits) -> Parsed | Unreadable:
    try:
        raws = split_array(body)
    except RecursionError:
        return _too_deep(limits, JSON)
    except NoArray as error:
        return Unreadable(rejected(Reason.MALFORMED_JSON, str(error)), JSON)
    if len(raws) > limits.batch_items_max:
        raise _too_many(len(raws), limits)
    return Parsed(
        [Item(raw, ids.of(index), is_fresh=ids.is_fresh) for index, raw in enumerate(raws)], single=False
    )


def _lines(body: bytes, ids: Ids, limits: Limits) -> Parsed:
    lines = [line for line in body.split(b"\n") if line.strip(_BLANK)]
    if len(lines) > limits.batch_items_max:
        raise _too_many(len(lines), limits)
    return Parsed(
        [Item(line, ids.of(index), is_fresh=ids.is_fresh) for index, line in enumerate(lines)], single=False
    )


def _cloudevents(
    headers: Sequence[tuple[bytes, bytes]], media_type: str, body: bytes, limits: Limits
) -> Parsed | Unreadable:
    bounds = cloudevents.Limits(items_max=limits.batch_items_max, depth_max=limits.nesting_depth_max)
    try:
        found = cloudevents.read(headers, body, bounds)
    except cloudevents.TooManyItems as error:
        raise _too_many(error.items, limits) from None
    except cloudevents.TooDeep:
        return _too_deep(limits, media_type)
    except cloudevents.Unreadable as error:
        return Unreadable(rejected(Reason.MALFORMED_JSON, str(error)), media_type)
    single = cloudevents.mode_of(headers) is not Mode.BATCH
    return Parsed([_good(each) if isinstance(each, Good) else _bad(each) for each in found], single)


def _bad(bad: Bad) -> Item:
    whole = bad.pointer == ""
    reason = Reason.MALFORMED_JSON if whole and not _is_json_text(bad.raw) else Reason.INVALID_CLOUDEVENT
    broken = rejected(reason, bad.detail, bad.pointer)
    return Item(bad.raw, "", broken=broken, content_type=STRUCTURED)


def _good(good: Good) -> Item:
    event = good.event
    context = Context(event.id, event.type, event.source, event.subject, event.time, event.extensions)
    broken = _data_fault(event)
    raw = good.raw if event.data is None else event.data
    return Item(raw, event.id, context, broken)


def _data_fault(event: CloudEvent) -> Rejection | None:
    if event.type != OBSERVED_TYPE:
        return None  # the reception says what is wrong with the type
    if event.data is None:
        return rejected(Reason.INVALID_CLOUDEVENT, "the event has no data; send a ticket", pointer_to("data"))
    if not is_json(event.datacontenttype):
        detail = "the data must be application/json"
        return rejected(Reason.INVALID_CLOUDEVENT, detail, pointer_to("datacontenttype"))
    return None


def _is_json_text(raw: bytes) -> bool:
    try:
        _any(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
