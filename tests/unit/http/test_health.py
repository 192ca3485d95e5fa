"""Alive and ready are different questions."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI

from shared.http.health import Check, router


async def ask(path: str, *checks: Check) -> tuple[int, str]:
    app = FastAPI()
    app.include_router(router(lambda: checks))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get(path)
    assert "no-store" == answer.headers["cache-control"]
    return answer.status_code, answer.text


FINE = Check("store")
BAD = Check("aging", "tickets.events.v1/0: loading")


@pytest.mark.asyncio
async def test_a_process_that_is_not_ready_is_alive() -> None:
    assert (200, "ok") == await ask("/livez", BAD)
    assert (503, "not ready") == await ask("/readyz", FINE, BAD)


@pytest.mark.asyncio
async def test_ready_means_that_every_part_says_so() -> None:
    assert (200, "ok") == await ask("/readyz", FINE)
    assert (200, "ok") == await ask("/readyz?verbose=0", FINE)


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/readyz?verbose", "/readyz?verbose=1", "/healthz"])
async def test_verbose_names_what_is_missing_first(path: str) -> None:
    expected = "[-] aging: tickets.events.v1/0: loading\n[+] store\nnot ready\n"
    assert (503, expected) == await ask(path, FINE, BAD)


@pytest.mark.asyncio
async def test_a_part_that_is_not_vital_is_named_and_changes_no_answer() -> None:
    lost = Check("mailbox desk", "no answer within 20 s", is_vital=False)
    assert (200, "ok") == await ask("/readyz", FINE, lost)
    status, text = await ask("/healthz", FINE, lost)
    assert (200, ["[!] mailbox desk: no answer within 20 s", "[+] store", "ready"]) == (
        status,
        text.splitlines(),
    )
    assert (503, "not ready") == await ask("/readyz", BAD, lost)
