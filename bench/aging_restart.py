"""Aging's memory and restart with a million open tickets: `python -m bench.aging_restart [--tickets N]`.

Each start is a process of its own, which takes the partition over and loads it as aging does; what is
told is the growth of its resident memory for each open ticket, and how long it was until it was ready.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.aging_stock import LOG, PLACEMENT, NoConfigurations, fill_stock
from bench.quick import sized
from services.aging.adapters.sql import SqlAgingStore
from services.aging.settings import default_terms
from services.aging.worker import AgingLogic
from shared.runtime import collector
from tests.servers.child import Unavailable
from tests.servers.postgres import PostgresServer

_PAGE_BYTES: Final = resource.getpagesize()


async def start(url: str) -> dict[str, float]:
    """Take partition 0 over, load it, and return what that took."""
    collector.tune()
    async with SqlAgingStore.open(url) as store:
        logic = AgingLogic(store, NoConfigurations(), PLACEMENT, default_terms())
        before = resident_bytes()
        began, processor = time.perf_counter(), time.process_time()
        await logic.load(await store.take_over(LOG, 0, owner="bench", known=None))
        ready = time.perf_counter() - began
        tickets = len(logic.backlog.open)
        return {
            "open": tickets,
            "ready_seconds": round(ready, 2),
            "cpu_us_per_ticket": round((time.process_time() - processor) / tickets * 1e6, 2),
            "bytes_per_ticket": round((resident_bytes() - before) / tickets),
            "cells": len(logic.backlog.cells.cells),
        }


def resident_bytes() -> int:
    """Return the memory of this process that is in use (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


def measure(url: str, tickets: int) -> None:
    began = time.perf_counter()
    asyncio.run(fill_stock(url, tickets))
    print(
        f"{tickets:,} tickets written in {time.perf_counter() - began:.0f} s, load {os.getloadavg()[0]:.1f}"
    )
    command = [sys.executable, "-m", "bench.aging_restart", "--start", url]
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tickets", type=int, default=sized(1_000_000, 20_000))
    parser.add_argument("--start", help="the address of a database that is filled already")
    parser.add_argument("--keep", help="fill this SQLite file and leave it there")
    asked = parser.parse_args()
    if asked.start:
        print(json.dumps(asyncio.run(start(asked.start))))
        return
    if asked.keep:
        measure(f"sqlite+aiosqlite:///{asked.keep}", asked.tickets)
        return
    with tempfile.TemporaryDirectory() as directory:
        measure(f"sqlite+aiosqlite:///{Path(directory) / 'aging.db'}", asked.tickets)
    try:
        with PostgresServer() as server:
            measure(server.new_database(), asked.tickets)
    except Unavailable as unavailable:
        print(f"without Postgres: {unavailable}")


if __name__ == "__main__":
    main()
