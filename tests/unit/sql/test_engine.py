"""How databases fail, in the port's words, and that an engine lets the process end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Select, column, func, make_url, select

from shared.sql.engine import Engine, open_engine, opened, read, stream, transaction
from shared.sql.port import StoreMisconfigured, StoreUnavailable
from shared.sql.sqlite import SqliteEngine

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


async def numbers(engine: Engine) -> AsyncGenerator[Sequence[tuple[object, ...]], None]:
    many: Select[*tuple[Any, ...]] = select(column("value")).select_from(
        func.json_each("[1,2,3,4,5,6,7,8,9,10]")
    )
    async with aclosing(stream(engine, [many, many], rows_at_once=4)) as pieces:
        async for rows in pieces:
            yield rows


async def test_what_is_streamed_comes_in_pieces_statement_by_statement(tmp_path: Path) -> None:
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/state.db") as engine:
        assert [4, 4, 2, 4, 4, 2] == [len(rows) async for rows in numbers(engine)]


async def test_a_stream_that_is_left_early_or_cancelled_gives_its_connection_back(tmp_path: Path) -> None:
    async def first(engine: Engine) -> int:
        async with aclosing(numbers(engine)) as pieces:
            async for rows in pieces:
                return len(rows)
        return 0

    async with opened(f"sqlite+aiosqlite:///{tmp_path}/state.db") as engine:
        assert [4] * 20 == [await first(engine) for _ in range(20)]
        cancelled = [asyncio.create_task(first(engine)) for _ in range(20)]
        await asyncio.sleep(0)
        for task in cancelled:
            task.cancel()
        await asyncio.gather(*cancelled, return_exceptions=True)
        assert [1] * 20 == await asyncio.gather(*(read(engine, one) for _ in range(20)))


async def test_work_that_finds_no_connection_free_in_time_is_refused(tmp_path: Path) -> None:
    engine = SqliteEngine(make_url(f"sqlite:///{tmp_path}/state.db"), connections_max=1, wait_s=0.01)
    async with aclosing(numbers(engine)) as pieces:
        await anext(pieces)
        with pytest.raises(StoreUnavailable, match="all connections are busy"):
            await read(engine, one)
    assert 1 == await read(engine, one)
    await engine.dispose()


async def test_a_cancelled_transaction_has_ended_when_it_is_told(tmp_path: Path) -> None:
    begun, goes_on, ended = asyncio.Event(), threading.Event(), list[bool]()
    loop = asyncio.get_running_loop()

    def slow(_: Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        ended.append(goes_on.wait(10))

    async with opened(f"sqlite+aiosqlite:///{tmp_path}/state.db") as engine:
        working = asyncio.create_task(transaction(engine, slow))
        await begun.wait()
        working.cancel()
        await asyncio.sleep(0)
        working.cancel()
        loop.call_soon(goes_on.set)
        with pytest.raises(asyncio.CancelledError):
            await working
        assert [True] == ended
        assert 1 == await transaction(engine, one)
