"""The public form in a real browser: styled under its own policy, filled, confirmed, sent, and thanked for."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI, Response

from services.intake.app import application
from shared.clock import monotonic_seconds
from shared.configuration.models import Configuration
from shared.contracts.tickets import Observation
from tests.api.intake_world import KEYS, digest, world
from tests.browser.test_api_page import START_S, drawn

pytestmark = pytest.mark.browser

BUTTON = "rgb(11, 87, 164)"

# A page of the same origin that plays the person: it shows the form in a frame, and does in it what people do.
PERSON = """<!doctype html><iframe src="/v1/forms/contact"></iframe><pre id="seen"></pre><script>
const frame = document.querySelector("iframe"), seen = [];
frame.onload = () => {
  const page = frame.contentDocument, button = page.querySelector("button");
  const hidden = page.querySelector("#website");
  seen.push([page.title, button ? getComputedStyle(button).backgroundColor : "",
             hidden ? String(hidden.getBoundingClientRect().right < 0) : "", page.body.innerText].join(" | "));
  document.getElementById("seen").textContent = seen.join("\\n---\\n");
  if (seen.length === 1) { page.querySelector("#subject").value = "The lift stands still"; button.click(); }
  if (seen.length === 2) { page.querySelector("#email").value = "kim@example.org"; button.click(); }
  if (seen.length === 3) { button.click(); }
};
</script>"""


@contextmanager
def served_form(directory: Path, port: int, observed: list[Observation]) -> Iterator[None]:
    origin = f"http://127.0.0.1:{port}"
    configuration = Configuration.model_validate(
        {
            "tenants": [
                {
                    "name": "default",
                    "keys": [{"name": "k", "sha256": digest(KEYS["tenant"]), "scopes": ["read"]}],
                }
            ],
            "sources": [{"name": "contact", "form": {"secret": {"env": "HOOK_SECRET"}, "origins": [origin]}}],
        }
    )
    servers: list[uvicorn.Server] = []

    async def serve() -> None:
        async with world(directory, configuration) as running:
            app: FastAPI = application(running.intake, running.registry)
            app.add_api_route("/person", lambda: Response(PERSON, media_type="text/html"))
            config = uvicorn.Config(app, port=port, log_config=None, access_log=False)
            servers.append(uvicorn.Server(config))
            await servers[0].serve()
            observed.extend(await running.observations())

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    give_up = monotonic_seconds() + START_S
    while not (servers and servers[0].started) and monotonic_seconds() < give_up:
        threading.Event().wait(0.02)
    try:
        yield
    finally:
        for server in servers:
            server.should_exit = True
        thread.join()


def test_a_person_fills_mends_confirms_and_sends_the_form(free_port: int, tmp_path: Path) -> None:
    observed: list[Observation] = []
    with served_form(tmp_path / "bus", free_port, observed):
        page = drawn(f"http://127.0.0.1:{free_port}/person", tmp_path / "profile")

    found = re.search(r'<pre id="seen">(.*?)</pre>', page, re.DOTALL)
    assert found is not None, page
    asked, mended, confirmed, thanked = unescape(found[1]).split("\n---\n")
    assert asked.startswith(f"Contact us | {BUTTON} | true | "), (
        "its style is allowed, its trap is out of sight"
    )
    assert mended.startswith("Error: Contact us")
    assert "Give your e-mail address" in mended
    assert confirmed.startswith("Please check and send again")  # the clock stands still, so it was too fast
    assert "The lift stands still" in confirmed
    assert thanked.startswith("Thank you")
    (one,) = observed
    assert one.ticket.removeprefix("contact:") in thanked
    assert ("The lift stands still", "kim@example.org") == (one.fields.subject, one.fields.requester)
