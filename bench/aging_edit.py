"""A calendar edited under a million open tickets: `python -m bench.aging_edit [--tickets N]`.

A day next week becomes a holiday. Told are how long it took until every timer was armed anew, the longest
fold meanwhile (nothing else happens in the partition for so long), and how the facts followed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench.aging_stock import DAY_US, LOG, PLACEMENT, fill_stock
from bench.figures import percentile
from bench.quick import sized
from services.aging.adapters.sql import SqlAgingStore
from services.aging.settings import terms_of
from services.aging.worker import AgingLogic
from shared.bus.port import Record
from shared.clock import SystemClock
from shared.codec import to_every_partition
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.instants import from_us
from shared.contracts.topics import EVENTS
from shared.runtime import collector

_WEEK: Final = {day: [["08:00", "12:00"], ["13:00", "20:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
_CLOCKS: Final = {
    "first_response": 40, "next_response": 40, "resolution": 200,
}  # fmt: skip


def document(holidays: list[str]) -> dict[str, Any]:
    """Return a published configuration: one policy in office hours, targets in open hours."""
    clocks = {
        clock: {
            "targets": {"default": hours * 3_600},
            "warn": [{"share": 0.8}],
            "pauses": [],
            "business": True,
        }
        for clock, hours in _CLOCKS.items()
    }
    policy = {"name": "all", "match": {}, "calendar": "office", "reopen_window": 0, "min_notice": 900,
              "max_pause": None, "clocks": clocks}  # fmt: skip
    calendar = {"timezone": "Europe/Berlin", "weekly": _WEEK, "holidays": holidays, "overrides": {},
                "effective_from": None, "retroactive": None}  # fmt: skip
    return {
        "calendars": {"office": [calendar]},
        "sla": {"versions": [{"effective_from": None, "apply": "new", "policies": [policy]}]},
    }


class Edited:
    """The configurations: one version, with the holiday."""

    def __init__(self, version: ConfigVersion) -> None:
        self._version = version

    async def version(self, number: int) -> ConfigVersion:
        """Return the one there is."""
        assert number == self._version.version
        return self._version


async def measure(url: str, tickets: int) -> dict[str, float]:
    """Fill the database, load it, edit the calendar, and return what that took."""
    collector.tune()
    terms = terms_of(document([]), "0")
    await fill_stock(url, tickets, terms=terms)
    now_us = SystemClock().now_us()
    holidays = [from_us(now_us + days * DAY_US).date().isoformat() for days in range(3, 10)]
    version = ConfigVersion(
        version=1, effective_from=from_us(now_us), recorded_at=from_us(now_us), digest="", document=document(holidays)
    )  # fmt: skip
    async with SqlAgingStore.open(url) as store:
        logic = AgingLogic(store, Edited(version), PLACEMENT, terms)
        taken = await store.take_over(LOG, 0, owner="bench", known=None)
        await logic.load(taken)
        out = to_every_partition(ConfigApplied(version=1, at=from_us(now_us)), 1)[0]
        record = Record(EVENTS.name, 0, 0, now_us, out.key, out.value, out.headers)
        clock_us = max(taken.clock_us, now_us)
        # Overdue timers are not what is measured.
        while (await logic.fold((), from_us=clock_us, until_us=clock_us)).more:
            pass
        return await _follow(logic, record, clock_us)


async def _follow(logic: AgingLogic, record: Record, clock_us: int) -> dict[str, float]:
    adoption = logic.backlog.adoption
    folds: list[float] = []
    facts = 0
    began = time.perf_counter()
    armed = 0.0
    records: tuple[Record, ...] = (record,)
    more = True
    while more:
        start = time.perf_counter()
        folded = await logic.fold(records, from_us=clock_us, until_us=clock_us)
        folds.append(time.perf_counter() - start)
        facts += len(folded.outgoing)
        records, more = (), folded.more
        if not armed and not adoption.to_time:
            armed = time.perf_counter() - began
    return {
        "open": len(logic.backlog.open),
        "armed_seconds": round(armed, 2),
        "told_seconds": round(time.perf_counter() - began, 2),
        "facts": facts,
        "fold_ms_p99": round(percentile(folds, 0.99) * 1_000, 1),
        "fold_ms_max": round(max(folds) * 1_000, 1),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tickets", type=int, default=sized(1_000_000, 20_000))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite+aiosqlite:///{Path(directory) / 'aging.db'}"
        print(json.dumps(asyncio.run(measure(url, asked.tickets))))


if __name__ == "__main__":
    main()
