"""Nobody but shared/clock.py reads a clock: ruff holds it, and this shows that ruff does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

READINGS = [
    "from datetime import UTC, datetime\n\nINSTANT = datetime.now(UTC)",
    "import datetime\n\nINSTANT = datetime.datetime.utcnow()",
    "import datetime\n\nTODAY = datetime.date.today()",
    "import time\n\nINSTANT = time.time()",
    "from time import time_ns\n\nINSTANT = time_ns()",
    "import time\n\nSPAN = time.monotonic()",
]


def _ruff() -> str:
    beside = Path(sys.executable).with_name("ruff")
    found = str(beside) if beside.exists() else shutil.which("ruff")
    assert found, "ruff is part of the locked requirements"
    return found


def _banned(text: str, file: str) -> bool:
    done = subprocess.run(
        [_ruff(), "check", "--no-cache", "--output-format", "concise", "--stdin-filename", file, "-"],
        cwd=ROOT,
        input=f'"""Planted."""\n\n{text}\n',
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode in (0, 1), done.stderr
    return "TID251" in done.stdout


@pytest.mark.parametrize("text", READINGS)
@pytest.mark.parametrize(
    "file", ["services/aging/core/planted.py", "shared/runtime/planted.py", "barometer/planted.py"]
)
def test_reading_a_clock_is_caught(text: str, file: str) -> None:
    assert _banned(text, file)


@pytest.mark.parametrize("text", READINGS)
def test_the_one_place_that_reads_the_clock_may(text: str) -> None:
    assert not _banned(text, "shared/clock.py")


def test_a_mock_of_our_own_ports_is_caught() -> None:
    assert _banned("from unittest.mock import AsyncMock\n\nPORT = AsyncMock()", "tests/unit/planted.py")


def test_a_function_of_nine_branches_is_caught() -> None:
    branches = "\n".join(f"    if value == {number}:\n        return {number}" for number in range(8))
    text = f"def planted(value: int) -> int:\n{branches}\n    return -1\n"
    done = subprocess.run(
        [
            _ruff(),
            "check",
            "--no-cache",
            "--output-format",
            "concise",
            "--stdin-filename",
            "shared/planted.py",
            "-",
        ],
        cwd=ROOT,
        input=text,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert "C901" in done.stdout
