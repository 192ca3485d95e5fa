"""What `GET /v1/backlog` and `GET /v1/backlog/morning` answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import pytest
import pytest_asyncio
from fastapi import FastAPI

from services.aging.api import asking, past, router
from services.aging.core.policy import Policy, PolicyVersion, Promise, Stage
from services.aging.core.terms import Attention, Terms
from services.aging.core.timeline import as_of
from shared.contracts.instants import SECOND_US
from shared.contracts.tickets import Activity, Channel, Kind, Priority, WaitReason
from shared.http.keys import Keyring
from tests.api.aging_world import AGE, World, a_world, ago, parameters, shown

pytestmark = pytest.mark.asyncio

FLAGGED = ("past_sla", "at_risk", "stuck", "stale", "bouncing", "close_candidates")
HOUR_US = 3_600 * SECOND_US


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


@pytest_asyncio.fixture
async def stocked(world: World) -> World:
    """Yesterday (24 h ago) open: 1, 2, 3 and 4; now open: 1, 2, 5 and 6."""
    await world.ticket("desk:1", shown(100, queue="first", priority="p1"))
    await world.ticket("desk:2", shown(72, queue="first"), shown(2, status="waiting/vendor", queue="second"))
    await world.ticket("desk:3", shown(30, queue="first", assignee="ann"), shown(10, status="solved"))
    await world.ticket("desk:4", shown(40, queue="third"), shown(24, queue="second"), shown(3, Activity.SPAM))
    await world.ticket("desk:5", shown(60), shown(50, status="closed"), shown(5, status="in_progress"))
    await world.ticket("desk:6", shown(1, created_at=ago(1.5), assignee="bob"))
    await world.ticket("desk:7", shown(20, queue="first"), shown(19, status="solved"))
    await world.ticket("desk:8", shown(400), shown(300, status="solved"))
    await world.ticket("desk:9", shown(500), asleep=True)
    await world.ticket("acme:1", shown(500), tenant="acme")
    return world


def some(figures: dict[str, Any], *names: str) -> list[Any]:
    return [figures[name] for name in names]


async def test_an_empty_backlog_is_all_zeros(world: World) -> None:
    answer = await world.json("/v1/backlog", by="queue")
    assert [] == answer["groups"]
    assert [0, 0, None, None] == some(
        answer["total"], "open", "unowned", "oldest_age_seconds", "average_age_seconds"
    )
    assert {"0-24h": 0, "24-72h": 0, "72h+": 0} == answer["total"]["by_bucket"]


async def test_the_figures_of_now(stocked: World) -> None:
    answer = await stocked.json("/v1/backlog")
    assert {
        "open": 4, "not_started": 2, "in_progress": 1, "waiting": 1, "unowned": 3,
        "by_bucket": {"0-24h": 1, "24-72h": 1, "72h+": 2},
        "older_than": {"24h": 3, "48h": 3, "72h": 2, "7d": 0, "30d": 0},
        "oldest_age_seconds": 100 * 3600, "average_age_seconds": (100 + 72 + 60 + 1.5) / 4 * 3600,
        "past_sla": 0, "at_risk": 0, "stuck": 0, "stale": 0, "bouncing": 0, "close_candidates": 0,
    } == answer["total"]  # fmt: skip
    assert [[], []] == some(answer, "by", "groups")


async def test_figures_are_grouped_by_any_dimensions_the_fullest_first(stocked: World) -> None:
    answer = await stocked.json("/v1/backlog", by=["status", "queue"])
    assert [
        ({"status": "in_progress", "queue": None}, 1, 0),
        ({"status": "new", "queue": None}, 1, 1),
        ({"status": "new", "queue": "first"}, 1, 1),
        ({"status": "waiting", "queue": "second"}, 1, 0),
    ] == [(group["values"], group["open"], group["not_started"]) for group in answer["groups"]]
    by_queue = await stocked.json("/v1/backlog", by="queue", assignee=["", "bob"])
    assert [(None, 2), ("first", 1), ("second", 1)] == [
        (group["values"]["queue"], group["open"]) for group in by_queue["groups"]
    ]


async def test_the_figures_of_a_past_instant_are_what_was_true_then(stocked: World) -> None:
    answer = await stocked.json("/v1/backlog", by="queue", at=ago(24).isoformat())
    assert [4, 4, 0, 3] == some(answer["total"], "open", "not_started", "waiting", "unowned")
    assert [76 * 3600, {"0-24h": 2, "24-72h": 1, "72h+": 1}] == some(
        answer["total"], "oldest_age_seconds", "by_bucket"
    )
    assert [("first", 3), ("second", 1)] == [
        (group["values"]["queue"], group["open"]) for group in answer["groups"]
    ]
    filtered = await stocked.json("/v1/backlog", queue="second", at=ago(2).isoformat())
    assert [1, 1] == some(filtered["total"], "open", "waiting")


async def test_the_figures_of_this_very_instant_are_the_same_both_ways(stocked: World) -> None:
    now = await stocked.json("/v1/backlog", by=["queue", "priority", "assignee"])
    counted = await stocked.json("/v1/backlog", by=["queue", "priority", "assignee"], at=ago(0).isoformat())
    assert now == counted


async def test_what_asks_for_attention_and_broken_promises_are_counted_in_each_group(world: World) -> None:
    attention = Attention(stuck_after_us=HOUR_US, stale_after_us=5 * HOUR_US, bounces=1)
    policy = Policy("all", {"resolution": Promise({"default": 3 * HOUR_US}, (Stage(0.5),))}, label="all@1")
    terms = Terms(policies=(PolicyVersion((policy,)),), attention=(attention,))
    await world.ticket("desk:1", shown(2, queue="first", status="waiting/vendor"), terms=terms)
    await world.ticket("desk:2", shown(30, queue="old"), shown(20, queue="second"), terms=terms)
    await world.ticket("desk:3", shown(9, queue="second"), shown(1, status="solved"), terms=terms)
    answer = await world.json("/v1/backlog", by="queue")
    assert {"first": [0, 1, 1, 0, 0, 0], "second": [1, 0, 0, 1, 1, 0]} == {
        group["values"]["queue"]: some(group, *FLAGGED) for group in answer["groups"]
    }
    morning = (await world.json("/v1/backlog/morning"))["now"]
    assert [1, 1, 1, 1, 1, 0] == some(answer["total"], *FLAGGED) == some(morning, *FLAGGED)


async def test_promises_and_signals_of_a_past_instant_are_those_that_stood_then(world: World) -> None:
    attention = Attention(stuck_after_us=HOUR_US, stale_after_us=5 * HOUR_US, bounces=1)
    policy = Policy("all", {"resolution": Promise({"default": 6 * HOUR_US}, (Stage(0.5),))}, label="all@1")
    terms = Terms(policies=(PolicyVersion((policy,)),), attention=(attention,))
    await world.ticket("desk:1", shown(8, queue="first", status="waiting/vendor"), terms=terms)
    await world.ticket("desk:2", shown(8), shown(1, status="solved"))
    await world.ticket("desk:3", shown(8), shown(3, status="in_progress"))
    found = [
        (hours, some((await world.json("/v1/backlog", at=ago(hours).isoformat()))["total"], "open", *FLAGGED))
        for hours in (7.5, 5, 2, 1.5, 0)
    ]
    assert [
        (7.5, [3, 0, 0, 0, 0, 0, 0]),
        (5, [3, 0, 3, 1, 0, 0, 0]),
        (2, [3, 0, 3, 1, 2, 0, 0]),
        (1.5, [3, 3, 0, 1, 2, 0, 0]),
        (0, [2, 2, 0, 1, 1, 0, 0]),
    ] == found


async def test_a_ticket_counts_from_its_creation_even_if_it_was_reported_later(stocked: World) -> None:
    assert 1 == len((await stocked.json("/v1/tickets", assignee="bob"))["tickets"])
    before = await stocked.json("/v1/backlog", at=ago(1.6).isoformat())
    after = await stocked.json("/v1/backlog", at=ago(1.4).isoformat())
    assert before["total"]["open"] + 1 == after["total"]["open"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"at": "2026-03-03T08:00:01Z"}, "at"),
        ({"at": "2026-03-03T08:00:00"}, "at"),
        ({"at": "1969-01-01T00:00:00Z"}, "at"),
        ({"at": "9999-12-31T23:59:59+00:00"}, "at"),
        ({"at": "yesterday"}, "at"),
        ({"by": "size"}, "by.0"),
        ({"group": "queue"}, "group"),
        ({"priority": "p5"}, "priority.0"),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_name(
    world: World, query: dict[str, str], parameter: str
) -> None:
    answer = await world.get("/v1/backlog", **query)
    assert (422, [parameter]) == (answer.status_code, parameters(answer))


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        (asking.KindAsked, Kind),
        (asking.PriorityAsked, Priority),
        (asking.ChannelAsked, Channel),
        (asking.WaitReasonAsked, WaitReason),
    ],
)
async def test_every_known_value_can_be_asked_for_and_none_at_all(asked: object, known: type[Enum]) -> None:
    assert {*(each.value for each in known), ""} == set(get_args(asked))


async def test_an_instant_that_is_too_much_work_is_refused_and_the_morning_goes_without_it(
    stocked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, text in (("STANDING_TICKETS_MAX", "were open then"), ("CHANGED_TICKETS_MAX", "changed since")):
        with monkeypatch.context() as patch:
            patch.setattr(past, limit, 1)
            answer = await stocked.get("/v1/backlog", at=ago(24).isoformat())
            assert (422, ["at"]) == (answer.status_code, parameters(answer))
            assert text in answer.json()["errors"][0]["detail"]
            flow = (await stocked.json("/v1/backlog/morning"))["last_24h"]
            assert [2, None, None, None, None] == some(
                flow, "arrived", "open_then", "growth", "growth_ratio", "reopened"
            )


async def test_too_many_groups_are_refused(stocked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.aging.api.backlog.GROUPS_MAX", 1)
    answer = await stocked.get("/v1/backlog", by="queue")
    assert (422, ["by"]) == (answer.status_code, parameters(answer))


async def test_the_morning_tells_how_much_how_old_and_which_way_it_goes(stocked: World) -> None:
    morning = await stocked.json("/v1/backlog/morning")
    assert (await stocked.json("/v1/backlog"))["total"] == morning["now"]
    assert {"customer": 0, "vendor": 1, "internal": 0, "scheduled": 0} == morning["waiting_by_reason"]
    assert {"p1": 1, "p2": 0, "p3": 0, "p4": 0, "none": 3} == morning["by_priority"]
    assert ["desk:1", "desk:2", "desk:5", "desk:6"] == [each["key"] for each in morning["oldest"]]
    assert {
        "since": "2026-03-02T08:00:00Z", "arrived": 2,
        "left": {"solved": 2, "closed": 0, "merged": 0, "void": 1, "total": 3},
        "open_then": 4, "growth": 0, "growth_ratio": 0.0, "reopened": 1,
    } == morning["last_24h"]  # fmt: skip


async def test_each_queue_has_its_line_in_the_morning(stocked: World) -> None:
    lines = (await stocked.json("/v1/backlog/morning"))["queues"]
    names = ("queue", "open", "not_started", "waiting", "unowned", "arrived", "left", "growth")
    assert [
        [None, 2, 1, 0, 1, 1, 0, 2],
        ["first", 1, 1, 0, 1, 1, 2, -2],
        ["second", 1, 0, 1, 1, 0, 1, 0],
    ] == [some(line, *names) for line in lines]
    assert [100 * 3600, {"0-24h": 0, "24-72h": 0, "72h+": 1}] == some(
        lines[1], "oldest_age_seconds", "by_bucket"
    )


async def test_figures_say_up_to_where_they_know(world: World) -> None:
    assert (await world.json("/v1/backlog"))["known_until"] is None
    await world.ticket("desk:1", shown(1))
    assert "1970-01-01T00:00:01Z" == (await world.json("/v1/backlog/morning"))["known_until"]


async def test_every_route_and_figure_is_documented(world: World) -> None:
    app = FastAPI()
    app.include_router(
        router(
            world.store,
            clock=world.clock,
            keyring=Keyring(()),
            age=lambda: AGE,
            as_of=as_of,
            terms=world.terms_now,
        )
    )
    document = app.openapi()
    paths = {
        "/v1/tickets", "/v1/tickets/{key}", "/v1/tickets/{key}/explain", "/v1/backlog", "/v1/backlog/groups",
        "/v1/backlog/morning", "/v1/quarantine", "/v1/sla/preview",
    }  # fmt: skip
    assert paths == set(document["paths"])
    for path in document["paths"].values():
        (route,) = path.values()
        assert route["summary"]
        assert route["description"]
        assert "application/problem+json" in route["responses"]["422"]["content"]
    asked = {each["name"] for each in document["paths"]["/v1/tickets"]["get"]["parameters"]}
    assert {"queue", "assignee", "min_age", "sort", "cursor", "limit", "tenant"} <= asked
    flow = document["components"]["schemas"]["Flow"]["properties"]
    assert all(
        "description" in member for name, member in flow.items() if name != "since" and "$ref" not in member
    )
