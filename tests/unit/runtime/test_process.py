"""How a process stops, and how it dies: real processes, real signals."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import msgspec
import pytest

from shared.runtime.process import CannotListen, Exit, listen

CHILD = Path(__file__).with_name("process_child.py")
ROOT = CHILD.parents[3]
ENDS_WITHIN_S = 20


class Child:
    """A started process_child.py."""

    def __init__(self, scenario: str, *flags: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *flags, str(CHILD), scenario],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
        )

    def hears(self, text: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(text):
                return line.removeprefix(text).strip()
        raise AssertionError(f"ended without saying {text!r}: {self.ended()}")

    def ended(self) -> tuple[int, list[str], list[dict[str, object]]]:
        out, err = self.process.communicate(timeout=ENDS_WITHIN_S)
        return (
            self.process.returncode,
            out.split("\n")[:-1],
            [msgspec.json.decode(x) for x in err.splitlines()],
        )


def criticals(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    return [line for line in lines if line["level"] == "critical"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_process_serves_until_the_last_commit_closes_and_ends_with_0(
    number: signal.Signals,
) -> None:
    child = Child("works")
    port = child.hears("port ")
    child.hears("working")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        assert b'"here"' == answer.read()
    child.process.send_signal(number)
    code, said, logged = child.ended()
    assert (Exit.CLEAN, ["committed", "closed"]) == (code, said)
    assert [] == criticals(logged)


@pytest.mark.parametrize(
    ("scenario", "code", "reason", "traceback"),
    [
        ("dies", Exit.CRASH, "by design", True),
        ("ends", Exit.CRASH, "ended without being asked to", False),
        ("breaks later", Exit.CRASH, "gone", True),
        ("lost", Exit.USAGE, "restore it", False),
        ("lost in a group", Exit.USAGE, "restore it", False),
    ],
)
def test_a_worker_that_dies_ends_the_process_and_is_logged_once(
    scenario: str, code: Exit, reason: str, traceback: bool
) -> None:
    ended, said, logged = Child(scenario).ended()
    assert code == ended
    assert "closed" in said
    (line,) = criticals(logged)
    assert ("worker", reason) == (line["part"], line["reason"])
    assert traceback == ("Traceback" in str(line.get("exception")))


@pytest.mark.parametrize(
    ("scenario", "code"),
    [("misconfigured", Exit.USAGE), ("unavailable", Exit.UNAVAILABLE), ("bug", Exit.CRASH)],
)
def test_the_exit_code_says_why_a_process_did_not_start(scenario: str, code: Exit) -> None:
    ended, _, logged = Child(scenario).ended()
    assert (code, 1) == (ended, len(criticals(logged)))


def test_a_second_signal_ends_a_process_that_does_not_stop() -> None:
    child = Child("deaf")
    child.hears("working")
    child.process.terminate()
    child.hears("not heard")
    child.process.terminate()
    code, said, _ = child.ended()
    assert (Exit.CRASH, ["closed"]) == (code, said)


def test_a_sibling_that_cannot_be_cancelled_does_not_keep_a_dead_process_alive() -> None:
    code, said, logged = Child("stuck").ended()
    assert Exit.CRASH == code
    assert "cancel ignored" in said
    assert ["died", "ended by force"] == [line["event"] for line in criticals(logged)]


def test_python_without_assertions_is_refused() -> None:
    code, said, _ = Child("works", "-O").ended()
    assert (Exit.USAGE, []) == (code, said)


def test_an_address_that_is_taken_is_refused_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1 port {port}: .*in use"):
            listen("127.0.0.1", port)
