"""Faults that come with time: hosts that stop, clocks that are set, a bus that is away, retention.

(Those that strike at a call are drawn where the call is, in world.py.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from services.aging.settings import GROUP as AGING_GROUP
from services.alerting.settings import GROUP as ALERTING_GROUP
from services.intake.worker.inbox import GROUP as INTAKE_GROUP
from shared.contracts.instants import SECOND_US
from shared.contracts.topics import CELLS, EVENTS, FACTS, INBOX, TICKETS
from tests.simulation.faults import Fault
from tests.simulation.hosts import Host, Process
from tests.simulation.roles import AgingRole

if TYPE_CHECKING:
    from tests.simulation.world import World

STOP_BUDGET_US: Final = 28 * SECOND_US
"""A process that was told to stop and has not is killed then (shared/runtime/process.py)."""


class Chaos:
    """Strikes while the world is not calm."""

    def __init__(self, world: World) -> None:
        self._world, self._random = world, world.random
        self._strike: dict[Fault, Callable[[], None]] = {
            Fault.STOP: self._stop,
            Fault.SCALE: self._scale,
            Fault.EXPEL: self._expel,
            Fault.BUS_AWAY: partial(self._away, Fault.BUS_AWAY, "bus"),
            Fault.STORE_AWAY: partial(self._away, Fault.STORE_AWAY, "store"),
            Fault.CLOCK_JUMP: lambda: world.jump(self._host()),
            Fault.CLOCK_DRIFT: self._drift,
            Fault.BROKER_JUMP: self._jump_brokers,
            Fault.SUSPEND: self._suspend,
            Fault.COMPACT: self._compact,
            Fault.EXPIRE: self._expire,
        }

    def begin(self) -> None:
        """Let the faults of the swarm come from now on."""
        for fault in self._world.swarm.intervals_us:
            self._next(fault)

    def _next(self, fault: Fault) -> None:
        world = self._world
        us = int(self._random.expovariate(1.0) * world.swarm.intervals_us[fault])
        world.scheduler.at(world.scheduler.now_us + us, partial(self._strikes, fault))

    def _strikes(self, fault: Fault) -> None:
        if not self._world.is_calm:
            self._strike[fault]()
            self._next(fault)

    def _host(self) -> Host:
        return self._random.choice(self._world.hosts)

    def _stop(self) -> None:
        host = self._host()
        if host.process is not None and not host.process.stopping:
            self._world.inject(Fault.STOP, host.name)
            stop(self._world, host.process)

    def _scale(self) -> None:
        host = self._host()
        host.is_wanted = not host.is_wanted
        self._world.inject(Fault.SCALE, f"{host.name} {'up' if host.is_wanted else 'down'}")
        if host.is_wanted:
            host.start()
        elif host.process is not None:
            stop(self._world, host.process)

    def _expel(self) -> None:
        host = self._host()
        if host.process is not None:
            self._world.inject(Fault.EXPEL, host.name)
            for membership in host.process.bus.memberships:
                membership.expel()

    def _away(self, fault: Fault, port: str) -> None:
        world = self._world
        span_us = int(self._random.choice((0.5, 3.0, 30.0)) * self._random.random() * SECOND_US)
        world.away_until_us[port] = world.scheduler.now_us + span_us
        world.inject(fault, f"{span_us / SECOND_US:g} s")

    def _drift(self) -> None:
        host = self._host()
        host.clock.drift(self._random.choice((-50_000, -500, 0, 500, 50_000)))
        self._world.inject(Fault.CLOCK_DRIFT, host.name)

    def _jump_brokers(self) -> None:
        world = self._world
        world.broker_clock.jump(
            int(self._random.choice((-400, -20, -1, 1, 20, 400)) * self._random.random() * SECOND_US)
        )
        world.inject(Fault.BROKER_JUMP, f"off by {world.broker_clock.off_us / SECOND_US:g} s")

    def _suspend(self) -> None:
        span_us = int(self._random.choice((5, 90, 1_200)) * self._random.random() * SECOND_US)
        self._world.inject(Fault.SUSPEND, f"{span_us / SECOND_US:g} s")
        self._world.scheduler.leap(span_us)

    def _compact(self) -> None:
        topic = self._random.choice((CELLS, TICKETS))
        gone = self._world.cluster.compact(topic.name, behind=self._random.choice((0, 1, 20)))
        self._world.inject(Fault.COMPACT, f"{topic.name}: {gone} records")

    def _expire(self) -> None:
        gone = sum(expired(self._world, self._random.random()))
        self._world.inject(Fault.EXPIRE, f"{gone} records")


def expired(world: World, share: float) -> list[int]:
    """Let retention take a share of what everybody has read; return how many records went, by log.

    Retention is days, so not even a process that stands still for long is behind it.
    """
    gone = []
    for row in world.aging_database.journal.partitions.rows():
        read = min(row.position or 0, *_positions(world, row.partition))
        gone.append(world.cluster.expire(EVENTS.name, row.partition, int(read * share)))
    inbox = world.cluster.group(INBOX.name, INTAKE_GROUP)
    for partition, offset in sorted(inbox.offsets.items()):
        gone.append(world.cluster.expire(INBOX.name, partition, int(offset * share)))
    gone += [
        world.cluster.expire(FACTS.name, log.partition, int(log.end * share))
        for log in world.cluster.topic(FACTS.name).logs
    ]
    return gone


def _positions(world: World, partition: int) -> list[int]:
    """Return where the loops that believe to own a partition are."""
    roles = [host.process.roles.get("aging") for host in world.hosts if host.process is not None]
    statuses = [status for role in roles if isinstance(role, AgingRole) for status in role.group.statuses()]
    return [1 << 62, *(status.position or 0 for status in statuses if status.partition == partition)]


def stop(world: World, process: Process) -> None:
    """Stop a process in good order, within its budget."""
    process.stop()
    scheduler = world.scheduler
    scheduler.at(scheduler.now_us + STOP_BUDGET_US, partial(_end, world, process))


def _end(world: World, process: Process) -> None:
    if process.alive:
        world.tell(f"{process.name} did not stop in time")
        world.count("ended by force")
        process.crash()


GROUPS: Final = ((EVENTS, AGING_GROUP), (CELLS, ALERTING_GROUP), (INBOX, INTAKE_GROUP))
