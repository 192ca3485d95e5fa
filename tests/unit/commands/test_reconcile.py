"""`barometer reconcile`: what is missing comes, what is a ghost goes, and what moved meanwhile stays as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from barometer.cli import run
from services.aging.adapters.sql import SqlAgingStore
from services.aging.ports import TicketRow
from shared.contracts.instants import rfc3339
from shared.contracts.tickets import Activity, Observation, Priority, Status
from shared.contracts.topics import EVENTS
from tests.unit.aging.observations import TENANT, at, seen
from tests.unit.aging.worker import Worker
from tests.unit.commands.embedded_log import on_bus

LIST_HOURS = 10
LIST_AT = rfc3339(at(LIST_HOURS))
CONFIGURATION = f"""
tenants: [{{name: {TENANT}}}]
sources: [{{name: desk, tenant: {TENANT}, status: {{map: {{Neu: new, Erledigt: solved}}}}}}]
"""
KNOWN = (
    seen("desk:open", 1, status=Status.NEW),
    seen("desk:ghost", 1, status=Status.IN_PROGRESS),
    seen("desk:ended", 1, status=Status.NEW),
    seen("desk:ended", 2, status=Status.SOLVED),
    seen("desk:spam", 1, activity=Activity.SPAM),
    seen("desk:late", 1, status=Status.NEW),
    seen("desk:late", LIST_HOURS, status=Status.SOLVED),
    seen("desk:young", LIST_HOURS + 1, status=Status.NEW),
    seen("desk:busy", 1, status=Status.NEW),
    seen("desk:busy", LIST_HOURS + 1, priority=Priority.P1),
    seen("mail:other", 1, source="mail", status=Status.NEW),
)
LIST = "id,status,priority\nopen,Neu,p2\nended,Neu,p2\nspam,Neu,\nlate,Neu,\nnever,Neu,p1\n"


class Desk:
    """Aging's database in a data directory, and a list beside it."""

    def __init__(self, directory: Path, data: Path) -> None:
        self.list = directory / "list.csv"
        self.data = data
        self.told: list[Observation] = list(KNOWN)
        (directory / "barometer.yaml").write_text(CONFIGURATION)

    def reconcile(self, *arguments: str, list_: str = LIST, **other: str) -> int:
        self.list.write_text(list_)
        named = {"as-of": LIST_AT, "source": "desk", "tenant": TENANT, "data": str(self.data)} | other
        fixed = [word for name, value in named.items() for word in (f"--{name}", value)]
        return run(["reconcile", str(self.list), *fixed, *arguments])

    def sent(self) -> list[Observation]:
        return [event for event in on_bus(self.data, EVENTS) if isinstance(event, Observation)]

    def rows(self, observations: Sequence[Observation]) -> Mapping[str, TicketRow]:
        """Return what aging makes of `observations`, in its database from then on."""

        async def fold() -> Mapping[str, TicketRow]:
            for file in self.data.glob("aging.db*"):
                file.unlink()
            async with SqlAgingStore.open(f"sqlite+aiosqlite:///{self.data}/aging.db") as store:
                worker = Worker(store)
                await worker.start()
                for one in observations:
                    worker.append(at(LIST_HOURS + 2), one)
                await worker.rest(at(LIST_HOURS + 3))
                ids = [(TENANT, one.ticket) for one in observations]
                return {key: row for (_, key), row in (await store.load_tickets(ids)).items()}

        return asyncio.run(fold())


@pytest.fixture
def desk(tmp_path: Path, data: Path) -> Desk:
    data.mkdir()
    found = Desk(tmp_path, data)
    found.rows(KNOWN)
    return found


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_afterwards_the_backlog_is_as_the_list_says(desk: Desk) -> None:
    assert 0 == desk.reconcile()
    before, after = desk.rows(KNOWN), desk.rows([*KNOWN, *desk.sent()])
    changed = {key: row.status for key, row in after.items() if key not in before or before[key] != row}
    assert {"desk:never": "new", "desk:ended": "new", "desk:ghost": "closed"} == changed
    assert "p1" == after["desk:never"].priority


