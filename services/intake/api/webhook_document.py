"""What the OpenAPI document says of `POST /v1/webhooks/{source}`."""

from __future__ import annotations

from typing import Any, Final

from services.intake.api.document import answer, refusal, schema_of
from services.intake.api.webhooks import WebhookAnswer

_SOURCE: Final = {
    "name": "source",
    "in": "path",
    "required": True,
    "description": "A configured source of a vendor's kind.",
    "schema": {"type": "string", "minLength": 1},
}

POST_WEBHOOKS: Final[dict[str, Any]] = {
    "summary": "Take a vendor's webhook",
    "description": (
        "The body and its headers are the vendor's own (docs/vendors.md). 202 means that the bus has what "
        "the request shows, that it shows no ticket (`ignored`), or that it could not be understood and is "
        "kept whole (`rejected`). Vendors' handshakes are answered as each vendor asks."
    ),
    "status_code": 202,
    "responses": {
        202: answer("Verified and taken", schema_of(WebhookAnswer)),
        401: refusal("Nothing proves that the request is the vendor's"),
        403: refusal("A page of another site, for a source that is unsigned"),
        404: refusal("No such source takes webhooks"),
        405: refusal("HEAD, for a vendor that does not ask by HEAD"),
        408: refusal("The body did not arrive in time"),
        413: refusal("The body is too large"),
        415: refusal("The body is compressed"),
        429: refusal("Too much in flight", waits=True),
        503: refusal("The bus did not acknowledge", waits=True),
    },
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"*/*": {"schema": {}}}},
        "parameters": [_SOURCE],
    },
}
