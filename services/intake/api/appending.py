"""Putting what was received on the bus, before anybody is told 202; and 503 while the bus is away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from services.intake.ports import Threads
from shared.bus.port import Bus, BusError, RecordTooLarge
from shared.contracts.records import Outgoing
from shared.contracts.tickets import Activity, Observation
from shared.http.problems import unavailable
from shared.sql.port import StoreUnavailable

_log = structlog.get_logger(__name__)


class Appending:
    """Appends, and remembers what the bus said last. One instance serves all requests of a process."""

    def __init__(self, bus: Bus, *, retry_after_seconds: int, threads: Threads | None = None) -> None:
        """`retry_after_seconds` is what senders are told to wait; `threads` forget what is deleted."""
        self._bus = bus
        self._threads = threads
        self._retry_after_seconds = retry_after_seconds
        self._complaint: str | None = None

    def complaint(self) -> str | None:
        """Return why events cannot be taken now: what the bus said to the latest append. None: fine."""
        return self._complaint

    async def durable(self, records: Sequence[Outgoing]) -> None:
        """Return once the bus has acknowledged `records`. Raises Problem 503, or RecordTooLarge."""
        if not records:
            return
        try:
            await self._bus.append(records)
        except RecordTooLarge:
            raise
        except BusError as error:
            self._failed(error)
            wait = self._retry_after_seconds
            raise unavailable("the bus did not acknowledge; send again", retry_after_s=wait) from None
        if self._complaint is not None:
            _log.info("bus takes events again")
            self._complaint = None

    async def forgotten(self, observations: Iterable[Observation]) -> None:
        """Return once no mail belongs to a ticket that `observations` delete. Raises Problem 503.

        They are on the bus already; sent again, they are repeats there.
        """
        if self._threads is None:
            return
        for one in observations:
            if one.activity is Activity.DELETED:
                external = one.ticket.removeprefix(f"{one.source}:")
                try:
                    await self._threads.forget(one.tenant, one.source, external)
                except StoreUnavailable:
                    wait = self._retry_after_seconds
                    raise unavailable(
                        "the store of threads is away; send again", retry_after_s=wait
                    ) from None

    def _failed(self, error: BusError) -> None:
        # Once for each outage: a line for each refused request would bury everything else.
        if self._complaint is None:
            _log.warning("bus does not take events", reason=str(error))
        self._complaint = f"the bus does not take events: {error}"
