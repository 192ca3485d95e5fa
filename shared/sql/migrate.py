"""Schema versions: brought to the newest by a command, checked at every start.

A service that runs on another schema than it was written for loses data in ways that no test foresees,
so it refuses to start and names the command. On SQLite there is one process and nobody to run commands:
there `serve` upgrades by itself.

Two processes may upgrade at once (two pods roll out): everything happens in one transaction, begun with
a lock, so the second one waits and finds nothing left to do.

A service's `migrations/env.py` is two lines: `from shared.sql.migrate import run_environment` and
`run_environment(METADATA)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from shared.sql.engine import SQLITE, Engine, read, transaction
from shared.sql.port import StoreMisconfigured

_UPGRADE_LOCK: Final = 0x0BA2_03E7_E200
"""Key of Postgres' advisory lock; any number nobody else uses in this database."""


async def upgrade(engine: Engine, migrations: Path) -> None:
    """Bring the database to the newest schema in `migrations`; nothing happens if it is there already.

    Raises StoreUnavailable, StoreMisconfigured.
    """
    await transaction(engine, lambda connection: _upgrade(connection, migrations))


async def check(engine: Engine, migrations: Path) -> None:
    """Return if the schema is the newest in `migrations`; else raise StoreMisconfigured with the mend."""
    await read(engine, lambda connection: _check(connection, migrations))


async def prepare(engine: Engine, migrations: Path) -> None:
    """Do what a service does at start: upgrade its own SQLite file, check a Postgres database."""
    if engine.dialect.name == SQLITE:
        await _refuse_newer(engine, migrations)
        await upgrade(engine, migrations)
    await check(engine, migrations)


def run_environment(metadata: MetaData) -> None:
    """Run the migrations on the connection that `upgrade` holds; called by a service's env.py."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == SQLITE,
    )
    with context.begin_transaction():
        context.run_migrations()


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return config


def _upgrade(connection: Connection, migrations: Path) -> None:
    if connection.dialect.name != SQLITE:
        # SQLite's BEGIN IMMEDIATE is such a lock already.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
    config = _config(migrations)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _refuse_newer(engine: Engine, migrations: Path) -> None:
    stored = await read(engine, _stored)
    if stored and not stored <= _known(migrations):
        raise StoreMisconfigured(_newer(stored))


def _check(connection: Connection, migrations: Path) -> None:
    heads = frozenset(ScriptDirectory.from_config(_config(migrations)).get_heads())
    stored = _stored(connection)
    if stored == heads:
        return
    if stored and not stored <= _known(migrations):
        raise StoreMisconfigured(_newer(stored))
    raise StoreMisconfigured(
        f"the database's schema is {_names(stored)}, this version needs {_names(heads)}: "
        f"stop the service and run `barometer db upgrade`"
    )


def _newer(stored: frozenset[str]) -> str:
    return (
        f"the database's schema {_names(stored)} is unknown to this version: a newer version of Barometer "
        f"upgraded it. Start that version, or restore the database from before the upgrade"
    )


def _stored(connection: Connection) -> frozenset[str]:
    return frozenset(MigrationContext.configure(connection).get_current_heads())


def _known(migrations: Path) -> frozenset[str]:
    scripts = ScriptDirectory.from_config(_config(migrations))
    return frozenset(script.revision for script in scripts.walk_revisions())


def _names(revisions: frozenset[str]) -> str:
    return ", ".join(sorted(revisions)) or "empty"
