"""What `GET /v1/tickets` and `GET /v1/tickets/{key}` answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.aging.ports import AgingChanges, QuarantineRow
from shared.contracts.instants import to_us
from shared.contracts.tickets import Activity
from tests.api.aging_world import KEYRING, World, a_world, ago, parameters, shown

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


@pytest_asyncio.fixture
async def stocked(world: World) -> World:
    await world.ticket("desk:1", shown(100, subject="Printer", queue="first", priority="p2"))
    await world.ticket(
        "desk:2", shown(50), shown(2, status="waiting/customer", queue="second", assignee="ann")
    )
    await world.ticket("desk:3", shown(30, queue="first"), shown(10, status="solved"))
    await world.ticket("desk:4", shown(1, queue="first", assignee="ann"))
    await world.ticket("desk:5", shown(200, queue="first"), asleep=True)
    await world.ticket("desk:6", shown(300), tenant="acme")
    return world


async def test_open_tickets_are_listed_the_oldest_first(stocked: World) -> None:
    assert ["desk:1", "desk:2", "desk:4"] == await stocked.keys()
    assert ["desk:4", "desk:2", "desk:1"] == await stocked.keys(sort="newest")


async def test_a_line_of_the_list_says_what_a_person_needs(stocked: World) -> None:
    line = (await stocked.json("/v1/tickets", assignee="ann", queue="second"))["tickets"][0]
    assert {
        "key": "desk:2", "source": "desk", "subject": None, "open": True, "status": "waiting",
        "wait_reason": "customer", "kind": None, "priority": None, "channel": None, "queue": "second",
        "assignee": "ann", "segment": None, "category": None, "age_seconds": 50 * 3600,
        "age_bucket": "24-72h", "created_at": "2026-03-01T06:00:00Z", "updated_at": "2026-03-03T06:00:00Z",
        "left_at": None, "due": None, "past_sla": False, "at_risk": False, "clocks": [], "attention": [], "place": None,
            "duplicate_group": None, "duplicates": None, "job": None, "together": None,
    } == line  # fmt: skip


async def test_an_age_stops_when_the_ticket_leaves(stocked: World) -> None:
    line = (await stocked.json("/v1/tickets", open="false"))["tickets"][0]
    assert ("desk:3", "solved", 20 * 3600) == (line["key"], line["status"], line["age_seconds"])


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"queue": "first"}, ["desk:1", "desk:4"]),
        ({"queue": ["first", "second"]}, ["desk:1", "desk:2", "desk:4"]),
        ({"assignee": ""}, ["desk:1"]),
        ({"assignee": "ann", "queue": "first"}, ["desk:4"]),
        ({"status": "waiting", "wait_reason": "customer"}, ["desk:2"]),
        ({"status": ["new", "solved"]}, ["desk:1", "desk:3", "desk:4"]),
        ({"status": "solved", "open": "true"}, []),
        ({"min_age": "50h"}, ["desk:1", "desk:2"]),
        ({"min_age": "5d"}, []),
        ({"min_age": "999999999d"}, []),
        ({"priority": ["p2", ""]}, ["desk:1", "desk:2", "desk:4"]),
        ({"source": "elsewhere"}, []),
        ({"tenant": "acme"}, ["desk:6"]),
    ],
)
async def test_a_list_is_narrowed(stocked: World, query: dict[str, str], keys: list[str]) -> None:
    assert keys == await stocked.keys(**query)


@pytest.mark.parametrize("sort", ["age", "newest"])
async def test_pages_follow_their_cursor_to_the_end(stocked: World, sort: str) -> None:
    whole, found, cursor = await stocked.keys(sort=sort), [], None
    for _ in range(3):
        more: dict[str, str] = {} if cursor is None else {"cursor": cursor}
        page = await stocked.json("/v1/tickets", limit=1, sort=sort, **more)
        found += [each["key"] for each in page["tickets"]]
        cursor = page["next"]
    assert (whole, None) == (found, cursor)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"sort": "due", "open": "false"}, "sort"),
        ({"sort": "due", "status": "solved"}, "sort"),
        ({"sort": "due", "cursor": "k8Mq"}, "cursor"),
        ({"sort": "due", "cursor": "ä"}, "cursor"),
        ({"sort": "worklist", "open": "false"}, "sort"),
        ({"sort": "worklist", "cursor": "AAAA"}, "cursor"),
        ({"sort": "size"}, "sort"),
        ({"queu": "first"}, "queu"),
        ({"limit": 501}, "limit"),
        ({"limit": 0}, "limit"),
        ({"min_age": "long"}, "min_age"),
        ({"status": "broken"}, "status.0"),
        ({"queue": "a\0b"}, "queue.0"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "ä"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "k8Mq"}, "cursor"),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_name(
    stocked: World, query: dict[str, str], parameter: str
) -> None:
    answer = await stocked.get("/v1/tickets", **query)
    assert (422, [parameter]) == (answer.status_code, parameters(answer))


async def test_a_cursor_of_another_order_is_refused(stocked: World) -> None:
    cursor = (await stocked.json("/v1/tickets", limit=1))["next"]
    answer = await stocked.get("/v1/tickets", cursor=cursor, sort="newest")
    assert (422, ["cursor"]) == (answer.status_code, parameters(answer))


async def test_a_ticket_tells_its_story(world: World) -> None:
    await world.ticket(
        "desk:a/b c",
        shown(100, Activity.CREATED, subject="Printer", created_at=ago(101), tags=("hot",), url="https://x"),
        shown(90, Activity.AGENT_MESSAGE, status="in_progress", assignee="ann", requester="bob"),
        shown(80, status="solved"),
        shown(79, status="closed"),
        shown(10, status="in_progress", assignee=None),
    )
    await world.absorbed("desk:a/b c", "desk:8", ago(50))
    await world.absorbed("desk:a/b c", "desk:9", ago(40), withdrawn=True)
    story = await world.json("/v1/tickets/desk%3Aa%2Fb%20c")
    assert ("in_progress", "bob", "https://x", ["hot"]) == (
        story["status"], story["requester"], story["url"], story["tags"]
    )  # fmt: skip
    assert [
        {
            "number": 1,
            "opened_at": "2026-02-27T03:00:00Z",
            "left_at": "2026-02-28T00:00:00Z",
            "outcome": "closed",
        },
        {"number": 2, "opened_at": "2026-03-02T22:00:00Z", "left_at": None, "outcome": None},
    ] == story["episodes"]
    assert [{"key": "desk:8", "at": "2026-03-01T06:00:00Z"}] == story["absorbed"]
    assert (5, 0) == (len(story["timeline"]), story["timeline_omitted"])
    assert {
        "at": "2026-03-02T22:00:00Z", "received_at": "2026-03-02T22:00:00.000005Z", "activity": "updated",
        "actor": None, "visibility": None, "source": "desk", "event_id": "evt-10", "sequence": None,
        "import_run": None, "pulled": False, "reason": None, "shown": {"status": "in_progress", "assignee": None},
    } == story["timeline"][-1]  # fmt: skip


async def test_a_merged_ticket_names_its_survivor(world: World) -> None:
    await world.ticket("desk:1", shown(9), shown(8, Activity.MERGED, merged_into="desk:2"))
    story = await world.json("/v1/tickets/desk:1")
    assert ("merged", "desk:2", False) == (story["status"], story["merged_into"], story["open"])
    assert "merged" == story["episodes"][0]["outcome"]


async def test_a_sleeping_ticket_can_be_looked_at(stocked: World) -> None:
    story = await stocked.json("/v1/tickets/desk:5")
    assert (True, True, "first", 200 * 3600) == (
        story["asleep"], story["open"], story["queue"], story["age_seconds"]
    )  # fmt: skip


@pytest.mark.parametrize("path", ["desk:0", "desk%3A%00", "desk:6"])
async def test_an_unknown_ticket_is_not_found(stocked: World, path: str) -> None:
    answer = await stocked.get(f"/v1/tickets/{path}")
    assert (404, "urn:barometer:problem:not-found") == (answer.status_code, answer.json()["type"])


async def test_a_key_reads_its_own_tenant_only(tmp_path: Path) -> None:
    async with a_world(tmp_path, KEYRING) as world:
        await world.ticket("desk:1", shown(9))
        await world.ticket("desk:2", shown(9), tenant="acme")
        answer = await world.get("/v1/tickets", key="reader")
        assert ["desk:2"] == [each["key"] for each in answer.json()["tickets"]]
        for path in ("/v1/tickets", "/v1/tickets/desk:1", "/v1/backlog", "/v1/backlog/morning"):
            assert 401 == (await world.get(path)).status_code
            assert 401 == (await world.get(path, key="unknown")).status_code
            assert 403 == (await world.get(path, key="publisher")).status_code
            assert 403 == (await world.get(path, key="reader", tenant="default")).status_code
        assert 404 == (await world.get("/v1/tickets/desk:1", key="reader")).status_code
        assert 200 == (await world.get("/v1/tickets/desk:2", key="reader", tenant="acme")).status_code


async def test_tickets_in_quarantine_are_listed_with_what_failed(stocked: World) -> None:
    failed = QuarantineRow(0, "default", "desk:1", to_us(ago(1)), "ZeroDivisionError: in a timer")
    await stocked.owner.commit(AgingChanges(quarantined=[failed]))
    [one] = (await stocked.json("/v1/quarantine"))["tickets"]

    assert ("desk:1", "ZeroDivisionError: in a timer") == (one["key"], one["error"])
    assert [] == (await stocked.json("/v1/quarantine", tenant="acme"))["tickets"]
