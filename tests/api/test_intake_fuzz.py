"""Whatever is sent, the answer is one of the documented ones, and never an error of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.intake.core.ticket import MEMBER_TYPES
from tests.api.intake_world import World, world

pytestmark = pytest.mark.slow

EXAMPLES = 150
SCHEMA_EXAMPLES = 60
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DOCUMENTED = {202, 207, 400, 401, 403, 404, 413, 415, 422}
LIMITS = {"body_bytes_max": 20_000, "item_bytes_max": 10_000, "batch_items_max": 50}

Ask = Callable[[Callable[[World], Coroutine[Any, Any, httpx2.Response]]], httpx2.Response]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Give a function that asks one intake; examples are drawn outside its event loop."""
    directory: Path = tmp_path_factory.mktemp("bus")
    with asyncio.Runner() as runner:
        opened = world(directory, limits=LIMITS)
        running = runner.run(opened.__aenter__())
        try:
            yield lambda question: runner.run(question(running))
        finally:
            runner.run(opened.__aexit__(None, None, None))


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters()) | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=6,
)  # fmt: skip
_attributes = st.sampled_from(
    ["specversion", "id", "source", "type", "subject", "time", "data", "data_base64"]
)
_ticket = st.dictionaries(st.sampled_from([*MEMBER_TYPES]) | st.text(st.characters()), _values, max_size=5)
_event = st.dictionaries(_attributes | st.text(max_size=5), _values | _ticket | st.just("1.0"), max_size=8)
_json = (_ticket | _event | st.lists(_ticket | _event | _values, max_size=5) | _values).map(
    lambda value: json.dumps(value).encode()
)
_lines = st.lists(_json | st.binary(max_size=20), max_size=5).map(b"\n".join)
_bodies = _json | _lines | st.binary(max_size=300)
_types = st.sampled_from(
    ["application/json", "application/x-ndjson", "application/cloudevents+json", "text/json", "", ";;",
     "application/cloudevents-batch+json", "application/cloudevents+xml", "application/json; charset=latin-1"]
)  # fmt: skip
_header_value = st.binary(max_size=30).map(lambda raw: raw.translate(None, b"\r\n\0")).map(bytes.strip)
_ce_headers = st.dictionaries(
    st.sampled_from([b"ce-specversion", b"ce-id", b"ce-source", b"ce-type", b"ce-subject", b"ce-time",
                     b"ce-sequence", b"ce-", b"idempotency-key", b"content-length", b"content-encoding"]),
    _header_value | st.sampled_from([b"1.0", b"barometer.ticket.observed.v1", b"2026-01-01T00:00:00Z"]),
    max_size=6,
)  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(body=_bodies, content_type=_types, headers=_ce_headers, source=st.none() | st.text(max_size=5))
def test_any_request_gets_a_documented_answer(
    ask: Ask, body: bytes, content_type: str, headers: dict[bytes, bytes], source: str | None
) -> None:
    async def question(running: World) -> httpx2.Response:
        shown = [(b"content-type", content_type.encode()), *headers.items()]
        parameters = None if source is None else {"source": source}
        return await running.http.post("/v1/events", content=body, headers=shown, params=parameters)

    answer = ask(question)

    assert answer.status_code in DOCUMENTED, answer.text
    if answer.status_code >= 300:
        assert "application/problem+json" == answer.headers["content-type"]
        assert answer.status_code == answer.json()["status"]


@settings(max_examples=EXAMPLES)
@given(tickets=st.lists(_ticket, max_size=5))
def test_what_is_answered_is_what_is_on_the_bus(ask: Ask, tickets: list[dict[str, Any]]) -> None:
    async def question(running: World) -> httpx2.Response:
        before = len(await running.observations()), len(await running.rejected())
        answer = await running.post(json.dumps(tickets).encode())
        told = answer.json()
        after = len(await running.observations()), len(await running.rejected())
        assert (told["accepted"], told["rejected"]) == (after[0] - before[0], after[1] - before[1])
        return answer

    assert ask(question).status_code in {202, 207, 422}


@settings(max_examples=SCHEMA_EXAMPLES)
@given(data=st.data())
def test_the_document_says_what_is_answered(ask: Ask, data: st.DataObject) -> None:
    case = data.draw(_operation(ask).as_strategy())
    sent = case.as_transport_kwargs()

    async def question(running: World) -> httpx2.Response:
        body = {name: sent[name] for name in ("data", "json") if name in sent}
        content = sent.get("data") or b""
        if "json" in body:
            content = json.dumps(sent["json"]).encode()
        if isinstance(content, str):
            content = content.encode("utf-8", "surrogatepass")
        return await running.http.request(
            case.method,
            "/v1/events",
            content=content,
            headers=dict(sent["headers"] or {}),  # which source is fuzzed above
        )

    case.validate_response(ask(question), checks=CHECKS)


@cache
def _operation(ask: Ask) -> schemathesis.APIOperation[Any, Any, Any, Any]:
    async def document(running: World) -> httpx2.Response:
        return await running.http.get("/openapi.json")

    return schemathesis.openapi.from_dict(ask(document).json())["/v1/events"]["POST"]
