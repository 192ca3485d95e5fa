"""The peer of aging: Quix Streams keeping one stateful map per key, and doing nothing else.

Its state is RocksDB with a changelog topic, as it comes out of the box; no SQL, no timers, no facts, no
order of late events. Run by its own interpreter (`requirements/install.sh bench-peer`), and so free of
any import from the project:

    .cache/bench-peer/bin/python bench/peers/quix_state.py BROKER TOPIC TOTAL STATE_DIRECTORY

Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from quixstreams import Application, State


class Watch:
    """When the first and the last record were seen."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.seen = 0
        self.first = self.last = self.first_cpu = self.last_cpu = 0.0

    def __call__(self, value: dict[str, Any], state: State) -> dict[str, Any]:
        """Merge what an observation shows into the ticket's map."""
        if not self.seen:
            self.first, self.first_cpu = time.perf_counter(), time.process_time()
        ticket = state.get("ticket") or {}
        ticket.update(value["fields"])
        ticket["updated"] = value["time"]
        state.set("ticket", ticket)
        self.seen += 1
        if self.seen == self.total:
            self.last, self.last_cpu = time.perf_counter(), time.process_time()
        return value


def main(broker: str, topic: str, total: int, directory: str) -> None:
    """Read `topic` to its end."""
    watch = Watch(total)
    app = Application(
        broker_address=broker,
        consumer_group=f"bench-quix-{time.time_ns()}",
        auto_offset_reset="earliest",
        state_dir=directory,
        loglevel="WARNING",
    )
    read = app.topic(topic, key_deserializer="string", value_deserializer="json")
    app.dataframe(read).apply(watch, stateful=True)
    app.run(count=total, timeout=60, collect=False)
    assert watch.seen == total, f"saw {watch.seen} of {total}"
    rate = total / (watch.last - watch.first)
    cpu = (watch.last_cpu - watch.first_cpu) / total * 1e6
    print(json.dumps({"events_per_second": rate, "cpu_us_per_event": cpu}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
