"""Is the process alive, and is it of use: `/livez`, `/readyz`, `/healthz`.

Alive means: the event loop answers. A restart mends nothing else, so nothing else is asked. Ready means:
every part says so; the names of those that do not are in the answer with `?verbose`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Response


class Check(NamedTuple):
    """One part. `complaint` None: it is fine."""

    name: str
    complaint: str | None = None
    is_vital: bool = True
    """False: the process is of use without it, so its complaint is shown and changes no answer."""


def router(checks: Callable[[], Sequence[Check]]) -> APIRouter:
    """Return the routes. `checks` is called for each request and must not wait for anything."""
    routes = APIRouter(tags=["health"])

    @routes.get("/livez", response_class=Response, summary="Is the process alive")
    async def livez() -> Response:
        return _text("ok")

    @routes.get("/readyz", response_class=Response, summary="Can it do its work")
    async def readyz(verbose: Annotated[str | None, Query()] = None) -> Response:
        return _ready(checks(), verbose=verbose is not None and verbose.lower() not in {"0", "false"})

    @routes.get("/healthz", response_class=Response, summary="As /readyz, always in words")
    async def healthz() -> Response:
        return _ready(checks(), verbose=True)

    return routes


def _ready(checks: Sequence[Check], *, verbose: bool) -> Response:
    failed = [check for check in checks if check.complaint is not None and check.is_vital]
    status = 503 if failed else 200
    if not verbose:
        return _text("not ready" if failed else "ok", status)
    lines = [f"[-] {check.name}: {check.complaint}" for check in failed]
    lines += [
        f"[!] {check.name}: {check.complaint}" for check in checks if check.complaint and not check.is_vital
    ]
    lines += [f"[+] {check.name}" for check in checks if check.complaint is None]
    return _text("\n".join([*lines, "not ready" if failed else "ready"]) + "\n", status)


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, {"Cache-Control": "no-store"}, media_type="text/plain")
