"""The three services as roles of a process: the real workers and cores, put together over simulated ports."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from services.aging.ports import AgingChanges
from services.aging.settings import GROUP as AGING_GROUP
from services.aging.settings import default_terms
from services.aging.worker import AgingLogic, Placement
from services.alerting.ports import AlertingChanges
from services.alerting.settings import GROUP as ALERTING_GROUP
from services.alerting.settings import buckets_of, routing_of, rules_of
from services.alerting.worker import Addressee, AlertingLogic, CourierParts, Desk, Knock
from services.alerting.worker import Parts as DeskParts
from services.intake.api.appending import Appending
from services.intake.api.bodies import InFlight
from services.intake.api.publishing import Parts as PublishingParts
from services.intake.api.publishing import Publishing
from services.intake.core.arrival import Arrival
from services.intake.core.normalise import Normalised
from services.intake.core.pull.limits import Outcome as PullOutcome
from services.intake.core.reception import Item, Reception
from services.intake.core.rejected import STAGE_INTAKE, Kept
from services.intake.core.rejection import Reason
from services.intake.core.sources import Publisher, Sources
from services.intake.ports import FormOutcome, Outcome
from services.intake.settings import Limits, definitions_of
from services.intake.worker.inbox import InboxWorker
from services.intake.worker.inbox import Parts as InboxParts
from shared.contracts.configuration import ConfigVersion
from shared.contracts.instants import from_us
from shared.contracts.topics import CELLS, EVENTS, partition_of
from shared.http.configured import keyring_of
from shared.http.problems import Problem
from shared.runtime.configurations import Configurations
from shared.runtime.partition import Parts
from shared.runtime.port import PartitionLogic

if TYPE_CHECKING:
    from tests.simulation.hosts import Process

Work = Sequence[tuple[str, Coroutine[Any, Any, None]]]


class Role(Protocol):
    """One service within a process."""

    def work(self) -> Work:
        """Return what it does, each with its name."""
        ...

    def stop(self) -> None:
        """Let all of it end in good order."""
        ...


class Uncounted:
    """Counters and tallies nobody looks at: figures of one process, gone with it."""

    def count(self, outcome: Outcome, number: int = 1) -> None:
        """See intake's port."""

    def count_rejected(self, reason: Reason) -> None:
        """See intake's port."""

    def count_ignored(self, source: str, reason: str) -> None:
        """See intake's port."""

    def count_untrusted(self, source: str, number: int = 1) -> None:
        """See intake's port."""

    def count_form(self, source: str, outcome: FormOutcome, number: int = 1) -> None:
        """See intake's port."""

    def count_pull(self, source: str, outcome: PullOutcome, number: int = 1) -> None:
        """See intake's port."""

    def show_pull(self, source: str, *, alone: bool) -> None:
        """See intake's port."""

    def show_pulled(self, source: str, known_until_us: int) -> None:
        """See intake's port."""

    def record(self, outcome: str) -> None:
        """See alerting's port."""

    def notification(self, receiver: str, outcome: str) -> None:
        """See alerting's port."""


class AgingRole:
    """Aging, as services/aging/app.py puts it together."""

    def __init__(self, process: Process) -> None:
        world, build = process.world, process.world.build
        self.configurations = Configurations(process.bus, process.pause)
        self.store = build.aging_store(world.aging_database, process.point)
        self.group = build.group(
            Parts(
                bus=process.bus,
                store=self.store,
                clock=process.host.clock,
                pause=process.pause,
                topic=EVENTS,
                service="aging",
                owner=process.name,
                new_logic=self._new_logic,
                limits=world.limits,
            ),
            group=AGING_GROUP,
            member=process.host.name,
            open_tasks=process.open_tasks,
        )
        self._world = world

    def _new_logic(self, partition: int) -> PartitionLogic[AgingChanges]:
        world = self._world
        placement = Placement(partition, world.shape.events, world.shape.cells)
        return world.build.aging_logic(self.store, self.configurations, placement, default_terms())

    def work(self) -> Work:
        """See Role."""
        return [("aging", self.group.run())]

    def stop(self) -> None:
        """See Role."""
        self.group.stop()


