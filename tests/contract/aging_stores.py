"""Aging's store, on each of its adapters in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings

from services.aging.adapters.sql import MIGRATIONS, SqlAgingStore
from services.aging.ports import AgingQueries, AgingStore
from shared.sql.engine import opened
from shared.sql.migrate import upgrade
from tests.contract.aging_rows import NOW_US
from tests.simulation.point import go_on
from tests.simulation.stores.aging import SimulatedAgingStore
from tests.simulation.stores.aging_database import AgingDatabase

few = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
tenants = (f"tenant {number}" for number in count())
"""One for each example, which then sees nothing of the others."""


class Store(AgingStore, AgingQueries, Protocol):
    """Both sides, which one class keeps."""


@asynccontextmanager
async def aging_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Open the store that the fixture's parameter names: "simulated", "sqlite" or "postgres"."""
    if request.param == "simulated":
        yield SimulatedAgingStore(AgingDatabase(lambda: NOW_US // 1_000), go_on)
        return
    url = address_of(request, tmp_path)
    async with opened(url) as engine:
        await upgrade(engine, MIGRATIONS)
    async with SqlAgingStore.open(url) as store:
        yield store


def address_of(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty database of this test."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/aging.db"
    address: str = request.getfixturevalue("postgres_url")
    return address
