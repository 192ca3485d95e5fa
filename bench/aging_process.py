"""Aging's worker in a process of its own, reading one topic to its end, and what that took.

The same parts as services/aging/app.py, without the HTTP server: the partition loops, the SQL store, the
Kafka reader and the transactional writers. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final

from bench.figures import Figures, percentile
from services.aging.adapters.sql import SqlAgingStore
from services.aging.ports import AgingChanges
from services.aging.settings import GROUP, default_terms, topic_partitions
from services.aging.worker import AgingLogic, Placement
from shared.bus.connect import connect
from shared.bus.port import Record
from shared.clock import SystemClock
from shared.contracts.topics import CELLS, EVENTS
from shared.runtime import collector
from shared.runtime.configurations import Configurations
from shared.runtime.group import PartitionGroup, pause
from shared.runtime.partition import Parts
from shared.runtime.port import Commit, Folded

DEADLINE_S: Final = 120


class Watch:
    """When things happened, in seconds and processor seconds."""

    def __init__(self, total: int) -> None:
        self._total = total
        self.group: PartitionGroup[AgingChanges] | None = None
        self.positions: dict[int, int] = {}
        self.began: dict[int, float] = {}
        self.pauses_ms: list[float] = []
        self.first_s = self.last_s = 0.0
        self.first_cpu_s = self.first_loop_s = 0.0

    def batch_begins(self, partition: int, records: Sequence[Record]) -> None:
        """Hear that a partition folds."""
        now = time.perf_counter()
        if records and not self.first_s:
            self.first_s, self.first_cpu_s, self.first_loop_s = now, time.process_time(), time.thread_time()
        self.began[partition] = now

    def batch_ends(self, commit: Commit[AgingChanges]) -> None:
        """Hear that a batch is committed; at the end of the topic let the group stop."""
        now = time.perf_counter()
        if commit.position > self.positions.get(commit.partition, 0):
            self.pauses_ms.append((now - self.began[commit.partition]) * 1e3)
            self.last_s = now
        self.positions[commit.partition] = commit.position
        if sum(self.positions.values()) >= self._total and self.group is not None:
            self.group.stop()

    def figures(self) -> Figures:
        """Return what it took; call when everything is published."""
        published_s = time.perf_counter() - self.first_s
        used_s, loop_s = time.process_time() - self.first_cpu_s, time.thread_time() - self.first_loop_s
        folded = sum(self.positions.values())
        return {
            "events_per_second": folded / (self.last_s - self.first_s),
            "published_per_second": folded / published_s,
            "cpu_us_per_event": used_s / folded * 1e6,
            "loop_cpu_us_per_event": loop_s / folded * 1e6,
            "batch_pause_p50_ms": percentile(self.pauses_ms, 0.5),
            "batch_pause_p99_ms": percentile(self.pauses_ms, 0.99),
            "batches": len(self.pauses_ms),
        }


class _Store(SqlAgingStore):
    watch: Watch

    async def commit(self, commit: Commit[AgingChanges]) -> None:
        await super().commit(commit)
        self.watch.batch_ends(commit)


class _Logic(AgingLogic):
    watch: Watch
    number: int

    async def fold(self, records: Sequence[Record], *, from_us: int, until_us: int) -> Folded[AgingChanges]:
        self.watch.batch_begins(self.number, records)
        return await super().fold(records, from_us=from_us, until_us=until_us)


async def measure(bus_url: str, database: str, topic: str, total: int) -> Figures:
    clock, watch = SystemClock(), Watch(total)
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(await connect(bus_url, clock=clock, environment={}))
        await bus.ensure_topics(topic_partitions({}, bus_url))
        store = await stack.enter_async_context(_Store.open(database))
        assert isinstance(store, _Store)
        store.watch = watch
        configurations, defaults = Configurations(bus, pause), default_terms()
        read = replace(EVENTS, name=topic)
        events, cells = (await bus.identity(read)).partitions, (await bus.identity(CELLS)).partitions

        def new_logic(partition: int) -> AgingLogic:
            logic = _Logic(store, configurations, Placement(partition, events, cells), defaults)
            logic.watch, logic.number = watch, partition
            return logic

        watch.group = PartitionGroup(
            Parts(
                bus=bus, store=store, clock=clock, pause=pause, topic=read, service="aging",
                owner="bench", new_logic=new_logic,
            ),
            group=f"{GROUP}-{time.time_ns()}", member="bench",
        )  # fmt: skip
        async with asyncio.timeout(DEADLINE_S):
            await watch.group.run()
        return watch.figures()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("bus", "database", "topic"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--total", type=int, required=True)
    asked = parser.parse_args()
    collector.tune()
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        found = runner.run(measure(asked.bus, asked.database, asked.topic, asked.total))
    print(json.dumps(found))


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 (an extra)
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


if __name__ == "__main__":
    main()
