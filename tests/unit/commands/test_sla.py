"""`barometer sla due|elapsed` as scripts meet it: the shape of answers, and what becomes of bad questions."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from barometer.cli import run
from barometer.sla.questions import QUESTION_BYTES_MAX

CONFIGURATION = """\
calendars:
  office:
    timezone: Europe/Berlin
    weekly: {mon: [["09:00", "17:00"]], fri: [["09:00", "17:00"]]}
    holidays: [2026-12-25]
    versions: [{effective_from: "2027-01-01T00:00:00+01:00", weekly: {mon: [["10:00", "12:00"]]}}]
"""
INLINE = {"timezone": "Europe/Berlin", "weekly": {"mon": [["09:00", "17:00"]], "fri": [["22:00", "06:00"]]}}
FRIDAY = "2026-03-27T16:30:00+01:00"

Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIGURATION)
    return "c.yaml"


@pytest.fixture
def ask(config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(command: str, *questions: object) -> list[dict[str, Any]]:
        lines = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in questions]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(lines))))
        assert 0 == run(["sla", command, "--config", config, "--jsonl"])
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return asked


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["due", "--start", FRIDAY, "--seconds", "3600"], "2026-03-30T07:30:00Z"),
        (["due", "--start", FRIDAY, "--seconds", "-3600"], "2026-03-27T14:30:00Z"),
        (["due", "--start", "2026-03-27T22:00:00Z", "--seconds", "0"], "2026-03-30T07:00:00Z"),
        (["due", "--start", FRIDAY, "--seconds", "0.5"], "2026-03-27T15:30:00.500000Z"),
        (["elapsed", "--start", FRIDAY, "--end", "2026-03-30T09:30:00+02:00"], "3600"),
        (["elapsed", "--start", FRIDAY, "--end", "2026-03-27T16:30:00.25+01:00"], "0.25"),
        (["elapsed", "--start", FRIDAY, "--end", "2026-03-27T16:00:00+01:00"], "-1800"),
        (["elapsed", "--start", "2026-12-28T00:00:00Z", "--end", "2027-01-05T00:00:00Z"], "36000"),
    ],
)
def test_one_question_is_answered_in_one_line(
    config: str, arguments: list[str], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run(["sla", *arguments, "--config", config, "--calendar", "office"])
    assert f"{printed}\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--calendar", "ofice", "--start", FRIDAY, "--seconds", "1"], "there is no calendar `ofice` in c.yaml; did you mean `office`?"),
        (["--calendar", "office", "--start", "2026-03-27T16:30:00", "--seconds", "1"], "add the offset"),
        (["--calendar", "office", "--start", FRIDAY, "--seconds", "1h"], "seconds: write a number of seconds, such as 14400"),
        (["--calendar", "office", "--start", FRIDAY, "--seconds", "0.0000001"], "finer than a microsecond"),
        (["--calendar", "office", "--start", FRIDAY], "--seconds is missing; or ask many questions with --jsonl"),
        (["--calendar", "office", "--start", FRIDAY, "--seconds", "9000000000"], "there is not so much open time before 2250"),
        (["--calendar", "24x7", "--start", FRIDAY, "--seconds", "9000000000"], "the due time lies outside the years 1920 to 2249"),
        (["--calendar", "office", "--jsonl"], "leave out --calendar"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_told_in_words(
    config: str, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == run(["sla", "due", "--config", config, *arguments])
    output = capsys.readouterr()
    assert told in output.err
    assert not output.out


def test_a_configuration_that_is_named_and_wrong_is_told_at_once(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(config).write_text("calendars: {office: {timezone: Mars}}")
    assert 2 == run(["sla", "due", "--config", config, "--jsonl"])
    assert "there is no time zone `Mars`" in capsys.readouterr().err


def test_calendars_are_named_built_in_or_written_into_the_question(ask: Ask) -> None:
    questions = [
        {"id": 1, "calendar": "office", "start": FRIDAY, "seconds": 3600},
        {"id": "b", "calendar": "24x7", "start": FRIDAY, "seconds": 3600},
        {"calendar": INLINE, "start": FRIDAY, "seconds": 3600},
        {
            "id": "d",
            "calendar": {**INLINE, "holidays": ["2026-03-27"]},
            "start": FRIDAY,
            "seconds": 3600,
            "why": "test",
        },
        {
            "id": "e",
            "calendar": {**INLINE, "overrides": {"2026-03-27": [["17:00", "24:00"]]}},
            "start": FRIDAY,
            "seconds": 1.5,
        },
    ]
    assert [
        {"id": 1, "due": "2026-03-30T07:30:00Z"},
        {"id": "b", "due": "2026-03-27T16:30:00Z"},
        {"id": None, "due": "2026-03-27T22:00:00Z"},
        {"id": "d", "due": "2026-03-30T08:00:00Z"},
        {"id": "e", "due": "2026-03-27T16:00:01.500000Z"},
    ] == ask("due", *questions)


def test_elapsed_is_answered_in_seconds(ask: Ask) -> None:
    assert [{"id": 1, "seconds": 8 * 3600}, {"id": 2, "seconds": -0.5}] == ask(
        "elapsed",
        {"id": 1, "calendar": INLINE, "start": "2026-03-27T00:00:00Z", "end": "2026-03-30T06:00:00Z"},
        {"id": 2, "calendar": "24x7", "start": "2026-03-27T00:00:00.5Z", "end": "2026-03-27T00:00:00Z"},
    )


def test_a_calendar_that_never_opens_has_no_due_time_but_an_elapsed_one(ask: Ask) -> None:
    closed = {"id": 1, "calendar": {"timezone": "UTC", "weekly": {}}, "start": FRIDAY}
    assert [{"id": 1, "error": "the calendar never opens"}] == ask("due", {**closed, "seconds": 1})
    assert [{"id": 1, "seconds": 0}] == ask("elapsed", {**closed, "end": "2027-01-01T00:00:00Z"})


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (b"nonsense", "the line is no JSON"),
        (b"\xff\xfe{}", "the line is no JSON"),
        (b'{"id": 1, "seconds": NaN}', "the line is no JSON"),
        (b"[" * 100_000, "the line is no JSON"),
        (b"1" * 5_000, "the line is no JSON"),
        (b"[1]", "a question is an object"),
        (b" " * QUESTION_BYTES_MAX + b"{}", "the line is longer than"),
        ({"id": [1]}, "id: write a text or a whole number"),
        ({"id": 1.5}, "id: write a text or a whole number"),
    ],
)
def test_a_line_that_is_no_question_has_an_error_without_an_id(ask: Ask, question: object, told: str) -> None:
    bad, good = ask("due", question, {"id": 2, "calendar": "24x7", "start": FRIDAY, "seconds": 0})
    assert bad["id"] is None
    assert told in bad["error"]
    assert {"id": 2, "due": "2026-03-27T15:30:00Z"} == good


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"calendar": "nope"}, "there is no calendar `nope`"),
        ({"calendar": None}, "calendar: name one, or write one"),
        ({"calendar": {"timezone": "Europe/Berln"}}, "calendar: timezone: there is no time zone `Europe/Berln`; did you mean"),
        ({"start": None}, "start: write an instant such as"),
        ({"start": 1_700_000_000}, "start: write an instant such as"),
        ({"start": "tomorrow"}, "write an instant such as"),
        ({"start": "2026-03-27T16:30:00"}, "add the offset"),
        ({"start": "0001-01-01T00:00:00+14:00"}, "start lies outside the years 1920 to 2249"),
        ({"seconds": None}, "seconds: write a number of seconds"),
        ({"seconds": True}, "seconds: write a number of seconds"),
        ({"seconds": "1h"}, "seconds: write a number of seconds"),
        ({"seconds": 10**15}, "seconds: write at most"),
    ],
)  # fmt: skip
def test_a_question_without_an_answer_has_an_error_with_its_id(
    ask: Ask, change: dict[str, Any], told: str
) -> None:
    (answer,) = ask("due", {"id": "x", "calendar": INLINE, "start": FRIDAY, "seconds": 60, **change})
    assert {"id", "error"} == set(answer)
    assert "x" == answer["id"]
    assert told in answer["error"]


def test_empty_lines_are_no_questions(ask: Ask) -> None:
    assert [] == ask("due", b"", b"  \t", b"\r")


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    question = json.dumps({"calendar": "24x7", "start": FRIDAY, "seconds": 1})
    command = [sys.executable, "-m", "barometer", "sla", "due", "--jsonl"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout
        assert child.stdin
        assert child.stderr
        child.stdout.close()
        child.stdin.write(f"{question}\n".encode() * 2)
        child.stdin.close()
        assert b"" == child.stderr.read()
    assert 0 == child.returncode
