"""Made-up tickets of a help desk, always the same ones: about 600 bytes of JSON, 18 members each."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from shared.codec.envelope import BATCH
from shared.contracts.instants import SECOND_US, rfc3339

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
CLOUD_EVENTS: Final = BATCH

STATUSES: Final = ("new", "in_progress", "waiting/customer", "waiting/vendor", "in_progress", "solved")
CHANNELS: Final = ("email", "chat", "phone", "web")
_BEGIN_US: Final = 1_767_225_600 * SECOND_US
_json: Final = msgspec.json.Encoder().encode


def tickets(count: int, *, seed: int = 1) -> list[dict[str, Any]]:
    """Return `count` plain tickets; the same ones for the same seed."""
    chance = random.Random(seed)
    return [_ticket(chance, number) for number in range(count)]


def _ticket(chance: random.Random, number: int) -> dict[str, Any]:
    at_us = _BEGIN_US + number * 1_000
    return {
        "id": f"SUP-{chance.randrange(20_000)}",
        "event_id": f"{chance.getrandbits(128):032x}",
        "time": rfc3339(at_us),
        "created_at": rfc3339(at_us - chance.randrange(86_400) * SECOND_US),
        "activity": chance.choice(("updated", "customer_message", "agent_message")),
        "actor": chance.choice(("customer", "agent", "system")),
        "visibility": "public",
        "subject": f"Printer {number} on the third floor does not print since monday morning",
        "status": chance.choice(STATUSES),
        "priority": f"p{chance.randrange(4) + 1}",
        "queue": f"tier1-{chance.randrange(30)}",
        "assignee": f"agent.{chance.randrange(200)}@example.org",
        "channel": chance.choice(CHANNELS),
        "segment": chance.choice(("vip", "standard")),
        "category": f"hardware/{chance.randrange(50)}",
        "requester": f"customer.{chance.randrange(5_000)}@example.com",
        "tags": ["hardware", "printer", f"site-{chance.randrange(20)}"],
        "url": f"https://help.example.org/tickets/{number}",
    }


def single(ticket: dict[str, Any]) -> bytes:
    """Return one ticket as a body."""
    return _json(ticket)


def listed(batch: Sequence[dict[str, Any]]) -> bytes:
    """Return tickets as a JSON array."""
    return _json(list(batch))


def lines(batch: Sequence[dict[str, Any]]) -> bytes:
    """Return tickets one a line."""
    return b"\n".join(_json(ticket) for ticket in batch) + b"\n"


def cloud_events(batch: Sequence[dict[str, Any]]) -> bytes:
    """Return tickets as a CloudEvents batch, id, subject and time in the envelopes."""
    return _json(
        [
            {
                "specversion": "1.0",
                "id": ticket["event_id"],
                "source": "/sources/default/default",
                "type": "barometer.ticket.observed.v1",
                "subject": ticket["id"],
                "time": ticket["time"],
                "data": {
                    name: value for name, value in ticket.items() if name not in {"id", "event_id", "time"}
                },
            }
            for ticket in batch
        ]
    )
