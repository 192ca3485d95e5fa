"""How databases fail, in the port's words, and that an engine lets the process end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection

from shared.sql.engine import open_engine, opened, read, transaction
from shared.sql.port import StoreMisconfigured, StoreUnavailable

pytestmark = pytest.mark.asyncio


def one(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT 1").scalar_one())


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql+aiomysql://u:hush@h/d", r"begins with sqlite\+aiosqlite:// or postgresql\+asyncpg://"),
        ("postgresql://u:hush@h/d", "not postgresql://"),
        ("nonsense hush", "cannot be read"),
    ],
)
async def test_a_url_of_no_use_is_refused_without_repeating_it(url: str, complaint: str) -> None:
    with pytest.raises(StoreMisconfigured, match=complaint) as caught:
        open_engine(url)
    assert "hush" not in str(caught.value)


async def test_a_postgres_that_is_away_is_unavailable_and_its_password_stays_secret() -> None:
    async with opened("postgresql+asyncpg://u:hush@127.0.0.1:1/d") as engine:
        with pytest.raises(StoreUnavailable) as caught:
            await transaction(engine, one)
    assert "hush" not in str(caught.value)


async def test_a_file_that_cannot_be_opened_or_is_no_database_needs_a_person(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be read as one" * 100)
    for name in ("no/such/directory/state.db", "text.db"):
        async with opened(f"sqlite+aiosqlite:///{tmp_path}/{name}") as engine:
            with pytest.raises(StoreMisconfigured):
                await transaction(engine, one)


async def test_a_missing_table_needs_a_person(tmp_path: Path) -> None:
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/state.db") as engine:
        with pytest.raises(StoreMisconfigured, match="no such table"):
            await read(engine, lambda c: c.exec_driver_sql("SELECT * FROM absent").all())


async def test_sqlite_is_opened_with_the_journal_and_the_waits_it_needs(tmp_path: Path) -> None:
    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]

    async with opened(f"sqlite+aiosqlite:///{tmp_path}/state.db") as engine:
        assert ["wal", 1, 10_000, 1] == await read(engine, pragmas)


async def test_writers_take_turns_from_the_first_statement_on(tmp_path: Path) -> None:
    def raise_by_one(connection: Connection) -> None:
        found = connection.exec_driver_sql("SELECT n FROM counter").scalar_one()
        connection.exec_driver_sql(f"UPDATE counter SET n = {found + 1}")

    path = tmp_path / "state.db"
    with sqlite3.connect(path) as plain:
        plain.execute("CREATE TABLE counter (n)")
        plain.execute("INSERT INTO counter VALUES (0)")
    plain.close()
    async with opened(f"sqlite+aiosqlite:///{path}") as engine:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(transaction(engine, raise_by_one))
        assert 20 == await read(engine, lambda c: c.exec_driver_sql("SELECT n FROM counter").scalar_one())


async def test_a_closed_engine_leaves_no_thread_even_when_work_was_cancelled(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/state.db") as engine:
        working = [asyncio.create_task(transaction(engine, one)) for _ in range(4)]
        await asyncio.sleep(0)
        for task in working[:2]:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    assert set() == {t for t in threading.enumerate() if t not in before and not t.daemon and t.is_alive()}


async def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    for number in range(25):
        url = f"sqlite+aiosqlite:///{tmp_path}/{number}.db"
        async with opened(url) as first, opened(url) as second, opened(url) as third:
            engines = (first, second, third, first, second, third)
            assert [1] * 6 == await asyncio.gather(*(read(engine, one) for engine in engines))
