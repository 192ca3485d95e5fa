"""JSON Schemas of the event types, made from the structs, so that the two cannot drift apart.

Who writes and who reads want different schemas. A *writer* must not invent members: its schema is
closed (`additionalProperties: false`), and that is the one checked in under shared/schemas, one file
for each type and version. A *reader* ignores what it does not know, so that a newer writer can add
optional members: its schema is the same one, opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any, Final

import msgspec

from shared.codec.registry import EventType

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Final = "#/$defs/"
_COMMENT: Final = "The writer's schema. Readers ignore members they do not know."

Schema = dict[str, Any]


def file_name(kind: EventType) -> str:
    """Return the name of the type's file under shared/schemas."""
    return f"{kind.name}.json"


def writer_schema(kind: EventType) -> Schema:
    """Return the closed schema of the data of `kind`, whole in itself (its `$defs` inside)."""
    (reference,), definitions = msgspec.json.schema_components([kind.struct])
    tidied = {name: _tidied(definition) for name, definition in definitions.items()}
    root = tidied.pop(reference["$ref"].removeprefix(_REFERENCE))
    if kind.member is not None and kind.value is not None:
        root["properties"][kind.member] = {"const": kind.value.value}
    schema = {
        "$schema": DIALECT,
        "$id": f"urn:{kind.name.replace('.', ':')}",
        "$comment": _COMMENT,
        **root,
        "title": kind.name,
    }
    used = _references(schema, tidied)
    if used:
        schema["$defs"] = {name: tidied[name] for name in sorted(used)}
    # Plain JSON, as a file would give it: defaults come as tuples, which equal no list.
    return msgspec.json.decode(msgspec.json.encode(schema), type=Schema)


def reader_schema(schema: Mapping[str, Any]) -> Schema:
    """Return a writer's schema opened: members it does not name are allowed."""
    return {
        key: _opened(value)
        for key, value in schema.items()
        if not (key == "additionalProperties" and value is False)
    }


def schema_text(schema: Schema) -> str:
    """Return the file's content: indented, members in the struct's order, one newline at the end."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def _tidied(definition: Mapping[str, Any]) -> Schema:
    tidy = dict(definition)
    if "description" in tidy:
        tidy["description"] = cleandoc(tidy["description"])
    if "properties" in tidy:
        tidy["additionalProperties"] = False
    return tidy


def _opened(value: Any) -> Any:
    if isinstance(value, dict):
        return reader_schema(value)
    if isinstance(value, list):
        return [_opened(each) for each in value]
    return value


def _references(value: Any, definitions: Mapping[str, Schema]) -> set[str]:
    """Return the names of the definitions `value` needs, and those that these need."""
    if isinstance(value, list):
        return set().union(*(_references(each, definitions) for each in value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*(_references(each, definitions) for each in value.values()))
    reference = value.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix(_REFERENCE)
        found |= {name} | _references(definitions[name], definitions)
    return found
