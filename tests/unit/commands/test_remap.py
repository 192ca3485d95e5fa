"""`barometer remap`: the words a source showed are read again by its mended maps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from barometer.cli import run
from shared.contracts.tickets import Observation, Priority, Status, WaitReason
from tests.unit.aging.observations import TENANT, at, seen
from tests.unit.commands.test_reconcile import Desk

MENDED = f"""
tenants: [{{name: {TENANT}}}]
sources:
  - name: desk
    tenant: {TENANT}
    status: {{map: {{Parked: waiting/customer, Fixed: solved}}}}
    priority: {{map: {{Urgent: p1}}}}
"""
KNOWN: tuple[Observation, ...] = (
    seen("desk:unread", 1, status=Status.NEW, raw_status="new"),
    seen("desk:unread", 2, raw_status="Parked"),
    seen("desk:wrong", 1, status=Status.IN_PROGRESS, raw_status="Fixed"),
    seen("desk:wait", 1, status=Status.WAITING, wait_reason=WaitReason.VENDOR, raw_status="Parked"),
    seen("desk:right", 1, status=Status.SOLVED, raw_status="Fixed"),
    seen("desk:urgent", 1, priority=Priority.P3, raw_priority="Urgent"),
    seen("desk:coarse", 1, status=Status.IN_PROGRESS, raw_status="Our own word"),
    seen("desk:chosen", 1, status=Status.IN_PROGRESS, raw_status="New"),
    seen("desk:by-hand", 1, status=Status.IN_PROGRESS, raw_status="Fixed"),
    seen("desk:by-hand", 2, status=Status.NEW),
    seen("mail:other", 1, source="mail", status=Status.NEW, raw_status="Fixed"),
)


@pytest.fixture
def desk(tmp_path: Path, data: Path) -> Desk:
    data.mkdir()
    found = Desk(tmp_path, data)
    (tmp_path / "barometer.yaml").write_text(MENDED)
    found.rows(KNOWN)
    return found


def remap(*arguments: str, source: str = "desk", tenant: str = TENANT) -> int:
    return run(["remap", source, "--tenant", tenant, *arguments])


def test_what_the_mended_maps_say_counts_since_the_source_showed_it(desk: Desk) -> None:
    assert 0 == remap()
    before, after = desk.rows(KNOWN), desk.rows([*KNOWN, *desk.sent()])
    assert {
        "desk:unread": ("waiting", "customer", ""),
        "desk:wrong": ("solved", "", ""),
        "desk:wait": ("waiting", "customer", ""),
        "desk:urgent": ("new", "", "p1"),
    } == {
        key: (row.status, row.wait_reason, row.priority) for key, row in after.items() if row != before[key]
    }
    assert at(1) + 1 == after["desk:wrong"].left_us


def test_a_second_run_changes_nothing_whether_or_not_aging_has_read_the_first(desk: Desk) -> None:
    assert 0 == remap()
    first = desk.sent()
    assert 0 == remap()
    assert {one.id for one in first} == {one.id for one in desk.sent()}
    once, twice = desk.rows([*KNOWN, *first]), desk.rows([*KNOWN, *desk.sent()])
    assert {key: row.body for key, row in once.items()} == {key: row.body for key, row in twice.items()}
    sent = len(desk.sent())
    assert 0 == remap()
    assert sent == len(desk.sent())


def test_a_dry_run_tells_what_would_change_and_sends_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == remap("--dry-run", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (8, 4, 0) == (told["tickets"], told["changed"], told["sent"])
    assert "desk:wrong: status `Fixed` is solved, was in_progress" in told["first"]
    assert 0 == remap("--dry-run")
    assert "desk:urgent: priority `Urgent` is p1, was p3\n" in capsys.readouterr().out
    assert [] == desk.sent()


def test_without_a_database_or_with_an_unknown_tenant_the_mend_is_told(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == remap("--data", "elsewhere")
    assert 2 == remap(tenant="nobody")
    told = capsys.readouterr().err
    assert "name it with --data or --database" in told
    assert "is not configured" in told
