"""How many deadlines a dry run says will move: counted from a real database of the real worker."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest

from barometer.cli import run
from barometer.consequences import Consequences, consequences
from services.aging.adapters.sql import SqlAgingStore
from shared.configuration.facts import facts_digest, facts_document
from shared.configuration.loader import read
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.instants import from_us, rfc3339
from shared.contracts.tickets import Activity, Actor, Observation
from shared.contracts.topics import CONFIG
from tests.unit.aging.observations import START_US, TENANT, at, seen
from tests.unit.aging.worker import Worker
from tests.unit.commands.embedded_log import on_bus

NOW_HOURS: Final = 4.0

HOURS: Final = """
calendars:
  desk:
    timezone: UTC
    weekly: {mon: [[00:00, 24:00]], tue: [[00:00, 24:00]], wed: [[00:00, 24:00]], thu: [[00:00, 24:00]],
      fri: [[00:00, 24:00]], sat: [[00:00, 24:00]], sun: [[00:00, 24:00]]}
"""
VERSION: Final = "    versions:\n      - {{effective_from: {at}, {rest}}}\n"


def sla(target: str, later: str = "") -> str:
    policy = "{{name: all, calendar: desk, clocks: {{first_response: {{target: {target}}}}}}}"
    versions = f"  versions:\n    - {{{later}, policies: [{policy.format(target='90m')}]}}\n" if later else ""
    return f"tenants: [{{name: {TENANT}}}, {{name: default}}]\nsla:\n  policies: [{policy.format(target=target)}]\n{versions}"


OLD: Final = HOURS + sla("4h")


def document(content: str) -> dict[str, Any]:
    return facts_document(read(content))


def recorded(content: str) -> ConfigVersion:
    start, facts = from_us(START_US), document(content)
    return ConfigVersion(
        version=1, effective_from=start, recorded_at=start, digest=facts_digest(facts), document=facts
    )


def asked(key: str, hours: float) -> Observation:
    return seen(key, hours, activity=Activity.CREATED, actor=Actor.CUSTOMER)


async def filled(database: str, version: ConfigVersion) -> None:
    """Let the worker fold four tickets: asked at 0 h (late by now), 1 h, 3 h, and one that is answered."""
    async with SqlAgingStore.open(database) as store:
        worker = Worker(store)
        worker.configurations.versions[1] = version
        await worker.start()
        worker.append(START_US, ConfigApplied(version=1, at=from_us(START_US)))
        for number, hours in enumerate((-1.0, 1.0, 3.0, 3.0)):
            worker.append(at(hours), asked(f"desk:{number}", hours))
        worker.append(at(3.5), seen("desk:3", 3.5, activity=Activity.AGENT_MESSAGE, actor=Actor.AGENT))
        await worker.rest(at(NOW_HOURS))


async def counted(directory: Path, new: str, hours: float = NOW_HOURS) -> dict[str, int]:
    """Return the counts that are not 0 if `new` follows at `hours`."""
    database = f"sqlite+aiosqlite:///{directory}/aging.db"
    await filled(database, recorded(OLD))
    found = await consequences(
        database, [recorded(OLD)], document(new), tenants=[TENANT, "default"], at_us=at(hours)
    )
    return {name: count for name, count in found.document().items() if count}


@pytest.mark.asyncio
async def test_the_same_policies_move_nothing(tmp_path: Path) -> None:
    assert {"open_tickets": 4} == await counted(tmp_path, OLD)


@pytest.mark.asyncio
async def test_edited_policies_leave_running_promises_alone(tmp_path: Path) -> None:
    assert {"open_tickets": 4} == await counted(tmp_path, HOURS + sla("1h"))


@pytest.mark.asyncio
async def test_policies_for_running_promises_move_deadlines_and_break_those_used_up(tmp_path: Path) -> None:
    later = f"effective_from: {rfc3339(at(NOW_HOURS))}, apply: running"
    # The one asked at -1 h is broken already; at 1 h has used 3 h, more than 90 m; at 3 h has 30 m left.
    expected = {"open_tickets": 4, "moved": 3, "broken_at_once": 1}
    assert expected == await counted(tmp_path, HOURS + sla("4h", later))


@pytest.mark.asyncio
async def test_hours_that_close_from_now_on_move_what_runs(tmp_path: Path) -> None:
    closed = HOURS + VERSION.format(at=rfc3339(at(NOW_HOURS)), rest='weekly: {mon: [["09:00", "17:00"]]}')
    assert {"open_tickets": 4, "moved": 2} == await counted(tmp_path, closed + sla("4h"))


@pytest.mark.asyncio
async def test_hours_that_reach_back_excuse_what_was_broken(tmp_path: Path) -> None:
    flood = HOURS + VERSION.format(
        at=rfc3339(at(-2)), rest='retroactive: Flood, weekly: {mon: [["09:00", "17:00"]]}'
    )
    assert {"open_tickets": 4, "moved": 3, "excused": 1} == await counted(tmp_path, flood + sla("4h"))


@pytest.mark.asyncio
async def test_tickets_that_no_policy_wants_any_more_end_their_promises(tmp_path: Path) -> None:
    later = f"  versions: [{{effective_from: {rfc3339(at(NOW_HOURS))}, apply: running, policies: []}}]\n"
    assert {"open_tickets": 4, "ended": 3} == await counted(tmp_path, HOURS + sla("4h") + later)


def test_the_counts_are_told_in_a_sentence() -> None:
    assert "promises of 9 open tickets: no deadline moves." == str(Consequences(open_tickets=9))
    assert "promises of 9 open tickets: 2 move, 1 are broken at once." == str(
        Consequences(open_tickets=9, moved=2, broken_at_once=1)
    )


def test_diff_counts_what_the_data_directory_holds(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "barometer.yaml"
    config.write_text(OLD)
    assert 0 == run(["config", "apply", "--config", str(config)])
    (version,) = (event for event in on_bus(data, CONFIG) if isinstance(event, ConfigVersion))
    asyncio.run(filled(f"sqlite+aiosqlite:///{data}/aging.db", version))
    config.write_text(
        OLD.replace("timezone: UTC", "timezone: Europe/Berlin").replace("[[00:00, 24:00]], tue", "[], tue")
    )
    capsys.readouterr()
    assert 0 == run(["config", "diff", "--config", str(config), "--json"])
    assert 4 == json.loads(capsys.readouterr().out)["promises"]["open_tickets"]
    assert 0 == run(["config", "diff", "--config", str(config)])
    assert capsys.readouterr().out.splitlines()[-1].startswith("promises of 4 open tickets: ")


def test_diff_says_when_nobody_can_count(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "barometer.yaml"
    config.write_text("")
    assert 0 == run(["config", "apply", "--config", str(config)])
    config.write_text(OLD)
    assert 0 == run(["config", "diff", "--config", str(config)])
    assert (
        "promises were not counted: aging has no database yet, or name it with --database"
    ) == capsys.readouterr().out.splitlines()[-1]
