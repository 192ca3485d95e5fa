"""Timers of a million open tickets, live: `python -m bench.aging_timers [--tickets N]`.

The real partition loop on the embedded bus and SQLite. For a minute a hundred tickets a second cross an age
edge, and then ten thousand in one instant. What counts is when the fact is on the bus: its append time
less its own instant.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from contextlib import AsyncExitStack
from typing import Final

from bench.aging_stock import CROSSING, fill_stock
from bench.figures import percentile
from bench.quick import sized
from services.aging.adapters.sql import SqlAgingStore
from services.aging.ports import AgingChanges
from services.aging.settings import GROUP, default_terms, topic_partitions
from services.aging.worker import AgingLogic, Placement
from shared.bus.connect import connect
from shared.bus.port import Bus
from shared.clock import SystemClock
from shared.codec import decode
from shared.contracts.backlog import Fact, FactType
from shared.contracts.instants import SECOND_US, to_us
from shared.contracts.topics import EVENTS, FACTS
from shared.runtime import collector
from shared.runtime.configurations import Configurations
from shared.runtime.group import PartitionGroup, pause
from shared.runtime.partition import Parts

A_SECOND: Final = 100
SECONDS: Final = sized(60, 10)
AT_ONCE: Final = 10_000
DELAY_S: Final = sized(90, 20)
"""From now until the first crossing: writing the tickets and loading them."""
LEFT_ALONE_S: Final = 10
READ_AT_ONCE: Final = 5_000


async def measure(directory: str, tickets: int) -> dict[str, float]:
    """Run aging over the crossings, and return how late they were published."""
    collector.tune()
    clock = SystemClock()
    bus_url, database = f"embedded:{directory}", f"sqlite+aiosqlite:///{directory}/aging.db"
    first_us = clock.now_us() + DELAY_S * SECOND_US
    steady_us = [first_us + number * SECOND_US // A_SECOND for number in range(A_SECOND * SECONDS)]
    burst_us = steady_us[-1] + LEFT_ALONE_S * SECOND_US
    async with await connect(bus_url, clock=clock, environment={}) as bus:
        await bus.ensure_topics(topic_partitions({}, bus_url))
        log = await bus.identity(EVENTS)
        await fill_stock(database, tickets, log=log, crossings_us=[*steady_us, *[burst_us] * AT_ONCE])
        group = await _run(bus, database, clock, until_us=burst_us + LEFT_ALONE_S * SECOND_US)
        late_s = await _lateness(bus)
    steady, burst = late_s[: len(steady_us)], late_s[len(steady_us) :]
    return {
        "open": tickets,
        "ready_before_first_seconds": (first_us - group) / SECOND_US,
        "steady_published": len(steady),
        "steady_p50_seconds": percentile(steady, 0.5),
        "steady_p99_seconds": percentile(steady, 0.99),
        "steady_max_seconds": max(steady),
        "burst_published": len(burst),
        "burst_last_seconds": max(burst),
    }


async def _run(bus: Bus, database: str, clock: SystemClock, *, until_us: int) -> int:
    """Run aging until `until_us`; return when it was ready."""
    ready_us = 0
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(SqlAgingStore.open(database))
        configurations, defaults = Configurations(bus, pause), default_terms()

        def new_logic(partition: int) -> AgingLogic:
            return AgingLogic(store, configurations, Placement(partition, 1, 1), defaults)

        group: PartitionGroup[AgingChanges] = PartitionGroup(
            Parts(
                bus=bus, store=store, clock=clock, pause=pause, topic=EVENTS, service="aging", owner="bench",
                new_logic=new_logic,
            ),
            group=GROUP, member="bench",
        )  # fmt: skip
        running = asyncio.create_task(group.run())
        while not running.done() and clock.now_us() < until_us:
            if not ready_us and group.statuses() and not group.complaints():
                ready_us = clock.now_us()
            await asyncio.sleep(0.1)
        group.stop()
        await running
    return ready_us


async def _lateness(bus: Bus) -> list[float]:
    """Return how late each watched crossing was published, in the order of their instants."""
    found: dict[int, float] = {}
    reader = await bus.open_reader(FACTS)
    for partition in range((await bus.identity(FACTS)).partitions):
        log = await reader.range(partition)
        position = log.begin
        while position < log.end:
            poll = await reader.read(partition, position, records_max=READ_AT_ONCE, wait_ms=0)
            position = poll.next_offset
            for record in poll.records:
                fact = decode(record)
                if (
                    isinstance(fact, Fact)
                    and fact.type is FactType.AGE_CROSSED
                    and fact.source == CROSSING
                    and fact.clock == "age.86400"
                ):
                    number = int(fact.ticket.rpartition(":")[2])
                    found[number] = (record.time_us - to_us(fact.at)) / SECOND_US
    await reader.close()
    return [found[number] for number in sorted(found)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tickets", type=int, default=sized(1_000_000, 20_000))
    tickets = parser.parse_args().tickets
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(measure(directory, tickets))
    print(json.dumps({**{name: round(value, 3) for name, value in found.items()}, "load": round(load, 2)}))


if __name__ == "__main__":
    main()
