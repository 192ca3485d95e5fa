"""Events to records and back: one registry of types, one way to write, one to read.

Writers call `to_outgoing` (or `to_cells`, `to_every_partition` for what is placed otherwise), readers
`decode`. `envelope` is for CloudEvents of others, `nesting` for bodies nobody has looked at yet,
`schemas` and `compatibility` for the checked-in JSON Schemas.
"""

from shared.codec.decoding import decode, decode_data
from shared.codec.encoding import encode, source_of, to_cells, to_every_partition, to_outgoing
from shared.codec.envelope import CloudEvent, EnvelopeError, parse_structured, read_record, structured
from shared.codec.errors import CodecError, Reason, Undecodable, UnknownType
from shared.codec.nesting import depth_exceeds
from shared.codec.registry import EVENT_TYPES, Event, EventType, type_name

__all__ = [
    "EVENT_TYPES",
    "CloudEvent",
    "CodecError",
    "EnvelopeError",
    "Event",
    "EventType",
    "Reason",
    "Undecodable",
    "UnknownType",
    "decode",
    "decode_data",
    "depth_exceeds",
    "encode",
    "parse_structured",
    "read_record",
    "source_of",
    "structured",
    "to_cells",
    "to_every_partition",
    "to_outgoing",
    "type_name",
]
