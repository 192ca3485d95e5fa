"""Commands for operators, against a real embedded log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from barometer.cli import run
from shared.codec import to_outgoing
from shared.contracts.records import Outgoing
from shared.contracts.tickets import Activity, Observation, Rejected, Status
from shared.contracts.topics import EVENTS
from tests.unit.commands.embedded_log import on_bus, put

NOW = datetime(2026, 1, 1, tzinfo=UTC)


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
