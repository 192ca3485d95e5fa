"""Real bodies, signed by us, all the way to the bus; and then the same bodies with something broken in them."""

from __future__ import annotations

import asyncio
import copy
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.intake.core.vendors import VENDORS
from shared.configuration.models import Configuration
from tests.api.intake_world import NOW, World, world
from tests.api.vendor_requests import SIGNERS, at_time, ticket_body
from tests.unit.intake.vendors.own_request import Signing

pytestmark = pytest.mark.slow

EXAMPLES: Final = 40
"""For each vendor."""
DEEP: Final = 3_000
HUGE: Final = 100_000
CONFIGURATION: Final = Configuration.model_validate(
    {
        "sources": [
            {"name": kind, "kind": kind, "webhook": {"secret": {"env": "HOOK_SECRET"}}} for kind in VENDORS
        ]
    }
)


_PROOF: Final = re.compile("signature|timestamp|token|host|content-length|encoding|connection")
"""Headers that are wrong once we have signed the body anew."""


class Real(NamedTuple):
    """A body as a vendor sent it once, with the headers that are no signature."""

    vendor: str
    name: str
    content: Any
    headers: dict[str, str]


def real_bodies(shared_data: Path) -> Iterator[Real]:
    for vendor in sorted(VENDORS):
        for file in sorted((shared_data / "webhooks" / vendor).glob("*.json")):
            content, headers = json.loads(file.read_bytes()), {}
            if isinstance(content, dict) and {"headers", "body"} <= set(content):
                headers = {name.lower(): str(value) for name, value in content["headers"].items()}
                headers = {name: value for name, value in headers.items() if not _PROOF.search(name)}
                content = content["body"]
            yield Real(vendor, file.name, content, headers)


def event_headers(one: Real) -> dict[str, str]:
    """Return the header that names the event, as far as the body itself tells."""
    shown = one.content if isinstance(one.content, dict) else {}
    if one.vendor == "github":
        event = (
            "issue_comment"
            if {"comment", "issue"} <= set(shown)
            else "issues"
            if "issue" in shown
            else "push"
        )
        return {"x-github-event": event, **one.headers}
    if one.vendor == "gitlab":
        kind = str(shown.get("object_kind") or shown.get("event_name"))
        return {"x-gitlab-event": f"{kind.replace('_', ' ').title()} Hook", **one.headers}
    return one.headers


async def send(running: World, vendor: str, body: bytes, headers: dict[str, str]) -> httpx2.Response:
    url = f"http://127.0.0.1:8080/v1/webhooks/{vendor}"
    proof = SIGNERS[vendor](Signing(body, "topsecret", NOW, url))
    return await running.http.post(url, content=body, headers=_encoded({**proof, **headers}))


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, CONFIGURATION) as one:
        yield one


@pytest.mark.asyncio
async def test_every_real_body_is_accepted_or_ignored_with_a_reason(
    running: World, shared_data: Path
) -> None:
    told: Counter[str] = Counter()
    wrong = []
    for one in real_bodies(shared_data):
        answer = await send(running, one.vendor, at_time(one.vendor, one.content, NOW), event_headers(one))
        result = answer.json()
        if answer.status_code != 202 or result["rejected"] or result["accepted"] + result["ignored"] == 0:
            wrong.append((one.vendor, one.name, answer.status_code, answer.text))
            continue
        told["accepted"] += result["accepted"]
        told["ignored"] += result["ignored"]
        assert [bool(result["ignored"])] == [bool(result.get("reasons"))], one.name

    assert [] == wrong
    assert told["accepted"] == len(await running.observations()) == running.counted("accepted")
    assert told["ignored"] == running.counted("ignored")
    assert min(told["accepted"], told["ignored"]) > 0


