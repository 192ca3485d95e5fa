"""Commands for operators, against a real embedded log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from barometer.bus import append, opened_bus, read_all
from barometer.cli import run
from barometer.publication import differences
from shared.codec import Event, decode, to_outgoing
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.records import Outgoing
from shared.contracts.tickets import Activity, Observation, Rejected, Status
from shared.contracts.topics import CONFIG, EVENTS, Topic

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAROMETER_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("BAROMETER_BUS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def on_bus(data: Path, topic: Topic) -> list[Event]:
    async def read() -> list[Event]:
        async with opened_bus(f"embedded:{data}", {}) as bus:
            return [decode(record) async for page in read_all(bus, topic) for record in page]

    return asyncio.run(read())


def put(data: Path, records: list[Outgoing]) -> None:
    async def write() -> None:
        async with opened_bus(f"embedded:{data}", {}) as bus:
            await append(bus, records)

    asyncio.run(write())


def configure(tmp_path: Path, content: str) -> list[str]:
    path = tmp_path / "barometer.yaml"
    path.write_text(content)
    return ["--config", str(path)]


def test_a_configuration_is_recorded_once_and_applied_to_every_partition(data: Path, tmp_path: Path) -> None:
    config = configure(tmp_path, "age: {edges: [24h, 72h]}")
    assert [0, 0] == [run(["config", "apply", *config]), run(["config", "apply", *config])]
    versions = [event for event in on_bus(data, CONFIG) if isinstance(event, ConfigVersion)]
    assert [(1, [86_400, 259_200])] == [(one.version, one.document["age"]["edges"]) for one in versions]
    assert {1} == {event.version for event in on_bus(data, EVENTS) if isinstance(event, ConfigApplied)}


def test_changed_content_is_the_next_version_and_rules_are_no_change(data: Path, tmp_path: Path) -> None:
    for content in ("", "rules: []", "sources: [{name: a}]"):
        assert 0 == run(["config", "apply", *configure(tmp_path, content)])
    assert [1, 2] == [event.version for event in on_bus(data, CONFIG) if isinstance(event, ConfigVersion)]


def test_diff_shows_what_would_change(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(["config", "apply", *configure(tmp_path, "")])
    capsys.readouterr()
    assert 0 == run(["config", "diff", *configure(tmp_path, "age: {from: episode}")])
    assert "age.from: created -> episode\n" == capsys.readouterr().out


def test_differences_name_what_was_added_and_removed() -> None:
    assert ["a.x: 1 -> 2", "b: 3 -> (nothing)", "c: (nothing) -> 4"] == differences(
        {"a": {"x": 1}, "b": 3}, {"a": {"x": 2}, "c": 4}
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("void", (Activity.SPAM, False)),
        ("close", (Activity.UPDATED, True)),
        ("revive", (Activity.RESTORED, False)),
    ],
)
def test_a_correction_is_an_observation_with_its_reason(
    data: Path, command: str, expected: tuple[Activity, bool]
) -> None:
    assert 0 == run(["ticket", command, "zd:7", "--reason", "lost upstream", "--at", "2026-01-01T00:00:00Z"])
    (one,) = on_bus(data, EVENTS)
    assert isinstance(one, Observation)
    assert ("zd:7", "lost upstream", NOW) == (one.ticket, one.reason, one.time)
    assert expected == (one.activity, one.fields.status is Status.CLOSED)


def rejected(number: int, body: bytes, reason: str = "unknown_field") -> Outgoing:
    return to_outgoing(
        Rejected(
            id=f"r{number}",
            tenant="default",
            source="default",
            stage="intake",
            reason=reason,
            detail="mend it",
            received_at=NOW,
            rejected_at=NOW,
            content_type="application/json",
            body=body,
            verified="local",
        )
    )


@pytest.fixture
def kept(data: Path) -> Path:
    good = b'{"id": "42", "status": "new"}'
    put(data, [rejected(1, good), rejected(2, b'{"oops": 1}'), rejected(3, good, "future_time")])
    return data


def test_rejected_input_is_listed_with_its_reason(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(["rejected", "list", "--reason", "unknown_field"])
    told = capsys.readouterr().out
    assert ("r1 " in told, "r2 " in told, "r3 " in told) == (True, True, False)


@pytest.mark.parametrize(
    ("arguments", "code", "sent"), [(["r1"], 0, 1), (["--all"], 0, 2), (["r2"], 1, 0), (["absent"], 0, 0)]
)
def test_a_retry_sends_what_can_be_used_now(kept: Path, arguments: list[str], code: int, sent: int) -> None:
    assert code == run(["rejected", "retry", *arguments])
    observed = [event for event in on_bus(kept, EVENTS) if isinstance(event, Observation)]
    assert sent == len(observed)
    assert all(one.received_at == NOW for one in observed)


def test_retrying_twice_says_the_same_twice(kept: Path, run_twice: Callable[[list[str]], None]) -> None:
    run_twice(["rejected", "retry", "r1"])
    first, second = (event for event in on_bus(kept, EVENTS) if isinstance(event, Observation))
    assert first == second


@pytest.fixture
def run_twice() -> Callable[[list[str]], None]:
    def twice(arguments: list[str]) -> None:
        assert [0, 0] == [run(arguments), run(arguments)]

    return twice
