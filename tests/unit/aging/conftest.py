"""A worker over a real SQLite store, for the tests that kill and restart it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.aging.adapters.sql import SqlAgingStore
from tests.unit.aging.worker import Worker, worker_at


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the newest schema: making one takes longer than a test."""
    path = tmp_path_factory.mktemp("aging") / "empty.db"

    async def make() -> None:
        async with SqlAgingStore.open(f"sqlite+aiosqlite:///{path}"):
            pass

    asyncio.run(make())
    return path


@pytest_asyncio.fixture
async def worker(tmp_path: Path, empty_database: Path) -> AsyncIterator[Worker]:
    async with worker_at(tmp_path, empty_database) as worker:
        yield worker
