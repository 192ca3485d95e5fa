"""How promises stand, in lists and on the ticket: as of this moment, by the terms of the ticket's partition."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.aging.api import PartitionTerms, ordering, present
from services.aging.core.note import Note, encode_note
from services.aging.core.policy import Policy, PolicyVersion, Promise, Stage
from services.aging.core.terms import HoursVersion, Terms
from services.aging.core.ticket import Ticket
from services.aging.ports import AgingChanges
from services.aging.settings import default_terms
from shared.calendars.compiled import compiled
from shared.calendars.definition import definition_from
from shared.calendars.hours import ALWAYS
from shared.configuration.facts import facts_document
from shared.configuration.loader import read
from shared.contracts.configuration import ConfigVersion
from shared.contracts.instants import EPOCH, SECOND_US, to_us
from shared.contracts.tickets import Activity
from tests.api.aging_world import NOW, World, a_world, ago, parameters, shown

pytestmark = pytest.mark.asyncio

HOUR_US = 3_600 * SECOND_US
POLICY = Policy(
    "all",
    {
        "first_response": Promise({"default": 4 * HOUR_US}, (Stage(0.5),)),
        "resolution": Promise(
            {"p1": 2 * HOUR_US, "p2": 10 * HOUR_US}, (Stage(0.8),), frozenset({"customer"})
        ),
    },
    calendar="office",
    label="all@1",
)
TERMS = Terms(policies=(PolicyVersion((POLICY,)),), timetables={"office": (HoursVersion(0, ALWAYS, "1"),)})


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        world.terms = TERMS
        yield world


@pytest_asyncio.fixture
async def stocked(world: World) -> World:
    await world.ticket("desk:late", shown(6), shown(5.9, Activity.AGENT_MESSAGE, priority="p1"))
    await world.ticket("desk:risk", shown(3, priority="p2"))
    await world.ticket("desk:new", shown(0.5, priority="p2"))
    await world.ticket(
        "desk:waits", shown(7), shown(6, Activity.AGENT_MESSAGE, priority="p2", status="waiting/customer")
    )
    await world.ticket("desk:none", shown(9), shown(8.9, Activity.AGENT_MESSAGE))
    await world.ticket("desk:over", shown(9, priority="p1"), shown(8, status="solved"))
    return world


def some(members: dict[str, Any], *names: str) -> list[Any]:
    return [members[name] for name in names]


async def test_a_list_by_deadline_begins_with_what_is_broken_and_ends_with_what_has_none(
    stocked: World,
) -> None:
    assert ["desk:late", "desk:risk", "desk:new", "desk:none", "desk:waits"] == await stocked.keys(sort="due")


async def test_pages_by_deadline_follow_each_other_though_time_passes(stocked: World) -> None:
    whole = await stocked.keys(sort="due")
    found: list[str] = []
    cursor: str | None = None
    while cursor is not None or not found:
        page = await stocked.json(
            "/v1/tickets", sort="due", limit=2, **({"cursor": cursor} if cursor else {})
        )
        found += [each["key"] for each in page["tickets"]]
        cursor = page["next"]
        stocked.clock.set(stocked.clock.now_us() + HOUR_US)
    assert whole == found


async def test_a_list_by_deadline_has_filters_and_a_limit(
    stocked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "ORDERED_TICKETS_MAX", 3)
    answer = await stocked.get("/v1/tickets", sort="due")
    assert (422, ["sort"]) == (answer.status_code, parameters(answer))
    assert ["desk:risk", "desk:new", "desk:waits"] == await stocked.keys(sort="due", priority="p2")


async def test_a_line_says_how_each_promise_stands(stocked: World) -> None:
    lines = {each["key"]: each for each in (await stocked.json("/v1/tickets"))["tickets"]}
    assert [True, False, "2026-03-03T04:00:00Z"] == some(lines["desk:late"], "past_sla", "at_risk", "due")
    assert [False, True] == some(lines["desk:risk"], "past_sla", "at_risk")
    assert [
        {
            "clock": "first_response", "instance": 1, "policy": "all@1", "state": "running",
            "due": "2026-03-03T09:00:00Z", "target_seconds": 14400, "remaining_seconds": 3600, "breached": False,
        },
        {
            "clock": "resolution", "instance": 1, "policy": "all@1", "state": "running",
            "due": "2026-03-03T15:00:00Z", "target_seconds": 36000, "remaining_seconds": 25200, "breached": False,
        },
    ] == lines["desk:risk"]["clocks"]  # fmt: skip
    (paused,) = lines["desk:waits"]["clocks"]
    assert ["paused", None, 32400] == some(paused, "state", "due", "remaining_seconds")
    assert [None, []] == some(lines["desk:none"], "due", "clocks")


async def test_a_ticket_itself_says_the_same_and_one_that_left_has_no_clocks(stocked: World) -> None:
    line = next(each for each in (await stocked.json("/v1/tickets"))["tickets"] if each["key"] == "desk:late")
    ticket = await stocked.json("/v1/tickets/desk:late")
    assert some(line, "due", "past_sla", "clocks") == some(ticket, "due", "past_sla", "clocks")
    assert [None, False, []] == some(await stocked.json("/v1/tickets/desk:over"), "due", "past_sla", "clocks")


async def test_time_has_passed_though_no_row_was_written(stocked: World) -> None:
    stocked.clock.set(to_us(NOW + timedelta(hours=2)))
    line = await stocked.json("/v1/tickets/desk:risk")
    assert [True, "2026-03-03T09:00:00Z", -3600] == [
        line["past_sla"],
        line["due"],
        line["clocks"][0]["remaining_seconds"],
    ]


async def test_a_ticket_whose_time_cannot_pass_is_shown_as_last_stated(
    stocked: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisonous(ticket: Ticket, *_: Any, **__: Any) -> None:
        if ticket.priority == "p2":
            raise ValueError("poison")

    monkeypatch.setattr(present, "advance", poisonous)
    lines = {each["key"]: each for each in (await stocked.json("/v1/tickets", sort="due"))["tickets"]}
    assert [5, "2026-03-03T09:00:00Z"] == [len(lines), lines["desk:risk"]["due"]]


async def test_a_calendar_that_changed_moves_deadlines_though_no_row_was_written(stocked: World) -> None:
    office = compiled(
        definition_from(
            {"timezone": "UTC", "weekly": {"tue": [["08:00", "09:00"]], "wed": [["08:00", "18:00"]]}}
        )
    )
    changed = (HoursVersion(0, ALWAYS, "1"), HoursVersion(to_us(NOW), office, "2"))
    stocked.terms = Terms(policies=TERMS.policies, timetables={"office": changed}, generation=1)
    line = await stocked.json("/v1/tickets/desk:new")
    assert ["2026-03-04T10:30:00Z", "2026-03-04T16:30:00Z"] == [each["due"] for each in line["clocks"]]


async def test_a_calendar_that_never_opens_is_said_aloud(world: World) -> None:
    never = compiled(definition_from({"timezone": "UTC", "weekly": {}}, may_never_open=True))
    terms = Terms(policies=TERMS.policies, timetables={"office": (HoursVersion(0, never),)})
    await world.ticket("desk:1", shown(3), terms=terms)
    (clock,) = (await world.json("/v1/tickets/desk:1"))["clocks"]
    assert ["no_opening", None, 14400, False] == some(clock, "state", "due", "remaining_seconds", "breached")


class Published:
    """Configurations as they were recorded."""

    def __init__(self, *written: str) -> None:
        self._versions = [
            ConfigVersion(
                version=number,
                effective_from=EPOCH,
                recorded_at=EPOCH,
                digest="",
                document=facts_document(read(text)),
            )
            for number, text in enumerate(written, 1)
        ]
        self.asked: list[int] = []

    async def version(self, number: int) -> ConfigVersion:
        self.asked.append(number)
        return self._versions[number - 1]


async def test_the_terms_of_a_partition_are_what_it_adopted_and_from_when(world: World) -> None:
    written = "sla: {policies: [{name: a, clocks: {resolution: {target: TARGET}}}]}"
    published = Published(written.replace("TARGET", "1h"), written.replace("TARGET", "1d"))
    terms = PartitionTerms(world.store, published, default_terms())
    assert default_terms().policies == (await terms())[0].policies
    await world.owner.commit(AgingChanges(), note=encode_note(Note(configs=[(1, 0), (2, to_us(ago(2)))])))
    found = (await terms())[0]
    assert ["a@1", "a@2"] == [version.policies[0].label for version in found.policies]
    assert [2, to_us(ago(2))] == [found.generation, found.policies[1].effective_us]
    await terms()
    assert [1, 2] == published.asked
