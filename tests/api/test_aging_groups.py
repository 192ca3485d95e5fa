"""What the read API tells of tickets that are probably one, and of those to be handled together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from services.aging.core.groups import groups_of, id_text
from services.aging.core.ticket import Ticket
from shared.contracts.instants import SECOND_US, to_us
from shared.contracts.tickets import Activity
from tests.api.aging_world import KEYRING, NOW, World, a_world, parameters, shown

pytestmark = pytest.mark.asyncio

KIM: Final = "kim@shop.example"
VPN: Final = groups_of(
    "default", Ticket("desk", to_us(NOW), subject="vpn down", requester=KIM, queue="network", category="vpn")
)
VPN_JOB: Final = id_text(VPN.job or 0)
KIMS: Final = id_text(VPN.duplicate_group or 0)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        await stock(world)
        yield world


async def stock(world: World) -> None:
    async def ticket(key: str, hours_ago: float, subject: str, **fields: Any) -> None:
        fields = {"requester": f"{key}@shop.example", "queue": "network", "category": "vpn", **fields}
        await world.ticket(f"desk:{key}", shown(hours_ago, subject=subject, **fields))

    await ticket("mail", 7, "Re: [#12] VPN down!", requester=KIM)
    await ticket("form", 6, "VPN down", requester="Kim@shop.example")
    await ticket("phone", 5, "vpn down", requester=KIM, queue="phone")
    await ticket("other", 50, "VPN down", priority="p1")
    await ticket("laptop", 49, "VPN down on laptop 17")
    await ticket("laptop2", 48, "FW: VPN down on laptop 4711")
    await ticket("alone", 3, "Printer on fire")
    await ticket("help", 2, "Help!!", requester=KIM)
    await ticket("solved", 4, "VPN down", requester=KIM, status="solved")
    await ticket("merged", 4, "VPN down", requester=KIM, merged_into="desk:mail")
    await ticket("spam", 4, "VPN down", requester=KIM, activity=Activity.SPAM)
    await world.ticket(
        "desk:mail", shown(4, subject="VPN down", requester=KIM, queue="network"), tenant="acme"
    )


async def counts(world: World, **query: Any) -> dict[str, tuple[Any, Any]]:
    tickets = (await world.json("/v1/tickets", **query))["tickets"]
    return {each["key"]: (each["duplicates"], each["together"]) for each in tickets}


async def test_a_list_tells_how_many_others_are_probably_the_same_and_how_many_are_of_the_same_job(
    world: World,
) -> None:
    assert {
        "desk:other": (0, 2),
        "desk:laptop": (0, 1),
        "desk:laptop2": (0, 1),
        "desk:mail": (2, 2),
        "desk:form": (2, 2),
        "desk:phone": (2, 0),
        "desk:alone": (0, 0),
        "desk:help": (0, 0),
    } == await counts(world, count_groups=True)
    assert await counts(world, count_groups=True) == await counts(world, count_groups=True, sort="due")


async def test_other_lists_name_the_groups_and_count_them_on_demand_only(world: World) -> None:
    tickets = (await world.json("/v1/tickets", queue="network"))["tickets"]
    assert {(None, None)} == {(each["duplicates"], each["together"]) for each in tickets}
    found = {each["key"]: (each["duplicate_group"], each["job"]) for each in tickets}
    assert (KIMS, VPN_JOB) == found["desk:mail"]
    assert (None, None) == found["desk:help"]


async def test_the_work_list_says_what_to_take_along(world: World) -> None:
    tickets = (await world.json("/v1/tickets", sort="worklist"))["tickets"]
    said = {
        each["key"]: [
            (one["code"], one["text"])
            for one in each["place"]["because"]
            if one["code"] in {"duplicates", "job"}
        ]
        for each in tickets
    }
    assert [
        ("duplicates", "2 other tickets of the same requester and day may be the same"),
        ("job", "can be handled together with 2 others"),
    ] == said["desk:mail"]
    assert [("job", "can be handled together with 1 other")] == said["desk:laptop"]
    assert [] == said["desk:alone"]
    assert (2, 2) == (await counts(world, sort="worklist"))["desk:mail"]


async def test_what_to_take_along_counts_tickets_that_the_list_does_not_show(world: World) -> None:
    assert {"desk:phone": (2, 0)} == await counts(world, sort="worklist", queue="phone")


async def test_a_group_can_be_listed_in_any_order(world: World) -> None:
    assert ["desk:other", "desk:mail", "desk:form"] == await world.keys(job=VPN_JOB)
    assert ["desk:form", "desk:mail", "desk:other"] == await world.keys(job=VPN_JOB, sort="newest")
    assert ["desk:other", "desk:mail", "desk:form"] == await world.keys(job=VPN_JOB, sort="worklist")
    assert ["desk:mail", "desk:form", "desk:phone"] == await world.keys(duplicate_group=KIMS)
    assert ["desk:mail", "desk:form"] == await world.keys(duplicate_group=KIMS, job=VPN_JOB)
    assert ["desk:form"] == await world.keys(
        job=[VPN_JOB, KIMS], min_age="1h", limit=1, cursor=await end(world)
    )
    assert [] == await world.keys(job=KIMS)


async def end(world: World) -> str:
    """The cursor behind all but the last ticket of the job."""
    cursor: str = (await world.json("/v1/tickets", job=VPN_JOB, limit=2))["next"]
    return cursor


async def test_one_ticket_tells_its_groups_and_their_counts(world: World) -> None:
    found = await world.json("/v1/tickets/desk:form")
    assert (KIMS, 2, VPN_JOB, 2) == tuple(
        found[name] for name in ("duplicate_group", "duplicates", "job", "together")
    )


@pytest.mark.parametrize("key", ["solved", "merged", "spam"])
async def test_a_ticket_that_left_the_stock_is_in_no_group(world: World, key: str) -> None:
    found = await world.json(f"/v1/tickets/desk:{key}")
    assert (None, 0, None, 0) == tuple(
        found[name] for name in ("duplicate_group", "duplicates", "job", "together")
    )


@pytest.mark.parametrize("query", [{"open": False}, {"status": "solved"}])
async def test_a_group_of_tickets_that_left_the_stock_is_refused(world: World, query: dict[str, Any]) -> None:
    for sort in ("age", "worklist"):
        answer = await world.get("/v1/tickets", job=VPN_JOB, sort=sort, **query)
        assert (422, ["job"]) == (answer.status_code, parameters(answer))


@pytest.mark.parametrize("id_", ["", "vpn down", VPN_JOB.upper(), VPN_JOB[1:], VPN_JOB + "0"])
async def test_what_is_no_id_of_a_group_is_refused(world: World, id_: str) -> None:
    answer = await world.get("/v1/tickets", job=id_)
    assert (422, ["job.0"]) == (answer.status_code, parameters(answer))


async def test_the_largest_jobs_tell_how_many_how_old_where_and_for_example_which(world: World) -> None:
    found = await world.json("/v1/backlog/groups")
    assert ("job", 2, 5) == (found["by"], found["groups_total"], found["tickets_total"])
    assert [
        {
            "id": VPN_JOB, "tickets": 3, "oldest_age_seconds": 50 * 3_600, "example": "desk:other",
            "subject": "VPN down", "queue": "network", "category": "vpn",
        },
        {
            "id": (await world.json("/v1/tickets/desk:laptop"))["job"], "tickets": 2, "oldest_age_seconds": 49 * 3_600,
            "example": "desk:laptop", "subject": "VPN down on laptop 17", "queue": "network", "category": "vpn",
        },
    ] == found["groups"]  # fmt: skip


async def test_the_morning_has_the_five_largest_jobs(world: World) -> None:
    for number in range(12):
        fields: dict[str, Any] = {
            "subject": f"Request of kind {'ABCDEF'[number % 6]}-{number}",
            "queue": "kinds",
        }
        await world.ticket(f"desk:kind{number}", shown(1 + number, **fields))
    jobs = (await world.json("/v1/backlog/morning"))["jobs"]
    assert [("network", 3), ("network", 2), ("kinds", 2), ("kinds", 2), ("kinds", 2)] == [
        (each["queue"], each["tickets"]) for each in jobs
    ]
    assert (await world.json("/v1/backlog/groups", limit=5))["groups"] == jobs


async def test_the_largest_groups_can_be_fewer_larger_or_of_some_tickets_only(world: World) -> None:
    async def ids(**query: Any) -> list[tuple[str, int]]:
        groups = (await world.json("/v1/backlog/groups", **query))["groups"]
        return [(each["id"], each["tickets"]) for each in groups]

    assert [(KIMS, 3)] == await ids(by="duplicate_group")
    assert [(KIMS, 2)] == await ids(by="duplicate_group", queue="network")
    assert [(VPN_JOB, 3)] == await ids(min=3)
    assert [(VPN_JOB, 3)] == await ids(limit=1)
    assert 2 == (await world.json("/v1/backlog/groups", limit=1))["groups_total"]
    assert [] == await ids(min=4)
    assert [] == await ids(tenant="nobody")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [({"by": "subject"}, "by"), ({"min": 1}, "min"), ({"limit": 501}, "limit"), ({"job": VPN_JOB}, "job")],
)
async def test_a_question_about_groups_that_makes_no_sense_is_refused(
    world: World, query: dict[str, Any], parameter: str
) -> None:
    answer = await world.get("/v1/backlog/groups", **query)
    assert (422, [parameter]) == (answer.status_code, parameters(answer))


async def test_groups_are_of_the_tenant_of_the_key(tmp_path: Path) -> None:
    async with a_world(tmp_path, KEYRING) as world:
        await stock(world)
        found = await world.get("/v1/backlog/groups", key="other")
        assert 2 == found.json()["groups_total"]
        assert 0 == (await world.get("/v1/backlog/groups", key="reader")).json()["groups_total"]
        assert 401 == (await world.get("/v1/backlog/groups")).status_code
        assert 403 == (await world.get("/v1/backlog/groups", key="publisher")).status_code


async def test_counts_follow_tickets_that_come_and_leave(world: World) -> None:
    await world.ticket("desk:form", shown(0.1, subject="VPN down", requester=KIM, status="solved"))
    assert (1, 1) == (await counts(world, count_groups=True))["desk:mail"]
    world.clock.set(world.clock.now_us() + SECOND_US)
    await world.ticket("desk:new", shown(0, subject="AW: VPN down", queue="network", category="vpn"))
    assert (1, 2) == (await counts(world, count_groups=True))["desk:mail"]
