"""`barometer sla clock` as scripts meet it, and each case of docs/calendars.md that the questions leave open."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barometer.cli import run
from services.aging.core.stopwatch import Event, Move, given_policy, read_stopwatch
from shared.calendars.compiled import compiled
from shared.calendars.definition import definition_from
from shared.calendars.hours import ALWAYS, Hours
from shared.contracts.instants import SECOND_US

CONFIGURATION = """\
calendars:
  office: {timezone: Europe/Berlin, weekly: {mon: [["09:00", "17:00"]], fri: [["09:00", "17:00"]]}}
sla:
  policies:
    - name: support
      calendar: office
      max_pause: 2h
      clocks: {resolution: {target: {p1: 2h, default: 4h}, warn: [50%]}, update: {target: {p1: 1h}, time: wall}}
  versions:
    - {effective_from: "2027-01-01T00:00:00+01:00", apply: new, policies: [{name: later, clocks: {resolution: {target: 1h}}}]}
"""
OFFICE = {"timezone": "Europe/Berlin", "weekly": {"mon": [["09:00", "17:00"]], "fri": [["09:00", "17:00"]]}}
HOUR = 3600

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIGURATION)
    return "c.yaml"


@pytest.fixture
def ask(config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(*questions: object) -> list[dict[str, Any]]:
        lines = [json.dumps(each).encode() for each in questions]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(lines))))
        assert 0 == run(["sla", "clock", "--config", config, "--jsonl"])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return asked


def at(hour: float) -> str:
    """Return an instant of Friday 2026-03-27, in Berlin's winter time; hours may go on into the days after."""
    days, hours = divmod(hour, 24)
    minutes = round(hours % 1 * 60)
    return f"2026-03-{27 + int(days)}T{int(hours):02}:{minutes:02}:00+01:00"


def question(
    *events: tuple[str, float], as_of: float, calendar: object = "24x7", **policy: Any
) -> dict[str, Any]:
    """Return a question with a target of four hours and a warning one hour before."""
    return {
        "id": 1,
        "calendar": calendar,
        "policy": {"metric": "resolution", "target_seconds": 4 * HOUR, "warn_before_seconds": HOUR, **policy},
        "events": [{"at": at(hour), "type": move} for move, hour in events],
        "as_of": at(as_of),
    }


def test_a_running_clock_says_when_it_is_due_and_what_is_left(ask: Ask) -> None:
    (answer,) = ask(question(("start", 14), ("pause", 15), ("resume", 16), as_of=16.5, calendar=OFFICE))
    assert {
        "id": 1, "due": "2026-03-30T09:00:00Z", "warn_at": "2026-03-30T08:00:00Z", "elapsed_seconds": 5400,
        "paused_seconds": 3600, "remaining_seconds": 9000, "breached": False, "breached_at": None,
    } == answer  # fmt: skip


def test_a_paused_clock_has_no_deadline_but_says_which_it_would_have(ask: Ask) -> None:
    (answer,) = ask(question(("start", 14), ("pause", 15), as_of=20, calendar=OFFICE))
    assert {
        "id": 1, "due": None, "due_if_resumed": "2026-03-30T10:00:00Z", "warn_at": None, "elapsed_seconds": 3600,
        "paused_seconds": 7200, "remaining_seconds": 10800, "breached": False, "breached_at": None,
    } == answer  # fmt: skip


def test_the_deadline_second_itself_is_met_and_the_next_one_is_a_breach_at_the_deadline(ask: Ask) -> None:
    on_time, late = ask(
        question(("start", 9), as_of=13),
        {**question(("start", 9), as_of=13), "as_of": "2026-03-27T13:00:01+01:00"},
    )
    assert (False, None, 0) == (on_time["breached"], on_time["breached_at"], on_time["remaining_seconds"])
    assert (True, "2026-03-27T12:00:00Z", -1) == (
        late["breached"],
        late["breached_at"],
        late["remaining_seconds"],
    )


