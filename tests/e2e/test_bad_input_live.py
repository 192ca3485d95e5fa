"""Everything a careless or hostile sender can send to a running Barometer: told what is wrong, never a 500."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest
import yaml

from tests.e2e.harness import Deployment, eventually, one_machine, running
from tests.e2e.records import rejected

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

JSON: Final = {"content-type": "application/json"}
READER, WRITER, DESK = "bk_reader", "bk_writer", "bk_desk"
MANY: Final = 500


def key(token: str, *scopes: str) -> dict[str, Any]:
    """Return a configured key."""
    return {"name": token, "sha256": hashlib.sha256(token.encode()).hexdigest(), "scopes": list(scopes)}


DOCUMENT: Final = {
    "tenants": [
        {"name": "default", "keys": [key(READER, "read"), key(WRITER, "publish", "read")]},
        {"name": "other", "keys": [key("bk_stranger", "read")]},
    ],
    "sources": [{"name": "desk", "keys": [key(DESK, "publish")]}, {"name": "default"}],
    "rules": [],
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Give a `barometer serve` with keys; at the end it must still be well and have logged no defect."""
    directory = tmp_path_factory.mktemp("bad")
    config = directory / "barometer.yaml"
    config.write_text(yaml.safe_dump(DOCUMENT), encoding="utf-8")
    deployment = one_machine(directory, config=config)
    deployment.key = WRITER
    with running(deployment):
        yield deployment
        process = deployment.processes["intake"]
        assert process.ready()
        bad = [line for line in process.lines() if line["level"] in {"error", "critical"}]
        assert [] == bad
        assert "Traceback" not in process.log.read_text(encoding="utf-8")


BODIES: Final = [
    (b"", 400, "undecodable", None),
    (b'{"id": "1"', 400, "undecodable", None),
    (b"subject=printer", 400, "undecodable", None),
    (b'{"id": "\xff\xfe"}', 400, "undecodable", None),
    (b"[" * 10_000, 400, "undecodable", None),
    (b"42", 422, "invalid-ticket", None),
    (b"{}", 422, "invalid-ticket", "/id"),
    (b'{"id": 1.5}', 422, "invalid-ticket", "/id"),
    (b'{"id": "1", "subject": 5}', 422, "invalid-ticket", "/subject"),
    (b'{"id": "1", "sujbect": "x"}', 422, "invalid-ticket", "/sujbect"),
    (b'{"id": "1", "status": {"a": 1}}', 422, "invalid-ticket", "/status"),
    (b'{"id": "1\\u0000"}', 422, "invalid-ticket", "/id"),
    (b'{"id": "1", "subject": "a\\u0000b"}', 422, "invalid-ticket", "/subject"),
    (b'{"id": "1", "queue": "\\ud800"}', 422, "invalid-ticket", "/queue"),
    (b'{"id": "1", "time": "yesterday"}', 422, "invalid-ticket", "/time"),
    (b'{"id": "1", "time": "2026-01-01T00:00:00"}', 422, "invalid-ticket", "/time"),
    (b'{"id": "1", "time": "9999-12-31T23:59:59Z"}', 422, "invalid-ticket", "/time"),
    (b'{"id": "1", "time": "2199-12-31T23:59:59Z"}', 422, "future-time", "/time"),
    (b'{"id": "1", "created_at": "9999-12-31T23:59:59Z"}', 422, "invalid-ticket", "/created_at"),
    (b'{"id": "1", "sequence": 99999999999999999999}', 422, "invalid-ticket", "/sequence"),
    (b'{"id": "1", "tags": "x"}', 422, "invalid-ticket", "/tags"),
    (b'{"id": "1", "merged_into": "1"}', 422, "invalid-ticket", "/merged_into"),
    (b"[" + b",".join([b"7"] * 3) + b"]", 422, "invalid-ticket", None),
    (b'{"id": "1", "subject": "' + b"x" * 300_000 + b'"}', 413, "too-large", None),
    (b'{"id": "1", "subject": "' + b"x" * 6_000_000 + b'"}', 413, "too-large", None),
]


@pytest.mark.parametrize(
    ("body", "status", "name", "pointer"), BODIES, ids=[str(body[:40]) for body, *_ in BODIES]
)
def test_a_bad_body_is_told_what_is_wrong_and_where(
    served: Deployment, body: bytes, status: int, name: str, pointer: str | None
) -> None:
    answer = served.post("/v1/events", content=body, headers=JSON)
    problem = answer.json()
    assert (status, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert (f"urn:barometer:problem:{name}", status) == (problem["type"], problem["status"]), problem
    assert problem["title"]
    assert problem.get("detail") or problem.get("errors") or problem.get("results")
    if pointer is not None:
        assert [pointer] == [each["pointer"] for each in problem["errors"]]


def test_of_five_hundred_with_a_bad_one_the_others_are_in_the_backlog(served: Deployment) -> None:
    before = served.backlog(queue="batch")["open"]
    batch: list[dict[str, Any]] = [{"id": f"batch-{number}", "queue": "batch"} for number in range(MANY)]
    batch[77]["sujbect"] = "a slip of the pen"
    answer = served.post("/v1/events", json=batch)
    results = answer.json()["results"]
    assert (207, MANY - 1, 1) == (answer.status_code, answer.json()["accepted"], answer.json()["rejected"])
    assert [77] == [each["index"] for each in results if each["status"] != 202]
    assert "did you mean subject" in json.dumps(results[77]["problem"])
    eventually(
        lambda: served.backlog(queue="batch")["open"], lambda seen: seen > before + MANY - 2, "the others"
    )
    assert before + MANY - 1 == served.backlog(queue="batch")["open"]
    kept = [one for one in rejected(served) if b"a slip of the pen" in one.body]
    assert [(results[77]["problem"]["rejected_id"])] == [one.id for one in kept]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer bk_nobody"}, 401),
        ({"authorization": "Basic eDp5"}, 401),
        ({"authorization": "Bearer " + "x" * 6_000}, 401),
        ({"x-api-key": "\xe9\xe8"}, 401),
        ({"authorization": f"Bearer {READER}"}, 403),
    ],
)
def test_who_may_not_publish_is_refused(served: Deployment, headers: dict[str, str], status: int) -> None:
    encoded = {name.encode(): value.encode("latin-1") for name, value in {**headers, **JSON}.items()}
    answer = httpx2.post(served.url("intake", "/v1/events"), content=b'{"id": "stolen"}', headers=encoded)
    assert status == answer.status_code
    assert "application/problem+json" == answer.headers["content-type"]
    assert (status == 401) == ("www-authenticate" in answer.headers)
    listed = [ticket["key"] for ticket in served.tickets()]
    assert not any("stolen" in key for key in listed)


