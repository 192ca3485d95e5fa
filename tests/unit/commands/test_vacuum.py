from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from barometer.cli import run


def a_database(path: Path) -> None:
    """Make a file in whose free pages a name is left."""
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA secure_delete = OFF")
        file.execute("CREATE TABLE people (name TEXT)")
        file.executemany(
            "INSERT INTO people VALUES (?)", [(f"kim private {number}",) for number in range(500)]
        )
        file.commit()
        file.execute("DELETE FROM people")
        file.commit()


def test_after_a_vacuum_no_file_holds_what_was_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_database(tmp_path / "aging.db")
    assert b"kim private" in (tmp_path / "aging.db").read_bytes()

    assert 0 == run(["db", "vacuum", "--data", str(tmp_path)])

    assert not any(b"kim private" in path.read_bytes() for path in tmp_path.iterdir())
    assert f"{tmp_path / 'aging.db'}: nothing is left in it of what was deleted\n" == capsys.readouterr().out


def test_where_there_is_no_database_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == run(["db", "vacuum", "--data", str(tmp_path)])
    assert "there is no database in" in capsys.readouterr().err
