"""`POST /v1/sla/preview`: what would be promised and when it would be due, and every way to ask it wrongly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aging.api import preview
from services.aging.core.policy import Policy, PolicyVersion, Promise, Stage
from services.aging.core.terms import HoursVersion, Terms
from shared.calendars.compiled import compiled
from shared.calendars.definition import definition_from
from shared.contracts.instants import SECOND_US
from tests.api.aging_world import KEYRING, World, a_world

HOUR_US = 3_600 * SECOND_US
WEEKLY: dict[str, Any] = {"mon": [["09:00", "17:00"]], "fri": [["09:00", "17:00"]]}
SUPPORT = Policy(
    "support",
    {
        "first_response": Promise({"default": 4 * HOUR_US}, (Stage(0.5),)),
        "resolution": Promise({"p1": 8 * HOUR_US}),
        "update": Promise({"default": HOUR_US}, business=False),
    },
    {"queue": frozenset({"support"})},
    calendar="office",
    label="support@2",
)
OTHERS = Policy(
    "theirs", {"update": Promise({"default": HOUR_US})}, {"tenant": frozenset({"acme"})}, label="theirs@2"
)
TERMS = Terms(
    policies=(PolicyVersion((OTHERS, SUPPORT)),),
    timetables={
        "office": (HoursVersion(0, compiled(definition_from({"timezone": "UTC", "weekly": WEEKLY}))),)
    },
)
START = {"at": "2026-03-06T16:00:00Z", "type": "start"}
"""A Friday, one hour before closing. The world's now is a Tuesday, when the office is closed."""
CLOCK = {
    "calendar": "office",
    "policy": {"metric": "resolution", "target_seconds": 7200, "warn_before_seconds": 3600},
    "events": [START],
    "as_of": "2026-03-06T16:30:00Z",
}


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        world.terms = TERMS
        yield world


async def post(world: World, question: object, key: str | None = None) -> httpx2.Response:
    headers = {} if key is None else {"authorization": f"Bearer bk_{key}"}
    body = question if isinstance(question, bytes) else json.dumps(question).encode()
    return await world.http.post(
        "/v1/sla/preview", content=body, headers={"content-type": "application/json", **headers}
    )


async def previewed(world: World, question: object) -> Any:
    answer = await post(world, question)
    assert 200 == answer.status_code, answer.text
    return answer.json()


@pytest.mark.asyncio
async def test_a_clock_is_read_as_on_the_command_line(world: World) -> None:
    assert {
        "due": "2026-03-09T10:00:00Z", "warn_at": "2026-03-06T17:00:00Z", "elapsed_seconds": 1800,
        "paused_seconds": 0, "remaining_seconds": 5400, "breached": False, "breached_at": None,
    } == await previewed(world, CLOCK)  # fmt: skip


@pytest.mark.asyncio
async def test_a_paused_clock_says_when_it_would_be_due(world: World) -> None:
    paused = {**CLOCK, "events": [START, {"at": "2026-03-06T16:15:00Z", "type": "pause"}]}
    answer = await previewed(world, paused)
    assert [None, "2026-03-09T10:15:00Z"] == [answer["due"], answer["due_if_resumed"]]


@pytest.mark.asyncio
@pytest.mark.parametrize("calendar", [{"timezone": "UTC", "weekly": WEEKLY}, "office", None])
async def test_the_calendar_is_named_written_or_that_of_the_policy(world: World, calendar: object) -> None:
    question = {**CLOCK, "calendar": calendar, "policy": {"name": "support", "metric": "first_response"}}
    assert "2026-03-09T12:00:00Z" == (await previewed(world, question))["due"]


@pytest.mark.asyncio
async def test_without_a_calendar_every_second_counts(world: World) -> None:
    assert "2026-03-06T18:00:00Z" == (await previewed(world, {**CLOCK, "calendar": None}))["due"]


@pytest.mark.asyncio
async def test_the_fields_of_a_ticket_find_its_policy_and_what_it_would_be_promised_now(world: World) -> None:
    answer = await previewed(world, {"ticket": {"queue": "support"}, "as_of": "2026-03-06T16:00:00Z"})
    assert "support@2" == answer["policy"]
    assert [
        {
            "clock": "first_response", "target_seconds": 14400, "calendar": "office", "due": "2026-03-09T12:00:00Z",
            "warn_at": "2026-03-09T10:00:00Z",
        },
        {"clock": "resolution", "target_seconds": None, "calendar": "office", "due": None, "warn_at": None},
        {"clock": "update", "target_seconds": 3600, "calendar": "24x7", "due": "2026-03-06T17:00:00Z", "warn_at": None},
    ] == answer["promises"]  # fmt: skip


