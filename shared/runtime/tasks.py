"""Working on several things side by side, as a port: asyncio in a process, a seeded scheduler in a simulation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol


class Task(Protocol):
    """Something that was started."""

    def done(self) -> bool:
        """Return whether it has ended."""
        ...

    def cancel(self) -> bool:
        """End it at its next await."""
        ...

    def get_name(self) -> str:
        """Return the name it was started by."""
        ...


class Tasks(Protocol):
    """Starts things and waits for them. An error of any of them ends all."""

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> Task:
        """Begin `work` beside everything else."""
        ...

    async def ended(self, tasks: Sequence[Task], *, within_ms: int | None) -> Sequence[Task]:
        """Return once all `tasks` have ended, or after `within_ms`: those that have not."""
        ...


OpenTasks = Callable[[], AbstractAsyncContextManager[Tasks]]


class _AsyncioTasks:
    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        return self._group.create_task(work, name=name)

    async def ended(self, tasks: Sequence[Task], *, within_ms: int | None) -> Sequence[Task]:
        running = [task for task in tasks if isinstance(task, asyncio.Task)]
        assert len(running) == len(tasks), "tasks of another kind"
        if not running:
            return ()
        _, late = await asyncio.wait(running, timeout=None if within_ms is None else within_ms / 1_000)
        return [task for task in running if task in late]


@asynccontextmanager
async def asyncio_tasks() -> AsyncIterator[Tasks]:
    """Give the tasks of a real process; leaves once all have ended."""
    async with asyncio.TaskGroup() as group:
        yield _AsyncioTasks(group)
