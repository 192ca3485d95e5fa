"""From an event to the record that carries it: key, CloudEvents headers, JSON value.

The hot path of two services: intake writes every observation through here and aging about three
records for each. So nothing is built twice: constant headers are one shared tuple each, sources and
the digests of cells are remembered, times come out of msgspec already as bytes.

Keys decide partitions, so they are part of the contract (shared/contracts/topics.py). An absorbed
register is keyed by its *survivor*, because the survivor's partition is who must hear of it.

Programmer errors are assertions: a naive time, a record that belongs to every partition or to a
tenant's partition handed to `to_outgoing` without one. Text with lone surrogates raises
UnicodeEncodeError; whoever reads bytes from outside replaces them before they become an event.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec

from shared.codec.registry import EVENT_TYPES, Event, type_name
from shared.contracts.alerts import Alert, AlertState
from shared.contracts.backlog import Cell, Fact, Flow, PartitionClock, TermsAdopted, TicketState
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.event_id import derived_id
from shared.contracts.records import Headers, Outgoing
from shared.contracts.tickets import Absorbed, Observation, Rejected, RunBegan, RunEnded
from shared.contracts.topics import partition_of

SPEC_VERSION: Final = "1.0"
JSON_HEADER: Final = ("content-type", b"application/json")
_SPEC_HEADER: Final = ("ce_specversion", SPEC_VERSION.encode())
_TYPE_HEADERS: Final = {name: ("ce_type", name.encode()) for name in EVENT_TYPES}
_TOPICS: Final = {name: each.topic.name for name, each in EVENT_TYPES.items()}

SOURCES_REMEMBERED: Final = 4_096
DIMENSIONS_REMEMBERED: Final = 65_536

CONFIG_KEY_DIGITS: Final = 10
"""Zero-padded, so that keys sort as numbers do."""

DEFAULT_TENANT: Final = "default"

_json: Final = msgspec.json.Encoder().encode


class Attributes(NamedTuple):
    """What the context of an event says beside its type. `subject` None: the event is about no ticket."""

    id: str
    source: str
    subject: str | None
    time: datetime
    key: bytes


def to_outgoing(event: Event, *, partition: int | None = None) -> Outgoing:
    """Return the record of `event` for its own topic.

    `partition` must be given for cells, flows, clocks, run marks and applied configurations; see
    `to_cells` and `to_every_partition`. Everything else goes where its key says.
    """
    assert partition is not None or type(event) not in _PLACED, f"{type(event).__name__} needs a partition"
    name = type_name(event)
    attributes = _READERS[type(event)](event)
    headers = _headers(name, attributes)
    return Outgoing(_TOPICS[name], attributes.key, _json(event), headers, partition)


def to_cells(event: Cell | Flow, partitions: int) -> Outgoing:
    """Return the record of a cell or flow, in the one of `partitions` cells partitions its tenant has."""
    return to_outgoing(event, partition=partition_of(event.tenant.encode(), partitions))


def to_every_partition(
    event: RunBegan | RunEnded | ConfigApplied | PartitionClock, partitions: int
) -> list[Outgoing]:
    """Return one record of `event` for each of the topic's `partitions`."""
    first = to_outgoing(event, partition=0)
    return [first._replace(partition=partition) for partition in range(partitions)]


def encode(event: Event) -> tuple[Headers, bytes]:
    """Return (headers, value) of `event`, for who chooses topic and key otherwise."""
    return _headers(type_name(event), attributes_of(event)), _json(event)


def attributes_of(event: Event) -> Attributes:
    """Return the CloudEvents attributes and the record key of `event`."""
    return _READERS[type(event)](event)


def source_of(tenant: str, source: str) -> str:
    """Return the CloudEvents source of a configured upstream: `/sources/<tenant>/<source>`."""
    return f"/sources/{quote(tenant, safe='')}/{quote(source, safe='')}"


def instant_text(instant: datetime) -> bytes:
    """Return the RFC 3339 form of an aware datetime, as bytes."""
    assert instant.tzinfo is not None, "an instant has an offset"
    return _json(instant)[1:-1]


def _headers(name: str, attributes: Attributes) -> Headers:
    # ce_type and content-type come first: the reader's fast path looks for them there.
    identity, source, subject, time, _ = attributes
    ce_id = ("ce_id", identity.encode())
    ce_source = ("ce_source", _source_bytes(source))
    ce_time = ("ce_time", instant_text(time))
    if subject is None:
        return (_TYPE_HEADERS[name], JSON_HEADER, _SPEC_HEADER, ce_id, ce_source, ce_time)
    ce_subject = ("ce_subject", subject.encode())
    return (_TYPE_HEADERS[name], JSON_HEADER, _SPEC_HEADER, ce_id, ce_source, ce_time, ce_subject)


@lru_cache(maxsize=SOURCES_REMEMBERED)
def _source_bytes(source: str) -> bytes:
    return source.encode()


