"""Writes the checked-in contracts again: shared/schemas/*.json and docs/asyncapi.yaml.

    python -m barometer.contracts            write them (`make contracts`)
    python -m barometer.contracts --check    only tell whether they are current

It never overwrites a schema with one that breaks a reader or a writer of it: such a change is a new
type with a new version, beside the old one. Nothing is written unless everything can be.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from barometer.asyncapi import asyncapi_text
from shared.codec.compatibility import breaking_changes
from shared.codec.registry import EVENT_TYPES
from shared.codec.schemas import Schema, file_name, schema_text, writer_schema

ROOT: Final = Path(__file__).resolve().parents[1]
SCHEMAS: Final = Path("shared", "schemas")
ASYNCAPI: Final = Path("docs", "asyncapi.yaml")
CHECK: Final = "--check"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written below the root, and why it may not be."""

    files: Mapping[Path, str]
    """Contents by path; only those that differ from what is there."""
    refusals: Sequence[str]


def generated() -> dict[str, Schema]:
    """Return every event type's schema by file name, as the code now says."""
    return {file_name(kind): writer_schema(kind) for kind in EVENT_TYPES.values()}


def plan(root: Path, schemas: Mapping[str, Schema]) -> Plan:
    """Compare `schemas` and the AsyncAPI document with what is checked in below `root`."""
    golden = {path.name: path for path in sorted((root / SCHEMAS).glob("*.json"))}
    refusals = [
        f"{name}: the type is gone, but its events are in the log" for name in golden.keys() - schemas
    ]
    contents = {SCHEMAS / name: schema_text(schema) for name, schema in schemas.items()}
    contents[ASYNCAPI] = asyncapi_text()
    for name in golden.keys() & schemas:
        old = msgspec.json.decode(golden[name].read_bytes(), type=dict[str, object])
        refusals += [f"{name}{change}" for change in breaking_changes(old, schemas[name])]
    return Plan({path: text for path, text in contents.items() if _read(root / path) != text}, refusals)


def main(arguments: Sequence[str], root: Path = ROOT, schemas: Mapping[str, Schema] | None = None) -> int:
    """Return the exit code: 0 done or current, 1 out of date, 2 refused."""
    if set(arguments) - {CHECK}:
        print(f"usage: python -m barometer.contracts [{CHECK}]", file=sys.stderr)
        return 2
    planned = plan(root, generated() if schemas is None else schemas)
    if planned.refusals:
        print("\n".join(planned.refusals), file=sys.stderr)
        print(
            "These changes break events that exist: make a new type with the next version.", file=sys.stderr
        )
        return 2
    if CHECK in arguments:
        print("\n".join(f"{path} is out of date: make contracts" for path in planned.files), end="")
        return 1 if planned.files else 0
    for path, text in planned.files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
        print(f"wrote {path}")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
