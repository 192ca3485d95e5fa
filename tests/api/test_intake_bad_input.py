from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tests.api.intake_world import World, world

PROBLEM = "application/problem+json"
SMALL = {
    "body_bytes_max": 4_096,
    "item_bytes_max": 1_024,
    "batch_items_max": 10,
    "in_flight_bytes_max": 8_192,
}


@pytest_asyncio.fixture
async def small(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, limits=SMALL) as running:
        yield running


@pytest.mark.parametrize(
    ("body", "status", "reason", "pointer"),
    [
        (b"", 400, "malformed_json", None),
        (b'{"id": "1"', 400, "malformed_json", None),
        (b'{"id": "1"} {"id": "2"}', 400, "malformed_json", None),
        (b'{"id": NaN}', 400, "malformed_json", None),
        (b'[{"id": "1"}, {"id": ]', 400, "malformed_json", None),
        (b"\xef\xbb\xbf{}", 400, "malformed_json", None),
        (b'{"id": "\xff\xfe"}', 400, "invalid_utf8", None),
        (b"[" * 500 + b"]" * 500, 400, "too_deep", None),
        (b'{"id":' * 500 + b"1" + b"}" * 500, 400, "too_deep", None),
        (b'"42"', 422, "not_an_object", None),
        (b"null", 422, "not_an_object", None),
        (b"{}", 422, "missing_field", "/id"),
        (b'{"id": ""}', 422, "invalid_field", "/id"),
        (b'{"id": null}', 422, "invalid_field", "/id"),
        (b'{"id": true}', 422, "invalid_field", "/id"),
        (b'{"id": 1.5}', 422, "invalid_field", "/id"),
        (b'{"id": {"a": 1}}', 422, "invalid_field", "/id"),
        (b'{"id": "' + b"x" * 401 + b'"}', 422, "invalid_field", "/id"),
        (b'{"id": ' + b"9" * 700 + b"}", 422, "invalid_field", "/id"),
        (b'{"id": "1", "subjekt": "x"}', 422, "unknown_field", "/subjekt"),
        (b'{"id": "1", "a/b~c": "x"}', 422, "unknown_field", "/a~1b~0c"),
        (b'{"id": "1", "subject": "' + b"x" * 1_001 + b'"}', 413, "too_large", None),
        (b'{"id": "1", "subject": 7}', 422, "invalid_field", "/subject"),
        (b'{"id": "1", "queue": ""}', 422, "invalid_field", "/queue"),
        (b'{"id": "1", "tags": ["a", 7]}', 422, "invalid_field", "/tags/1"),
        (b'{"id": "1", "tags": ["a", "b\\u0000"]}', 422, "invalid_text", "/tags/1"),
        (b'{"id": "1", "subject": "a\\u0000b"}', 422, "invalid_text", "/subject"),
        (b'{"id": "1", "subject": "a\\ud800b"}', 422, "invalid_text", "/subject"),
        (b'{"id": "1", "subject": "a\\u009bb"}', 422, "invalid_text", "/subject"),
        (b'{"id": "a\\u001bb"}', 422, "invalid_text", "/id"),
        (b'{"id": "1", "\\ud800": 1}', 422, "unknown_field", "/\\ud800"),
        (b'{"id": "1", "time": "9999-12-31T23:59:59Z"}', 422, "invalid_time", "/time"),
        (b'{"id": "1", "time": "0001-01-01T00:00:00+14:00"}', 422, "invalid_time", "/time"),
        (b'{"id": "1", "time": "1969-12-31T23:59:59Z"}', 422, "invalid_time", "/time"),
        (b'{"id": "1", "time": "2026-03-02T09:00:00"}', 422, "invalid_time", "/time"),
        (b'{"id": "1", "time": 1767323045}', 422, "invalid_time", "/time"),
        (b'{"id": "1", "time": "2026-03-02T10:05:01Z"}', 422, "future_time", "/time"),
        (b'{"id": "1", "created_at": "2026-03-03T00:00:00Z"}', 422, "future_time", "/created_at"),
        (b'{"id": "1", "channel": "e-mail"}', 422, "invalid_field", "/channel"),
        (b'{"id": "1", "sequence": 9223372036854775808}', 422, "invalid_field", "/sequence"),
        (b'{"id": "1", "url": "javascript:alert(1)"}', 422, "invalid_field", "/url"),
        (b'{"id": "1", "merged_into": 1}', 422, "invalid_field", "/merged_into"),
    ],
)
@pytest.mark.asyncio
async def test_every_bad_input_is_refused_with_its_reason_and_place_and_kept_whole(
    small: World, body: bytes, status: int, reason: str, pointer: str | None
) -> None:
    answer = await small.post(body)
    problem = answer.json()
    (kept,) = await small.rejected()

    assert (status, reason, PROBLEM) == (
        answer.status_code,
        problem["reason"],
        answer.headers["content-type"],
    )
    assert ([pointer] if pointer else []) == [each["pointer"] for each in problem.get("errors", [])]
    assert (problem["rejected_id"], body, reason) == (kept.id, kept.body, kept.reason)
    assert [] == await small.observations()
    assert (1, 1) == (small.counted("rejected"), small.counted_rejected(reason))


@pytest.mark.asyncio
async def test_all_faults_are_told_at_once_with_what_was_meant(small: World) -> None:
    answer = await small.post(
        {"id": "1", "titel": "x", "group": "q", "channel": "emial", "time": "2026-01-01"}
    )
    told = {each["pointer"]: each["detail"] for each in answer.json()["errors"]}

    assert {"/titel", "/group", "/channel", "/time"} == told.keys()
    assert "did you mean queue?" in told["/group"]
    assert "did you mean email?" in told["/channel"]
    assert "2026-01-02T03:04:05Z" in told["/time"]