@pytest.mark.parametrize(
    ("events", "as_of", "shown"),
    [
        pytest.param([("start", 9), ("stop", 13)], 20, (False, 0, 0), id="a stop at the deadline is met"),
        pytest.param([("start", 9), ("stop", 13.5)], 20, (True, -1800, 0), id="a stop after it is not"),
        pytest.param([("start", 9), ("stop", 10), ("start", 11), ("pause", 12)], 20, (False, 10800, 0), id="after a stop nothing moves"),
        pytest.param([("pause", 9), ("pause", 10), ("resume", 11), ("start", 8)], 11, (False, 10800, 7200), id="a second pause changes nothing"),
        pytest.param([("start", 9), ("resume", 10), ("start", 10)], 11, (False, 7200, 0), id="a resume of what runs, and a second start, change nothing"),
        pytest.param([("stop", 8), ("resume", 8.5), ("start", 9)], 11, (False, 7200, 0), id="a stop and a resume before the start change nothing"),
        pytest.param([("pause", 8), ("start", 9), ("resume", 10)], 11, (False, 10800, 3600), id="a clock may start inside a pause"),
        pytest.param([("pause", 7), ("resume", 8), ("start", 9)], 11, (False, 7200, 0), id="a pause that is over before the start leaves nothing"),
        pytest.param([("start", 9), ("resume", 10), ("pause", 10)], 11, (False, 7200, 0), id="at one instant a pause comes before a resume"),
        pytest.param([("start", 9), ("pause", 10), ("stop", 10)], 11, (False, 10800, 0), id="at one instant a stop comes before a pause"),
        pytest.param([("stop", 9), ("start", 9)], 11, (False, 7200, 0), id="at one instant a stop comes before a start"),
        pytest.param([("start", 9), ("pause", 10), ("stop", 12)], 20, (False, 10800, 7200), id="a paused clock may be stopped"),
        pytest.param([("start", 9), ("pause", 12), ("stop", 13)], 11, (False, 7200, 0), id="events after the instant do not count"),
        pytest.param([("start", 9), ("pause", 14), ("resume", 15)], 16, (True, -7200, 3600), id="a broken clock counts on, without its pauses"),
        pytest.param([("pause", 10)], 11, (False, 14400, 0), id="without a start nothing is used"),
        pytest.param([("start", 12)], 11, (False, 14400, 0), id="before its start nothing is used"),
    ],
)  # fmt: skip
def test_what_questions_leave_open(
    ask: Ask, events: list[tuple[str, float]], as_of: float, shown: tuple[bool, int, int]
) -> None:
    (answer,) = ask(question(*events, as_of=as_of))
    assert shown == (answer["breached"], answer["remaining_seconds"], answer["paused_seconds"])


def test_a_pause_outside_hours_moves_nothing(ask: Ask) -> None:
    plain, paused = ask(
        question(("start", 15), as_of=40, calendar=OFFICE),
        question(("start", 15), ("pause", 18), ("resume", 30), as_of=40, calendar=OFFICE),
    )
    assert plain == paused


