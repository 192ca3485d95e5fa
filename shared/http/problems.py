"""Every error answer of every service: RFC 9457 problem details.

A client can act on `type` (listed below, for ever) and show `title` and `detail` to a person. Nothing of
ours leaks: no traceback, no URL of a database. What may pass by itself has status 503 and Retry-After.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared.bus.port import BusUnavailable
from shared.sql.port import StoreUnavailable

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:barometer:problem:"
RETRY_AFTER_S: Final = 5
"""For a bus or database that is away: long enough not to hammer it, short enough for a person."""
ERRORS_MAX: Final = 100
"""Faults listed in one answer; a batch can have as many as it has events."""

TITLES: Final[Mapping[str, str]] = {
    "invalid-request": "The request is not valid",
    "invalid-event": "An event is not valid",
    "invalid-ticket": "A ticket is not valid",
    "invalid-signature": "The signature does not match",
    "undecodable": "The body cannot be decoded",
    "unsupported-media-type": "This media type is not understood",
    "unknown-type": "This event type is not known",
    "unknown-source": "This source is not configured",
    "future-time": "The time is too far in the future",
    "too-large": "The request is too large",
    "too-many": "There is too much at once",
    "unauthenticated": "A valid API key is needed",
    "forbidden": "This API key may not do that",
    "not-found": "There is nothing here",
    "method-not-allowed": "This method is not allowed here",
    "conflict": "The request contradicts the present state",
    "unavailable": "Temporarily unavailable",
    "not-ready": "Not ready yet",
    "internal": "An error of ours",
}
"""The problem types, each `urn:barometer:problem:<name>`. A name, once published, keeps its meaning."""

_BY_STATUS: Final = {
    400: "invalid-request", 401: "unauthenticated", 403: "forbidden", 404: "not-found",
    405: "method-not-allowed", 409: "conflict", 413: "too-large", 415: "unsupported-media-type",
    422: "invalid-request", 429: "too-many", 503: "unavailable",
}  # fmt: skip

_FIRST_ERROR: Final = 400
_FIRST_OURS: Final = 500
_LAST_ERROR: Final = 600


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where: a JSON Pointer into the body, or a parameter's name."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def as_dict(self) -> dict[str, str]:
        """Return the members that are there."""
        pairs = (("detail", self.detail), ("pointer", self.pointer), ("parameter", self.parameter))
        return {name: value for name, value in pairs if value is not None}


@dataclass(eq=False)
class Problem(Exception):
    """An error to answer with. `name` is one of TITLES; `more` are further members of the answer.

    Not frozen: context managers set the traceback of an exception that passes through them.
    """

    name: str
    status: int
    detail: str = ""
    faults: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.name in TITLES, self.name
        assert _FIRST_ERROR <= self.status < _LAST_ERROR, self.status

    def __str__(self) -> str:
        return f"{self.status} {self.name}: {self.detail or TITLES[self.name]}"

    def response(self, instance: str | None = None) -> Response:
        """Return the answer. `instance` is the request's path."""
        body: dict[str, Any] = {
            "type": URN + self.name,
            "title": TITLES[self.name],
            "status": self.status,
        }
        if self.detail:
            body["detail"] = self.detail
        if instance is not None:
            body["instance"] = instance
        if self.faults:
            body["errors"] = [fault.as_dict() for fault in self.faults[:ERRORS_MAX]]
        if len(self.faults) > ERRORS_MAX:
            body["errors_omitted"] = len(self.faults) - ERRORS_MAX
        content = msgspec.json.encode({**self.more, **body})
        return Response(content, self.status, dict(self.headers), media_type=MEDIA_TYPE)


def unavailable(detail: str, *, retry_after_s: int = RETRY_AFTER_S) -> Problem:
    """Return the 503 for what may pass by itself."""
    return Problem("unavailable", 503, detail, headers={"Retry-After": str(retry_after_s)})


def install(app: FastAPI) -> None:
    """Make every error answer of `app` a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(StoreUnavailable, _on_store_unavailable)
    app.add_exception_handler(BusUnavailable, _on_bus_unavailable)
    # Starlette raises the error again after this answer, so that it is logged with its traceback.
    app.add_exception_handler(Exception, _on_error)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response(request.url.path)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = _BY_STATUS.get(
        error.status_code, "internal" if error.status_code >= _FIRST_OURS else "invalid-request"
    )
    if error.status_code < _FIRST_ERROR:
        return Response(status_code=error.status_code, headers=error.headers)
    detail = "" if error.detail == TITLES[name] else str(error.detail or "")
    return Problem(name, error.status_code, detail, headers=error.headers or {}).response(request.url.path)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [_fault(found) for found in error.errors()]
    return Problem("invalid-request", 422, faults=faults).response(request.url.path)


def _fault(found: Mapping[str, Any]) -> Fault:
    # The input itself is not repeated: it may be a secret.
    where, *path = found["loc"] or ("body",)
    detail = str(found["msg"])
    if where == "body":
        return Fault(detail, pointer="".join(f"/{_escaped(str(part))}" for part in path))
    return Fault(detail, parameter=".".join(str(part) for part in path) or str(where))


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


async def _on_store_unavailable(request: Request, _error: Exception) -> Response:
    return unavailable("the database cannot be reached").response(request.url.path)


async def _on_bus_unavailable(request: Request, _error: Exception) -> Response:
    return unavailable("the bus cannot be reached or did not acknowledge").response(request.url.path)


async def _on_error(request: Request, _error: Exception) -> Response:
    return Problem("internal", 500, "the error is in the log").response(request.url.path)
