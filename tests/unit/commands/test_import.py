"""An import is a run: begun and ended in every partition, and its rows arrive whatever their order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from barometer.bus import opened_bus, read_all
from barometer.cli import run
from shared.codec import Event, decode
from shared.contracts.tickets import Observation, RunBegan, RunEnded
from shared.contracts.topics import EVENTS

PARTITIONS = {"BAROMETER_EVENTS_PARTITIONS": "3"}
ROWS = 40


def events(data: Path) -> list[list[Event]]:
    """Return what is on the bus, by partition."""

    async def read() -> list[list[Event]]:
        async with opened_bus(f"embedded:{data}", {}) as bus:
            partitions = (await bus.identity(EVENTS)).partitions
            return [
                [decode(record) async for page in _pages(bus, partition) for record in page]
                for partition in range(partitions)
            ]

    def _pages(bus: Any, partition: int) -> Any:
        return read_all(bus, EVENTS, partition)

    return asyncio.run(read())


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    for name, value in PARTITIONS.items():
        monkeypatch.setenv(name, value)
    rows = "".join(f"t{number % 7},2026-01-01T00:{number:02}:00Z,new\n" for number in range(ROWS))
    (tmp_path / "log.csv").write_text(f"id,at,s\n{rows}")
    (tmp_path / "m.yaml").write_text("ticket: id\ntime: at\nsource: old\nfields: {status: s}\n")

    def imported(*arguments: str, data: str = "data") -> int:
        fixed = [
            str(tmp_path / "log.csv"),
            "--mapping",
            str(tmp_path / "m.yaml"),
            "--data",
            str(tmp_path / data),
        ]
        return run(["import", *fixed, *arguments])

    return imported


def observations(found: list[list[Event]]) -> list[Observation]:
    return [event for partition in found for event in partition if isinstance(event, Observation)]


def test_a_run_is_begun_before_and_ended_after_its_rows_in_every_partition(
    importing: Callable[..., int], tmp_path: Path
) -> None:
    assert 0 == importing("--run", "r1", "--batch", "7")
    found = events(tmp_path / "data")
    assert 3 == len(found)
    for partition in found:
        assert isinstance(partition[0], RunBegan)
        assert isinstance(partition[-1], RunEnded)
    assert ROWS == len(observations(found))
    assert {"r1"} == {one.run for one in observations(found)}


@pytest.mark.parametrize(
    "ways", [[("--shuffle", "5")], [("--part", "1/2"), ("--part", "2/2")], [("--batch", "1")]]
)
def test_order_and_parts_change_nothing_of_what_is_said(
    importing: Callable[..., int], tmp_path: Path, ways: list[tuple[str, str]]
) -> None:
    assert 0 == importing("--run", "r", data="plain")
    for way in ways:
        assert 0 == importing("--run", "r", *way, data="other")

    def said(data: str) -> set[tuple[str, str, object]]:
        return {(one.ticket, one.id, one.sequence) for one in observations(events(tmp_path / data))}

    assert said("plain") == said("other")


def test_the_summary_counts(importing: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == importing("--json")
    summary = json.loads(capsys.readouterr().out)
    assert (ROWS, ROWS, 7, 0) == tuple(summary[name] for name in ("rows", "sent", "tickets", "repeats"))


def test_rows_that_cannot_be_used_are_told_and_fail_only_when_asked(
    importing: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "log.csv").open("a") as log:
        log.write("t1,yesterday,new\n")
    assert 0 == importing()
    assert f"line {ROWS + 2}: invalid_time" in capsys.readouterr().err
    assert 1 == importing("--strict")


def test_a_log_without_a_usable_row_fails(importing: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("id,at,s\n,,\n")
    assert 1 == importing()


@pytest.mark.parametrize(
    "wrong",
    [("--part", "3/2"), ("--part", "x"), ("--batch", "0"), ("--bus", "embedded:x"), ("--tenant", "nobody")],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    importing: Callable[..., int], tmp_path: Path, wrong: tuple[str, str]
) -> None:
    assert 2 == importing(*wrong)
    assert not (tmp_path / "data").exists()


def test_the_run_is_ended_when_the_log_turns_out_to_be_unreadable(
    importing: Callable[..., int], tmp_path: Path
) -> None:
    (tmp_path / "log.csv").write_text("id,when,s\nt1,2026-01-01T00:00:00Z,new\n")
    assert 2 == importing()
    assert all(isinstance(partition[-1], RunEnded) for partition in events(tmp_path / "data"))