def test_a_clock_that_is_broken_and_paused_keeps_the_deadline_it_broke(ask: Ask) -> None:
    (answer,) = ask(question(("start", 9), ("pause", 14), as_of=20))
    assert (None, "2026-03-27T12:00:00Z", "2026-03-27T12:00:00Z") == (
        answer["due"], answer["due_if_resumed"], answer["breached_at"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("warn_before", "warn_at"),
    [(None, None), (0, "2026-03-27T12:00:00Z"), (5 * HOUR, "2026-03-27T08:00:00Z")],
    ids=["none", "at the deadline", "longer than the target: at the start"],
)
def test_a_warning_may_be_absent_or_longer_than_the_target(
    ask: Ask, warn_before: int | None, warn_at: str | None
) -> None:
    (answer,) = ask(question(("start", 9), as_of=10, warn_before_seconds=warn_before))
    assert warn_at == answer["warn_at"]


def test_a_warning_that_began_is_told_while_the_clock_is_paused(ask: Ask) -> None:
    (answer,) = ask(question(("start", 9), ("pause", 12.5), as_of=20))
    assert "2026-03-27T11:00:00Z" == answer["warn_at"]


def test_hours_without_an_opening_have_no_deadline(ask: Ask) -> None:
    closed = {"timezone": "UTC", "weekly": {}}
    assert [{"id": 1, "error": "the calendar never opens"}] == ask(
        question(("start", 9), as_of=10, calendar=closed)
    )


def test_a_policy_of_the_configuration_says_target_calendar_and_warning(ask: Ask) -> None:
    by_name = {
        **question(("start", 14), as_of=15),
        "calendar": None,
        "policy": {"name": "support", "priority": "p1"},
    }
    (answer,) = ask(by_name)
    assert ("2026-03-27T15:00:00Z", "2026-03-27T14:00:00Z") == (answer["due"], answer["warn_at"])


def test_a_policys_longest_pause_ends_by_itself(ask: Ask) -> None:
    events = [{"at": at(9), "type": "start"}, {"at": at(10), "type": "pause"}]
    (answer,) = ask({"id": 1, "policy": {"name": "support"}, "events": events, "as_of": at(13)})
    assert (7200, 7200) == (answer["paused_seconds"], answer["elapsed_seconds"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"policy": None}, "policy: write an object"),
        ({"policy": {"target_seconds": 0}}, "policy.target_seconds: write more than 0"),
        ({"policy": {"target_seconds": 1, "warn_before_seconds": -1}}, "policy.warn_before_seconds: write 0 or more"),
        ({"policy": {"target_seconds": 1, "metric": 7}}, "policy.metric: write a text"),
        ({"policy": {"name": "suport"}}, "there is no policy `suport` then; did you mean `support`?"),
        ({"policy": {"name": "later"}}, "there is no policy `later` then"),
        ({"policy": {"name": ["a"]}}, "there is no policy"),
        ({"policy": {"name": "support", "metric": "team"}}, "has no target of team for no priority; it promises resolution, update"),
        ({"policy": {"name": "support", "metric": "update", "priority": "p4"}}, "has no target of update for p4"),
        ({"policy": {"name": "support", "target_seconds": 60}}, "policy.target_seconds: the policy says it"),
        ({"events": None}, "events: write a list"),
        ({"events": ["start"]}, "events[0]: write an object"),
        ({"events": [{"at": at(9), "type": "begin"}]}, "events[0].type: write one of start, pause, resume, stop"),
        ({"events": [{"at": at(9), "type": []}]}, "events[0].type: write one of"),
        ({"events": [{"at": "2026-03-27T09:00:00", "type": "start"}]}, "add the offset"),
        ({"events": [{"at": "1969-12-31T00:00:00Z", "type": "start"}]}, "events[0].at lies outside the years 1970 to 2199"),
        ({"as_of": None}, "as_of: write an instant"),
        ({"calendar": "nope"}, "there is no calendar `nope`"),
    ],
)  # fmt: skip
def test_a_question_without_an_answer_says_why(ask: Ask, change: dict[str, Any], told: str) -> None:
    (answer,) = ask({**question(("start", 9), as_of=10), **change})
    assert {"id", "error"} == set(answer)
    assert told in answer["error"]


