"""The one database of intake, opened: the threads of e-mail and the cursors of what is read from elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.intake.adapters.cursors import SqlCursors
from services.intake.adapters.threads import SqlThreads
from services.intake.ports import Memory
from shared.sql.engine import opened


@asynccontextmanager
async def open_memory(url: str, *, thread_days: int) -> AsyncIterator[Memory]:
    """Give what intake remembers at `url`, with its schema checked, and close it. Raises StoreError.

    A mail is forgotten `thread_days` after it came.
    """
    async with opened(url) as engine:
        threads = SqlThreads(engine, kept_days=thread_days)
        await threads.prepare()
        yield Memory(threads, SqlCursors(engine))