@pytest.mark.asyncio
async def test_without_a_matching_policy_the_conditions_that_fail_are_named(world: World) -> None:
    answer = await previewed(world, {"ticket": {"queue": "billing"}})
    assert [None, []] == [answer["policy"], answer["promises"]]
    assert [
        {"policy": "support@2", "matches": False,
         "conditions": [{"field": "queue", "accepted": ["support"], "shown": ["billing"], "holds": False}]}
    ] == answer["policies"]  # fmt: skip


@pytest.mark.asyncio
async def test_a_key_sees_the_policies_of_its_own_tenant(tmp_path: Path) -> None:
    async with a_world(tmp_path, KEYRING) as world:
        world.terms = TERMS
        mine = await post(world, {"ticket": {}}, "reader")
        assert "theirs@2" == mine.json()["policy"]
        assert (await post(world, {"ticket": {}}, "other")).json()["policy"] is None
        codes = [
            (await post(world, {"ticket": {}, "tenant": "acme"}, key)).status_code
            for key in ("other", "publisher", None)
        ]
    assert [403, 403, 401] == codes


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"calendar": "ofice"}, "/calendar"),
        ({"calendar": {"timezone": "Mars"}}, "/calendar"),
        ({"calendar": {"timezone": "UTC", "weekly": {}}}, "/calendar"),
        ({"policy": {"target_seconds": 0}}, "/policy/target_seconds"),
        ({"policy": {"target_seconds": 0.0000001}}, "/policy/target_seconds"),
        ({"policy": {"target_seconds": 1, "name": "support"}}, "/policy"),
        ({"policy": {"name": "support", "warn_before_seconds": 1}}, "/policy"),
        ({"policy": {"name": "suport"}}, "/policy/name"),
        ({"policy": {"name": "support", "metric": "team"}}, "/policy/metric"),
        ({"policy": None}, ""),
        ({"events": None}, ""),
        ({"ticket": {}}, ""),
        ({"events": [{"at": "2026-03-06T16:00:00", "type": "start"}]}, "/events/0/at"),
        ({"events": [{"at": "1969-03-06T16:00:00Z", "type": "start"}]}, "/events/0/at"),
        ({"events": [{"at": "2026-03-06T16:00:00Z", "type": "begin"}]}, "/events/0/type"),
        ({"as_of": "9999-12-31T23:59:59-14:00"}, "/as_of"),
        ({"evnts": []}, "/evnts"),
    ],
)
async def test_what_cannot_be_answered_is_refused_where_it_stands(
    world: World, change: dict[str, Any], pointer: str
) -> None:
    answer = await post(world, {**CLOCK, **change})
    assert (422, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert pointer in {fault["pointer"] for fault in answer.json()["errors"]}


@pytest.mark.asyncio
async def test_a_body_that_is_too_large_is_not_held(world: World) -> None:
    answer = await post(world, b" " * (preview.BODY_BYTES_MAX + 1))
    assert (413, "urn:barometer:problem:too-large") == (answer.status_code, answer.json()["type"])


Ask = Callable[[bytes], httpx2.Response]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Give a function that posts a body; examples are drawn outside its event loop."""
    with asyncio.Runner() as runner:
        opened = a_world(tmp_path_factory.mktemp("aging"))
        world = runner.run(opened.__aenter__())
        world.terms = TERMS
        try:
            yield lambda body: runner.run(post(world, body))
        finally:
            runner.run(opened.__aexit__(None, None, None))


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ["office", "24x7", "support", "resolution", "start", "pause", "2026-03-06T16:00:00Z", "0001-01-01T00:00:00Z", 3600, 1e300]
)  # fmt: skip
_names = st.sampled_from(
    ["calendar", "policy", "events", "ticket", "as_of", "metric", "target_seconds", "warn_before_seconds", "name",
     "priority", "at", "type", "queue", "tags", "timezone", "weekly", "tenant"]
)  # fmt: skip
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=4), max_leaves=12
)  # fmt: skip
_near = st.builds(lambda name, value: {**CLOCK, name: value}, _names, _json)
_nearer = st.builds(lambda name, value: {**CLOCK, "policy": {**CLOCK["policy"], name: value}}, _names, _json)  # type: ignore[dict-item]


@pytest.mark.slow
@settings(max_examples=200)
@given(st.binary(max_size=60) | (_json | _near | _nearer).map(lambda value: json.dumps(value).encode()))
def test_every_body_has_a_documented_answer(ask: Ask, body: bytes) -> None:
    answer = ask(body)
    assert answer.status_code in {200, 400, 422}, (body, answer.text)
    kind = "application/json" if answer.status_code == 200 else "application/problem+json"
    assert kind == answer.headers["content-type"]


def test_a_body_nested_without_end_is_refused(ask: Ask) -> None:
    assert ask(b"[" * 100_000).status_code in {400, 422}
