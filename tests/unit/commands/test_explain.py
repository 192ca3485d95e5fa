"""`barometer ticket explain`: the page as a person reads it, and where its figures come from."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from barometer import explained
from barometer.cli import run
from barometer.explained import page
from services.aging.adapters.sql import SqlAgingStore
from services.aging.api.explained import TicketExplained
from services.aging.core.mark import Mark
from services.aging.core.policy import PolicyVersion
from services.aging.core.terms import Terms
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.instants import from_us
from shared.contracts.tickets import Activity, Actor, Status, WaitReason
from shared.contracts.topics import CONFIG
from tests.api.aging_world import a_world, shown
from tests.api.test_aging_explain import GOLD, TERMS
from tests.unit.aging.observations import START_US, TENANT, at, seen
from tests.unit.aging.worker import Worker
from tests.unit.commands.embedded_log import on_bus

CONFIGURATION = f"""
tenants: [{{name: {TENANT}}}, {{name: default}}]
calendars: {{desk: {{timezone: Europe/Berlin, weekly: {{tue: [["22:00", "24:00"]], wed: [["00:00", "24:00"]]}}}}}}
sla: {{policies: [{{name: all, calendar: desk, clocks: {{first_response: {{target: 4h}}, resolution: {{target: 9h}}}}}}]}}
"""


def told(directory: Path, *marks: Mark, terms: Terms = TERMS, **members: Any) -> TicketExplained:
    """Return the explanation of a ticket of the API's world, where it is Tuesday 3 March 2026, 08:00."""

    async def asked() -> TicketExplained:
        async with a_world(directory) as world:
            await world.ticket("desk:1", *marks, terms=terms)
            return TicketExplained.model_validate(await world.json("/v1/tickets/desk:1/explain"))

    return asyncio.run(asked()).model_copy(update=members)


STORY = (
    shown(118, Activity.CREATED, subject="Printer on fire", priority="p2"),
    shown(116, Activity.AGENT_MESSAGE, status="waiting/customer"),
    shown(92, Activity.CUSTOMER_MESSAGE, status="in_progress"),
)


def test_a_usual_ticket_is_told_on_one_screen(tmp_path: Path) -> None:
    assert """\
desk:1  Printer on fire
in_progress, p2, past SLA, policy support@3; as of 2026-03-03 08:00:00 UTC

AGE  118h (72h+), created 2026-02-26 10:00:00, reaches 7d 2026-03-05 10:00:00
  2026-02-26 10:00:00  2026-02-26 12:00:00  running                  2h   created [evt-118]
  2026-02-26 12:00:00  2026-02-27 12:00:00  paused:customer         24h   agent_message [evt-116]
  2026-02-27 12:00:00  now                  running                 92h   customer_message [evt-92]

NEXT RESPONSE  BROKEN, was due 2026-02-27 16:00:00, 2h over
  support@3: 4h in open time of office, version 2, then 3 from 2026-03-02 02:00:00
  2026-02-27 12:00:00  now                  running                  6h   customer_message [evt-92]; 86h closed (2026-03-02 holiday)
  used                                                               6h of 4h

RESOLUTION  due 2026-03-04 10:00:00, 12h left, warns 2026-03-03 16:00:00
  support@3: 20h in open time of office, version 2, then 3 from 2026-03-02 02:00:00
  2026-02-26 10:00:00  2026-02-26 12:00:00  running                  2h   created [evt-118]
  2026-02-26 12:00:00  2026-02-27 12:00:00  paused:customer           -   agent_message [evt-116]
  2026-02-27 12:00:00  now                  running                  6h   customer_message [evt-92]; 86h closed (2026-03-02 holiday)
  used                                                               8h of 20h

FIRST RESPONSE  met 2026-02-26 12:00:00, due 2026-02-26 14:00:00, 2h to spare

NO CLOCK  not promised: update, team""" == page(told(tmp_path, *STORY))


def test_all_tells_the_intervals_of_ended_promises_too(tmp_path: Path) -> None:
    found = page(told(tmp_path, *STORY), everything=True)
    assert (
        "  2026-02-26 10:00:00  2026-02-26 12:00:00  running                  2h   created [evt-118]\n  used                                                               2h of 4h"
        in found
    )


def test_long_stories_are_cut_and_the_rest_is_added_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explained, "INTERVALS_SHOWN", 1)
    assert "  2 earlier intervals                                                2h\n" in page(
        told(tmp_path, *STORY)
    )


