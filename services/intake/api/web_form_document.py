"""What the OpenAPI document says of `/v1/forms/{source}`."""

from __future__ import annotations

from typing import Any, Final

from services.intake.api.document import answer, refusal, schema_of
from services.intake.api.web_form import JSON, URLENCODED, FormAnswer, FormGiven

_HTML: Final = "text/html"
_SOURCE: Final = {
    "name": "source",
    "in": "path",
    "required": True,
    "description": "A configured source that has a form.",
    "schema": {"type": "string", "minLength": 1},
}
_FIELDS: Final = {
    "type": "object",
    "required": ["subject", "token"],
    "properties": {
        "subject": {"type": "string", "maxLength": 300, "description": "what it is about"},
        "email": {"type": "string", "maxLength": 254, "description": "of whoever writes; nothing proves it"},
        "category": {"type": "string", "description": "one of the form's"},
        "website": {"type": "string", "maxLength": 0, "description": "stays empty: no person sees it"},
        "token": {"type": "string", "description": "as the form gave it"},
    },
}


def _page(description: str) -> dict[str, Any]:
    return answer(description, {"type": "string"}, _HTML)


def _both(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return what the document says of an answer as a page, or as JSON to a page of one's own."""
    said = answer(description, schema)
    said["content"] |= _page(description)["content"]
    return said


GET_FORMS: Final[dict[str, Any]] = {
    "summary": "Show a public form",
    "description": "A page without scripts. With `Accept: application/json` what a page of one's own needs to post.",
    "responses": {
        200: _both("The form", schema_of(FormGiven)),
        404: refusal("The source has no form"),
    },
    "openapi_extra": {"parameters": [_SOURCE]},
}

POST_FORMS: Final[dict[str, Any]] = {
    "summary": "Open a ticket by a public form",
    "description": (
        "Asks for no key. A form is answered by pages, JSON by JSON. 303 or 202 mean that the bus has the "
        "ticket; every other answer means that it has not, and the page shows the text again."
    ),
    "status_code": 202,
    "responses": {
        200: _page("It looks like a machine's: asks to confirm"),
        202: answer("Taken (JSON)", schema_of(FormAnswer)),
        303: {"description": "Taken (a form): to the page that says thanks"},
        400: refusal("No JSON"),
        403: refusal("Posted by a page of another site"),
        404: refusal("The source has no form"),
        408: refusal("The body did not arrive in time"),
        413: refusal("Too large"),
        415: refusal("Neither a form nor JSON"),
        422: refusal(
            "A field is wrong, the token is not valid, or (JSON) it has to be confirmed: see `reason`"
        ),
        429: refusal("Too many posts from one address, or too much in flight", waits=True),
        503: refusal("The bus did not acknowledge", waits=True),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {URLENCODED: {"schema": _FIELDS}, JSON: {"schema": _FIELDS}},
        },
        "parameters": [_SOURCE],
    },
}
