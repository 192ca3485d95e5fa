"""Hosts and the processes that run on them: the services put together as their app.py does, over simulated ports.

A host keeps its name and its clock; a process is one incarnation of what runs there. Of a process that
crashed nothing is left but what the cluster and the databases hold.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from shared.bus.port import BusUnavailable
from shared.runtime.port import StoreUnavailable
from shared.runtime.tasks import Task as AnyTask
from shared.runtime.tasks import Tasks
from tests.simulation.bus import SimulatedBus
from tests.simulation.clock import SimulatedClock
from tests.simulation.point import Point
from tests.simulation.scheduler import Crashed, Reached, Task, Wait, give

if TYPE_CHECKING:
    from tests.simulation.roles import Role
    from tests.simulation.world import World

_PASSING: Final = (BusUnavailable, StoreUnavailable)
"""What a process may die of when it lasts; a supervisor starts it again."""


class Host:
    """A machine."""

    def __init__(self, world: World, name: str, roles: Sequence[str], clock: SimulatedClock) -> None:
        self.world, self.name, self.roles, self.clock = world, name, tuple(roles), clock
        self.process: Process | None = None
        self.is_wanted = True
        self.started = 0

    def start(self) -> None:
        """Start a process, unless one runs or none is wanted."""
        if self.process is None and self.is_wanted:
            self.started += 1
            self.process = Process(self)
            self.process.begin()

    def start_after(self, us: int) -> None:
        """Start a process in a while, as a supervisor does; nothing happens if one runs by then."""
        scheduler = self.world.scheduler
        scheduler.at(scheduler.now_us + us, self.start)


class Process:
    """One incarnation of a host's process."""

    def __init__(self, host: Host) -> None:
        self.host, self.world = host, host.world
        self.name = f"{host.name}#{host.started}"
        self.alive, self.frozen, self.stopping = True, False, False
        self.point: Point = self._reached
        self.bus: SimulatedBus = self.world.build.bus(self.world.cluster, self.point)
        self.tasks: list[Task] = []
        self.roles: dict[str, Role] = {}

    def begin(self) -> None:
        """Start the work of all roles."""
        for name in self.host.roles:
            role = self.world.build.roles[name](self)
            self.roles[name] = role
            for label, work in role.work():
                self.spawn(label, work)

    def spawn(self, label: str, work: Coroutine[Any, Any, None]) -> Task:
        """Start a task of this process."""
        task = self.world.scheduler.start(f"{self.name}/{label}", work, self)
        self.tasks = [one for one in self.tasks if not one.done()]
        self.tasks.append(task)
        return task

    def stop(self) -> None:
        """Let everything end in good order, as SIGTERM does."""
        self.stopping = True
        for role in self.roles.values():
            role.stop()

    def crash(self) -> None:
        """Lose everything but what the cluster and the databases hold."""
        if not self.alive:
            return
        self.alive = False
        for task in self.tasks:
            task.end()
        self._over()

    def ended(self, task: Task, error: BaseException | None) -> None:
        """Hear of the end of a task."""
        if not self.alive:
            return
        if error is not None:
            if not _is_passing(error):
                self.world.violation(f"{task.get_name()} died: {type(error).__name__}: {error}", error)
            self.world.count("died")
            self.world.crash(self)
        elif self.stopping and all(one.done() for one in self.tasks):
            self.alive = False
            self._over()

    async def pause(self, wait_ms: int) -> None:
        """Let time pass: the `Pause` of this process."""
        await self.until_us(wait_ms * 1_000)

    async def idle(self, wait_ms: int) -> None:
        """Let at least `wait_ms` pass: a pause of those that only look whether there is anything to do."""
        await self.until_us(max(wait_ms * 1_000, self.world.idle_us))

    async def until_us(self, us: int) -> None:
        """Wait so long."""
        await give(Wait(None, self.world.scheduler.now_us + us))

    @asynccontextmanager
    async def open_tasks(self) -> AsyncIterator[Tasks]:
        """Give what a partition group starts its loops with."""
        yield _ProcessTasks(self)

    def _over(self) -> None:
        self.bus.die()
        self.bus.vanish(self.world.session_timeout_us() // 1_000)
        self.host.process = None
        self.host.start_after(self.world.restart_us())

    async def _reached(self, call: str, *, done: bool) -> None:
        if not self.alive:
            raise Crashed
        await give(Reached(call, done))


class _ProcessTasks:
    """Tasks of a partition group: those of its process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> AnyTask:
        return self._process.spawn(name, work)

    async def ended(self, tasks: Sequence[AnyTask], *, within_ms: int | None) -> Sequence[AnyTask]:
        def over() -> bool:
            return all(task.done() for task in tasks)

        world = self._process.world
        if not over():
            await world.until(over, within_ms if within_ms is not None else _FOR_EVER_MS)
        return [task for task in tasks if not task.done()]


_FOR_EVER_MS: Final = 1_000_000_000


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_passing(one) for one in error.exceptions)
    return isinstance(error, _PASSING)
