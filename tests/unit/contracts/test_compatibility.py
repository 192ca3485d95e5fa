"""Planted changes of structs: the breaking ones are found, the additive ones pass."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, defstruct

from shared.codec.compatibility import breaking_changes
from shared.codec.registry import EVENT_TYPES
from shared.codec.schemas import writer_schema


class Colour(str, Enum):
    RED = "red"
    BLUE = "blue"


class OnlyRed(str, Enum):
    RED = "red"


class Also(str, Enum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Part(msgspec.Struct):
    size: int = 0


class SmallerPart(msgspec.Struct):
    weight: int = 0


class LargerPart(msgspec.Struct):
    size: int = 0
    weight: int = 0


Short = Annotated[str, Meta(max_length=10)]
OLD: dict[str, Any] = {
    "id": (str,),
    "name": (Short,),
    "count": (int, 0),
    "colour": (Colour, Colour.RED),
    "note": (str | None, None),
    "parts": (tuple[Part, ...], ()),
    "labels": (dict[str, str], msgspec.field(default_factory=dict)),
    "kind": (Literal["a", "b"], "a"),
}


def schema_of(members: dict[str, Any]) -> dict[str, Any]:
    struct = defstruct("Thing", [(name, *rest) for name, rest in members.items()], kw_only=True)
    (_,), definitions = msgspec.json.schema_components([struct])
    root = definitions.pop("Thing")
    schema: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode({**root, "additionalProperties": False, "$defs": definitions})
    )
    return schema


def changes(**members: Any) -> list[str]:
    """Return what breaks when `members` replace those of OLD; None removes one."""
    new = {name: rest for name, rest in {**OLD, **members}.items() if rest is not None}
    return breaking_changes(schema_of(OLD), schema_of(new))


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"count": None}, "/count: removed"),
        ({"id": None}, "/id: removed"),
        ({"mood": (str,)}, "/mood: is new and required"),
        ({"count": (int,)}, "/count: became required"),
        ({"id": (str, "")}, "/id: no longer required"),
        ({"count": (str, "")}, "/count: type narrowed, integer is gone"),
        ({"count": (float, 0.0)}, "/count: type narrowed, integer is gone"),
        ({"count": (int | str, 0)}, "/count: type widened, string is new"),
        ({"note": (str, "")}, "/note: type narrowed, null is gone"),
        ({"name": (Short | None,)}, "/name: type widened, null is new"),
        ({"colour": (OnlyRed, OnlyRed.RED)}, "/colour: value 'blue' is gone"),
        ({"colour": (str, "red")}, "/colour: type widened, any value is allowed now"),
        ({"id": (Colour,)}, "/id: type narrowed, only some values are allowed now"),
        ({"kind": (Literal["a"], "a")}, "/kind: value 'b' is gone"),
        ({"count": (int, 1)}, "/count: the default changed"),
        ({"colour": (Colour, Colour.BLUE)}, "/colour: the default changed"),
        ({"name": (Annotated[str, Meta(max_length=9)],)}, "/name: maxLength tightened to 9"),
        ({"id": (Short,)}, "/id: maxLength tightened to 10"),
        ({"id": (Annotated[str, Meta(min_length=1)],)}, "/id: minLength tightened to 1"),
        ({"count": (Annotated[int, Meta(ge=0)], 0)}, "/count: minimum tightened to 0"),
        ({"count": (Annotated[int, Meta(lt=5)], 0)}, "/count: exclusiveMaximum tightened to 5"),
        ({"id": (Annotated[str, Meta(pattern="a+")],)}, "/id: pattern changed"),
        ({"count": (Annotated[int, Meta(multiple_of=5)], 0)}, "/count: multipleOf changed"),
        ({"parts": (tuple[SmallerPart, ...], ())}, "/parts/*/size: removed"),
        ({"parts": (tuple[int, ...], ())}, "/parts/*: type"),
        ({"parts": (Annotated[tuple[Part, ...], Meta(max_length=2)], ())}, "/parts: maxItems tightened to 2"),
        ({"labels": (dict[str, int], msgspec.field(default_factory=dict))}, "/labels/*: type"),
        (
            {"labels": (dict[str, Any], msgspec.field(default_factory=dict))},
            "/labels/*: additionalProperties",
        ),
    ],
)
def test_a_breaking_change_is_found(members: dict[str, Any], found: str) -> None:
    assert any(change.startswith(found) for change in changes(**members)), changes(**members)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"mood": (str, "")},
        {"mood": (str | None, None)},
        {"mood": (str | msgspec.UnsetType, msgspec.UNSET)},
        {"mood": (tuple[Part, ...], ())},
        {"colour": (Also, Also.RED)},
        {"name": (Annotated[str, Meta(max_length=11)],)},
        {"name": (str,)},
        {"name": (Annotated[str, Meta(max_length=10, description="other words")],)},
        {"parts": (tuple[LargerPart, ...], ())},
    ],
)
def test_an_additive_change_passes(members: dict[str, Any]) -> None:
    assert [] == changes(**members)


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_removing_any_member_of_any_event_is_found(name: str) -> None:
    schema = writer_schema(EVENT_TYPES[name])
    for member in schema["properties"]:
        rest = {key: value for key, value in schema["properties"].items() if key != member}

        assert f"/{member}: removed" in breaking_changes(schema, {**schema, "properties": rest})


def test_a_constant_that_changes_is_found() -> None:
    fired = writer_schema(EVENT_TYPES["barometer.alert.fired.v1"])
    resolved = writer_schema(EVENT_TYPES["barometer.alert.resolved.v1"])

    assert any("/state" in change for change in breaking_changes(fired, resolved))


def test_closing_an_open_object_is_found() -> None:
    assert breaking_changes({"type": "object"}, {"type": "object", "additionalProperties": False})
