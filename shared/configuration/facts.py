"""What of the configuration changes facts, as a document that travels in versions (docs/decisions/0006).

Only this part is published; keys, receivers and rules are read by the processes that need them. The
document holds no secrets, has one canonical form, and its digest decides whether a version is new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from shared.configuration.models import Configuration, PriorityMap, Source, StatusMap
from shared.configuration.terms import calendars_document, sla_document
from shared.configuration.webhooks import SourceKind
from shared.contracts.event_id import digest
from shared.contracts.tickets import Channel

DOCUMENT_BYTES_MAX: Final = 2 * 1024 * 1024
"""A version is one record of the bus, which takes 4 MiB, and one row beside the position."""


def facts_document(configuration: Configuration) -> dict[str, Any]:
    """Return the sections that change facts: age, calendars, SLA policies (seconds), the sources' maps.

    {"age": {"edges": [s], "buckets": [s], "from": "created"}, "calendars": ..., "sla": ... (terms.py),
     "sources": {tenant: {source: {"kind", "channel", "status": {"map", "default"}, "priority": ...}}}}
    """
    age = configuration.age
    sources: dict[str, dict[str, Any]] = {}
    for source in configuration.sources:
        sources.setdefault(source.tenant, {})[source.name] = _source(source)
    return {
        "age": {
            "edges": list(age.edges_seconds),
            "buckets": list(age.buckets_seconds),
            "from": age.counted_from.value,
        },
        "calendars": calendars_document(configuration.calendars),
        "sla": sla_document(configuration.sla, configuration.calendars),
        "sources": sources,
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "kind": source.kind.value,
        "channel": source.channel.value if source.channel else None,
        "status": source.status.model_dump(mode="json"),
        "priority": source.priority.model_dump(mode="json"),
    }


def source_meaning(meaning: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a document's entry of a source says, as members of `Source`. Undoes `_source`."""
    return {
        "kind": SourceKind(meaning["kind"]),
        "channel": Channel(meaning["channel"]) if meaning["channel"] else None,
        "status": StatusMap.model_validate(meaning["status"]),
        "priority": PriorityMap.model_validate(meaning["priority"]),
    }


def canonical(document: dict[str, Any]) -> bytes:
    """Return the one way `document` is written: sorted keys, no spaces, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def facts_digest(document: dict[str, Any]) -> str:
    """Return 32 hex characters that identify `document`."""
    return digest(canonical(document)).hex()
