"""CloudEvents 1.0 as others write them: any type, any extension, on Kafka or as JSON.

Readers of our own topics use `decode`, which never comes here. This is the edge: the inbox topic and
HTTP (shared/http/cloudevents.py), where required attributes may be missing and everything may be odd.
An own codec, because the official SDK misreads structured Kafka messages that also carry `ce_` headers,
writes lists as Python text, knows no batches and costs twenty times as much (tests use it as an oracle).
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shared.codec.encoding import SPEC_VERSION, attributes_of
from shared.codec.errors import Reason, Undecodable
from shared.codec.registry import Event, type_name
from shared.contracts.instants import Instant
from shared.contracts.records import Headers, Record

JSON: Final = "application/json"
STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
STRUCTURED_PREFIX: Final = "application/cloudevents"

REQUIRED: Final = ("specversion", "id", "source", "type")
_KNOWN: Final = frozenset({*REQUIRED, "subject", "time", "datacontenttype", "dataschema"})
_DATA: Final = frozenset({"data", "data_base64"})

_NAME: Final = re.compile(r"[a-z0-9]+")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_JSON_TYPE: Final = re.compile(r"[^/;]+/(?:[^;]*\+)?json\s*(?:;|$)", re.IGNORECASE)


class CloudEvent(NamedTuple):
    """Context and data of an event of any type. `data` is as it was sent; None: no data at all."""

    id: str
    source: str
    type: str
    subject: str | None = None
    time: datetime | None = None
    datacontenttype: str = JSON
    dataschema: str | None = None
    extensions: Mapping[str, str] = {}
    data: bytes | None = None


class EnvelopeError(Exception):
    """What is wrong with an event's context. `pointer` is a JSON pointer (RFC 6901) into the event."""

    def __init__(self, pointer: str, detail: str) -> None:
        self.pointer, self.detail = pointer, detail
        super().__init__(f"{pointer}: {detail}")


_Needed = Annotated[str, Meta(min_length=1)]


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    """An event without extensions, which nearly all are: read in one pass."""

    specversion: str
    id: _Needed
    source: _Needed
    type: _Needed
    subject: _Needed | None = None
    time: Instant | None = None
    datacontenttype: _Needed | None = None
    dataschema: _Needed | None = None
    data: msgspec.Raw | UnsetType = UNSET
    data_base64: str | None = None


class _Structured(msgspec.Struct, omit_defaults=True):
    specversion: str
    id: str
    source: str
    type: str
    datacontenttype: str
    time: datetime
    data: msgspec.Raw
    subject: str | None = None


_plain: Final = msgspec.json.Decoder(_Plain).decode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_scalar: Final = msgspec.json.Decoder(str | int | bool | None).decode
_text: Final = msgspec.json.Decoder(str).decode
_instant: Final = msgspec.json.Decoder(Instant).decode
_json: Final = msgspec.json.Encoder().encode


def structured(event: Event) -> bytes:
    """Return `event` as one JSON document, `application/cloudevents+json`."""
    identity, source, subject, time, _ = attributes_of(event)
    data = msgspec.Raw(_json(event))
    return _json(_Structured(SPEC_VERSION, identity, source, type_name(event), JSON, time, data, subject))


def has_control_characters(text: str) -> bool:
    """Tell whether `text` holds what CloudEvents forbids in attributes: U+0000-001F, U+007F-009F."""
    return _CONTROL.search(text) is not None


def is_json(content_type: str) -> bool:
    """Tell whether a media type is JSON: `application/json`, `text/json`, `application/x+json`, ..."""
    return _JSON_TYPE.match(content_type) is not None


def parse_structured(document: bytes | msgspec.Raw) -> CloudEvent:
    """Return the event written as one JSON object. Raises EnvelopeError."""
    try:
        plain = _plain(document)
    except UnicodeDecodeError as error:
        raise EnvelopeError("", f"not UTF-8: {error}") from None
    except RecursionError:
        raise EnvelopeError("", "nested too deeply") from None
    except msgspec.DecodeError:
        # Extensions, or something wrong: the slower way keeps the ones and names the other.
        return _from_members(document)
    if plain.specversion != SPEC_VERSION or has_control_characters(
        f"{plain.id}{plain.source}{plain.type}{plain.subject}{plain.datacontenttype}{plain.dataschema}"
    ):
        return _from_members(document)
    content_type = plain.datacontenttype or JSON
    data = _data_of(plain.data, plain.data_base64, content_type)
    return CloudEvent(
        plain.id,
        plain.source,
        plain.type,
        plain.subject,
        plain.time,
        content_type,
        plain.dataschema,
        data=data,
    )


def checked(attributes: Mapping[str, str], data: bytes | None) -> CloudEvent:
    """Return the event of `attributes` as text, `specversion` among them. Raises EnvelopeError."""
    for name in REQUIRED:
        if not attributes.get(name):
            raise EnvelopeError(f"/{name}", "is required")
    if attributes["specversion"] != SPEC_VERSION:
        raise EnvelopeError("/specversion", f"must be {SPEC_VERSION}")
    for name, value in attributes.items():
        _check_text(name, value)
    return CloudEvent(
        attributes["id"],
        attributes["source"],
        attributes["type"],
        attributes.get("subject"),
        _time_of(attributes.get("time")),
        attributes.get("datacontenttype", JSON),
        attributes.get("dataschema"),
        {name: value for name, value in attributes.items() if name not in _KNOWN},
        data,
    )