def test_without_a_policy_the_conditions_that_fail_are_told(tmp_path: Path) -> None:
    nobody = Terms(policies=(PolicyVersion((GOLD,)),))
    lines = page(told(tmp_path, shown(3, segment="silver"), terms=nobody)).splitlines()
    assert [
        "NO CLOCK  no policy matches: first_response, next_response, update, resolution, team",
        "  gold@3: segment is silver, asked is gold",
    ] == lines[-2:]


def test_a_paused_promise_says_what_is_left_and_when_it_would_be_due(tmp_path: Path) -> None:
    paused = page(told(tmp_path, shown(118, Activity.CREATED), shown(116, status="waiting/customer")))
    assert "RESOLUTION  stands, 18h left, due 2026-03-04 16:00:00 if it went on now" in paused


def test_what_a_sender_wrote_does_not_steer_the_terminal(tmp_path: Path) -> None:
    first, *_ = page(told(tmp_path, *STORY, subject="\x1b[2J" + "x" * 100)).splitlines()
    assert f"desk:1  ?[2J{'x' * 53}..." == first


def test_a_withdrawn_fact_is_told(tmp_path: Path) -> None:
    found = told(tmp_path, *STORY)
    breach = next(fact for fact in found.facts if fact.type == "sla.breached")
    gone = breach.model_copy(update={"turn": 1, "stands": False, "because": None})
    assert "WITHDRAWN  sla.breached next_response of 2026-02-27 16:00:00" == page(found.model_copy(update={"facts": [gone]})).splitlines()[-1]  # fmt: skip


async def filled(database: str, version: ConfigVersion) -> None:
    async with SqlAgingStore.open(database) as store:
        worker = Worker(store)
        worker.configurations.versions[version.version] = version
        await worker.start()
        worker.append(START_US, ConfigApplied(version=version.version, at=from_us(START_US)))
        worker.append(at(1), seen("desk:1", 1, id="asked", activity=Activity.CREATED, actor=Actor.CUSTOMER))
        worker.append(
            at(3), seen("desk:1", 3, id="told", status=Status.WAITING, wait_reason=WaitReason.CUSTOMER)
        )
        await worker.rest(at(4))


@pytest.fixture
def stored(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A data directory whose tickets a real worker folded, by a published configuration."""
    (tmp_path / "barometer.yaml").write_text(CONFIGURATION)
    begin = ["--effective-from", "2023-01-01T00:00:00Z"]
    assert 0 == run(["config", "apply", "--config", str(tmp_path / "barometer.yaml"), *begin])
    (version,) = (event for event in on_bus(data, CONFIG) if isinstance(event, ConfigVersion))
    asyncio.run(filled(f"sqlite+aiosqlite:///{data}/aging.db", version))
    capsys.readouterr()
    return data


def test_it_is_told_from_the_data_directory_by_the_terms_that_the_partition_adopted(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run(["ticket", "explain", "desk:1", "--tenant", TENANT, "--data", str(stored)])
    output = capsys.readouterr().out
    assert output.startswith("desk:1\nwaiting for customer, past SLA, policy all@1; as of ")
    # It begins at 22:13:20 UTC.
    assert "  all@1: 9h in open time of desk, version 1\n" in output
    assert (
        "  2023-11-14 23:13:20  2023-11-15 01:13:20  running                  2h   created by customer [asked]\n"
        in output
    )


def test_as_json_it_is_what_the_api_answers(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(["ticket", "explain", "desk:1", "--tenant", TENANT, "--data", str(stored), "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert "desk:1" == answer["key"]
    for clock in answer["clocks"]:
        assert clock["used_seconds"] == sum(one["counted_seconds"] for one in clock["intervals"])


@pytest.mark.parametrize(
    ("key", "told"),
    [("desk:nobody", "there is no ticket desk:nobody of tenant default"), ("\0", "there is no ticket")],
)
def test_a_ticket_that_is_not_there_is_told_so(
    stored: Path, key: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == run(["ticket", "explain", key, "--data", str(stored)])
    assert told in capsys.readouterr().err


def test_without_a_database_the_mend_is_told(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == run(["ticket", "explain", "desk:1", "--data", str(data)])
    assert "name it with --data or --database" in capsys.readouterr().err
