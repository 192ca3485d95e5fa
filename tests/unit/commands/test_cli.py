"""The command line as scripts meet it: exit codes, and which stream says what."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from barometer.cli import run


def test_help_names_every_command_without_loading_them() -> None:
    code = (
        "import sys\n"
        "from barometer.cli import run\n"
        "run(['--help'])\n"
        "assert not {'fastapi', 'sqlalchemy', 'pydantic', 'aiokafka'} & set(sys.modules), 'heavy'\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for command in ("serve", "import", "backtest", "check", "config", "rejected", "ticket", "db", "key"):
        assert command in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["check", "--no-such-flag"],
        ["check", "absent.yaml"],
        ["import", "absent.csv"],
        ["serve", "--port", "x"],
        ["serve", "--port", "70000"],
        ["ticket", "void", "no-colon", "--reason", "x"],
        ["rejected", "retry"],
        ["rejected", "list", "--since", "yesterday"],
        ["db", "upgrade", "--database", "sqlite+aiosqlite:///x.db"],
    ],
)
def test_what_a_person_has_to_mend_ends_with_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAROMETER_DATA", str(tmp_path / "data"))
    assert 2 == run(arguments)


def test_a_log_level_that_is_none_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAROMETER_LOG_LEVEL", "loud")

    assert 2 == run(["serve", "--data", str(tmp_path), "--port", "0"])
    assert (
        "BAROMETER_LOG_LEVEL must be one of debug, info, warning, error, critical" in capsys.readouterr().err
    )


def test_a_bus_that_is_away_ends_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    from shared.bus.kafka import bus as adapter  # noqa: F401 (it must be importable for this to mean anything)

    monkeypatch.chdir(tmp_path)
    arguments = ["ticket", "void", "a:1", "--reason", "x", "--bus", f"kafka://127.0.0.1:{free_port}"]
    assert 3 == run(arguments)


def test_check_tells_problems_on_stderr_and_a_fine_file_on_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "b.yaml"
    path.write_text("rulez: []\n")
    assert 2 == run(["check", str(path)])
    told = capsys.readouterr()
    assert ("", f"{path}:1: unknown key `rulez` in the file; did you mean `rules`?\n") == (told.out, told.err)
    path.write_text("rules: []\n")
    assert 0 == run(["check", str(path)])
    assert "fine (1 tenant, 0 sources, 0 rules" in capsys.readouterr().out


def test_check_prints_a_schema_for_editors(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(["check", "--schema"])
    assert "rules" in json.loads(capsys.readouterr().out)["properties"]


def test_a_new_key_comes_with_its_digest(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run(["key", "new"])
    lines = capsys.readouterr().out.splitlines()
    token, digest = (line.split()[1] for line in lines[:2])
    assert token.startswith("bk_")
    assert hashlib.sha256(token.encode()).hexdigest() == digest


def test_an_open_port_beyond_loopback_is_refused(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin", "PYTHONPATH": str(Path(__file__).parents[3])}
    arguments = ["serve", "--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path / "data")]
    ended = subprocess.run(
        [sys.executable, "-m", "barometer", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
        timeout=50,
    )
    assert 2 == ended.returncode
    assert "without API keys" in ended.stderr
