"""A made-up help desk, so that somebody who just installed Barometer sees it live.

`Desk` is a seeded simulation: a population of old tickets, then arrivals, replies, waits, solves and
reopenings, and now and then a flood in one queue, which fires a rule of the demo's configuration and is
worked off again. It knows no clock but what it is told, and speaks a help desk's own words, so its
tickets pass through the same normaliser as anybody's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush
from itertools import count
from math import exp, log
from random import Random
from typing import Any, Final, NamedTuple

import structlog

from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.settings import definitions_of
from shared.bus.port import Bus, BusUnavailable, Outgoing
from shared.clock import Clock
from shared.codec import to_outgoing
from shared.configuration.models import Configuration
from shared.contracts.instants import SECOND_US, from_us

STEP_MS: Final = 250
RETRY_MS: Final = 2_000
BATCH_MAX: Final = 500
ALIVE_MAX: Final = 5_000
"""Tickets the simulation follows; beyond, arrivals wait. A demo left running over night stays small."""

OLD_TICKETS: Final = 220
OLD_SECONDS_MIN: Final = 1_800
OLD_SECONDS_MAX: Final = 35 * 86_400
ARRIVAL_EVERY_SECONDS: Final = 4.0
STARTED_AFTER_SECONDS: Final = 25.0
WORKED_SECONDS: Final = 45.0
OLD_WORKED_SECONDS: Final = 2_400.0
"""Old tickets move slowly: they are what makes the backlog old."""
WAIT_SECONDS: Final = 60.0
CLOSED_AFTER_SECONDS: Final = 90.0
REOPENED_SHARE: Final = 0.08
WAITING_SHARE: Final = 0.35
FLOOD_FIRST_SECONDS: Final = 12.0
FLOOD_EVERY_SECONDS: Final = 300.0
FLOOD_TICKETS: Final = 20
FLOOD_STARTED_SECONDS: Final = (32.0, 55.0)
FLOOD_QUEUE: Final = "billing"

_QUEUES: Final = ("billing", "hardware", "accounts", "logistics")
_PRIORITIES: Final = ("Urgent", "High", "Normal", "Low")
_PRIORITY_WEIGHTS: Final = (0.05, 0.2, 0.55, 0.2)
_SUBJECTS: Final = (
    "Invoice shows the wrong amount", "Printer on fire", "Cannot log in", "Parcel is late", "Card declined",
    "Screen stays black", "Please change my address", "Two parcels instead of one", "Password reset loops",
)  # fmt: skip
_AGENTS: Final = ("ana", "bo", "chris", "dana", "eli", "fadi")
_VIP_SHARE: Final = 0.1
_MAILBOX_SHARE: Final = 0.4

_log = structlog.get_logger(__name__)


class Shown(NamedTuple):
    """What the desk shows of a ticket: members of a plain ticket, by source."""

    source: str
    members: Mapping[str, Any]


@dataclass(slots=True)
class _Ticket:
    """A ticket as the simulation follows it."""

    number: int
    source: str
    queue: str
    is_old: bool = False
    status: str = "Open"
    flooded: bool = False


class Desk:
    """The simulation. `step` returns what happened since the last one, in order of time."""

    def __init__(self, chance: Random, begin_us: int) -> None:
        self._chance = chance
        self._numbers = count(1)
        # Another start is another batch of tickets, also in a data directory that was used before.
        self._prefix = f"{begin_us // SECOND_US:x}"
        self._begin_us = begin_us
        self._next_arrival_us = begin_us
        self._next_flood_us = begin_us + _us(FLOOD_FIRST_SECONDS)
        self._due: list[tuple[int, int, _Ticket]] = []
        self._populated = False

    def step(self, now_us: int) -> list[Shown]:
        """Return what happened up to `now_us`."""
        shown: list[tuple[int, Shown]] = []
        if not self._populated:
            self._populated = True
            for _ in range(OLD_TICKETS):
                shown += self._old_ticket()
        while self._next_flood_us <= now_us:
            shown += self._flood(self._next_flood_us)
            self._next_flood_us += _us(FLOOD_EVERY_SECONDS)
        while self._next_arrival_us <= now_us and len(self._due) < ALIVE_MAX:
            shown.append(self._arrive(self._next_arrival_us))
            self._next_arrival_us += self._after(ARRIVAL_EVERY_SECONDS)
        self._next_arrival_us = max(self._next_arrival_us, now_us - _us(ARRIVAL_EVERY_SECONDS))
        while self._due and self._due[0][0] <= now_us:
            at_us, _, ticket = heappop(self._due)
            shown.append(self._move(ticket, at_us))
        shown.sort(key=lambda one: one[0])
        return [one for _, one in shown]

    # What can happen.

    def _old_ticket(self) -> Iterator[tuple[int, Shown]]:
        span = log(OLD_SECONDS_MAX / OLD_SECONDS_MIN)
        age_us = _us(OLD_SECONDS_MIN * exp(self._chance.random() * span))
        created_us = self._begin_us - age_us
        ticket = self._new_ticket(is_old=True)
        yield created_us, self._show(ticket, created_us, self._first_members())
        changed_us = created_us + int(age_us * self._chance.uniform(0.02, 0.4))
        ticket.status = self._chance.choice(("Assigned", "Assigned", "Pending", "On hold"))
        agent = self._chance.choice(_AGENTS)
        yield changed_us, self._show(ticket, changed_us, {"status": ticket.status, "assignee": agent})
        self._push(self._begin_us + self._after(OLD_WORKED_SECONDS), ticket)

    def _arrive(self, at_us: int, *, queue: str | None = None, flooded: bool = False) -> tuple[int, Shown]:
        ticket = self._new_ticket(queue=queue)
        ticket.flooded = flooded
        if flooded:
            self._push(at_us + _us(self._chance.uniform(*FLOOD_STARTED_SECONDS)), ticket)
        else:
            self._push(at_us + self._after(STARTED_AFTER_SECONDS), ticket)
        return at_us, self._show(ticket, at_us, self._first_members())

    def _flood(self, at_us: int) -> Iterator[tuple[int, Shown]]:
        for _ in range(FLOOD_TICKETS):
            moment_us = at_us + _us(self._chance.uniform(-3.0, 0.0))
            yield self._arrive(max(moment_us, self._begin_us), queue=FLOOD_QUEUE, flooded=True)

    def _move(self, ticket: _Ticket, at_us: int) -> tuple[int, Shown]:
        """Let the next thing happen to a ticket."""
        members = self._moves[ticket.status](self, ticket, at_us)
        return at_us, self._show(ticket, at_us, {**members, "status": ticket.status})

    def _start(self, ticket: _Ticket, at_us: int) -> dict[str, Any]:
        ticket.status = "Assigned"
        self._push(at_us + self._after(WORKED_SECONDS), ticket)
        agent = self._chance.choice(_AGENTS)
        return {"assignee": agent, "activity": "agent_message", "actor": "agent", "visibility": "public"}

    def _work(self, ticket: _Ticket, at_us: int) -> dict[str, Any]:
        if self._chance.random() < WAITING_SHARE:
            ticket.status = self._chance.choice(("Pending", "Pending", "On hold"))
            seconds = OLD_WORKED_SECONDS if ticket.is_old else WAIT_SECONDS
            self._push(at_us + self._after(seconds), ticket)
        else:
            ticket.status = "Done"
            self._push(at_us + self._after(CLOSED_AFTER_SECONDS), ticket)
        return {"activity": "agent_message", "actor": "agent", "visibility": "public"}

    def _answer(self, ticket: _Ticket, at_us: int) -> dict[str, Any]:
        actor = "customer" if ticket.status == "Pending" else "vendor"
        ticket.status = "Assigned"
        seconds = OLD_WORKED_SECONDS if ticket.is_old else WORKED_SECONDS
        self._push(at_us + self._after(seconds), ticket)
        if actor == "vendor":
            return {"activity": "updated", "actor": actor}
        return {"activity": "customer_message", "actor": actor, "visibility": "public"}

    def _finish(self, ticket: _Ticket, at_us: int) -> dict[str, Any]:
        if self._chance.random() < REOPENED_SHARE:
            ticket.status = "Assigned"
            self._push(at_us + self._after(WORKED_SECONDS), ticket)
            return {"activity": "customer_message", "actor": "customer", "visibility": "public"}
        ticket.status = "Closed"
        return {"activity": "updated", "actor": "system"}

    _moves: Final[Mapping[str, Callable[[Desk, _Ticket, int], dict[str, Any]]]] = {
        "Open": _start,
        "Assigned": _work,
        "Pending": _answer,
        "On hold": _answer,
        "Done": _finish,
    }

    # How it is said.

    def _new_ticket(self, *, queue: str | None = None, is_old: bool = False) -> _Ticket:
        source = "mailbox" if self._chance.random() < _MAILBOX_SHARE else "helpdesk"
        return _Ticket(next(self._numbers), source, queue or self._chance.choice(_QUEUES), is_old)

    def _first_members(self) -> dict[str, Any]:
        members: dict[str, Any] = {
            "activity": "created",
            "actor": "customer",
            "status": "Open",
            "priority": self._chance.choices(_PRIORITIES, _PRIORITY_WEIGHTS)[0],
            "subject": self._chance.choice(_SUBJECTS),
            "kind": "operational",
        }
        if self._chance.random() < _VIP_SHARE:
            members["segment"] = "vip"
        return members

    def _show(self, ticket: _Ticket, at_us: int, members: Mapping[str, Any]) -> Shown:
        shown = {"id": f"{self._prefix}-{ticket.number}", "time": from_us(at_us), "queue": ticket.queue}
        if ticket.source == "helpdesk" and members.get("activity") == "created":
            shown["channel"] = self._chance.choice(("web", "phone", "chat"))
        return Shown(ticket.source, {**shown, **members})

    def _push(self, due_us: int, ticket: _Ticket) -> None:
        heappush(self._due, (due_us, ticket.number, ticket))

    def _after(self, mean_seconds: float) -> int:
        return max(1, _us(self._chance.expovariate(1 / mean_seconds)))


def _us(seconds: float) -> int:
    return int(seconds * SECOND_US)


Pause = Callable[[int], Awaitable[None]]


class DemoWorker:
    """Publishes what the desk shows, while the process runs."""

    def __init__(
        self, bus: Bus, clock: Clock, pause: Pause, configuration: Configuration, chance: Random,
        environment: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._bus = bus
        self._clock = clock
        self._pause = pause
        self._desk = Desk(chance, clock.now_us())
        self._normalisers = {
            each.name: Normaliser(each) for each in definitions_of(configuration, environment)
        }
        self._numbers = count(1)
        self._stopping = False

    def stop(self) -> None:
        """Let `run` return."""
        self._stopping = True

    async def run(self) -> None:
        """Show the desk at work until stopped."""
        waiting: list[Outgoing] = []
        while not self._stopping:
            now_us = self._clock.now_us()
            waiting += self._records(self._desk.step(now_us), from_us(now_us))
            try:
                while waiting and not self._stopping:
                    await self._bus.append(waiting[:BATCH_MAX])
                    del waiting[:BATCH_MAX]
            except BusUnavailable as error:
                _log.warning("the demo waits for the bus", reason=str(error))
                await self._pause(RETRY_MS)
            await self._pause(STEP_MS)

    def _records(self, shown: Sequence[Shown], now: datetime) -> Iterator[Outgoing]:
        arrival = Arrival.at(now)
        for one in shown:
            normaliser = self._normalisers.get(one.source) or self._normalisers["default"]
            number = next(self._numbers)
            event_id = f"demo-{one.members['id']}-{number}"
            outcome = normaliser.fields(one.members, Defaults(event_id, sequence=number), arrival)
            assert isinstance(outcome, Normalised), f"the demo speaks correctly: {outcome}"
            yield to_outgoing(outcome.observation)
