"""Every error answer is a problem that a client can act on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import msgspec
import pytest
import pytest_asyncio
from fastapi import FastAPI, Path
from pydantic import BaseModel

from shared.bus.port import BusUnavailable
from shared.http import problems
from shared.http.problems import ERRORS_MAX, TITLES, URN, Fault, Problem
from shared.sql.port import StoreUnavailable

pytestmark = pytest.mark.asyncio


class Body(BaseModel):
    """A body with two fields."""

    name: str
    counts: list[int]


def app() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.post("/bodies")
    async def bodies(body: Body) -> None: ...

    @app.get("/numbers/{number}")
    async def numbers(number: Annotated[int, Path()]) -> None: ...

    @app.get("/raise/{what}")
    async def fail(what: str) -> None:
        raise {
            "store": StoreUnavailable("postgresql://u@h/d: gone"),
            "bus": BusUnavailable("broker 3"),
            "bug": ZeroDivisionError("secret inside"),
            "faults": Problem("invalid-event", 422, faults=[Fault("no", "/0")] * (ERRORS_MAX + 2)),
            "busy": Problem("too-many", 429, "slower", headers={"Retry-After": "7"}, more={"limit": 5}),
        }[what]

    return app


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app(), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


def problem(response: httpx2.Response, status: int, name: str) -> dict[str, Any]:
    assert (status, "application/problem+json") == (response.status_code, response.headers["content-type"])
    body: dict[str, Any] = msgspec.json.decode(response.content)
    assert (URN + name, TITLES[name], status) == (body["type"], body["title"], body["status"])
    return body


async def test_an_unknown_path_and_a_wrong_method_are_problems(client: httpx2.AsyncClient) -> None:
    assert "/nowhere" == problem(await client.get("/nowhere"), 404, "not-found")["instance"]
    answer = await client.get("/bodies")
    problem(answer, 405, "method-not-allowed")
    assert "POST" == answer.headers["allow"]


async def test_an_invalid_body_names_each_fault_by_pointer_and_never_repeats_the_input(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.post("/bodies", json={"counts": [1, "hush"]})
    body = problem(answer, 422, "invalid-request")
    assert {"/name", "/counts/1"} == {fault["pointer"] for fault in body["errors"]}
    assert b"hush" not in answer.content


async def test_an_invalid_parameter_is_named(client: httpx2.AsyncClient) -> None:
    body = problem(await client.get("/numbers/x"), 422, "invalid-request")
    assert "number" == body["errors"][0]["parameter"]


@pytest.mark.parametrize("what", ["store", "bus"])
async def test_what_may_pass_is_503_with_retry_after_and_without_our_addresses(
    client: httpx2.AsyncClient, what: str
) -> None:
    answer = await client.get(f"/raise/{what}")
    assert "cannot be reached" in problem(answer, 503, "unavailable")["detail"]
    assert "5" == answer.headers["retry-after"]


async def test_an_error_of_ours_says_nothing_of_its_inside(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/raise/bug")
    problem(answer, 500, "internal")
    assert b"secret" not in answer.content


async def test_the_number_of_faults_in_an_answer_is_bounded(client: httpx2.AsyncClient) -> None:
    body = problem(await client.get("/raise/faults"), 422, "invalid-event")
    assert (ERRORS_MAX, 2) == (len(body["errors"]), body["errors_omitted"])


async def test_a_problem_keeps_its_headers_and_further_members(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/raise/busy")
    assert 5 == problem(answer, 429, "too-many")["limit"]
    assert "7" == answer.headers["retry-after"]