Ask = Callable[[Callable[[World], Coroutine[Any, Any, None]]], None]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Give a function that works with one intake; examples are drawn outside its event loop."""
    with asyncio.Runner() as runner:
        opened = world(tmp_path_factory.mktemp("bus"), CONFIGURATION)
        one = runner.run(opened.__aenter__())
        try:
            yield lambda question: runner.run(question(one))
        finally:
            runner.run(opened.__aexit__(None, None, None))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a JSON value, its own first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = {"x": [value]} if depth % 2 else [value]
    return value


_STRANGE: Final = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(codec="utf-8"), max_size=40),
    st.sampled_from([[], {}, "", "\x00", "\u202e", "é" * 3, "Z" * HUGE, "0" * 400, 10**400, -1, 2**63, "9999999999999",
                     "2026-02-30T00:00:00Z", "2026-01-01", "0001-01-01T00:00:00+23:59", "NaN", 1e308]),
    st.lists(st.none() | st.integers() | st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=3),
    st.integers(1, 200).map(nested),
)  # fmt: skip


_headers: Final = st.dictionaries(
    st.sampled_from(["x-github-event", "x-github-delivery", "x-gitlab-event", "idempotency-key", "x-event",
                     "x-helpscout-event", "linear-event", "x-gitlab-event-uuid", "linear-delivery",
                     "x-zammad-delivery", "x-chatwoot-delivery", "content-type"]),
    st.sampled_from(["issues", "issue_comment", "Note Hook", "convo.deleted", "Issue", "", "x" * 600, "\x7f", "ü",
                     "application/x-www-form-urlencoded"]).map(lambda text: text.encode().decode("latin-1")),
    max_size=3,
)  # fmt: skip


@st.composite
def broken(draw: st.DrawFn, contents: list[Any]) -> bytes:
    """Return one of `contents` with a few values replaced or taken away, or with its bytes damaged."""
    content = copy.deepcopy(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(list(places(content))))
        content = _changed(content, path, draw(_STRANGE), gone=draw(st.booleans()))
    try:
        body = json.dumps(content).encode("utf-8", "surrogatepass")
    except ValueError:  # an integer of more digits than Python writes
        body = b"1" * 5_000
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=8)) + body[at + draw(st.integers(0, 8)) :]
    return draw(st.sampled_from([b""] * 8 + [b"\xef\xbb\xbf", b"[" * DEEP])) + body


def _changed(content: Any, path: tuple[Any, ...], value: Any, *, gone: bool) -> Any:
    if not path:
        return value
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    if gone:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return content


def _fuzzed(ask: Ask, vendor: str, body: bytes, headers: dict[str, str]) -> None:
    async def question(running: World) -> None:
        before = running.counted("accepted"), running.counted("rejected")
        answer = await send(running, vendor, body, headers)
        if vendor == "linear" and answer.status_code == 401:
            return  # the time that it signs is gone
        told = answer.json()
        assert 202 == answer.status_code, answer.text
        assert 0 < told["accepted"] + told["ignored"] + told["rejected"]
        after = running.counted("accepted"), running.counted("rejected")
        assert (told["accepted"], told["rejected"]) == (after[0] - before[0], after[1] - before[1])
        assert not [each for each in told.get("reasons", ()) if each.startswith("adapter_failed")], (
            answer.text
        )
        assert bool(told["rejected"]) == ("rejected_id" in told)

    ask(question)


@pytest.mark.parametrize("vendor", sorted(VENDORS))
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_broken_body_is_taken_ignored_or_kept_and_never_an_error(
    ask: Ask, vendor: str, data: st.DataObject
) -> None:
    contents = [json.loads(ticket_body(vendor, NOW))]
    _fuzzed(ask, vendor, data.draw(broken(contents)), {})


@pytest.mark.parametrize("vendor", sorted(VENDORS))
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_broken_real_body_is_taken_ignored_or_kept_and_never_an_error(
    ask: Ask, shared_data: Path, vendor: str, data: st.DataObject
) -> None:
    real = [one for one in real_bodies(shared_data) if one.vendor == vendor]
    contents = [one.content for one in real] or [json.loads(ticket_body(vendor, NOW))]
    _fuzzed(ask, vendor, data.draw(broken(contents)), data.draw(_headers))
