"""Any event of any type, made from the structs themselves, so that a new member is tested at once."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from hypothesis import strategies as st
from msgspec import NODEFAULT, UNSET, inspect

from shared.codec import Event, EventType
from shared.codec.envelope import has_control_characters
from shared.contracts.instants import EARLIEST, LATEST
from shared.contracts.records import Outgoing, Record

# JSON cannot carry half a surrogate pair; everything else of Unicode travels, NUL included.
TEXT = st.characters(exclude_categories=["Cs"])
SOME = 4
"""Members of collections: enough to see order and repeats."""

INSTANTS = st.datetimes(EARLIEST.replace(tzinfo=None), LATEST.replace(tzinfo=None), timezones=st.just(UTC))


def events(kind: EventType) -> st.SearchStrategy[Event]:
    """Return events of one type."""
    fixed = {} if kind.member is None else {kind.member: st.just(kind.value)}
    return struct(inspect.type_info(kind.struct), fixed)


def struct(info: Any, fixed: dict[str, Any]) -> st.SearchStrategy[Any]:
    required = {each.name: of(each.type) for each in info.fields if each.required}
    optional = {each.name: optional_of(each) for each in info.fields if not each.required}
    return st.fixed_dictionaries(required | fixed, optional={**optional}).map(
        lambda members: info.cls(**members)
    )


def optional_of(field: Any) -> st.SearchStrategy[Any]:
    # msgspec tells neither UNSET nor "no default" apart here: an optional member without one is UNSET.
    without = field.default is NODEFAULT and field.default_factory is NODEFAULT
    return st.just(UNSET) | of(field.type) if without else of(field.type)


def of(info: Any) -> st.SearchStrategy[Any]:
    """Return values of one msgspec type."""
    match info:
        case inspect.StrType():
            return st.text(TEXT, min_size=info.min_length or 0, max_size=min(info.max_length or 20, 20))
        case inspect.UnionType():
            return st.one_of([of(each) for each in info.types])
        case inspect.DictType():
            return st.dictionaries(of(info.key_type), of(info.value_type), max_size=SOME)
        case inspect.VarTupleType():
            return st.lists(of(info.item_type), max_size=SOME).map(tuple)
        case inspect.StructType():
            return struct(info, {})
        case inspect.EnumType():
            return st.sampled_from(list(info.cls))
        case _:
            return SCALARS[type(info)]


SCALARS: dict[type, st.SearchStrategy[Any]] = {
    inspect.IntType: st.integers(-(2**63), 2**63 - 1),
    inspect.FloatType: st.floats(allow_nan=False, allow_infinity=False),
    inspect.BoolType: st.booleans(),
    inspect.NoneType: st.none(),
    inspect.BytesType: st.binary(max_size=30),
    inspect.DateTimeType: INSTANTS,
    inspect.AnyType: st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(TEXT, max_size=5),
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.text(TEXT, max_size=3), inner, max_size=2)
        ),
        max_leaves=4,
    ),
}


def as_read(sent: Outgoing) -> Record:
    """Return what a reader gets of a record, with headers that are other objects than ours."""
    headers = tuple((name, bytes(bytearray(value))) for name, value in sent.headers)
    return Record(sent.topic, sent.partition or 0, 0, 0, sent.key, sent.value, headers)


def header(record: Outgoing | Record, name: str) -> str:
    """Return a header's text; it is there exactly once."""
    (value,) = [value for key, value in record.headers if key == name]
    return value.decode()


def is_sound_context(sent: Outgoing) -> bool:
    """Tell whether id and subject are text that CloudEvents allows: structured mode refuses the rest."""
    texts = [value.decode() for name, value in sent.headers if name in {"ce_id", "ce_subject"}]
    return all(text and not has_control_characters(text) for text in texts)
