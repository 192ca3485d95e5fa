"""How many observations a second aging's store commits: `python -m bench.aging_store [--tickets N]`.

A batch is what the partition loop commits for 1,000 observations: 1,000 tickets (800 known ones at
random, a quarter of which leave, and 200 new ones), 1,000 marks, a block of 400 KB for the outbox, the
position and the check of the epoch. Tickets are picked evenly, which is the worst case for both
databases: a real backlog comes back to the same tickets, and so to the same pages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from pathlib import Path

from services.aging.adapters.sql import MIGRATIONS, SqlAgingStore
from services.aging.ports import AgingChanges, MarkRow, TicketFilter, TicketRow
from shared.bus.port import LogIdentity
from shared.contracts.instants import SECOND_US
from shared.contracts.topics import EVENTS
from shared.runtime.port import Commit
from shared.sql.engine import opened
from shared.sql.migrate import upgrade
from tests.servers.child import Unavailable
from tests.servers.postgres import PostgresServer

BATCH = 1_000
BATCHES = 30
LEAVING, NEW = 200, 200
LOAD_AT_ONCE = 5_000
BLOCK_BYTES = 400_000
BEGIN_US = 1_700_000_000 * SECOND_US
LOG = LogIdentity(cluster="bench", topic=EVENTS.name, topic_id="1", partitions=1)
chance = random.Random(1)


def a_ticket(number: int, version: int, *, leaves: bool = False) -> TicketRow:
    created_us = BEGIN_US + (number * 7_919 % 1_000_003) * 60 * SECOND_US
    updated_us = created_us + version * SECOND_US
    return TicketRow(
        tenant="default", ticket=f"servicenow:INC{number:07}", partition=0, source="servicenow",
        open=not leaves, asleep=False, created_us=created_us, aged_from_us=created_us, updated_us=updated_us,
        left_us=updated_us if leaves else None, status="solved" if leaves else "in_progress", wait_reason="",
        kind="operational", priority=f"p{number % 4 + 1}", channel="email", queue=f"queue {number % 30}",
        assignee=f"agent {number % 200}", segment="", category=f"category {number % 50}",
        subject=f"Printer {number} does not print since monday", version=version, body=chance.randbytes(300),
        duplicate_group=None if leaves else number * 0x9E3779B97F4A7C15 % (1 << 63),
        job=None if leaves else number % 20_000 * 0x9E3779B97F4A7C15 % (1 << 63),
    )  # fmt: skip


def a_mark(row: TicketRow) -> MarkRow:
    order = row.updated_us.to_bytes(8, "big") + chance.randbytes(20)
    return MarkRow(row.tenant, row.ticket, order, chance.randbytes(120))


def changes(rows: list[TicketRow]) -> AgingChanges:
    return AgingChanges(tickets=rows, marks=[a_mark(row) for row in rows])


def a_batch(known: int, number: int) -> AgingChanges:
    picked = chance.sample(range(known), BATCH - NEW)
    rows = [a_ticket(each, number + 1, leaves=place < LEAVING) for place, each in enumerate(picked)]
    return changes(rows + [a_ticket(known + number * NEW + each, 0) for each in range(NEW)])


async def measure(url: str, tickets: int) -> dict[str, float]:
    async with opened(url) as engine:
        await upgrade(engine, MIGRATIONS)
    async with SqlAgingStore.open(url) as store:
        taken = await store.take_over(LOG, 0, owner="bench", known=None)

        async def commit(position: int, batch: AgingChanges, block: tuple[int, bytes] | None) -> float:
            began = time.perf_counter()
            await store.commit(
                Commit(
                    topic=LOG.topic, partition=0, epoch=taken.epoch, position=position, clock_us=position,
                    note=b"", confirmed=-1 if block is None else block[0] - 1, block=block, changes=batch,
                )
            )  # fmt: skip
            return time.perf_counter() - began

        order = chance.sample(range(tickets), tickets)
        loads = [order[at : at + LOAD_AT_ONCE] for at in range(0, tickets, LOAD_AT_ONCE)]
        loading = sum(
            [
                await commit(at, changes([a_ticket(each, 0) for each in some]), None)
                for at, some in enumerate(loads)
            ]
        )
        batches = [a_batch(tickets, number) for number in range(BATCHES)]
        block = chance.randbytes(BLOCK_BYTES)
        processor = time.process_time()
        taking = [
            await commit(len(loads) + number, batch, (number, block)) for number, batch in enumerate(batches)
        ]
        processor = time.process_time() - processor
        began = time.perf_counter()
        loaded = 0
        async for chunk in store.load_open(0):
            loaded += len(chunk)
        reading = time.perf_counter() - began
        began = time.perf_counter()
        page = await store.find(TicketFilter("default", open=True), after=None, newest_first=False, limit=100)
        listing, began = time.perf_counter() - began, time.perf_counter()
        await store.group_sizes("default", "job", [row.job for row in page if row.job is not None])
        sizing, began = time.perf_counter() - began, time.perf_counter()
        await store.largest_groups(TicketFilter("default", open=True), "job", at_least=2, limit=20)
        return {
            "first_load_rows_per_second": round(tickets / loading),
            "observations_per_second": round(BATCH * BATCHES / sum(taking)),
            "own_processor_us_per_observation": round(processor / BATCH / BATCHES * 1e6, 1),
            "commit_ms_median": round(sorted(taking)[BATCHES // 2] * 1e3, 1),
            "commit_ms_max": round(max(taking) * 1e3, 1),
            "load_open_us_per_ticket": round(reading / loaded * 1e6, 2),
            "list_page_ms": round(listing * 1e3, 2),
            "group_sizes_of_a_page_ms": round(sizing * 1e3, 2),
            "largest_groups_ms": round((time.perf_counter() - began) * 1e3, 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tickets", type=int, default=100_000)
    tickets = parser.parse_args().tickets
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite+aiosqlite:///{Path(directory) / 'aging.db'}"
        print(json.dumps({"database": "sqlite", "tickets": tickets, **asyncio.run(measure(url, tickets))}))
    try:
        with PostgresServer() as server:
            found = asyncio.run(measure(server.new_database(), tickets))
    except Unavailable as unavailable:
        print(json.dumps({"database": "postgres", "skipped": str(unavailable)}))
        return
    print(json.dumps({"database": "postgres", "tickets": tickets, **found}))


if __name__ == "__main__":
    main()
