"""A help desk that is worth breaking: what its agents and customers do, as tickets shown to Barometer.

Hot tickets, merges in rings, reopenings, late, early and repeated events, and some that nobody can use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, NamedTuple

from shared.contracts.instants import SECOND_US, from_us
from tests.simulation.settings import QUEUES

_HOT: Final = 3.0
"""How much more often the first tickets are seen than the last."""


class Shown(NamedTuple):
    """One ticket as the source shows it, and when it does."""

    at_us: int
    tenant: str
    ticket: str
    event_id: str
    body: bytes
    """Plain JSON."""


@dataclass(frozen=True)
class Habits:
    """What is common at this desk and what is rare; drawn per seed."""

    merges: float
    endings: float
    late: float
    early: float
    same_instant: float
    by_receipt: float

    @classmethod
    def drawn(cls, random: Random) -> Habits:
        """Draw habits."""
        return cls(
            merges=random.choice((0.0, 0.04, 0.15)),
            endings=random.choice((0.0, 0.02, 0.06)),
            late=random.choice((0.0, 0.1, 0.4)),
            early=random.choice((0.0, 0.0, 0.05)),
            same_instant=random.choice((0.0, 0.1, 0.3)),
            by_receipt=random.choice((0.0, 0.0, 0.1)),
        )


class HelpDesk:
    """The tickets of one tenant."""

    def __init__(self, random: Random, tenant: str, tickets: int, habits: Habits) -> None:
        self._random, self._tenant, self._habits = random, tenant, habits
        self._tickets = [f"{number}" for number in range(1, tickets + 1)]
        self._newest_us: dict[str, int] = {}
        self._events = 0

    def shows(self, at_us: int, *, prefix: str = "e") -> Shown:
        """Return what it shows at `at_us`."""
        random = self._random
        tickets = self._tickets
        ticket = tickets[int(len(tickets) * random.random() ** _HOT)]
        self._events += 1
        event_id = f"{prefix}{self._events}"
        if random.random() < 0.01:
            event_id = f"{prefix}{random.randint(1, self._events)}"  # reused, which no source should do
        plain: dict[str, Any] = {"id": ticket, "event_id": event_id, **self._action(ticket)}
        if random.random() >= self._habits.by_receipt:
            plain["time"] = from_us(self._time_us(ticket, at_us)).isoformat()
            if random.random() < 0.2:
                plain["sequence"] = random.randint(1, 4)
        return Shown(at_us, self._tenant, ticket, event_id, json.dumps(plain).encode())

    def _time_us(self, ticket: str, at_us: int) -> int:
        random, habits = self._random, self._habits
        if random.random() < habits.same_instant and ticket in self._newest_us:
            return self._newest_us[ticket]
        if random.random() < habits.late:
            return at_us - int(random.choice((1, 10, 60, 3_000)) * random.random() * SECOND_US)
        if random.random() < habits.early:
            return at_us + int(random.choice((1, 10, 250, 400)) * random.random() * SECOND_US)
        self._newest_us[ticket] = at_us
        return at_us

    def _action(self, ticket: str) -> dict[str, Any]:
        random, habits = self._random, self._habits
        chance = random.random()
        if chance < habits.merges:
            into = random.choice([one for one in self._tickets if one != ticket] or [ticket])
            return random.choice(
                ({"activity": "merged", "merged_into": into}, {"merged_into": into}, {"activity": "restored"})
            )
        if chance < habits.merges + habits.endings:
            return {"activity": random.choice(("deleted", "spam", "restored", "restored"))}
        return random.choice(_ACTIONS)(random)


_ACTIONS: Final[Sequence[Callable[[Random], dict[str, Any]]]] = (
    lambda random: {
        "activity": "created", "status": "new", "priority": random.choice(("p1", "p2", "p3", None)),
        "queue": random.choice(QUEUES), "subject": "Printer on fire", "channel": random.choice(("email", "chat")),
    },
    lambda _: {"status": "in_progress"},
    lambda random: {"status": "waiting", "wait_reason": random.choice(("customer", "vendor", "internal"))},
    lambda _: {"status": "solved"},
    lambda random: {"status": random.choice(("closed", "solved", "new"))},
    lambda random: {"priority": random.choice(("p1", "p2", "p3", "p4", None))},
    lambda random: {"queue": random.choice((*QUEUES, None))},
    lambda random: {"assignee": random.choice(("ann", "bob", None))},
    lambda _: {"activity": "customer_message", "actor": "customer", "visibility": "public"},
    lambda _: {"activity": "agent_message", "actor": "agent", "visibility": "public"},
    lambda random: {"category": random.choice(("billing", "login")), "segment": random.choice(("vip", None))},
)  # fmt: skip
