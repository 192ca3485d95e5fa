"""What alerting's worker and API ask of a store and of whoever delivers notifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

from services.alerting.core.alerts import AlertRecord, Pending, Standing
from services.alerting.core.delivery import Attempt
from services.alerting.core.picture import TenantPicture
from shared.runtime.port import PartitionStore


class DeliveryState(str, Enum):
    """Where a delivery stands."""

    DUE = "due"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up: attempts exhausted, refused for good, or the receiver is gone."""
    QUIET = "quiet"
    """The alert was over before anybody was told: nobody is told of its end either."""
    SUPERSEDED = "superseded"
    """The alert was over after an attempt to tell of it had failed: only its end is told."""


class Delivery(NamedTuple):
    """One message to one receiver. `id` is the same at every attempt (`webhook-id`)."""

    id: str
    partition: int
    alert_id: str
    receiver: str
    resolves: bool
    """It tells that the alert is over; False: that it fires."""
    body: bytes
    """What is sent, the same at every attempt."""
    due_us: int
    attempts: int = 0


@dataclass(slots=True)
class AlertingChanges:
    """What one batch changes."""

    alerts: list[AlertRecord] = field(default_factory=list)
    """Upserted in order; one that fires and is over in the same batch occurs twice."""
    pending: list[Pending] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)


class Stored(NamedTuple):
    """What a partition goes on from."""

    firing: Sequence[AlertRecord]
    pending: Sequence[Pending]
    ended_lately: Sequence[AlertRecord]
    """Over at the instant judged last: what fires again in it must not take their ids."""


class AlertingStore(PartitionStore[AlertingChanges], Protocol):
    """The worker's side of the store.

    `commit` settles what a resolved alert means for its deliveries, in the same transaction: a `firing`
    one never attempted becomes QUIET and the `resolved` one to the same receiver is not written; an
    attempted one becomes SUPERSEDED. One already there by its id is left alone.
    """

    async def load(self, partition: int, *, judged_us: int) -> Stored:
        """Return the alerts that are not over, what is pending, and what was over at `judged_us` or later."""
        ...


class Courier(Protocol):
    """The deliveries, for whoever sends them. At least once; two may race, one wins each claim."""

    async def due(
        self, partitions: Sequence[int], receiver: str, *, now_us: int, limit: int
    ) -> Sequence[Delivery]:
        """Return deliveries to `receiver` whose time has come, in the order in which they were due."""
        ...

    async def claim(self, delivery: Delivery, *, until_us: int) -> Delivery | None:
        """Count an attempt before it is made; None if it is no longer due or another one was quicker.

        Until `until_us` nobody else tries; if no `settle` comes by then, it is due again.
        """
        ...

    async def settle(
        self, delivery: Delivery, state: DeliveryState, *, due_us: int, at_us: int, detail: str
    ) -> None:
        """Record what the claimed attempt came to; without effect if it is not the last claimed one."""
        ...

    async def disable(self, receiver: str, address: str, *, at_us: int) -> None:
        """Remember that the receiver at `address` (a digest of its URL) wants nothing any more."""
        ...

    async def disabled(self) -> Mapping[str, str]:
        """Return the disabled receivers and the digests of their addresses."""
        ...

    async def abandon(self, receivers_known: Sequence[str], *, at_us: int) -> int:
        """Fail what is due to receivers that are no longer configured; return how many."""
        ...


class AlertFilter(NamedTuple):
    """Which alerts to list. Alerts of Barometer itself (no tenant) are always among them."""

    tenant: str
    firing: bool | None = None
    rule: str | None = None


class AlertCursor(NamedTuple):
    """Where the next page begins: strictly after this, newest first."""

    fired_at_us: int
    id: str


class AlertQueries(Protocol):
    """The API's side: any process answers for all partitions."""

    async def find(
        self, wanted: AlertFilter, *, after: AlertCursor | None, limit: int
    ) -> Sequence[AlertRecord]:
        """Return alerts, the newest first."""
        ...

    async def alert(self, tenant: str, alert_id: str) -> AlertRecord | None:
        """Return one alert of the tenant (or of Barometer itself), None if there is none."""
        ...

    async def deliveries(self, alert_id: str) -> Sequence[tuple[str, bool, DeliveryState, int, str]]:
        """Return (receiver, resolves, state, attempts, detail) of an alert's deliveries."""
        ...


class Notifier(Protocol):
    """Sends one message to one receiver."""

    @property
    def address(self) -> str:
        """A digest of where it sends to: a receiver disabled at one address may be well at another."""
        ...

    async def send(self, delivery_id: str, body: bytes, *, at_us: int) -> Attempt:
        """Make one attempt; never raises for what the receiver or the network does. Bounded in time."""
        ...


class Tally(Protocol):
    """Counts what happens; never fails, never waits."""

    def record(self, outcome: str) -> None:
        """Count one record of the cells topic: `applied`, `repeated` or `undecodable`."""
        ...

    def notification(self, receiver: str, outcome: str) -> None:
        """Count one attempt to deliver, by what it came to."""
        ...


class BacklogViews(Protocol):
    """What this process knows of the backlog now: of the cells partitions that it owns."""

    def pictures(self, tenant: str | None) -> Sequence[tuple[TenantPicture, int]]:
        """Return the series of a tenant (None: of all), each with the clock they are true for."""
        ...

    def standings(self, tenant: str) -> Sequence[Standing] | None:
        """Return the rules on each group of a tenant; None if its partition is not judged here."""
        ...

    def judged_us(self, tenant: str) -> int | None:
        """Return the instant up to which the tenant's rules were judged, None if not here."""
        ...
