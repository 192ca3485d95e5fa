"""Whatever is asked of the read API, the answer is one of the documented ones, never an error of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.aging_world import World, a_world, ago, shown

pytestmark = pytest.mark.slow

EXAMPLES = 150
Ask = Callable[[str, dict[str, Any]], httpx2.Response]
PATHS = [
    "/v1/tickets",
    "/v1/tickets/desk:1",
    "/v1/tickets/desk:1/explain",
    "/v1/backlog",
    "/v1/backlog/morning",
]
NAMES = ["tenant", "source", "kind", "queue", "priority", "status", "wait_reason", "assignee", "open", "min_age",
         "sort", "limit", "cursor", "by", "at"]  # fmt: skip


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Give a function that asks one read API; examples are drawn outside its event loop."""

    async def stocked(world: World) -> None:
        await world.ticket("desk:1", shown(30, queue="first"), shown(3, status="waiting/customer"))
        await world.ticket("desk:2", shown(40, queue="first"), shown(3, status="solved"))

    with asyncio.Runner() as runner:
        opened = a_world(tmp_path_factory.mktemp("aging"))
        world = runner.run(opened.__aenter__())
        try:
            runner.run(stocked(world))
            yield lambda path, query: runner.run(world.get(path, **query))
        finally:
            runner.run(opened.__aexit__(None, None, None))


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_values = _texts | st.sampled_from(
    ["", "first", "new", "p1", "true", "0", "-1", "72h", "999999999d", "age", "newest", "due", "queue", "status", "default",
     ago(3).isoformat(), ago(3.5).isoformat(), ago(10**5).isoformat(), "2026-03-03T08:00:00+25:00",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "99999999999999999999", "kwAAoA", "k8AAoA"]
)  # fmt: skip
_queries = st.dictionaries(
    st.sampled_from(NAMES) | _texts.filter(bool), _values | st.lists(_values, max_size=3), max_size=3
)


@settings(max_examples=EXAMPLES)
@given(path=st.sampled_from(PATHS) | _texts.map(lambda text: f"/v1/tickets/{text}"), query=_queries)
def test_every_question_has_a_documented_answer(ask: Ask, path: str, query: dict[str, Any]) -> None:
    answer = ask(quote(path), query)
    assert answer.status_code in {200, 404, 422}, (path, query, answer.text)
    kind = "application/json" if answer.status_code == 200 else "application/problem+json"
    assert kind == answer.headers["content-type"]
