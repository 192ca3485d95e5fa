"""Schema versions on SQLite: upgraded by itself, checked, and refused with the command that mends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import inspect

from shared.sql.engine import Engine, opened, read, transaction
from shared.sql.migrate import check, prepare, upgrade
from shared.sql.port import StoreMisconfigured

pytestmark = pytest.mark.asyncio

ENVIRONMENT = """
from sqlalchemy import MetaData
from shared.sql.migrate import run_environment
run_environment(MetaData())
"""
REVISION = """
from alembic import op
from sqlalchemy import MetaData
from shared.sql.journal import define_journal
revision, down_revision = "{revision}", {down!r}
def upgrade():
    {upgrade}
def downgrade():
    raise NotImplementedError
"""
FIRST = """metadata = MetaData()
    define_journal(metadata)
    metadata.create_all(op.get_bind())"""


def write_migrations(directory: Path, *revisions: str) -> Path:
    (directory / "versions").mkdir(parents=True)
    (directory / "env.py").write_text(ENVIRONMENT)
    down = None
    for revision in revisions:
        upgrade = FIRST if down is None else 'op.execute("CREATE TABLE later (a integer)")'
        text = REVISION.format(revision=revision, down=down, upgrade=upgrade)
        (directory / "versions" / f"{revision}.py").write_text(text)
        down = revision
    return directory


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    return write_migrations(tmp_path / "100%", "0001")


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with opened(f"sqlite+aiosqlite:///{tmp_path}/state.db") as engine:
        yield engine


async def tables(engine: Engine) -> set[str]:
    return set(await read(engine, lambda c: inspect(c).get_table_names()))


async def test_an_empty_sqlite_file_is_upgraded_at_start(engine: Engine, migrations: Path) -> None:
    await prepare(engine, migrations)
    assert {"alembic_version", "partitions", "outbox"} == await tables(engine)
    await prepare(engine, migrations)


async def test_an_old_schema_is_refused_with_the_command_that_mends_it(
    engine: Engine, migrations: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoreMisconfigured, match=r"schema is empty.*`barometer db upgrade`"):
        await check(engine, migrations)
    await upgrade(engine, migrations)
    newer = write_migrations(tmp_path / "newer", "0001", "0002")
    with pytest.raises(StoreMisconfigured, match=r"schema is 0001, this version needs 0002.*db upgrade"):
        await check(engine, newer)


async def test_a_schema_of_a_newer_version_is_left_alone(
    engine: Engine, migrations: Path, tmp_path: Path
) -> None:
    newer = write_migrations(tmp_path / "newer", "0001", "0002")
    await upgrade(engine, newer)
    with pytest.raises(StoreMisconfigured, match="newer version of Barometer"):
        await prepare(engine, migrations)


async def test_a_migration_that_fails_leaves_the_schema_as_it_was(
    engine: Engine, migrations: Path, tmp_path: Path
) -> None:
    await upgrade(engine, migrations)
    await transaction(engine, lambda c: c.exec_driver_sql("CREATE TABLE later (a integer)"))
    before = await tables(engine)
    broken = write_migrations(tmp_path / "newer", "0001", "0002")
    with pytest.raises(Exception, match="already exists"):
        await upgrade(engine, broken)
    assert before == await tables(engine)
    await check(engine, migrations)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_two_processes_may_upgrade_at_once(
    kind: str, migrations: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = (
        f"sqlite+aiosqlite:///{tmp_path}/both.db"
        if kind == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    async with opened(url) as one, opened(url) as other:
        async with asyncio.TaskGroup() as tasks:
            for engine in (one, other, one, other):
                tasks.create_task(upgrade(engine, migrations))
        await check(one, migrations)
        assert {"alembic_version", "partitions", "outbox"} == await tables(other)
