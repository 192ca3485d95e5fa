"""What `GET /v1/tickets?sort=worklist` answers: what to work on next, page by page, with reasons."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from services.aging.api import ordering
from services.aging.core.policy import Policy, PolicyVersion, Promise
from services.aging.core.terms import Attention, Terms
from services.aging.settings import arrangement_of
from shared.configuration.sla import Worklist
from shared.contracts.instants import SECOND_US
from shared.contracts.tickets import Kind
from tests.api.aging_world import World, a_world, parameters, shown

pytestmark = pytest.mark.asyncio

HOUR_US: Final = 3_600 * SECOND_US
POLICY: Final = Policy(
    "all",
    {"resolution": Promise({"p2": 48 * HOUR_US, "p3": 72 * HOUR_US}, pauses=frozenset({"customer"}))},
    label="all@1",
)
TERMS: Final = Terms(policies=(PolicyVersion((POLICY,)),), attention=(Attention(stuck_after_us=HOUR_US),))
ORDER: Final = ["desk:p1", "desk:late", "desk:soon", "desk:vip", "desk:old", "desk:young", "desk:waits"]


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        await stock(world)
        yield world


async def stock(world: World) -> None:
    async def ticket(key: str, hours_ago: float, **fields: Any) -> None:
        await world.ticket(f"desk:{key}", shown(hours_ago, **fields), terms=TERMS)

    await ticket("young", 2, queue="second")
    await ticket("old", 3)
    await ticket("vip", 1, segment="vip")
    await ticket("soon", 47, priority="p2")
    await ticket("late", 74, priority="p3")
    await ticket("p1", 0.5, priority="p1")
    await ticket("waits", 9, priority="p2", status="waiting/customer")
    await ticket("solved", 9, priority="p1", status="solved")


async def test_the_work_list_begins_with_what_to_take_next(world: World) -> None:
    assert ORDER == await world.keys(sort="worklist")
    assert ["desk:young"] == await world.keys(sort="worklist", queue="second")


async def test_each_place_has_its_number_and_its_reasons(world: World) -> None:
    tickets = (await world.json("/v1/tickets", sort="worklist"))["tickets"]
    assert [1, 2, 3, 4, 5, 6, 7] == [ticket["place"]["number"] for ticket in tickets]
    assert {
        "number": 3, "score": None,
        "because": [
            {"code": "time_left", "text": "resolution is due in 1h", "clock": "resolution",
             "due": "2026-03-03T09:00:00Z", "points": None},
            {"code": "age", "text": "open for 1d 23h", "clock": None, "due": None, "points": None},
        ],
    } == tickets[2]["place"]  # fmt: skip
    assert ["waits for customer, and no promise runs", "no promise runs", "open for 9h"] == [
        reason["text"] for reason in tickets[-1]["place"]["because"]
    ]
    assert ["stuck"] == tickets[-1]["attention"]


async def test_pages_give_each_ticket_exactly_once_whatever_happens_to_others(world: World) -> None:
    found: list[str] = []
    query: dict[str, Any] = {}
    while True:
        page = await world.json("/v1/tickets", sort="worklist", limit=2, **query)
        found += [ticket["key"] for ticket in page["tickets"]]
        if page["next"] is None:
            break
        query = {"cursor": page["next"]}
        world.clock.set(world.clock.now_us() + HOUR_US)  # deadlines pass, ages grow
        await world.ticket("desk:late", shown(74), shown(0.1, status="solved"), terms=TERMS)
        await world.ticket(f"desk:new{len(found)}", shown(0.1, priority="p1"), terms=TERMS)
    assert ORDER == found


async def test_the_last_page_says_so_even_if_it_is_full(world: World) -> None:
    assert None is (await world.json("/v1/tickets", sort="worklist", limit=7))["next"]
    assert None is not (await world.json("/v1/tickets", sort="worklist", limit=6))["next"]


async def test_a_cursor_of_another_order_is_refused(world: World) -> None:
    for sort, other in (("worklist", "age"), ("age", "worklist")):
        cursor = (await world.json("/v1/tickets", sort=sort, limit=1))["next"]
        answer = await world.get("/v1/tickets", sort=other, cursor=cursor)
        assert (422, ["cursor"]) == (answer.status_code, parameters(answer))


async def test_a_cursor_of_the_future_is_refused(world: World) -> None:
    cursor = (await world.json("/v1/tickets", sort="worklist", limit=1))["next"]
    world.clock.set(world.clock.now_us() - 1)
    assert 422 == (await world.get("/v1/tickets", sort="worklist", cursor=cursor)).status_code


async def test_more_tickets_than_anybody_works_on_want_a_filter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "ORDERED_TICKETS_MAX", 6)
    answer = await world.get("/v1/tickets", sort="worklist")
    assert (422, ["sort"]) == (answer.status_code, parameters(answer))
    assert ["desk:young"] == await world.keys(sort="worklist", queue="second")


async def test_weights_give_one_score(tmp_path: Path) -> None:
    settings = Worklist.model_validate({"weights": {"vip": 10, "past_sla": 5, "emergency": 1}})
    async with a_world(tmp_path, arrange=arrangement_of(settings)) as world:
        await stock(world)
        tickets = (await world.json("/v1/tickets", sort="worklist"))["tickets"]
        assert [("desk:vip", 10), ("desk:late", 5), ("desk:p1", 1)] == [
            (ticket["key"], ticket["place"]["score"]) for ticket in tickets[:3]
        ]
        assert ("vip", 10) in [
            (reason["code"], reason["points"]) for reason in tickets[0]["place"]["because"]
        ]


async def test_the_settings_say_whether_planned_work_goes_by_its_tags(tmp_path: Path) -> None:
    settings = Worklist.model_validate({"moscow": False})
    async with a_world(tmp_path, arrange=arrangement_of(settings)) as world:
        await world.ticket("desk:wont", shown(9, kind=Kind.PROJECT, tags=("wont",)))
        await world.ticket("desk:must", shown(1, kind=Kind.PROJECT, tags=("must",)))
        assert ["desk:wont", "desk:must"] == await world.keys(sort="worklist")
