"""From a record to the event it carries, by its type. The hot path of every reader.

Binary mode is what we write: `ce_type` names the type, the value is the event's JSON. Structured mode
(everything in the value) is accepted too, since upstream systems may write it to the inbox; the mode is
decided by the content type, never by the presence of `ce_` headers.

Every time comes out in UTC: another offset is a spelling, not a fact, and must not reach digests.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import UNSET

from shared.codec.encoding import JSON_HEADER
from shared.codec.envelope import CloudEvent, read_record
from shared.codec.errors import Reason, Undecodable, UnknownType
from shared.codec.registry import EVENT_TYPES, Event, EventType
from shared.contracts.alerts import Alert
from shared.contracts.backlog import Cell, Fact, Flow, PartitionClock, TermsAdopted, TicketState
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.records import Record
from shared.contracts.tickets import Absorbed, MessageMark, Observation, Rejected, RunBegan, RunEnded

_SCHEMA_REGISTRY_MARK: Final = 0

Read = Callable[[bytes], Event]
S = TypeVar("S", bound=msgspec.Struct)


def decode(record: Record) -> Event:
    """Return the event in `record`. Raises Undecodable or UnknownType, and nothing else."""
    headers = record.headers
    if len(headers) > 1 and headers[1] == JSON_HEADER and headers[0][0] == "ce_type":
        read = _READS.get(headers[0][1])
        if read is not None:
            return _read(read, record.value)
    return decode_data(read_record(record))


def decode_data(event: CloudEvent) -> Event:
    """Return the event whose context and data `event` is. Raises Undecodable or UnknownType."""
    read = _READS.get(event.type.encode())
    if read is None:
        raise UnknownType(event.type)
    return _read(read, event.data)


def _read(read: Read, value: bytes | None) -> Event:
    if value is None:
        raise Undecodable(Reason.NO_VALUE, "the event has no data")
    try:
        return read(value)
    except UnicodeDecodeError as error:
        raise Undecodable(Reason.INVALID_UTF8, str(error)) from None
    except msgspec.ValidationError as error:
        raise Undecodable(Reason.WRONG_SHAPE, str(error)) from None
    except msgspec.DecodeError as error:
        raise Undecodable(Reason.MALFORMED_JSON, _explain(value, error)) from None
    except RecursionError:
        raise Undecodable(Reason.TOO_DEEP, "the JSON is nested too deeply") from None
    except OverflowError:
        raise Undecodable(Reason.WRONG_SHAPE, "a time is outside the years 1 to 9999 in UTC") from None


def _explain(value: bytes, error: msgspec.DecodeError) -> str:
    if value and value[0] == _SCHEMA_REGISTRY_MARK:
        return "the value begins with a schema registry's five bytes; publish plain JSON"
    return str(error)


def _read_of(kind: EventType) -> Read:
    parse = msgspec.json.Decoder(kind.struct).decode
    in_utc = cast("Callable[[Any], Any]", _IN_UTC[kind.struct])
    member, value = kind.member, kind.value

    def read(data: bytes) -> Event:
        return cast("Event", in_utc(parse(data)))

    def read_checked(data: bytes) -> Event:
        event = parse(data)
        if getattr(event, cast("str", member)) is not value:
            raise msgspec.ValidationError(f"the type {kind.name} needs another value - at `$.{member}`")
        return cast("Event", in_utc(event))

    return read if member is None else read_checked


def _times(*names: str) -> Callable[[S], S]:
    def in_utc(event: S) -> S:
        for name in names:
            instant = getattr(event, name)
            # msgspec gives the one UTC object for `Z`, so nearly always this comparison is all.
            if instant is not None and instant.tzinfo is not UTC:
                return _moved(event, names)
        return event

    return in_utc


def _moved(event: S, names: tuple[str, ...]) -> S:
    shown = {name: getattr(event, name) for name in names}
    return msgspec.structs.replace(event, **{name: _utc(at) for name, at in shown.items() if at is not None})


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC)


_observation_times: Final = _times("time", "received_at")


def _observation(event: Observation) -> Observation:
    event = _observation_times(event)
    created_at = event.fields.created_at
    if created_at is UNSET or created_at is None or created_at.tzinfo is UTC:
        return event
    fields = msgspec.structs.replace(event.fields, created_at=_utc(created_at))
    return msgspec.structs.replace(event, fields=fields)


_absorbed_times: Final = _times("at")


def _absorbed(event: Absorbed) -> Absorbed:
    event = _absorbed_times(event)
    if all(message.time.tzinfo is UTC for message in event.messages):
        return event
    messages = tuple(MessageMark(_utc(message.time), message.actor) for message in event.messages)
    return msgspec.structs.replace(event, messages=messages)


# Which members are times; tests/unit/contracts compares this with the structs themselves.
_IN_UTC: Final[dict[type[msgspec.Struct], object]] = {
    Observation: _observation,
    Absorbed: _absorbed,
    Rejected: _times("received_at", "rejected_at"),
    RunBegan: _times("at"),
    RunEnded: _times("at"),
    Fact: _times("at", "stated_at", "deadline", "notify_at"),
    TermsAdopted: _times("at", "stated_at"),
    TicketState: _times("created_at", "updated_at", "reopened_at", "left_at"),
    Cell: _times("at"),
    Flow: _times("at"),
    PartitionClock: _times("at"),
    Alert: _times("since", "fired_at", "resolved_at"),
    ConfigVersion: _times("effective_from", "recorded_at"),
    ConfigApplied: _times("at"),
}
_READS: Final = {name.encode(): _read_of(kind) for name, kind in EVENT_TYPES.items()}