def read_record(record: Record) -> CloudEvent:
    """Return the event in a Kafka record, binary or structured. Raises Undecodable."""
    texts = _header_texts(record.headers)
    content_type = texts.get("content-type", "")
    if content_type.lower().startswith(STRUCTURED_PREFIX):
        return _structured_record(record, content_type)
    if not texts.get("ce_type"):
        raise Undecodable(Reason.MISSING_TYPE, "no header ce_type, and the content type is no CloudEvent")
    attributes = {name.removeprefix("ce_"): text for name, text in texts.items() if name.startswith("ce_")}
    if content_type:
        attributes["datacontenttype"] = content_type
    return _undecodable_if_wrong(attributes, record.value)


def _undecodable_if_wrong(attributes: Mapping[str, str], data: bytes | None) -> CloudEvent:
    try:
        return checked(attributes, data)
    except EnvelopeError as error:
        known = error.pointer == "/specversion"
        reason = Reason.UNSUPPORTED_VERSION if known else Reason.BAD_ENVELOPE
        raise Undecodable(reason, str(error)) from None


def _structured_record(record: Record, content_type: str) -> CloudEvent:
    if content_type.lower().startswith(BATCH):
        raise Undecodable(Reason.BAD_ENVELOPE, "Kafka carries one event a record, never a batch")
    if record.value is None:
        raise Undecodable(Reason.NO_VALUE, "a structured event without a value")
    try:
        return parse_structured(record.value)
    except EnvelopeError as error:
        reason = Reason.UNSUPPORTED_VERSION if error.pointer == "/specversion" else Reason.BAD_ENVELOPE
        raise Undecodable(reason, str(error)) from None


def _header_texts(headers: Headers) -> dict[str, str]:
    # A header without content (Kafka knows null ones too) says nothing: as if it were absent.
    try:
        return {name.lower(): value.decode() for name, value in headers if value}
    except UnicodeDecodeError as error:
        raise Undecodable(Reason.INVALID_UTF8, f"a header: {error}") from None


def _from_members(document: bytes | msgspec.Raw) -> CloudEvent:
    try:
        members = _members(document)
    except UnicodeDecodeError as error:
        raise EnvelopeError("", f"not UTF-8: {error}") from None
    except RecursionError:
        raise EnvelopeError("", "nested too deeply") from None
    except msgspec.ValidationError:
        raise EnvelopeError("", "an event is a JSON object") from None
    except msgspec.DecodeError as error:
        raise EnvelopeError("", str(error)) from None
    texts = {name: _attribute(name, raw) for name, raw in members.items() if name not in _DATA}
    given = {name: text for name, text in texts.items() if text is not None}
    encoded = _scalar_of("data_base64", members["data_base64"]) if "data_base64" in members else None
    if encoded is not None and not isinstance(encoded, str):
        raise EnvelopeError("/data_base64", "must be a string")
    data = _data_of(members.get("data", UNSET), encoded, given.get("datacontenttype", JSON))
    return checked(given, data)


def _attribute(name: str, raw: msgspec.Raw) -> str | None:
    """Return an attribute's text (CloudEvents' canonical form: true, false, decimal integers)."""
    if not _NAME.fullmatch(name):
        raise EnvelopeError(_pointer(name), "a name of an attribute has only lower-case letters and digits")
    value = _scalar_of(name, raw)
    if value is None or isinstance(value, str):
        return value
    if name in _KNOWN:
        raise EnvelopeError(f"/{name}", "must be a string")
    return str(value).lower()


def _scalar_of(name: str, raw: msgspec.Raw) -> str | int | bool | None:
    try:
        value: str | int | bool | None = _scalar(raw)
    except UnicodeDecodeError as error:
        raise EnvelopeError(_pointer(name), f"not UTF-8: {error}") from None
    except RecursionError:
        raise EnvelopeError(_pointer(name), "nested too deeply") from None
    except msgspec.DecodeError:
        raise EnvelopeError(_pointer(name), "must be a string, an integer or a boolean") from None
    return value


def _data_of(data: msgspec.Raw | UnsetType, encoded: str | None, content_type: str) -> bytes | None:
    if encoded is not None:
        return _unbase64(encoded, alone=data is UNSET)
    if data is UNSET:
        return None
    raw = bytes(data)
    if raw.startswith(b'"') and not is_json(content_type):
        # Text that is no JSON travels as a JSON string; its content is the data.
        try:
            return _text(raw).encode()
        except (msgspec.DecodeError, UnicodeError) as error:
            raise EnvelopeError("/data", str(error)) from None
    return raw


def _unbase64(encoded: str, *, alone: bool) -> bytes:
    if not alone:
        raise EnvelopeError("/data_base64", "data and data_base64 exclude each other")
    try:
        return b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        raise EnvelopeError("/data_base64", "not base64") from None


def _check_text(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise EnvelopeError(_pointer(name), "a name of an attribute has only lower-case letters and digits")
    if not value:
        raise EnvelopeError(f"/{name}", "must not be empty")
    if has_control_characters(value):
        raise EnvelopeError(f"/{name}", "must not hold control characters")


def _time_of(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return _instant(_json(text))
    except (msgspec.DecodeError, UnicodeError):
        raise EnvelopeError("/time", "not an RFC 3339 time with an offset") from None


def _pointer(name: str) -> str:
    """Return the JSON pointer of a member: `~` and `/` escaped (RFC 6901)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
