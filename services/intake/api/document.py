"""What the OpenAPI document says of `POST /v1/events`: built from the structs that read the bodies."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from services.intake.api.answers import Accepted, BatchAnswer
from services.intake.api.forms import JSON, NDJSON
from services.intake.core.channels.parts import PART_EXPECTED, PARTS
from services.intake.core.envelope import OBSERVED_TYPE
from services.intake.core.ticket import EXPECTED, PlainTicket
from shared.codec.envelope import BATCH, STRUCTURED
from shared.http.problems import MEDIA_TYPE, TITLES, URN

_SMALLEST: Final = {"id": "42", "subject": "Printer"}
_TYPICAL: Final = {
    "id": "SUP-42",
    "event_id": "evt-9001",
    "time": "2026-01-02T03:04:05Z",
    "activity": "customer_message",
    "subject": "Printer on fire",
    "status": "waiting/customer",
    "priority": "p2",
    "queue": "tier1",
    "channel": "email",
    "assignee": None,
    "tags": ["hardware"],
    "created_at": "2026-01-01T00:00:00Z",
}
_EVENT: Final = {
    "specversion": "1.0",
    "id": "evt-9001",
    "source": "/sources/default/default",
    "type": OBSERVED_TYPE,
    "subject": "SUP-42",
    "time": "2026-01-02T03:04:05Z",
    "data": {"status": "solved"},
}


def schema_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the JSON Schema of `struct` with its references written out: OpenAPI resolves them elsewhere."""
    schema = msgspec.json.schema(struct)
    named = schema.pop("$defs", {})
    return _inlined(schema, named)  # type: ignore[no-any-return]


def _inlined(schema: Any, named: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(each, named) for each in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _inlined(named[reference.removeprefix("#/$defs/")], named)
    return {name: _inlined(value, named) for name, value in schema.items()}


def _ticket_schema(*, required: bool) -> dict[str, Any]:
    schema = schema_of(PlainTicket)
    for name, member in schema["properties"].items():
        member["description"] = EXPECTED[name]
        member.pop("default", None)
        for part in member.get("anyOf", ()) if name in PARTS else ():
            for inner, shown in part.get("properties", {}).items():
                shown["description"] = PART_EXPECTED[name][inner]
                shown.pop("default", None)
    schema["required"] = ["id"] if required else []
    return schema


TICKET: Final = _ticket_schema(required=True)
_DATA: Final = _ticket_schema(required=False)
_TEXT: Final = {"type": "string", "minLength": 1}
CLOUD_EVENT: Final = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {**_TEXT, "description": "stands in for the ticket's event_id"},
        "source": {
            **_TEXT,
            "description": "`/sources/<tenant>/<source>`, or any address of the sender's own",
        },
        "type": {"const": OBSERVED_TYPE},
        "subject": {**_TEXT, "description": "stands in for the ticket's id"},
        "time": {"type": "string", "format": "date-time", "description": "stands in for the ticket's time"},
        "sequence": {**_TEXT, "description": "a decimal number: the source's own order"},
        "datacontenttype": {"const": JSON},
        "data": _DATA,
    },
    # Extension attributes are welcome, and mean nothing here.
    "propertyNames": {"pattern": "^[a-z0-9]+$"},
    "additionalProperties": {"type": ["string", "integer", "boolean"], "minLength": 1},
}

_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "enum": [f"{URN}{name}" for name in TITLES]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "reason": {"type": "string"},
        "rejected_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"detail": {"type": "string"}, "pointer": {"type": "string"}},
            },
        },
    },
}


def answer(description: str, schema: dict[str, Any], media_type: str = JSON) -> dict[str, Any]:
    """Return what the document says of an answer."""
    return {"description": description, "content": {media_type: {"schema": schema}}}


def refusal(description: str, *, waits: bool = False) -> dict[str, Any]:
    """Return what the document says of a problem. `waits`: it tells when to come again."""
    said = answer(description, _PROBLEM, MEDIA_TYPE)
    if waits:
        header = {"description": "seconds to wait", "schema": {"type": "integer"}}
        said["headers"] = {"Retry-After": header}
    return said


_BODY: Final = {
    "required": True,
    "content": {
        JSON: {
            "schema": {"oneOf": [TICKET, {"type": "array", "items": TICKET}]},
            "examples": {
                "smallest": {"summary": "The smallest useful ticket", "value": _SMALLEST},
                "typical": {"summary": "What a help desk shows", "value": _TYPICAL},
                "list": {"summary": "A list", "value": [_SMALLEST, _TYPICAL]},
            },
        },
        NDJSON: {
            "schema": {"type": "string", "description": "one plain ticket a line"},
            "example": '{"id": "42", "subject": "Printer"}\n{"id": "43", "subject": "Scanner"}\n',
        },
        STRUCTURED: {"schema": CLOUD_EVENT, "example": _EVENT},
        BATCH: {"schema": {"type": "array", "items": CLOUD_EVENT}, "example": [_EVENT]},
    },
}

_SOURCE: Final = {
    "name": "source",
    "in": "query",
    "required": False,
    "description": "The configured source the events belong to, for a key that is not bound to one.",
    "schema": {"type": "string"},
}
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The event id of a ticket that has none; in a batch `<key>.<index>`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}

POST_EVENTS: Final[dict[str, Any]] = {
    "summary": "Publish what happened to tickets",
    "description": (
        "Takes a plain JSON ticket, a list, NDJSON, or CloudEvents 1.0 (binary, structured, batched) of the "
        f"type `{OBSERVED_TYPE}`. 202 means that the bus has acknowledged every event. A member that is "
        "absent says nothing, `null` clears; unknown members are refused. Events may be sent again and in "
        "any order: the same event id with the same content counts once."
    ),
    "status_code": 202,
    "responses": {
        202: answer("All accepted", {"anyOf": [schema_of(Accepted), schema_of(BatchAnswer)]}),
        207: answer("Some items accepted; each says its status", schema_of(BatchAnswer)),
        400: refusal("No JSON, no UTF-8, or nested too deeply"),
        401: refusal("No valid API key"),
        403: refusal("The key may not publish, or not for this source"),
        404: refusal("The source is not configured"),
        408: refusal("The body did not arrive in time"),
        413: refusal("The body, the batch or a ticket is too large"),
        415: refusal("A media type or encoding that is not taken"),
        422: refusal("No item can be used; `errors` say what to mend"),
        429: refusal("Too much in flight", waits=True),
        503: refusal("The bus did not acknowledge", waits=True),
    },
    "openapi_extra": {"requestBody": _BODY, "parameters": [_SOURCE, _KEY]},
}