def test_one_clock_is_told_in_a_few_lines(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--policy",
        "support",
        "--start",
        at(14),
        "--pause",
        at(15),
        "--resume",
        at(16),
        "--as-of",
        at(16.5),
    ]
    assert 0 == run(["sla", "clock", "--config", config, *arguments])
    assert [
        "resolution of support: 4h in open time of office, as of 2026-03-27T16:30:00+01:00",
        "",
        "time     1h 30m used, 1h paused, 2h 30m left",
        "due      2026-03-30T09:00:00Z",
        "warning  2026-03-27T16:00:00Z",
    ] == capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--pause", at(15), "--as-of", at(16)], "due      paused; 2026-03-27T17:00:00Z if it went on now"),
        (["--as-of", at(20)], "due      2026-03-27T16:00:00Z, and broken"),
        (["--as-of", at(20)], "time     6h used, 3h over"),
        (["--as-of", at(10)], "due      not started"),
    ],
)  # fmt: skip
def test_a_clock_says_in_words_how_it_stands(
    config: str, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given_ = ["--calendar", "24x7", "--seconds", "10800", "--start", at(14)]
    assert 0 == run(["sla", "clock", "--config", config, *given_, *arguments])
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--start is missing; or ask many questions with --jsonl"),
        (["--jsonl", "--start", at(9)], "leave out the other flags"),
        (["--start", at(9)], "policy.target_seconds: write a number of seconds"),
        (["--start", at(9), "--seconds", "60"], "calendar: name one, or write one"),
        (["--start", at(9), "--seconds", "9000000000", "--calendar", "office"], "there is not so much open time before 2250"),
    ],
)  # fmt: skip
def test_a_clock_that_cannot_be_told_says_why(
    config: str, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == run(["sla", "clock", "--config", config, *arguments])
    assert told in capsys.readouterr().err


# The same by a slow reference: minute by minute.

MINUTE_US = 60 * SECOND_US
BEGIN_US = 1_774_600_000 * SECOND_US // MINUTE_US * MINUTE_US
HOURS = compiled(definition_from({"timezone": "UTC", "weekly": {day: [["09:00", "10:00"], ["10:30", "11:15"]] for day in ("mon", "tue", "fri", "sat")}}))  # fmt: skip
EVENTS = st.lists(st.tuples(st.integers(0, 300), st.sampled_from(Move)), max_size=8)


@given(
    EVENTS,
    st.integers(0, 400),
    st.integers(1, 200),
    st.one_of(st.none(), st.integers(0, 250)),
    st.sampled_from([ALWAYS, HOURS]),
)
def test_a_clock_shows_what_counting_minute_by_minute_shows(
    events: list[tuple[int, Move]], as_of: int, target: int, warn_before: int | None, hours: Hours
) -> None:
    reading = read_stopwatch(
        given_policy("resolution", target * MINUTE_US, None if warn_before is None else warn_before * MINUTE_US),
        "resolution", target * MINUTE_US, hours,
        [Event(BEGIN_US + minute * 6 * MINUTE_US, move) for minute, move in events], BEGIN_US + as_of * 6 * MINUTE_US,
    )  # fmt: skip
    used, paused, broken = _counted(events, as_of, target, hours)
    assert (used, paused, broken) == (
        reading.used_us // MINUTE_US,
        reading.paused_us // MINUTE_US,
        None if reading.breached_us is None else (reading.breached_us - BEGIN_US) // MINUTE_US,
    )


def _counted(
    events: list[tuple[int, Move]], as_of: int, target: int, hours: Hours
) -> tuple[int, int, int | None]:
    """Return minutes used, minutes paused, and the minute of the broken deadline."""
    order = [Move.STOP, Move.PAUSE, Move.START, Move.RESUME]
    by_minute: dict[int, list[Move]] = {}
    for minute, move in events:
        by_minute.setdefault(minute * 6, []).append(move)
    used = paused = 0
    started = stands = False
    due = broken = None
    for minute in range(as_of * 6 + 1):
        if due is not None and minute > due:
            broken = due
        moves = sorted(by_minute.get(minute, []), key=order.index)
        for move in moves:
            if move is Move.STOP and started:
                return used, paused, broken
            started |= move is Move.START
            stands = move is Move.PAUSE or (stands and move is not Move.RESUME)
        begin_us = BEGIN_US + minute * MINUTE_US
        if started and minute < as_of * 6 and hours.elapsed(begin_us, begin_us + MINUTE_US):
            used, paused = (used, paused + 1) if stands else (used + 1, paused)
            if not stands and used == target:
                due = minute + 1
    return used, paused, broken
