"""The simulated bus under the contract suites: asyncio lets its time pass, and nothing goes wrong by itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue

from shared.bus.port import Bus
from shared.clock import SystemClock, monotonic_seconds
from shared.contracts.topics import Cleanup, Topic
from tests.contract.bus_adapters import Adapter, fresh_topic
from tests.contract.bus_child import work
from tests.simulation.bus import SimulatedBus
from tests.simulation.cluster import Cluster
from tests.simulation.network import Loss

_POLL_S = 0.001
_UPKEEP_S = 0.05


class AsyncioNetwork:
    """Time as it passes, and messages that arrive."""

    async def until(self, happened: Callable[[], bool], wait_ms: int) -> None:
        deadline = monotonic_seconds() + wait_ms / 1_000
        while not happened() and monotonic_seconds() < deadline:  # noqa: ASYNC110 (the port gives a predicate)
            await asyncio.sleep(_POLL_S)

    def later(self, step: Callable[[], None], wait_ms: int | None = None) -> None:
        asyncio.get_running_loop().call_later((wait_ms or 0) / 1_000, step)

    def loss(self) -> Loss:
        return Loss.NONE

    def some(self, count: int) -> int:
        return count // 2


async def turn(call: str, *, done: bool) -> None:
    """Let others go first at each call: the point of adapters in one event loop."""
    await asyncio.sleep(0)


@dataclass
class SimulatedAdapter(Adapter):
    """The third adapter of the bus port."""

    url: str = "simulated:"
    directory: None = None
    cluster: Cluster = field(default_factory=lambda: Cluster(SystemClock(), AsyncioNetwork()))

    async def open(self) -> Bus:
        return await self.stack.enter_async_context(SimulatedBus(self.cluster, turn))

    async def topic(self, bus: Bus, *, partitions: int = 1, quick: bool = False, **shape: object) -> Topic:
        topic = fresh_topic(**shape)  # type: ignore[arg-type]
        await bus.ensure_topics({topic.name: partitions}, known=[topic])
        if quick:
            task = asyncio.create_task(self._keep_up(topic))
            self.stack.callback(task.cancel)
        return topic

    async def recreate(self, topic: Topic) -> Bus:
        self.cluster.forget(topic.name)
        self.cluster.ensure({topic.name: 1}, [topic])
        return await self.open()

    def child(self, *arguments: str) -> SimulatedChild:
        return SimulatedChild(self.cluster, arguments)

    async def _keep_up(self, topic: Topic) -> None:
        while True:
            await asyncio.sleep(_UPKEEP_S)
            if topic.cleanup is Cleanup.COMPACT:
                self.cluster.compact(topic.name, behind=1)
            else:
                for log in self.cluster.topic(topic.name).logs:
                    self.cluster.expire(topic.name, log.partition, log.end)


class SimulatedChild:
    """Another process's connection, driven in this event loop; to be killed from any thread."""

    def __init__(self, cluster: Cluster, arguments: tuple[str, ...]) -> None:
        self._bus = SimulatedBus(cluster, turn)
        self.stdout = Said()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        command, topic, argument = arguments
        self._task = self._loop.create_task(work(self._bus, self.stdout.say, command, topic, argument))
        self._task.add_done_callback(lambda _: self.stdout.end())

    def kill(self) -> None:
        """End it: nothing it does from here on has an effect."""
        if threading.get_ident() == self._thread:
            self._die()
        else:
            dead = threading.Event()
            self._loop.call_soon_threadsafe(self._die)
            self._loop.call_soon_threadsafe(dead.set)
            dead.wait()

    def wait(self) -> int:
        """Return its exit code."""
        return -9

    def _die(self) -> None:
        self._task.cancel()
        self._bus.die()
        self.stdout.end()


class Said:
    """The lines of a child, to be read by another thread."""

    def __init__(self) -> None:
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._ended = False

    def say(self, text: object) -> None:
        self._lines.put(f"{text}\n")

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._lines.put("")

    def readline(self) -> str:
        return self._lines.get()

    def __iter__(self) -> Iterator[str]:
        while line := self._lines.get():
            yield line

    def read(self) -> str:
        return "".join(self)

    def close(self) -> None:
        """Read no more."""
