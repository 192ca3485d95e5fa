"""Another process on the bus: appends or publishes, says what was acknowledged, and waits to be killed.

python -m tests.contract.bus_child URL append TOPIC COUNT
python -m tests.contract.bus_child URL publish TOPIC WRITER
python -m tests.contract.bus_child URL join TOPIC GROUP
"""

from __future__ import annotations

import asyncio
import sys

from shared.bus.connect import connect
from shared.bus.port import Bus, BusMisconfigured, Outgoing
from shared.clock import SystemClock
from shared.contracts.topics import Cleanup, PartitionedBy, Topic

_BLOCK = 40


async def _append(bus: Bus, topic: str, count: int) -> None:
    for number in range(count):
        await bus.append([Outgoing(topic, b"k", f"{number}".encode())])
        print(number, flush=True)


async def _publish(bus: Bus, topic: str, name: str) -> None:
    writer = await bus.open_writer(name, 1, blocks_in_flight_max=4)
    number = 0
    while True:
        records = [Outgoing(topic, b"k", f"{number}/{i}".encode(), (), i % 2) for i in range(_BLOCK)]
        await writer.publish(number, records)
        print(writer.confirmed, flush=True)
        number += 1


async def _join(bus: Bus, topic: str, group: str) -> None:
    shape = Topic(topic, "any", Cleanup.DELETE, PartitionedBy.ONE, 1, "of a test")
    try:
        await bus.join(shape, group, member="child", revoke_budget_ms=1_000)
    except BusMisconfigured as refusal:
        print(refusal, flush=True)
    else:
        print("joined", flush=True)


async def main(url: str, command: str, topic: str, argument: str) -> None:
    """Do as asked."""
    async with await connect(url, clock=SystemClock(), environment={}) as bus:
        if command == "append":
            await _append(bus, topic, int(argument))
        elif command == "publish":
            await _publish(bus, topic, argument)
        else:
            await _join(bus, topic, argument)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
