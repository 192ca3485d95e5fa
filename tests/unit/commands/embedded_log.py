"""Looking at a command's embedded log, and putting something there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from barometer.bus import append, opened_bus, read_all
from shared.codec import Event, decode
from shared.contracts.records import Outgoing
from shared.contracts.topics import Topic


def on_bus(data: Path, topic: Topic) -> list[Event]:
    async def read() -> list[Event]:
        async with opened_bus(f"embedded:{data}", {}) as bus:
            return [decode(record) async for page in read_all(bus, topic) for record in page]

    return asyncio.run(read())


def put(data: Path, records: list[Outgoing]) -> None:
    async def write() -> None:
        async with opened_bus(f"embedded:{data}", {}) as bus:
            await append(bus, records)

    asyncio.run(write())
