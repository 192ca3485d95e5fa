"""Vendors' webhooks, proved, read, normalised and acknowledged by Kafka; beside plain events of the same intake.

The bodies are real ones, each with another ticket's number and a signature of its own.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from bench import payloads
from bench.harness import Benchmark, Machine, Target, Verdict, run
from bench.intake_sides import Servers, Side, running
from bench.quick import sized
from shared.clock import SystemClock
from shared.contracts.instants import from_us
from tests.api.vendor_requests import SIGNERS
from tests.servers.child import Unavailable
from tests.servers.environment import shared_data_directory
from tests.unit.intake.vendors.own_request import Signing

CONNECTIONS: Final = 64
BODIES: Final = 500
SECRET: Final = "bench"
PLAIN: Final = "plain events"
SHARE_MIN: Final = 0.5
"""Of the rate of plain events: a vendor's body is 3 to 20 times as long, and it is signed."""

_REAL: Final = {
    "github": ("octokit.issues.opened.1.json", ("issue", "number")),
    "jira": ("webhook-issue-updated-raised-priority.json", ("issue", "id")),
    "zendesk": ("ticket.status_changed.json", ("detail", "id")),
}
"""A file of a real body, and where in it the ticket's id stands."""
_SOURCES: Final = "".join(
    f"  - {{name: {vendor}, kind: {vendor}, webhook: {{secret: {{env: BENCH_SECRET}}}}}}\n"
    for vendor in _REAL
)


def main() -> list[Verdict]:
    machine = Machine.now()
    contents = {vendor: _content(vendor) for vendor in _REAL}
    with running(f"sources:\n{_SOURCES}", {"BENCH_SECRET": SECRET}) as at:
        seconds = sized(6.0, 1.0)
        plain = [payloads.single(ticket) for ticket in payloads.tickets(BODIES)]
        sides = {
            PLAIN: Side(
                f"{at.intake}/v1/events", at.intake_pid, plain, payloads.JSON, 1, CONNECTIONS, seconds
            )
        }
        now = from_us(SystemClock().now_us())
        for vendor, content in contents.items():
            sides[vendor] = _side(at, vendor, content, now, seconds)
        for side in sides.values():
            side.warm()
        sizes = ", ".join(f"{vendor} {len(sides[vendor].bodies[0])}" for vendor in _REAL)
        return run(
            "webhooks",
            Benchmark(
                title=f"webhooks over {CONNECTIONS} connections; bytes: plain {len(plain[0])}, {sizes}",
                sides=sides,
                rounds=sized(5, 1),
                targets=[(vendor, Target("events_per_second", SHARE_MIN, peer=PLAIN)) for vendor in _REAL],
            ),
            machine,
        )


def _content(vendor: str) -> Any:
    file = shared_data_directory() / "webhooks" / vendor / _REAL[vendor][0]
    if not file.exists():
        raise Unavailable(f"{file.name}: the real bodies are not here")
    content = json.loads(file.read_bytes())
    return content.get("body", content)


def _side(at: Servers, vendor: str, content: Any, now: datetime, seconds: float) -> Side:
    (holder, member), url = _REAL[vendor][1], f"{at.intake}/v1/webhooks/{vendor}"
    bodies = []
    for number in range(1, BODIES + 1):
        content[holder][member] = number if isinstance(content[holder][member], int) else str(number)
        bodies.append(json.dumps(content, separators=(",", ":")).encode())
    headers = [SIGNERS[vendor](Signing(body, SECRET, now, url)) for body in bodies]
    return Side(url, at.intake_pid, bodies, payloads.JSON, 1, CONNECTIONS, seconds, headers)
