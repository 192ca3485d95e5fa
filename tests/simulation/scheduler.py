"""Virtual time, and who goes on next: the one source of order in a simulated world.

Tasks are plain coroutines driven by `send(None)`. They stop only where a simulated adapter lets the scheduler
in (`Reached`) or waits (`Wait`), and in between everything else may happen: other tasks, events whose time has
come, and whatever the world decides at that place. All chance comes from one `Random`, so a run is a function
of its seed.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import Any, Final, Protocol

LATENCY_US_MAX: Final = 60
"""What a call takes at least on average twice: time moves while tasks work."""


class Crashed(BaseException):
    """The process of this task is dead: nothing it does has an effect any more."""


class Cancelled(BaseException):
    """The task is to end here."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A task is at a port's call, before its effect or after it."""

    call: str
    done: bool


@dataclass(slots=True)
class Wait:
    """A task waits until `happened()`, or until virtual time is `at_us`."""

    happened: Callable[[], bool] | None
    at_us: int


Request = Reached | Wait


@types.coroutine
def give(request: Request) -> Generator[Request, None, None]:
    """Let the scheduler decide when to go on."""
    yield request


class Owner(Protocol):
    """A process, as the scheduler knows it."""

    alive: bool
    frozen: bool

    def ended(self, task: Task, error: BaseException | None) -> None:
        """Hear of the end of one of its tasks; `error` None: in good order."""
        ...


class Task:
    """One coroutine."""

    __slots__ = ("_done", "_name", "call", "coroutine", "owner", "throwing", "waiting")

    def __init__(self, name: str, coroutine: Coroutine[Any, Any, None], owner: Owner) -> None:
        self._name, self.coroutine, self.owner = name, coroutine, owner
        self.call = "begin"
        self.waiting: Wait | None = None
        self.throwing: BaseException | None = None
        self._done = False

    def done(self) -> bool:
        """Return whether it has ended."""
        return self._done

    def get_name(self) -> str:
        """Return its name."""
        return self._name

    def cancel(self) -> bool:
        """End it where it is, when its turn comes."""
        if self._done:
            return False
        self.throwing = Cancelled()
        if self.waiting is not None:
            self.waiting.at_us = 0
        return True

    def end(self) -> None:
        """Close it at once, without an effect: its process is dead."""
        self._done = True
        with suppress(Crashed):  # it comes as far as a port on its way out
            self.coroutine.close()


class Watcher(Protocol):
    """What the world does at each place where a task can be interrupted."""

    def reached(self, task: Task, request: Reached) -> int:
        """Decide what happens there; return the instant at which the task may go on (0: at once)."""
        ...

    def stepped(self, task: Task) -> None:
        """Hear that a task did a step."""
        ...


class Scheduler:
    """Runs tasks one step at a time, in an order drawn by `random`."""

    def __init__(self, random: Random, now_us: int) -> None:
        self.random = random
        self.now_us = now_us
        self.steps = 0
        self.watcher: Watcher | None = None
        self._ready: list[Task] = []
        self._waiting: list[Task] = []
        self._frozen: list[Task] = []
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._events_made = 0

    def start(self, name: str, coroutine: Coroutine[Any, Any, None], owner: Owner) -> Task:
        """Begin a task."""
        task = Task(name, coroutine, owner)
        self._ready.append(task)
        return task

    def at(self, at_us: int, event: Callable[[], None]) -> None:
        """Call `event` at `at_us`, between two steps."""
        self._events_made += 1
        heappush(self._events, (at_us, self._events_made, event))

    def leap(self, us: int) -> None:
        """Let `us` pass with nobody doing anything: the whole world was suspended."""
        self.now_us += us

    def step(self) -> bool:
        """Do the next thing. Return False if there is nothing that could ever happen."""
        self._fire_events()
        self._wake()
        if not self._ready:
            return self._pass_time()
        task = self._next()
        if task is not None:
            self.now_us += int(self.random.random() * LATENCY_US_MAX)
            self.steps += 1
            self._resume(task)
        return True

    def thaw(self) -> None:
        """Look again at the tasks of processes that were frozen."""
        self._ready += self._frozen
        self._frozen = []

    def _next(self) -> Task | None:
        """Take a task that is ready, by chance; None if the one drawn is dead or frozen."""
        ready = self._ready
        index = int(self.random.random() * len(ready))
        task = ready[index]
        ready[index] = ready[-1]
        ready.pop()
        if task.done():
            return None
        if task.owner.frozen:
            self._frozen.append(task)
            return None
        return task

    def _resume(self, task: Task) -> None:
        error, task.throwing = task.throwing, None
        try:
            request = task.coroutine.send(None) if error is None else task.coroutine.throw(error)
        except (StopIteration, Cancelled):
            self._ended(task, None)
        except Crashed:
            task._done = True
        except BaseException as error:  # noqa: BLE001 (whatever a task dies of is the world's to judge)
            self._ended(task, error)
        else:
            self._go_on(task, request)
        if self.watcher is not None:
            self.watcher.stepped(task)

    def _go_on(self, task: Task, request: Request) -> None:
        if isinstance(request, Reached):
            task.call = request.call
            at_us = self.watcher.reached(task, request) if self.watcher is not None else 0
            if task.done():
                return
            if at_us <= self.now_us:
                self._ready.append(task)
                return
            request = Wait(None, at_us)
        task.waiting = request
        self._waiting.append(task)

    def _ended(self, task: Task, error: BaseException | None) -> None:
        task._done = True
        task.owner.ended(task, error)

    def _fire_events(self) -> None:
        events = self._events
        while events and events[0][0] <= self.now_us:
            heappop(events)[2]()

    def _wake(self) -> None:
        now_us = self.now_us
        still: list[Task] = []
        for task in self._waiting:
            wait = task.waiting
            assert wait is not None
            if wait.at_us <= now_us or (wait.happened is not None and wait.happened()):
                task.waiting = None
                self._ready.append(task)
            elif not task._done:
                still.append(task)
        self._waiting = still

    def _pass_time(self) -> bool:
        """Go to the instant at which something happens next."""
        instants = [task.waiting.at_us for task in self._waiting if task.waiting is not None]
        if self._events:
            instants.append(self._events[0][0])
        if not instants:
            return False
        self.now_us = max(self.now_us, min(instants))
        return True


NEVER_US: Final = 1 << 62
