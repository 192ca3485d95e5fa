"""Batches of 500 events over HTTP, acknowledged by Kafka as a whole; beside a bare app."""

from __future__ import annotations

from typing import Final

from bench import payloads
from bench.harness import Benchmark, Machine, Target, Verdict, run
from bench.intake_sides import Servers, Side, running
from bench.quick import sized

BATCH: Final = 500
BODIES: Final = 8
CONNECTIONS: Final = 8


def _sides(at: Servers) -> dict[str, Side]:
    every = payloads.tickets(BODIES * BATCH)
    batches = [every[begin : begin + BATCH] for begin in range(0, len(every), BATCH)]
    listed = [payloads.listed(batch) for batch in batches]
    lines = [payloads.lines(batch) for batch in batches]
    events = [payloads.cloud_events(batch) for batch in batches]
    seconds = sized(4.0, 3.0)
    ours = f"{at.intake}/v1/events", at.intake_pid
    return {
        "barometer, JSON list": Side(*ours, listed, payloads.JSON, BATCH, CONNECTIONS, seconds),
        "barometer, NDJSON": Side(*ours, lines, payloads.NDJSON, BATCH, CONNECTIONS, seconds),
        "barometer, CloudEvents": Side(*ours, events, payloads.CLOUD_EVENTS, BATCH, CONNECTIONS, seconds),
        "bare, send and gather": Side(
            f"{at.bare}/gather", at.bare_pid, listed, payloads.JSON, BATCH, CONNECTIONS, seconds
        ),
        "bare, send_and_wait each": Side(
            f"{at.bare}/naive", at.bare_pid, listed, payloads.JSON, BATCH, CONNECTIONS, seconds
        ),
    }


def main() -> list[Verdict]:
    machine = Machine.now()
    with running() as at:
        sides = _sides(at)
        for side in sides.values():
            side.warm()
        ours = [name for name in sides if name.startswith("barometer")]
        peer = Target("events_per_second", 3, peer="bare, send and gather")
        return run(
            "intake_batches",
            Benchmark(
                title=f"batches of {BATCH} over {CONNECTIONS} connections",
                sides=sides,
                rounds=sized(4, 1),
                targets=[
                    *((name, peer) for name in ours),
                    *((name, Target("events_per_second", 18_000)) for name in ours),
                ],
            ),
            machine,
        )