_remembered_source: Final = lru_cache(maxsize=SOURCES_REMEMBERED)(source_of)
_remembered_digest: Final = lru_cache(maxsize=DIMENSIONS_REMEMBERED)(derived_id)

_AGING: Final = "/barometer/aging"
_INTAKE: Final = "/barometer/intake"
_ALERTING: Final = "/barometer/alerting"
_CONFIGURATION: Final = "/barometer/configuration"


def _observation(event: Observation) -> Attributes:
    source = _remembered_source(event.tenant, event.source)
    return Attributes(event.id, source, event.ticket, event.time, f"{event.tenant}/{event.ticket}".encode())


def _absorbed(event: Absorbed) -> Attributes:
    revision = f"{event.revision}"
    identity = derived_id("absorbed", event.tenant, event.ticket, event.survivor, revision)
    key = f"{event.tenant}/{event.survivor}".encode()
    return Attributes(identity, _AGING, event.survivor, event.at, key)


def _rejected(event: Rejected) -> Attributes:
    source = _AGING if event.stage == "aging" else _INTAKE
    key = f"{event.tenant}/{event.source}".encode()
    return Attributes(event.id, source, None, event.rejected_at, key)


def _run_began(event: RunBegan) -> Attributes:
    return Attributes(f"{event.run}.began", _INTAKE, None, event.at, f"run/{event.run}".encode())


def _run_ended(event: RunEnded) -> Attributes:
    return Attributes(f"{event.run}.ended", _INTAKE, None, event.at, f"run/{event.run}".encode())


def _fact(event: Fact) -> Attributes:
    key = f"{event.tenant}/{event.ticket}".encode()
    return Attributes(f"{event.id}.{event.turn}", _AGING, event.ticket, event.at, key)


def _adopted(event: TermsAdopted) -> Attributes:
    return Attributes(event.id, _AGING, None, event.stated_at, f"{event.tenant}/terms".encode())


def _state(event: TicketState) -> Attributes:
    key = f"{event.tenant}/{event.ticket}"
    identity = f"{event.partition}.{event.epoch}.{event.version}.{key}"
    return Attributes(identity, _AGING, event.ticket, event.updated_at, key.encode())


def _cell(event: Cell) -> Attributes:
    digest = _remembered_digest(
        event.kind.value, event.tenant, event.source, event.ticket_kind, event.queue, event.priority,
        event.channel, event.status, event.wait_reason, event.segment, event.value,
    )  # fmt: skip
    identity = f"{event.partition}.{event.epoch}.{event.version}.{digest}"
    return Attributes(identity, _AGING, None, event.at, f"cell/{event.partition}/{digest}".encode())


def _flow(event: Flow) -> Attributes:
    digest = _remembered_digest(
        "flow", event.tenant, event.source, event.queue, event.priority, event.channel
    )
    identity = f"{event.partition}.{event.epoch}.{event.version}.{digest}"
    return Attributes(identity, _AGING, None, event.at, f"flow/{event.partition}/{digest}".encode())


def _clock(event: PartitionClock) -> Attributes:
    identity = f"{event.partition}.{event.epoch}.{event.version}"
    return Attributes(identity, _AGING, None, event.at, f"clock/{event.partition}".encode())


def _alert(event: Alert) -> Attributes:
    # An alert that resolves happens when it resolves; one without `resolved_at` can only be firing.
    time = event.fired_at
    if event.state is AlertState.RESOLVED and event.resolved_at is not None:
        time = event.resolved_at
    tenant = event.labels.get("tenant", DEFAULT_TENANT)
    key = f"{tenant}/{event.fingerprint}".encode()
    return Attributes(f"{event.id}.{event.state.value}", _ALERTING, None, time, key)


def _config_version(event: ConfigVersion) -> Attributes:
    key = str(event.version).zfill(CONFIG_KEY_DIGITS).encode()
    return Attributes(str(event.version), _CONFIGURATION, None, event.recorded_at, key)


def _config_applied(event: ConfigApplied) -> Attributes:
    key = f"config/{event.version}".encode()
    return Attributes(f"{event.version}.applied", _CONFIGURATION, None, event.at, key)


_PLACED: Final = frozenset({Cell, Flow, PartitionClock, RunBegan, RunEnded, ConfigApplied})

# The table pairs each struct with the function that takes it; a dict cannot say that to the type
# checker, and tests/unit/contracts walks every entry.
_READERS: Final[dict[type[msgspec.Struct], Callable[..., Attributes]]] = {
    Observation: _observation,
    Absorbed: _absorbed,
    Rejected: _rejected,
    RunBegan: _run_began,
    RunEnded: _run_ended,
    Fact: _fact,
    TicketState: _state,
    TermsAdopted: _adopted,
    Cell: _cell,
    Flow: _flow,
    PartitionClock: _clock,
    Alert: _alert,
    ConfigVersion: _config_version,
    ConfigApplied: _config_applied,
}
