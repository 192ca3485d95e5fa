"""Another process on the bus: appends or publishes, says what was acknowledged, and waits to be killed.

python -m tests.contract.bus_child URL append TOPIC COUNT
python -m tests.contract.bus_child URL publish TOPIC WRITER
python -m tests.contract.bus_child URL join TOPIC GROUP
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial

from shared.bus.connect import connect
from shared.bus.port import Bus, BusMisconfigured, Outgoing
from shared.clock import SystemClock
from shared.contracts.topics import Cleanup, PartitionedBy, Topic

_BLOCK = 40

Say = Callable[[object], None]


async def append(bus: Bus, say: Say, topic: str, count: int) -> None:
    """Append `count` records, and say the number of each once it is acknowledged."""
    for number in range(count):
        await bus.append([Outgoing(topic, b"k", f"{number}".encode())])
        say(number)


async def publish(bus: Bus, say: Say, topic: str, name: str) -> None:
    """Publish blocks without end, and say after each how far they are confirmed."""
    writer = await bus.open_writer(name, 1, blocks_in_flight_max=4)
    number = 0
    while True:
        records = [Outgoing(topic, b"k", f"{number}/{i}".encode(), (), i % 2) for i in range(_BLOCK)]
        await writer.publish(number, records)
        say(writer.confirmed)
        number += 1


async def join(bus: Bus, say: Say, topic: str, group: str) -> None:
    """Join `group`, and say what came of it."""
    shape = Topic(topic, "any", Cleanup.DELETE, PartitionedBy.ONE, 1, "of a test")
    try:
        await bus.join(shape, group, member="child", revoke_budget_ms=1_000)
    except BusMisconfigured as refusal:
        say(refusal)
    else:
        say("joined")


async def work(bus: Bus, say: Say, command: str, topic: str, argument: str) -> None:
    """Do as asked."""
    if command == "append":
        await append(bus, say, topic, int(argument))
    elif command == "publish":
        await publish(bus, say, topic, argument)
    else:
        await join(bus, say, topic, argument)


async def main(url: str, *asked: str) -> None:
    """Connect, and do as asked."""
    async with await connect(url, clock=SystemClock(), environment={}) as bus:
        await work(bus, partial(print, flush=True), *asked)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
