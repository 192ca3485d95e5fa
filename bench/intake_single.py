"""Single events over HTTP, each acknowledged by Kafka before it is answered; beside a bare app."""

from __future__ import annotations

from typing import Final

from bench import payloads
from bench.harness import Benchmark, Machine, Target, Verdict, run
from bench.intake_sides import Side, running
from bench.quick import sized

CONNECTIONS: Final = 64
BODIES: Final = 500


def main() -> list[Verdict]:
    machine = Machine.now()
    bodies = [payloads.single(ticket) for ticket in payloads.tickets(BODIES)]
    with running() as at:
        seconds = sized(6.0, 1.0)
        sides = {
            "barometer intake": Side(
                f"{at.intake}/v1/events", at.intake_pid, bodies, payloads.JSON, 1, CONNECTIONS, seconds
            ),
            "bare FastAPI": Side(
                f"{at.bare}/single", at.bare_pid, bodies, payloads.JSON, 1, CONNECTIONS, seconds
            ),
        }
        for side in sides.values():
            side.warm()
        return run(
            "intake_single",
            Benchmark(
                title=f"single events of {len(bodies[0])} bytes over {CONNECTIONS} connections",
                sides=sides,
                rounds=sized(5, 1),
                targets=[
                    ("barometer intake", Target("events_per_second", 0.9, peer="bare FastAPI")),
                    ("barometer intake", Target("events_per_second", 4_000)),
                ],
            ),
            machine,
        )
