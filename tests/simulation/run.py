"""A run: work under faults, then calm, then rest, then the sums.

*Safety*: people work, faults strike, and what must never happen is looked for all the time. *Liveness*: the
faults stop, and within a bounded number of steps everything comes to rest: all is read, told, delivered and
confirmed. Then an heir takes everything over once more, and everything is stopped in good order. *Sums*: what is
left has to be what a world without faults would have come to.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import structlog

from shared.contracts.instants import SECOND_US
from tests.simulation.build import Build
from tests.simulation.chaos import Chaos, stop
from tests.simulation.checks import all_sums
from tests.simulation.checks.published import PublishedWatch
from tests.simulation.checks.rest import next_due_us, unrest
from tests.simulation.clock import SimulatedClock
from tests.simulation.desk import Shown
from tests.simulation.hosts import Host
from tests.simulation.roles import AlertingRole
from tests.simulation.small import small_limits
from tests.simulation.workload import people
from tests.simulation.world import START_US, Trace, World

STEPS_MAX: Final = 60_000
"""Of any phase; ten times of what the longest takes."""
LEAPS_MAX: Final = 60
"""Instants for which something waits: observations ahead of their time, runs that fell silent, deliveries."""
PATIENCE_STEPS: Final = 3_000
"""So long a world may be busy before time leaps on."""
HELD_US: Final = 100 * SECOND_US
QUIET_US: Final = 2_500_000
"""Cells, clocks and idle positions are written within a second; a world at rest stays so for this long."""
_ALL_ROLES: Final = ("intake", "aging", "alerting")


@dataclass(frozen=True, slots=True)
class Result:
    """What a seed came to."""

    seed: int
    steps: int
    digest: str
    injected: Counter[str]
    counted: Counter[str]


def simulate(
    seed: int, build: Build | None = None, trace: Trace | None = None, history: Sequence[Shown] = ()
) -> Result:
    """Run one seed; `history` is shown beside what its help desks draw. Raises Violation."""
    with _quiet(), _abandoning(), small_limits(Random(f"limits of {seed}")):
        run = _Run(World(seed, build, trace), history)
        try:
            run.work()
            run.rest()
            run.inherit()
            all_sums(run.world)
            return run.result()
        finally:
            run.world.close()


def replay(seed: int) -> str:
    """Return the command that runs a seed again."""
    return f"python -m tests.simulation --seed {seed} --trace"


def commit() -> str:
    """Return the commit at hand, with a mark if the tree differs from it."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


class _Run:
    def __init__(self, world: World, history: Sequence[Shown] = ()) -> None:
        self.world = world
        self._published = PublishedWatch(world.cluster, world.violation)
        world.at_checkpoint = self._published.look
        self._end_us = people(world, history)

    def work(self) -> None:
        """Let people work and faults strike, for as long as there is something to show."""
        for host in self.world.hosts:
            host.start()
        Chaos(self.world).begin()
        self._until("work", lambda: self.world.true_us() >= self._end_us, steps_max=10 * STEPS_MAX)

    def rest(self) -> None:
        """Stop the faults; everything has to come to rest."""
        world = self.world
        world.tell("CALM")
        world.is_calm = True
        world.away_until_us = {"bus": 0, "store": 0}
        world.broker_clock.mend()
        for host in world.hosts:
            host.clock.mend()
            host.is_wanted = True
            host.start()
            if host.process is not None:
                world.thaw(host.process)
        self._come_to_rest("rest")
        for host in world.hosts:
            host.is_wanted = False
            if host.process is not None:
                stop(world, host.process)
        self._until("stop", lambda: all(host.process is None for host in world.hosts))

    def inherit(self) -> None:
        """Let one more process take everything over, work on it, and end in good order, aging first."""
        world = self.world
        heir = Host(world, "heir", _ALL_ROLES, SimulatedClock(world.true_us))
        world.hosts.append(heir)
        heir.start()
        self._come_to_rest("inherit")
        process = heir.process
        assert process is not None
        heir.is_wanted = False
        process.stopping = True
        process.roles["intake"].stop()
        process.roles["aging"].stop()
        alerting = process.roles["alerting"]
        assert isinstance(alerting, AlertingRole)
        partial_names = (f"{process.name}/alerting", f"{process.name}/courier")
        others = [task for task in process.tasks if not task.get_name().startswith(partial_names)]
        self._until("aging stops", lambda: all(task.done() for task in others))
        # What the last clocks made fire is told as well: there is no next owner to do it.
        self._until("alerting ends", lambda: _has_read_all(world, alerting) and next_due_us(world) is None)
        alerting.stop()
        self._until("the end", lambda: heir.process is None)

    def result(self) -> Result:
        """Return what it came to."""
        world = self.world
        self._published.look()
        world.counted.update(self._published.counts())
        world.counted["commits"] = world.watch.commits
        world.counted["take-overs"] = world.watch.take_overs
        world.counted["requests"] = world.outside.ledger.requests
        world.counted["deliveries"] = sum(len(one.received) for one in world.receivers.values())
        world.counted["virtual seconds"] = (world.true_us() - START_US) // SECOND_US
        world.tell(self._published.digest())
        return Result(world.seed, world.scheduler.steps, world.digest(), world.injected, world.counted)

    def _come_to_rest(self, phase: str) -> None:
        world = self.world
        for _ in range(LEAPS_MAX):
            quiet_us = world.true_us() + QUIET_US
            self._until(phase, lambda until_us=quiet_us: world.true_us() >= until_us)  # type: ignore[misc]
            patience = world.scheduler.steps + PATIENCE_STEPS
            self._until(phase, lambda last=patience: not unrest(world) or world.scheduler.steps > last)  # type: ignore[misc]
            due_us = next_due_us(world)
            if due_us is None and not unrest(world):
                return
            # What is overdue is held back by somebody who waits: a courier whose receiver asked for time.
            leap_us = HELD_US if due_us is None or due_us <= world.true_us() else due_us - world.true_us()
            world.tell(f"LEAP {leap_us}")
            world.scheduler.leap(leap_us)
        world.violation(f"{phase}: no rest: {unrest(world)}, due {next_due_us(world)}")

    def _until(self, phase: str, over: Callable[[], bool], *, steps_max: int = STEPS_MAX) -> None:
        world, scheduler = self.world, self.world.scheduler
        last = scheduler.steps + steps_max
        turn = 0
        while True:
            turn += 1
            if turn % _LOOK_EVERY == 0 and over():
                return
            if not scheduler.step():
                if over():
                    return
                world.violation(f"{phase}: nothing can ever happen again")
            if scheduler.steps > last:
                world.violation(f"{phase}: not over after {steps_max} steps ({unrest(world)})")


_LOOK_EVERY: Final = 16


def _has_read_all(world: World, alerting: AlertingRole) -> bool:
    read = {status.partition: status.position for status in alerting.group.statuses()}
    return all(read.get(log.partition) == log.end for log in world.cluster.topic("backlog.cells.v1").logs)


@contextmanager
def _abandoning() -> Iterator[None]:
    """Let generators of dead processes vanish: closing one would run what no dead process runs."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(finalizer=lambda _: None)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing meanwhile: a seed logs more than anybody reads, and its trace says what happened."""
    former = structlog.get_config()
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger("critical"),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**former)
