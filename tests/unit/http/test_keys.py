"""API keys: who is let in, to do what, and what is never exposed."""

from __future__ import annotations

import hashlib

import httpx2
import pytest
from fastapi import Depends, FastAPI

from shared.http import problems
from shared.http.keys import (
    LOCAL_USER,
    Key,
    Keyring,
    OpenExposure,
    Principal,
    Scope,
    refuse_open_exposure,
)


def key(secret: str, *scopes: Scope, tenant: str = "acme", source: str | None = None) -> Key:
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return Key(digest, Principal(f"key of {tenant}", tenant, source, frozenset(scopes)))


KEYRING = Keyring(
    [
        key("bk_pub", Scope.PUBLISH, source="zendesk"),
        key("bk_read", Scope.READ),
        key("bk_admin", Scope.ADMIN, tenant="other"),
    ]
)


async def ask(keyring: Keyring, headers: dict[str, str], scope: Scope = Scope.READ) -> httpx2.Response:
    app = FastAPI()
    problems.install(app)
    allowed = Depends(keyring.require(scope))

    @app.get("/who")
    async def who(principal: Principal = allowed) -> str:
        return f"{principal.tenant}/{principal.source}"

    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get("/who", headers=headers)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer bk_read"}, {"authorization": "bearer  bk_read"}, {"X-API-Key": "bk_read"}],
)
async def test_a_key_is_taken_from_either_header(headers: dict[str, str]) -> None:
    answer = await ask(KEYRING, headers)
    assert (200, "acme/None") == (answer.status_code, answer.json())


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "headers",
    [{}, {"X-API-Key": "bk_Read"}, {"Authorization": "Basic bk_read"}, {"X-API-Key": "x" * 600}],
    ids=["none", "wrong", "other scheme", "too long"],
)
async def test_without_a_known_key_the_answer_is_401_and_says_how(headers: dict[str, str]) -> None:
    answer = await ask(KEYRING, headers)
    assert 401 == answer.status_code
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "X-API-Key" in answer.json()["detail"]


@pytest.mark.asyncio
async def test_a_key_without_the_scope_is_403() -> None:
    assert 403 == (await ask(KEYRING, {"X-API-Key": "bk_pub"})).status_code
    assert 403 == (await ask(KEYRING, {"X-API-Key": "bk_read"}, Scope.ADMIN)).status_code


@pytest.mark.asyncio
async def test_admin_includes_reading_but_not_publishing() -> None:
    assert 200 == (await ask(KEYRING, {"X-API-Key": "bk_admin"})).status_code
    assert 403 == (await ask(KEYRING, {"X-API-Key": "bk_admin"}, Scope.PUBLISH)).status_code


@pytest.mark.asyncio
async def test_without_configured_keys_the_local_user_may_do_everything_but_foreign_pages_nothing() -> None:
    empty = Keyring([])
    assert LOCAL_USER == empty.principal(None)
    assert 200 == (await ask(empty, {}, Scope.ADMIN)).status_code
    assert 200 == (await ask(empty, {"Origin": "http://localhost:8080"})).status_code
    assert 403 == (await ask(empty, {"Origin": "https://elsewhere.example"})).status_code
    assert 403 == (await ask(empty, {"Origin": "null"})).status_code


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_loopback_is_open_without_keys(host: str) -> None:
    refuse_open_exposure(host, has_keys=False)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.4", "barometer.local", "localhost.evil.example"]
)
def test_an_open_port_beyond_loopback_is_refused(host: str) -> None:
    with pytest.raises(OpenExposure, match="without API keys"):
        refuse_open_exposure(host, has_keys=False)
    refuse_open_exposure(host, has_keys=True)


def test_a_digest_that_is_none_is_a_programming_error() -> None:
    with pytest.raises(AssertionError):
        Key("bk_read", LOCAL_USER)
