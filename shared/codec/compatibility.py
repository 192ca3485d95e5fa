"""Whether a schema may replace an older one under the same version.

Logs are kept for weeks and services are upgraded one at a time, so within a version new readers meet
old events and old readers meet new ones. What this refuses would break one of the two:

- a member removed, or no longer required (an old reader needs it);
- a new required member, or one that becomes required (an old event lacks it);
- another type, narrower or wider; a value of an enumeration or a constant gone; a tighter limit;
- another default: an absent member means its default, so every old event would change its meaning;
- anything this module does not understand.

It allows a new optional member, a new value of an enumeration (readers are upgraded first), a looser
limit, and other words in descriptions. The schemas are those of `shared.codec.schemas`, closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import gt, lt
from typing import Any, Final

Schema = Mapping[str, Any]

_WORDS: Final = frozenset({"title", "description", "$comment", "$id", "$schema", "examples"})
_STRUCTURE: Final = frozenset(
    {"$ref", "$defs", "anyOf", "type", "enum", "const", "properties", "required", "items", "default"}
)
_TIGHTER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "maxLength": lt,
    "maxItems": lt,
    "maxProperties": lt,
    "maximum": lt,
    "exclusiveMaximum": lt,
    "minLength": gt,
    "minItems": gt,
    "minProperties": gt,
    "minimum": gt,
    "exclusiveMinimum": gt,
}
_OPEN: Final = "additionalProperties"
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Side:
    """A schema and the definitions its references lead to."""

    schema: Schema
    definitions: Schema

    def at(self, schema: Schema) -> Side:
        """Return a part of this side, its reference followed."""
        reference = schema.get("$ref")
        if reference is None:
            return Side(schema, self.definitions)
        target = dict(self.definitions[reference.removeprefix("#/$defs/")])
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return Side({**target, **beside}, self.definitions)


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """Return what in `new` breaks users of `old`, each as `pointer: what`; empty when nothing does."""
    return list(_differences("", _side(old), _side(new)))


def _side(schema: Schema) -> Side:
    return Side(schema, schema.get("$defs", {})).at(schema)


def _differences(path: str, old: Side, new: Side) -> Iterator[str]:
    before, after = _alternatives(old), _alternatives(new)
    for kind in sorted(before.keys() - after.keys()):
        yield f"{path or '/'}: type narrowed, {kind} is gone"
    for kind in sorted(after.keys() - before.keys()):
        yield f"{path or '/'}: type widened, {kind} is new"
    for kind in before.keys() & after.keys():
        yield from _same_kind(path, before[kind], after[kind])


def _alternatives(side: Side) -> dict[str, Side]:
    """Return the branches of a union by their JSON type; msgspec never makes two of one type."""
    branches = [side.at(branch) for branch in side.schema.get("anyOf", [side.schema])]
    return {_kind(branch.schema): branch for branch in branches}


def _kind(schema: Schema) -> str:
    if "type" in schema:
        return str(schema["type"])
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return "|".join(sorted({names[type(value)] for value in values})) or "any"


def _same_kind(path: str, old: Side, new: Side) -> Iterator[str]:
    yield from _values(path, old.schema, new.schema)
    yield from _limits(path, old.schema, new.schema)
    yield from _not_understood(path, old.schema, new.schema)
    yield from _members(path, old, new)
    yield from _inside(f"{path}/*", old, new, "items")
    yield from _extra_members(path, old, new)


def _values(path: str, old: Schema, new: Schema) -> Iterator[str]:
    before, after = _closed_set(old), _closed_set(new)
    if before is None and after is None:
        return
    if before is None:
        yield f"{path or '/'}: type narrowed, only some values are allowed now"
    elif after is None:
        yield f"{path or '/'}: type widened, any value is allowed now"
    else:
        for value in sorted(before - after, key=str):
            yield f"{path or '/'}: value {value!r} is gone"
        if "const" in old and after != before:
            yield f"{path or '/'}: the constant {old['const']!r} has become something else"


def _closed_set(schema: Schema) -> frozenset[Any] | None:
    if "const" in schema:
        return frozenset({schema["const"]})
    return frozenset(schema["enum"]) if "enum" in schema else None


def _limits(path: str, old: Schema, new: Schema) -> Iterator[str]:
    for keyword, tighter in _TIGHTER.items():
        if keyword in new and (keyword not in old or tighter(new[keyword], old[keyword])):
            yield f"{path or '/'}: {keyword} tightened to {new[keyword]}"


def _not_understood(path: str, old: Schema, new: Schema) -> Iterator[str]:
    understood = _WORDS | _STRUCTURE | _TIGHTER.keys() | {_OPEN}
    for keyword in sorted((old.keys() | new.keys()) - understood):
        if old.get(keyword, _ABSENT) != new.get(keyword, _ABSENT):
            yield f"{path or '/'}: {keyword} changed, and whether that breaks is not known"


def _members(path: str, old: Side, new: Side) -> Iterator[str]:
    before, after = old.schema.get("properties", {}), new.schema.get("properties", {})
    needed_before, needed_after = set(old.schema.get("required", ())), set(new.schema.get("required", ()))
    for name in sorted(before.keys() - after.keys()):
        yield f"{path}/{name}: removed"
    for name in sorted(needed_after - needed_before):
        yield f"{path}/{name}: {'became' if name in before else 'is new and'} required"
    for name in sorted((needed_before - needed_after) & after.keys()):
        yield f"{path}/{name}: no longer required"
    for name in before:
        if name in after:
            yield from _default(f"{path}/{name}", before[name], after[name])
            yield from _differences(f"{path}/{name}", old.at(before[name]), new.at(after[name]))


def _default(path: str, old: Schema, new: Schema) -> Iterator[str]:
    if old.get("default", _ABSENT) != new.get("default", _ABSENT):
        yield f"{path}: the default changed, and with it the meaning of events without this member"


def _inside(path: str, old: Side, new: Side, keyword: str) -> Iterator[str]:
    before, after = old.schema.get(keyword), new.schema.get(keyword)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _differences(path, old.at(before), new.at(after))
    elif before != after:
        yield f"{path}: {keyword} changed"


def _extra_members(path: str, old: Side, new: Side) -> Iterator[str]:
    # True and absent say the same.
    before, after = old.schema.get(_OPEN, True), new.schema.get(_OPEN, True)
    if isinstance(before, bool) and isinstance(after, bool):
        if before and not after:
            yield f"{path or '/'}: members that the schema does not name are refused now"
        return
    yield from _inside(f"{path}/*", old, new, _OPEN)
