"""A log, a database and two clocks, and loops on them: the real adapters of one machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from shared.bus.embedded import EmbeddedBus
from shared.bus.port import Outgoing
from shared.clock import ManualClock, monotonic_seconds
from shared.contracts.topics import EVENTS, FACTS, Topic
from shared.runtime.group import pause
from shared.runtime.partition import Limits, Memory, PartitionLoop, Parts
from shared.sql.engine import Engine, opened, transaction
from tests.unit.runtime.tally import METADATA, TallyChanges, TallyLogic, TallyStore

START_US = 1_700_000_000_000_000
LIMITS = Limits(idle_wait_ms=5, retry_wait_ms=1, retry_wait_ms_max=2, retries_max=3)
PATIENCE_S = 10.0


class World:
    """What lies around a partition's loop."""

    def __init__(self, bus: EmbeddedBus, engine: Engine, bus_clock: ManualClock) -> None:
        self.bus, self.engine, self.bus_clock = bus, engine, bus_clock
        self.clock = ManualClock(START_US)
        self.store = TallyStore(engine)
        self.logics: list[TallyLogic] = []
        self.logic: Callable[[TallyStore, int], TallyLogic] = TallyLogic

    def pass_time(self, us: int) -> None:
        """Move both clocks."""
        self.clock.set(self.clock.now_us() + us)
        self.bus_clock.set(self.bus_clock.now_us() + us)

    def parts(self, *, bus: Any = None, store: Any = None, limits: Limits = LIMITS) -> Parts[TallyChanges]:
        def new_logic(partition: int) -> TallyLogic:
            self.logics.append(self.logic(self.store, partition))
            return self.logics[-1]

        return Parts(
            bus=bus or self.bus, store=store or self.store, clock=self.clock, pause=pause, topic=EVENTS,
            service="tally", owner="test", new_logic=new_logic, limits=limits,
        )  # fmt: skip

    def loop(
        self, *, memory: Memory[TallyChanges] | None = None, **parts: Any
    ) -> PartitionLoop[TallyChanges]:
        return PartitionLoop(self.parts(**parts), 0, memory=memory)

    async def send(self, *words: str, partition: int = 0) -> None:
        """Append `key:word` records, such as `a:one`, in one go."""
        pairs = [word.split(":", 1) for word in words]
        await self.bus.append(
            [Outgoing(EVENTS.name, k.encode(), word.encode(), partition=partition) for k, word in pairs]
        )

    async def all_of(self, topic: Topic) -> list[str]:
        reader = await self.bus.open_reader(topic)
        log, values, offset = await reader.range(0), list[str](), 0
        while offset < log.end:
            poll = await reader.read(0, offset, records_max=1_000, wait_ms=0)
            values += [(record.value or b"").decode() for record in poll.records]
            offset = poll.next_offset
        await reader.close()
        return values

    async def facts(self) -> list[str]:
        return await self.all_of(FACTS)

    async def counts(self) -> dict[str, int]:
        return {key: counted.count for key, counted in (await self.store.load(0)).items()}


@asynccontextmanager
async def world_at(path: Path, *, partitions: int = 1) -> AsyncIterator[World]:
    bus_clock = ManualClock(START_US)
    url = f"sqlite+aiosqlite:///{path}/state.db"
    async with opened(url) as engine, await EmbeddedBus.open(path / "log", bus_clock) as bus:
        await bus.ensure_topics({EVENTS.name: partitions, FACTS.name: 1})
        await transaction(engine, METADATA.create_all)
        yield World(bus, engine, bus_clock)


async def eventually(holds: Callable[[], bool]) -> None:
    """Return once `holds()`; fails after PATIENCE_S."""
    deadline = monotonic_seconds() + PATIENCE_S
    while not holds():
        assert monotonic_seconds() < deadline, "did not come about"
        await asyncio.sleep(0.002)


async def work_off(loop: PartitionLoop[TallyChanges], position: int) -> None:
    """Run `loop` until it read up to `position` and the bus has everything; then stop it."""
    running = asyncio.create_task(loop.run())

    def done() -> bool:
        status = loop.status
        read = status.position is not None and status.position >= position and status.at_end
        return running.done() or (read and status.outbox_blocks == 0)

    await eventually(done)
    loop.stop()
    await running
