"""`barometer db upgrade|vacuum`: databases brought to the schema of this version, or rid of what was deleted."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from barometer.exits import Refused, complain, reported
from barometer.places import data_directory, environment
from shared.sql.engine import opened
from shared.sql.migrate import upgrade as upgrade_schema
from shared.sql.sqlite import vacuum as vacuum_file

Service = Literal["aging", "alerting", "intake"]
SERVICES: tuple[Service, ...] = ("aging", "alerting", "intake")


def upgrade(
    service: Service | None = None,
    /,
    *,
    database: str | None = None,
    data: Path | None = None,
) -> int:
    """Upgrade the database of one service, or all of a data directory.

    Args:
        service: aging, alerting or intake; needed with --database.
        database: Such as postgresql+asyncpg://user@host/aging; by default BAROMETER_DATABASE.
        data: The data directory of `barometer serve` (which upgrades by itself at start).
    """
    return reported(lambda: asyncio.run(_upgrade(service, database, data)))


def vacuum(*, data: Path | None = None) -> int:
    """Write the databases of a data directory anew, so that nothing of what was deleted is left in their files.

    Args:
        data: The data directory of `barometer serve`, which must not run meanwhile.
    """
    return reported(lambda: _vacuum(data_directory(data)))


def _vacuum(directory: Path) -> int:
    found = [path for each in SERVICES if (path := database_file(directory, each)).exists()]
    if not found:
        raise Refused(f"there is no database in {directory}; Postgres has its own: VACUUM FULL")
    for path in found:
        vacuum_file(path)
        print(f"{path}: nothing is left in it of what was deleted")
    return 0


async def _upgrade(service: Service | None, database: str | None, data: Path | None) -> int:
    if data is None:
        database = database or environment().get("BAROMETER_DATABASE")
    if database is None:
        for each in SERVICES if service is None else (service,):
            path = database_file(data_directory(data), each)
            if path.exists():
                await _upgrade_one(each, sqlite_url(path))
            else:
                complain(f"{path} is not there yet; `barometer serve` makes it")
        return 0
    if service is None:
        raise Refused("whose database is it? `barometer db upgrade aging`, `... alerting` or `... intake`")
    await _upgrade_one(service, database)
    return 0


async def _upgrade_one(service: Service, url: str) -> None:
    async with opened(url) as engine:
        await upgrade_schema(engine, migrations_of(service))
    print(f"{service}: the database is up to date")


def database_file(data: Path, service: Service) -> Path:
    """Return the SQLite file of `service` in a data directory."""
    return data / f"{service}.db"


def sqlite_url(path: Path) -> str:
    """Return the SQLAlchemy URL of a SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


def migrations_of(service: Service) -> Path:
    """Return the directory of the service's migrations."""
    found = find_spec(f"services.{service}")
    assert found is not None, "the services are part of this distribution"
    assert found.origin is not None, "a service is a package with a file"
    return Path(found.origin).parent / "migrations"
