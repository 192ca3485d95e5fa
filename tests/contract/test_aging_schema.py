"""The migrations give the tables the code is written for, and each question has its index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import ColumnElement, Connection, Select, func, select

from services.aging.adapters.sql import MIGRATIONS
from services.aging.adapters.tables import ASLEEP, METADATA, STOCK, TICKETS
from shared.sql.engine import Engine, opened, read, transaction
from shared.sql.migrate import upgrade

pytestmark = pytest.mark.asyncio

_SHAPE = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'",
    "postgresql": """
        SELECT table_name || '.' || column_name, concat_ws(' ', data_type, is_nullable, collation_name)
          FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
        UNION ALL SELECT indexname, indexdef FROM pg_indexes
          WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        UNION ALL SELECT relname, reloptions::text FROM pg_class WHERE reloptions IS NOT NULL
          AND relnamespace = 'public'::regnamespace""",
}


@pytest_asyncio.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/aging.db"
    else:
        url = request.getfixturevalue("postgres_url")
    async with opened(url) as engine:
        yield engine


def shape(connection: Connection) -> dict[str, str]:
    """Everything the database says of its tables and indexes, in one spelling."""
    rows = connection.exec_driver_sql(_SHAPE[connection.dialect.name])
    return {name: " ".join(str(text).replace('"', "").replace("( ", "(").split()) for name, text in rows}


async def test_the_migrations_give_the_tables_that_the_code_is_written_for(engine: Engine) -> None:
    await transaction(engine, METADATA.create_all)
    expected = await read(engine, shape)
    await transaction(engine, METADATA.drop_all)
    await upgrade(engine, MIGRATIONS)
    assert {name: spelled(text) for name, text in expected.items()} == {
        name: spelled(text) for name, text in (await read(engine, shape)).items()
    }


def spelled(text: str) -> str:
    return text.replace(" ", "").replace(",", ", ")


@pytest.mark.parametrize(
    ("index", "statement"),
    [
        ("tickets_stock (partition=?)", select(TICKETS).where(STOCK, TICKETS.c.partition == 1)),
        (
            "tickets_by_age (tenant=?)",
            select(TICKETS)
            .where(TICKETS.c.tenant == "a", STOCK)
            .order_by(TICKETS.c.aged_from_us.desc(), TICKETS.c.ticket.desc()),
        ),
        (
            "tickets_asleep (partition=?)",
            select(TICKETS)
            .where(ASLEEP, TICKETS.c.partition == 1)
            .order_by(TICKETS.c.tenant, TICKETS.c.ticket),
        ),
        (
            "tickets_left (tenant=? AND left_us>?)",
            select(TICKETS).where(TICKETS.c.tenant == "a", TICKETS.c.left_us > 1),
        ),
    ],
    ids=["take-over", "list by age", "waking", "left lately"],
)
async def test_on_sqlite_each_question_is_answered_from_its_index_without_sorting(
    tmp_path: Path, index: str, statement: Select[tuple[object, ...]]
) -> None:
    assert [f"SEARCH tickets USING INDEX {index}"] == await plan_of(tmp_path, statement)


@pytest.mark.parametrize("group", [TICKETS.c.job, TICKETS.c.duplicate_group], ids=["job", "duplicate group"])
async def test_on_sqlite_groups_are_counted_from_an_index_without_a_look_at_the_tickets(
    tmp_path: Path, group: ColumnElement[int]
) -> None:
    some = select(group, func.count()).where(STOCK, TICKETS.c.tenant == "a", group.in_([1, 2]))
    every = select(group, func.count(), func.min(TICKETS.c.aged_from_us)).where(
        STOCK, TICKETS.c.tenant == "a", group.is_not(None)
    )
    for statement in (some, every):
        plan = await plan_of(tmp_path, statement.group_by(group))
        assert "SEARCH tickets USING COVERING INDEX tickets_by_age (tenant=?)" == plan[0]


async def plan_of(directory: Path, statement: Select[*tuple[object, ...]]) -> list[str]:
    def plan(connection: Connection) -> list[str]:
        sql = statement.compile(connection, compile_kwargs={"literal_binds": True})
        return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]

    async with opened(f"sqlite+aiosqlite:///{directory}/aging.db") as engine:
        await upgrade(engine, MIGRATIONS)
        return await read(engine, plan)
