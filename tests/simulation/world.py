"""One seed: a cluster, databases, hosts, people outside, and everything that can happen to them.

`World` is what the parts meet at. It is the `Network` of the cluster and the `Watcher` of the scheduler: at
each place where a task can be interrupted it decides, by chance, whether it goes on. What is checked all the
time hangs here too; what the whole run has to come to is in run.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from random import Random
from typing import Final

from shared.bus.port import BusUnavailable
from shared.contracts.instants import SECOND_US
from shared.contracts.topics import TOPICS, PartitionedBy
from shared.runtime.partition import Limits
from shared.runtime.port import StoreUnavailable
from tests.simulation.build import Build
from tests.simulation.checks.journal import JournalWatch
from tests.simulation.clock import SimulatedClock
from tests.simulation.cluster import Cluster
from tests.simulation.faults import Fault
from tests.simulation.hosts import Host, Process
from tests.simulation.network import Loss
from tests.simulation.notifier import Answer, Receiver
from tests.simulation.scheduler import Reached, Scheduler, Task, Wait, give
from tests.simulation.senders import Outside, Unreachable
from tests.simulation.settings import RECEIVERS, Shape, configuration_of, drawn_configuration
from tests.simulation.stores.aging_database import AgingDatabase
from tests.simulation.stores.alerting_database import AlertingDatabase
from tests.simulation.violation import Violation

START_US: Final = 1_700_000_000 * SECOND_US
"""22:13:20 on a Tuesday."""
_FAILING: Final = frozenset({
    "bus.identity", "bus.append", "bus.open_reader", "bus.open_writer", "bus.read", "bus.range", "bus.publish",
    "bus.flush", "bus.committed", "bus.commit", "bus.join", "http.request",
})  # fmt: skip
"""Calls that may fail, beside all of the store's; the others promise not to."""
_ERRORS: Final[dict[str, Callable[[str], Exception]]] = {
    "bus": BusUnavailable, "store": StoreUnavailable, "http": Unreachable,
}  # fmt: skip

_WRITES: Final = frozenset({"store.commit", "store.take_over"})

Trace = Callable[[int, str], None]


