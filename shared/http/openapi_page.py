"""`/docs`: the HTTP API for people, drawn by Swagger UI from files of our own.

FastAPI's page loads its script from a network of others: blank on a host without one, and a note to
strangers of who looks on every other. The files are in `web/` (requirements/swagger-ui.sh puts them there,
SHA256SUMS says what they are), and the page may load nothing from anywhere else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.responses import FileResponse

PAGE: Final = "/docs"
WEB: Final = Path(__file__).parent / "web"
SWAGGER_UI: Final = WEB / "swagger-ui"

FILES: Final = {
    "docs.js": (WEB / "docs.js", "text/javascript"),
    "favicon-32x32.png": (SWAGGER_UI / "favicon-32x32.png", "image/png"),
    "swagger-ui-bundle.js": (SWAGGER_UI / "swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": (SWAGGER_UI / "swagger-ui.css", "text/css"),
}
"""What the page loads, by name below PAGE."""

HEADERS: Final = {
    # Swagger UI writes styles and images into the page; scripts it loads only as files.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=3600",
}


def install(app: FastAPI) -> None:
    """Serve the page and its files from `app`, which was made with `docs_url=None`."""
    assert app.docs_url is None, "FastAPI's own page would come first"
    _add(app, PAGE, WEB / "docs.html", "text/html")
    for name, (file, media_type) in FILES.items():
        _add(app, f"{PAGE}/{name}", file, media_type)


def _add(app: FastAPI, path: str, file: Path, media_type: str) -> None:
    async def get() -> FileResponse:
        return FileResponse(file, media_type=media_type, headers=HEADERS)

    app.add_api_route(path, get, include_in_schema=False, response_class=FileResponse)