def test_a_second_run_finds_nothing_more_to_do(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == desk.reconcile()
    sent = desk.sent()
    desk.rows([*KNOWN, *sent])
    capsys.readouterr()
    assert 0 == desk.reconcile("--json")
    assert 0 == report(capsys)["sent"]
    assert sent == desk.sent()


def test_a_second_run_before_aging_has_read_the_first_says_the_same_again(desk: Desk) -> None:
    assert 0 == desk.reconcile()
    once = desk.rows([*KNOWN, *desk.sent()])
    assert 0 == desk.reconcile(list_="\n".join([LIST.splitlines()[0], *reversed(LIST.splitlines()[1:])]))
    twice = desk.rows([*KNOWN, *desk.sent()])
    assert {key: row.body for key, row in once.items()} == {key: row.body for key, row in twice.items()}


def test_a_dry_run_tells_what_would_be_done_and_sends_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == desk.reconcile("--dry-run", "--json")
    told = report(capsys)
    assert {"agreed": 1, "unknown": 1, "ended": 1, "denied": 1, "ghost": 1, "moved": 3} == told["tickets"]
    assert ["desk:never"] == told["first"]["unknown"]
    assert ["desk:ghost"] == told["first"]["ghost"]
    assert ["desk:busy", "desk:late", "desk:young"] == sorted(told["first"]["moved"])
    assert [] == desk.sent()
    assert 0 == desk.reconcile("--dry-run")
    assert "1 open here and not in the list: desk:ghost\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "status"), [((), "closed"), (("--close",), "closed"), (("--void",), "void")]
)
def test_ghosts_are_closed_or_voided_with_the_reason_kept(
    desk: Desk, flags: tuple[str, ...], status: str
) -> None:
    assert 0 == desk.reconcile(*flags, "--reason", "lost in the outage")
    assert {"lost in the outage"} == {one.reason for one in desk.sent()}
    assert status == desk.rows([*KNOWN, *desk.sent()])["desk:ghost"].status


def test_a_row_that_says_it_is_over_is_not_open_at_the_source(desk: Desk) -> None:
    assert 0 == desk.reconcile(list_=f"{LIST}ghost,Erledigt,\n")
    assert "closed" == desk.rows([*KNOWN, *desk.sent()])["desk:ghost"].status


def test_a_list_of_ids_alone_brings_back_what_ended_as_in_progress(desk: Desk) -> None:
    assert 0 == desk.reconcile(list_="id\nopen\nended\nghost\nnever\n")
    after = desk.rows([*KNOWN, *desk.sent()])
    assert ("in_progress", "new") == (after["desk:ended"].status, after["desk:never"].status)
    assert "in_progress" == after["desk:ghost"].status


def test_rows_that_cannot_be_used_end_nobody_and_are_told_with_their_lines(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == desk.reconcile(list_=f"{LIST},Neu,p1\n")
    told = capsys.readouterr().err
    assert "line 7: missing_field: the row has no ticket id" in told
    assert "no ticket was ended; mend the rows" in told
    assert ["desk:ended", "desk:never"] == sorted(one.ticket for one in desk.sent())


def test_an_empty_list_ends_everybody_only_when_asked(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == desk.reconcile(list_="id,status\n")
    assert "say --empty" in capsys.readouterr().err
    assert [] == desk.sent()
    assert 0 == desk.reconcile("--empty", list_="id,status\n")
    assert {"desk:open", "desk:ghost"} == {one.ticket for one in desk.sent()}


def test_json_lines_are_read_by_their_members(desk: Desk) -> None:
    rows = [{"id": "open"}, {"id": "ghost"}, {"id": 77, "status": "Neu", "created_at": rfc3339(at(3))}]
    assert 0 == desk.reconcile(list_="".join(json.dumps(row) + "\n" for row in rows))
    after = desk.rows([*KNOWN, *desk.sent()])
    assert ("new", at(3)) == (after["desk:77"].status, after["desk:77"].created_us)


def test_a_mapping_of_an_import_reads_the_list(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "source: desk\nticket: Nummer\ntime: Stand\ndelimiter: ';'\n"
        "fields: {status: {column: Zustand, map: {offen: in_progress}}}\n"
    )
    list_ = "Nummer;Zustand\nopen;offen\nghost;offen\nnever;offen\n"
    assert 0 == desk.reconcile("--mapping", str(tmp_path / "m.yaml"), list_=list_)
    assert "in_progress" == desk.rows([*KNOWN, *desk.sent()])["desk:never"].status


@pytest.mark.parametrize(
    ("arguments", "list_", "told"),
    [
        (("--close", "--void"), LIST, "either --close or --void"),
        ((), "number,status\n1,Neu\n", "list.csv:1: there is no column `id`"),
        (("--reason", "x" * 2_000), LIST, "--reason takes 1 to 1000 characters"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_sent(
    desk: Desk, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], list_: str, told: str
) -> None:
    assert 2 == desk.reconcile(*arguments, list_=list_)
    assert told in capsys.readouterr().err
    assert [] == desk.sent()


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"as-of": "2999-01-01T00:00:00Z"}, "lies ahead"),
        ({"as-of": "yesterday"}, "write an instant"),
        ({"tenant": "nobody"}, "is not configured"),
        ({"data": "elsewhere"}, "name it with --data or --database"),
    ],
)
def test_a_place_or_an_instant_that_cannot_be_is_refused(
    desk: Desk, capsys: pytest.CaptureFixture[str], other: dict[str, str], told: str
) -> None:
    assert 2 == desk.reconcile(**other)
    assert told in capsys.readouterr().err
    assert [] == desk.sent()


def test_a_list_longer_than_a_page_is_compared_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("barometer.reconcile.TICKETS_AT_ONCE", 2)
    assert 0 == desk.reconcile()
    assert ["desk:ended", "desk:ghost", "desk:never"] == sorted(one.ticket for one in desk.sent())