class AlertingRole:
    """Alerting, as services/alerting/app.py puts it together."""

    def __init__(self, process: Process) -> None:
        world, build = process.world, process.world.build
        self._world, self._process = world, process
        self.store = build.alerting_store(world.alerting_database, process.point)
        knock, nobody = Knock(), Uncounted()
        configuration = world.configuration
        routing = routing_of(configuration)
        self.desk = Desk(
            DeskParts(
                store=self.store,
                open_reader=lambda: process.bus.open_reader(CELLS),
                rules=rules_of(configuration),
                routing=routing,
                buckets_seconds=configuration.age.buckets_seconds,
                tenants_of=self._tenants_of,
                tally=nobody,
                queues_max=100,
                knock=knock,
            )
        )
        self.configurations = Configurations(process.bus, process.idle)
        self.configurations.follow(lambda version: self.desk.cut(buckets_of(version)))
        self.group = build.group(
            Parts(
                bus=process.bus,
                store=self.store,
                clock=process.host.clock,
                pause=process.pause,
                topic=CELLS,
                service="alerting",
                owner=process.name,
                new_logic=self._new_logic,
                limits=world.limits,
            ),
            group=ALERTING_GROUP,
            member=process.host.name,
            open_tasks=process.open_tasks,
        )
        self.desk.follow(self.group.statuses)
        parts = CourierParts(
            store=self.store,
            clock=process.host.clock,
            pause=process.idle,
            partitions=self.desk.partitions,
            chance=world.scheduler.random.random,
            tally=nobody,
            knock=knock,
        )
        self.couriers = {
            name: build.courier(parts, Addressee(name, build.notifier(receiver, process.point)))
            for name, receiver in sorted(world.receivers.items())
        }

    def _new_logic(self, partition: int) -> PartitionLogic[AlertingChanges]:
        return self._world.build.alerting_logic(self.desk, partition)

    def _tenants_of(self, partition: int) -> Sequence[str]:
        names = [tenant.name for tenant in self._world.configuration.tenants]
        return [name for name in names if partition_of(name.encode(), self._world.shape.cells) == partition]

    def work(self) -> Work:
        """See Role."""
        couriers = [(f"courier-{name}", courier.run()) for name, courier in self.couriers.items()]
        return [("alerting", self.group.run()), *couriers]

    def stop(self) -> None:
        """See Role."""
        self.group.stop()
        for courier in self.couriers.values():
            courier.stop()


@dataclass(slots=True)
class Exchange:
    """A request and, once there is one, its answer: for each item whether it was taken (202)."""

    tenant: str
    source: str
    items: Sequence[Item]
    answer: Sequence[bool] | None = None
    is_refused: bool = False
    """503: the bus did not acknowledge."""


class IntakeRole:
    """Intake, as services/intake/app.py puts it together; requests come without HTTP."""

    def __init__(self, process: Process) -> None:
        world, clock, nobody = process.world, process.host.clock, Uncounted()
        self._clock = clock
        self.sources = Sources(definitions_of(world.configuration, {}))
        self.configurations = Configurations(process.bus, process.idle)
        self.configurations.follow(self._adopt)
        self._configuration = world.configuration
        limits = Limits()
        self.publishing = Publishing(
            PublishingParts(
                self.sources,
                keyring_of(world.configuration),
                clock,
                nobody,
                limits,
                world.fresh_id,
                InFlight(limits),
                Appending(process.bus, retry_after_seconds=1),
            )
        )
        self._limits = limits
        self.inbox = world.build.inbox(
            InboxParts(
                process.bus, self.sources, clock, nobody, process.pause, process.host.name,
                item_bytes_max=limits.item_bytes_max,
            )
        )  # fmt: skip

    def _adopt(self, published: ConfigVersion) -> None:
        self.sources.replace(definitions_of(self._configuration, {}, published))

    async def handle(self, exchange: Exchange) -> None:
        """Treat one request as `POST /v1/events` does, from its items on."""
        publisher = Publisher(exchange.tenant, None, "key:simulated")
        reception = Reception(
            self.sources, publisher, named=exchange.source, bytes_max=self._limits.item_bytes_max
        )
        received_at = from_us(self._clock.now_us())
        outcomes = reception.receive(exchange.items, Arrival.at(received_at))
        kept = Kept(STAGE_INTAKE, publisher.verified, received_at, received_at)
        try:
            await self.publishing._append(outcomes, exchange.tenant, kept)
        except Problem:
            exchange.is_refused = True
        else:
            exchange.answer = [isinstance(outcome, Normalised) for outcome in outcomes]

    def work(self) -> Work:
        """See Role."""
        return [("inbox", self.inbox.run()), ("configuration", self.configurations.run())]

    def stop(self) -> None:
        """See Role."""
        self.inbox.stop()
        self.configurations.stop()


__all__ = [
    "AgingLogic",
    "AgingRole",
    "AlertingLogic",
    "AlertingRole",
    "Exchange",
    "InboxWorker",
    "IntakeRole",
    "Role",
]
