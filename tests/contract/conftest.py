"""One suite for each port, over all its adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared.bus.port import Bus
from shared.sql.engine import Engine
from tests.contract.bus_adapters import Adapter
from tests.contract.intake_databases import intake_database
from tests.contract.simulated_bus import SimulatedAdapter


@pytest_asyncio.fixture(params=["simulated", "embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def adapter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Adapter]:
    """Give each adapter of the bus in turn."""
    if request.param == "simulated":
        adapter: Adapter = SimulatedAdapter()
    elif request.param == "kafka":
        adapter = Adapter(request.getfixturevalue("kafka").bus_url, None)
    else:
        adapter = Adapter(f"embedded:{tmp_path / 'data'}", tmp_path / "data")
    yield adapter
    await adapter.stack.aclose()


@pytest_asyncio.fixture
async def bus(adapter: Adapter) -> Bus:
    """Give an open bus."""
    return await adapter.open()


@pytest_asyncio.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def intake_engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """Give intake's database, empty, on each of the two in turn."""
    async with intake_database(request, tmp_path) as engine:
        yield engine
