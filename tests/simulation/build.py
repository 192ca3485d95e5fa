"""What a world is built of. A planted bug replaces one of these parts, and the checkers have to notice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from services.aging.ports import AgingChanges, AgingStore
from services.aging.worker import AgingLogic
from services.alerting.ports import AlertingChanges, AlertingStore, Courier, Notifier
from services.alerting.worker import Desk, ReceiverCourier
from services.intake.worker.inbox import InboxWorker
from shared.runtime.group import PartitionGroup
from shared.runtime.port import PartitionLogic
from tests.simulation.bus import SimulatedBus
from tests.simulation.cluster import Cluster
from tests.simulation.faults import Swarm
from tests.simulation.notifier import Receiver, SimulatedNotifier
from tests.simulation.point import Point
from tests.simulation.roles import AgingRole, AlertingRole, IntakeRole, Role
from tests.simulation.stores.aging import SimulatedAgingStore
from tests.simulation.stores.aging_database import AgingDatabase
from tests.simulation.stores.alerting import SimulatedAlertingStore
from tests.simulation.stores.alerting_database import AlertingDatabase

if TYPE_CHECKING:
    from tests.simulation.hosts import Process


class AlertingStoreOfAll(AlertingStore, Courier):
    """Both sides of alerting's store, as its adapters have them."""


def _alerting_logic(desk: Desk, partition: int) -> PartitionLogic[AlertingChanges]:
    return desk.new_logic(partition)


@dataclass(frozen=True)
class Build:
    """The parts, real ones over simulated adapters unless said otherwise."""

    swarm: Callable[[Random], Swarm] = Swarm.drawn
    """Gives the faults of a seed."""
    bus: Callable[[Cluster, Point], SimulatedBus] = SimulatedBus
    group: Callable[..., PartitionGroup[Any]] = PartitionGroup
    """Replace `PartitionGroup.new_loop` in a subclass to plant a bug in the loop."""
    aging_store: Callable[[AgingDatabase, Point], AgingStore] = SimulatedAgingStore
    aging_logic: Callable[..., PartitionLogic[AgingChanges]] = AgingLogic
    alerting_store: Callable[[AlertingDatabase, Point], Any] = SimulatedAlertingStore
    alerting_logic: Callable[[Desk, int], PartitionLogic[AlertingChanges]] = _alerting_logic
    notifier: Callable[[Receiver, Point], Notifier] = SimulatedNotifier
    courier: Callable[..., ReceiverCourier] = ReceiverCourier
    inbox: Callable[..., InboxWorker] = InboxWorker
    roles: Mapping[str, Callable[[Process], Role]] = field(
        default_factory=lambda: {"aging": AgingRole, "alerting": AlertingRole, "intake": IntakeRole}
    )
