"""/docs in a real browser: the page draws the API, from this server alone."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from shared.clock import monotonic_seconds
from shared.http import openapi_page

pytestmark = pytest.mark.browser

START_S = 10.0
DRAWN_MS = 5_000


@contextmanager
def served(app: FastAPI, port: int) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    give_up = monotonic_seconds() + START_S
    while not server.started and monotonic_seconds() < give_up:
        threading.Event().wait(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def drawn(url: str, profile: Path) -> str:
    """Return the page as it stands once it has drawn itself, with no network but this machine."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium here")
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--virtual-time-budget={DRAWN_MS}",
        "--dump-dom", url,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout


def test_the_api_is_drawn_without_a_network(free_port: int, tmp_path: Path) -> None:
    app = FastAPI(title="Barometer", docs_url=None, redoc_url=None)
    openapi_page.install(app)

    @app.get("/v1/tickets", summary="Tickets, the oldest first")
    async def tickets() -> list[str]:
        return []

    with served(app, free_port) as base:
        page = drawn(f"{base}/docs", tmp_path)

    assert "opblock-get" in page
    assert "Tickets, the oldest first" in page