def test_a_source_key_publishes_for_its_source_only(served: Deployment) -> None:
    headers = {"authorization": f"Bearer {DESK}"}
    other = served.post("/v1/events?source=default", json={"id": "1"}, headers=headers)
    assert 403 == other.status_code
    own = served.post("/v1/events", json={"id": "own"}, headers=headers)
    assert "desk:own" == own.json()["ticket"]
    unknown = served.post("/v1/events?source=nowhere", json={"id": "1"})
    assert (404, "urn:barometer:problem:unknown-source") == (unknown.status_code, unknown.json()["type"])


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/xml", b"<ticket/>", 415),
        ("", b"\x00\x01", 400),
        ("application/json; charset=utf-16", '{"id": "1"}'.encode("utf-16"), 415),
        ("application/cloudevents+json", b'{"specversion": "0.3"}', 422),
        (
            "application/cloudevents+json",
            b'{"specversion": "1.0", "id": "1", "source": "/x", "type": "y"}',
            422,
        ),
        ("application/cloudevents-batch+json", b"{}", 400),
        ("application/x-ndjson", b'{"id": "n1"}\n{"id": \n{"id": "n3"}\n', 207),
        ("application/x-ndjson", b"\n\n", 202),
    ],
)
def test_a_strange_form_is_refused_clearly(
    served: Deployment, content_type: str, body: bytes, status: int
) -> None:
    answer = served.post("/v1/events", content=body, headers={"content-type": content_type})
    assert status == answer.status_code, answer.text


def test_a_bomb_is_not_unpacked(served: Deployment) -> None:
    bomb = gzip.compress(b'{"id": "' + b"0" * 200_000_000 + b'"}')
    answer = served.post("/v1/events", content=bomb, headers={**JSON, "content-encoding": "gzip"})
    assert answer.status_code in {413, 415}, answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/events", 405),
        ("DELETE", "/v1/tickets", 405),
        ("GET", "/v2/tickets", 404),
        ("GET", "/v1/tickets/default:no-such", 404),
        ("GET", "/v1/tickets/" + "x" * 3_000, 422),
        ("GET", "/v1/tickets/%00", 404),
        ("GET", "/v1/tickets/%ff", 404),
        ("GET", "/v1/tickets?limit=0", 422),
        ("GET", "/v1/tickets?limit=501", 422),
        ("GET", "/v1/tickets?cursor=zzz", 422),
        ("GET", "/v1/tickets?colour=red", 422),
        ("GET", "/v1/tickets?queue=%00", 422),
        ("GET", "/v1/tickets?min_age=1e9h", 422),
        ("GET", "/v1/tickets?sort=worklist&open=false", 422),
        ("GET", "/v1/backlog?at=2016-04-01", 422),
        ("GET", "/v1/backlog?at=9999-12-31T23:59:59Z", 422),
        ("GET", "/v1/backlog?at=0001-01-01T00:00:00%2B14:00", 422),
        ("GET", "/v1/backlog?by=colour", 422),
        ("GET", "/v1/backlog?tenant=other", 403),
        ("GET", "/v1/alerts?cursor=1", 422),
        ("GET", "/v1/alerts?cursor=99999999999999999999999999999.x", 422),
        ("GET", "/v1/alerts/%00", 404),
        ("GET", "/v1/alerts?rule=%00", 422),
        ("GET", "/v1/alerts?tenant=other", 403),
    ],
)
def test_a_bad_question_is_a_problem(served: Deployment, method: str, path: str, status: int) -> None:
    answer = httpx2.request(method, served.url("aging", path), headers=served.headers())
    assert status == answer.status_code, answer.text
    assert "application/problem+json" == answer.headers["content-type"]


def test_what_was_rejected_is_counted(served: Deployment) -> None:
    text = served.metrics("intake")
    counted = [line for line in text.splitlines() if line.startswith("barometer_rejected_total")]
    assert len(counted) == len({line.rsplit(" ", 1)[0] for line in counted})
    reasons = {line.split('"')[1] for line in counted if not line.endswith(" 0.0")}
    assert {"malformed_json", "invalid_utf8", "unknown_field", "invalid_text", "invalid_time"} <= reasons
