"""Empty databases of intake for the suites of its ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.intake.adapters.threads import MIGRATIONS
from shared.sql.engine import Engine, opened
from shared.sql.migrate import upgrade


@asynccontextmanager
async def intake_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """Give the database, `sqlite` or `postgres`, that the parameter of `request` names."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/intake.db"
    else:
        url = request.getfixturevalue("postgres_url")
    async with opened(url) as engine:
        await upgrade(engine, MIGRATIONS)
        yield engine