class World:
    """Everything there is."""

    def __init__(self, seed: int, build: Build | None = None, trace: Trace | None = None) -> None:
        self.seed, self.build = seed, build or Build()
        self.random = random = Random(seed)
        self.scheduler = Scheduler(random, START_US)
        self.scheduler.watcher = self
        self.swarm = self.build.swarm(random)
        self.shape = Shape.drawn(random)
        self.document = drawn_configuration(random, self.shape.tenants)
        self.configuration = configuration_of(self.document)
        self.limits = Limits(
            records_max=random.choice((1, 3, 20, 1_000)),
            idle_wait_ms=random.choice((100, 500, 1_000, 1_000)),
            blocks_in_flight_max=random.choice((1, 2, 4)),
        )
        self.idle_us = random.choice((200, 1_000, 1_000)) * 1_000
        self.repeats = random.choice((0.0, 0.1, 0.5))
        self.injected: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self.is_calm = False
        self.away_until_us = {"bus": 0, "store": 0}
        self._trace, self._digest, self._ids = trace, blake2b(digest_size=16), 0
        self._make_durable(random)
        self.watch = JournalWatch(
            (self.aging_database.journal, self.alerting_database.journal), self.violation
        )
        self.hosts = [
            Host(self, name, roles, SimulatedClock(self.true_us)) for name, roles in self.shape.hosts
        ]
        self.outside = Outside(self)
        self.at_checkpoint: Callable[[], None] = lambda: None

    def _make_durable(self, random: Random) -> None:
        self.broker_clock = SimulatedClock(self.true_us)
        self.cluster = Cluster(
            self.broker_clock, self, marks=random.random() < 0.7, resolution_us=random.choice((1, 1_000))
        )
        counts = {
            PartitionedBy.EVENTS: self.shape.events,
            PartitionedBy.CELLS: self.shape.cells,
            PartitionedBy.ONE: 1,
        }
        self.cluster.ensure({topic.name: counts[topic.partitioned_by] for topic in TOPICS}, TOPICS)
        self.aging_database = AgingDatabase(lambda: self.true_us() // 1_000)
        self.alerting_database = AlertingDatabase(lambda: self.true_us() // 1_000)
        self.receivers = {name: Receiver(name, partial(self._answer, name)) for name in RECEIVERS}

    def close(self) -> None:
        """End everything that is still on its way."""
        for host in self.hosts:
            if host.process is not None:
                host.process.crash()
        self.outside.close()

    def true_us(self) -> int:
        """Return the time as it is."""
        return self.scheduler.now_us

    def fresh_id(self) -> str:
        """Return an id that was never given before."""
        self._ids += 1
        return f"fresh-{self._ids}"

    def digest(self) -> str:
        """Return what identifies the run so far, step by step."""
        return self._digest.hexdigest()

    # What happens.

    def tell(self, text: str) -> None:
        """Add a line to the trace, and to the digest."""
        line = f"{self.scheduler.now_us} {text}"
        self._digest.update(line.encode())
        if self._trace is not None:
            self._trace(self.scheduler.now_us - START_US, text)

    def count(self, what: str) -> None:
        """Count something for the summary."""
        self.counted[what] += 1

    def inject(self, fault: Fault, what: str = "") -> None:
        """Count a fault and tell of it."""
        self.injected[fault.value] += 1
        self.tell(f"FAULT {fault.value} {what}")

    def violation(self, text: str, cause: BaseException | None = None) -> None:
        """Stop: something that must never happen did."""
        raise Violation(f"seed {self.seed}, after {self.scheduler.steps} steps: {text}") from cause

    def crash(self, process: Process) -> None:
        """Kill a process."""
        process.crash()
        self.count("crashes")

    def freeze(self, process: Process) -> None:
        """Let a process stand still; its groups may lose sight of it meanwhile."""
        process.frozen = True
        span_us = self._drawn_us(0.2, 40.0)
        self.scheduler.at(self.scheduler.now_us + span_us, partial(self.thaw, process))
        for membership in process.bus.memberships:
            self.later(membership.expel, self.session_timeout_us() // 1_000)

    def thaw(self, process: Process) -> None:
        """Let a process go on."""
        if process.frozen:
            process.frozen = False
            self.scheduler.thaw()

    def session_timeout_us(self) -> int:
        """Draw after which time a group gives up on a member it does not hear of."""
        return self._drawn_us(0.5, 10.0)

    def restart_us(self) -> int:
        """Draw after which time a supervisor starts a process again."""
        return self._drawn_us(0.0, 1.0 if self.is_calm else self.random.choice((0.5, 4.0, 40.0)))

    def _drawn_us(self, least_s: float, most_s: float) -> int:
        return int(self.random.uniform(least_s, most_s) * SECOND_US)

    # Watcher: at each step.

    def reached(self, task: Task, request: Reached) -> int:
        """Decide what happens at a call; return when the task may go on."""
        call, done = request.call, request.done
        self.tell(f"{task.get_name()} {call} {'done' if done else 'begins'}")
        owner = task.owner
        if done and call in _WRITES and isinstance(owner, Process):
            self.watch.wrote(owner.name)
        if self.is_calm:
            return 0
        port = call.partition(".")[0]
        may_fail = port == "store" or call in _FAILING
        if may_fail and not done and self.scheduler.now_us < self.away_until_us.get(port, 0):
            task.throwing = _ERRORS[port](f"{call}: away")
            return self.scheduler.now_us + self._drawn_us(0.0, 0.5)
        return self._struck(task, request, port if may_fail else None)

    def _struck(self, task: Task, request: Reached, failing: str | None) -> int:
        """Strike by chance; most calls go on."""
        chance, swarm, owner = self.random.random(), self.swarm, task.owner
        for fault in (Fault.CRASH, Fault.FREEZE):
            rate = swarm.rate(fault)
            if chance < rate and isinstance(owner, Process):
                self.inject(fault, owner.name)
                (self.crash if fault is Fault.CRASH else self.freeze)(owner)
                self._make_worse(owner.host)
                return 0
            chance -= rate
        fault = Fault.FAIL_AFTER if request.done else Fault.FAIL_BEFORE
        if failing is not None and chance < swarm.rate(fault):
            self.inject(fault, request.call)
            task.throwing = _ERRORS[failing](f"{request.call}: {fault.value}")
            return 0
        if 1.0 - chance < swarm.rate(Fault.DELAY):
            self.injected[Fault.DELAY.value] += 1
            return self.scheduler.now_us + self._drawn_us(0.0, self.random.choice((0.01, 0.3, 5.0)))
        return 0

    def _make_worse(self, host: Host) -> None:
        """Add what makes a crash or a pause worse: a clock that is set before the next try."""
        if Fault.CLOCK_JUMP in self.swarm.intervals_us and self.random.random() < 0.3:
            self.jump(host)

    def jump(self, host: Host) -> None:
        """Set a host's clock."""
        host.clock.jump(
            int(self.random.choice((-400, -20, -1, 1, 20, 400)) * self.random.random() * SECOND_US)
        )
        self.inject(Fault.CLOCK_JUMP, f"{host.name} is off by {host.clock.off_us / SECOND_US:g} s")

    def stepped(self, task: Task) -> None:
        """Look after the world now and then."""
        if self.scheduler.steps % _CHECK_EVERY == 0:
            self.at_checkpoint()

    # Network: time, and messages on the way.

    async def until(self, happened: Callable[[], bool], wait_ms: int) -> None:
        """See Network."""
        await give(Wait(happened, self.scheduler.now_us + wait_ms * 1_000))

    def later(self, step: Callable[[], None], wait_ms: int | None = None) -> None:
        """See Network."""
        us = self._drawn_us(0.0, self.random.choice((0.001, 0.02))) if wait_ms is None else wait_ms * 1_000
        self.scheduler.at(self.scheduler.now_us + us, step)

    def loss(self) -> Loss:
        """See Network."""
        if self.is_calm:
            return Loss.NONE
        if self.scheduler.now_us < self.away_until_us["bus"]:
            return Loss.BEFORE
        if self.random.random() < self.swarm.rate(Fault.LOSE_BLOCK):
            self.inject(Fault.LOSE_BLOCK)
            return self.random.choice((Loss.BEFORE, Loss.AFTER))
        return Loss.NONE

    def some(self, count: int) -> int:
        """See Network."""
        return self.random.randint(0, count)

    def _answer(self, name: str) -> Answer:
        random, swarm = self.random, self.swarm
        if self.is_calm:
            return Answer()
        if random.random() < swarm.rate(Fault.GONE):
            self.inject(Fault.GONE, name)
            return Answer(410)
        if random.random() < swarm.rate(Fault.REFUSE_DELIVERY):
            self.inject(Fault.REFUSE_DELIVERY, name)
            return random.choice((
                Answer(500), Answer(503, 7 * SECOND_US), Answer(429, 90 * SECOND_US), Answer(404),
                Answer(arrives=False), Answer(is_heard=False), Answer(is_heard=False),
            ))  # fmt: skip
        return Answer()


_CHECK_EVERY: Final = 997
