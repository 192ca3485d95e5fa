"""`GET /v1/tickets/{key}/explain`: the sums, the causes, and what is told when there is nothing to tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.aging.api import explanation
from services.aging.core.policy import Policy, PolicyVersion, Promise, Stage
from services.aging.core.terms import HoursVersion, Terms
from shared.calendars.compiled import compiled
from shared.calendars.definition import definition_from
from shared.contracts.instants import SECOND_US, to_us
from shared.contracts.tickets import Activity
from tests.api.aging_world import KEYRING, NOW, World, a_world, ago, shown

pytestmark = pytest.mark.asyncio

HOUR_US = 3_600 * SECOND_US
WEEKLY = {day: [["08:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
OFFICE = compiled(definition_from({"timezone": "UTC", "weekly": WEEKLY, "holidays": ["2026-03-02"]}))
SUPPORT = Policy(
    "support",
    {
        "first_response": Promise({"default": 4 * HOUR_US}, (Stage(0.5),)),
        "next_response": Promise({"default": 4 * HOUR_US}),
        "resolution": Promise({"default": 20 * HOUR_US}, (Stage(0.8),), frozenset({"customer"})),
    },
    calendar="office",
    label="support@3",
)
GOLD = Policy(
    "gold", {"resolution": Promise({"default": HOUR_US})}, {"segment": frozenset({"gold"})}, label="gold@3"
)
TERMS = Terms(
    policies=(PolicyVersion((GOLD, SUPPORT)),),
    timetables={"office": (HoursVersion(0, OFFICE, "2"), HoursVersion(to_us(ago(30)), OFFICE, "3"))},
)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        world.terms = TERMS
        # Thursday 26 February 10:00; answered at 12:00, waiting until Friday 12:00. It is Tuesday 3 March, 08:00.
        await world.ticket(
            "desk:1",
            shown(118, Activity.CREATED, queue="first"),
            shown(116, Activity.AGENT_MESSAGE, status="waiting/customer"),
            shown(92, Activity.CUSTOMER_MESSAGE, status="in_progress"),
        )
        yield world


async def explained(world: World, key: str = "desk:1") -> Any:
    return await world.json(f"/v1/tickets/{key}/explain")


def clock(answer: Any, name: str) -> Any:
    (found,) = [each for each in answer["clocks"] if each["clock"] == name]
    return found


def some(members: dict[str, Any], *names: str) -> list[Any]:
    return [members[name] for name in names]


async def test_the_intervals_of_each_promise_add_up_to_what_is_used_of_its_target(world: World) -> None:
    answer = await explained(world)
    assert 3 == len(answer["clocks"])
    for each in answer["clocks"]:
        assert each["used_seconds"] == sum(one["counted_seconds"] for one in each["intervals"])
        assert each["target_seconds"] == each["used_seconds"] + each["remaining_seconds"]


async def test_the_intervals_of_the_age_add_up_to_it(world: World) -> None:
    age = (await explained(world))["age"]
    assert 118 * 3600 == age["age_seconds"] == sum(one["counted_seconds"] for one in age["intervals"])
    assert ["running", "paused:customer", "running"] == [one["kind"] for one in age["intervals"]]
    assert ["created", "72h+", "7d", "2026-03-05T10:00:00Z"] == some(
        age, "counted_from", "age_bucket", "next_edge", "next_edge_at"
    )


async def test_each_interval_says_what_counted_and_what_it_began_and_ended_with(world: World) -> None:
    resolution = clock(await explained(world), "resolution")
    assert [
        ["running", 7200, 7200, 0],
        ["paused:customer", 0, 86400, 14 * 3600],
        ["running", 6 * 3600, 92 * 3600, 86 * 3600],
    ] == [
        some(one, "kind", "counted_seconds", "wall_seconds", "closed_seconds")
        for one in resolution["intervals"]
    ]
    assert [("evt-118", "evt-116"), ("evt-116", "evt-92"), ("evt-92", None)] == [
        (one["began"]["event_id"], one["ended"] and one["ended"]["event_id"])
        for one in resolution["intervals"]
    ]
    assert [{"date": "2026-03-02", "kind": "holiday"}] == resolution["intervals"][2]["special_dates"]


async def test_a_promise_says_its_policy_calendar_versions_and_deadline(world: World) -> None:
    resolution = clock(await explained(world), "resolution")
    assert ["support@3", "office", "running", "2026-03-04T10:00:00Z", 12 * 3600] == some(
        resolution, "policy", "calendar", "state", "due", "remaining_seconds"
    )
    assert [["2", None], ["3", "2026-03-02T02:00:00Z"]] == [
        some(one, "version", "effective_from") for one in resolution["hours"]
    ]


async def test_an_ended_promise_says_how_it_ended(world: World) -> None:
    first = clock(await explained(world), "first_response")
    assert ["met", "2026-02-26T12:00:00Z", "2026-02-26T14:00:00Z", 7200] == some(
        first, "state", "ended_at", "due", "remaining_seconds"
    )
    assert ["sla.started", "sla.met"] == [fact["type"] for fact in first["facts"]]


async def test_a_broken_promise_says_when_and_since_what(world: World) -> None:
    following = clock(await explained(world), "next_response")
    assert [True, "running", "2026-02-27T16:00:00Z", -7200] == some(
        following, "breached", "state", "due", "remaining_seconds"
    )
    breach = next(fact for fact in following["facts"] if fact["type"] == "sla.breached")
    assert ["2026-02-27T16:00:00Z", True, "time"] == [breach["at"], breach["stands"], breach["because"]["by"]]


async def test_policies_and_absent_clocks_say_why(world: World) -> None:
    answer = await explained(world)
    gold, support = answer["policies"]
    assert [{"field": "segment", "accepted": ["gold"], "shown": [], "holds": False}] == gold["conditions"]
    assert [False, True] == [gold["matches"], support["matches"]]
    assert {"first_response": "ended", "update": "not_promised", "team": "not_promised"} == {
        each["clock"]: each["reason"] for each in answer["no_clock"]
    }


async def test_without_a_policy_the_age_is_explained_all_the_same(world: World) -> None:
    await world.ticket("desk:2", shown(3), terms=Terms(policies=(PolicyVersion((GOLD,)),)))
    answer = await explained(world, "desk:2")
    assert [None, []] == some(answer, "policy", "clocks")
    assert {"no_policy"} == {each["reason"] for each in answer["no_clock"]}
    assert 10800 == answer["age"]["age_seconds"]


async def test_a_ticket_that_sleeps_is_explained_as_it_will_be(world: World) -> None:
    await world.ticket("desk:asleep", shown(5), asleep=True)
    assert [True, "support@3"] == some(await explained(world, "desk:asleep"), "asleep", "policy")


async def test_long_lists_are_cut_and_what_is_cut_is_added_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation, "INTERVALS_MAX", 1)
    monkeypatch.setattr(explanation, "FACTS_MAX", 2)
    answer = await explained(world)
    resolution = clock(answer, "resolution")
    assert [1, {"intervals": 2, "counted_seconds": 7200}] == [
        len(resolution["intervals"]),
        resolution["earlier"],
    ]
    assert 28800 == resolution["used_seconds"]
    assert [2, True] == [len(answer["facts"]), answer["facts_omitted"] > 0]


async def test_a_key_may_hold_slashes(world: World) -> None:
    await world.ticket("desk:a/b", shown(1))
    assert "desk:a/b" == (await explained(world, "desk:a/b"))["key"]


async def test_a_ticket_that_is_not_there_is_not_explained(world: World) -> None:
    answer = await world.get("/v1/tickets/desk:nobody/explain")
    assert (404, "application/problem+json") == (answer.status_code, answer.headers["content-type"])


async def test_a_key_explains_its_own_tenants_tickets_only(tmp_path: Path) -> None:
    async with a_world(tmp_path, KEYRING) as world:
        await world.ticket("desk:1", shown(1), tenant="acme")
        codes = [
            (await world.get("/v1/tickets/desk:1/explain", key=name)).status_code
            for name in ("reader", "other", "publisher")
        ]
    assert [200, 404, 403] == codes


async def test_the_answer_is_to_the_second(world: World) -> None:
    world.clock.set(to_us(NOW) + 999_999)
    assert "2026-03-03T08:00:00Z" == (await explained(world))["at"]