@pytest.mark.asyncio
async def test_a_time_without_an_offset_is_told_why(small: World) -> None:
    answer = await small.post({"id": "1", "time": "2026-03-02T09:00:00"})

    assert "has no offset" in answer.json()["errors"][0]["detail"]


@pytest.mark.asyncio
async def test_a_body_over_the_limit_is_413_announced_or_not(small: World) -> None:
    async def streamed() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    announced = await small.post(b" " * 4_097)
    unannounced = await small.http.post(
        "/v1/events", content=streamed(), headers={"content-type": "application/json"}
    )

    assert (413, 413) == (announced.status_code, unannounced.status_code)
    assert [] == await small.rejected()


@pytest.mark.asyncio
async def test_a_batch_with_too_many_items_is_413(small: World) -> None:
    lines = b'{"id":1}\n' * 11
    event = {"specversion": "1.0", "id": "1", "source": "x", "type": "y"}

    assert (await small.post([{"id": 1}] * 11)).status_code == 413
    assert (await small.post(lines, content_type="application/x-ndjson")).status_code == 413
    answer = await small.post(
        msgspec.json.encode([event] * 11), content_type="application/cloudevents-batch+json"
    )
    assert answer.status_code == 413


@pytest.mark.asyncio
async def test_an_item_over_the_limit_costs_only_itself(small: World) -> None:
    answer = await small.post([{"id": 1}, {"id": 2, "subject": "x" * 1_100}])

    assert [202, 413] == [each["status"] for each in answer.json()["results"]]


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "text/plain"},
        {"content_type": "application/cloudevents+avro"},
        {"content_type": "application/json; charset=utf-16"},
        {"content_type": "application/json", "content_encoding": "gzip"},
        {"content_type": "application/json", "content_encoding": "deflate"},
    ],
)
@pytest.mark.asyncio
async def test_what_is_no_json_or_compressed_is_415(small: World, headers: dict[str, str]) -> None:
    body = gzip.compress(b"{}") if "content_encoding" in headers else b'{"id": 1}'
    answer = await small.post(body, **headers)

    assert 415 == answer.status_code
    assert [] == await small.rejected()


@pytest.mark.asyncio
async def test_a_bad_idempotency_key_is_400(small: World) -> None:
    answer = await small.post({"id": 1}, idempotency_key="x" * 256)

    assert 400 == answer.status_code


@pytest.mark.asyncio
async def test_more_in_flight_than_the_bound_is_429_and_the_bound_is_given_back(tmp_path: Path) -> None:
    async with world(tmp_path, limits={"in_flight_requests_max": 1, "retry_after_seconds": 3}) as running:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            entered.set()
            await leave.wait()
            yield b'{"id": 1}'

        first = asyncio.create_task(
            running.http.post("/v1/events", content=slow(), headers={"content-type": "application/json"})
        )
        await entered.wait()
        second = await running.post({"id": 2})
        leave.set()

        assert (429, "3") == (second.status_code, second.headers["retry-after"])
        assert 202 == (await first).status_code
        assert 202 == (await running.post({"id": 3})).status_code
        assert 1 == running.counted("throttled")


@pytest.mark.asyncio
async def test_more_bytes_in_flight_than_the_bound_is_429(tmp_path: Path) -> None:
    async with world(tmp_path, limits={"in_flight_bytes_max": 100}) as running:
        assert 429 == (await running.post({"id": 1, "subject": "x" * 200})).status_code
        assert 202 == (await running.post({"id": 1})).status_code


@pytest.mark.asyncio
async def test_a_sender_that_stalls_is_let_go(tmp_path: Path) -> None:
    async with world(tmp_path, limits={"body_wait_seconds": 1}) as running:

        async def stalled() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.Event().wait()

        answer = await running.http.post(
            "/v1/events", content=stalled(), headers={"content-type": "application/json"}
        )

        assert 408 == answer.status_code


@pytest.mark.asyncio
async def test_a_body_too_large_to_keep_is_refused_all_the_same(tmp_path: Path) -> None:
    async with world(tmp_path) as running:
        answer = await running.post(b"[" + b" " * 4_000_000)

        assert 400 == answer.status_code
        assert "rejected_id" not in answer.json()
        assert [] == await running.rejected()


@pytest.mark.asyncio
async def test_a_page_of_another_site_cannot_publish_through_the_local_users_browser(small: World) -> None:
    answer = await small.post({"id": 1}, origin="https://evil.example.com")

    assert 403 == answer.status_code


@pytest.mark.asyncio
async def test_while_the_bus_is_away_the_answer_is_503_with_retry_after(tmp_path: Path) -> None:
    async with world(tmp_path) as running:
        running.bus.away = True
        answer = await running.post({"id": 1})
        ready = await running.http.get("/readyz?verbose")
        running.bus.away = False
        again = await running.post({"id": 1})

        assert (503, PROBLEM) == (answer.status_code, answer.headers["content-type"])
        assert int(answer.headers["retry-after"]) > 0
        assert (503, True) == (ready.status_code, "[-] bus" in ready.text)
        assert (1, 1) == (running.counted("unavailable"), running.counted("accepted"))
        assert 202 == again.status_code
        assert 1 == len(await running.observations())
