"""Telling receivers: due deliveries out, one receiver after its own order, at least once.

Deliveries lie in SQL, so they outlive the process. Each receiver has a courier of its own: a slow or dead
one keeps nobody else waiting, and what it is told comes in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import structlog

from services.alerting.core.delivery import Attempt, Outcome, next_attempt_us
from services.alerting.ports import Courier, Delivery, DeliveryState, Notifier, Tally
from shared.clock import Clock
from shared.contracts.instants import SECOND_US
from shared.runtime.port import Pause, StoreUnavailable

DELIVERIES_PER_ROUND: Final = 20
"""One receiver's; then the courier looks again whether they still stand."""
IDLE_MS: Final = 50
LOOK_EVERY_US: Final = SECOND_US
"""How often deliveries are looked for when none was made known."""
CLAIM_US: Final = 60 * SECOND_US
"""An attempt not settled by then was lost with its process; four times what an attempt may take."""
HOLD_US: Final = 5 * SECOND_US
"""A receiver that could not be reached is left alone so long, however many deliveries are due ..."""
HOLD_US_MAX: Final = 3_600 * SECOND_US
"""... or as long as it asked for, up to this."""
UNSETTLED_WAIT_MS: Final = 1_000
"""After a failure of the database."""


_log = structlog.get_logger(__name__)


class Knock:
    """Tells couriers that deliveries were made, so that they look at once and not in a second."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        """Say that there are new ones."""
        self.count += 1


class Addressee(NamedTuple):
    """A receiver, and how to reach it."""

    name: str
    notifier: Notifier


class CourierParts(NamedTuple):
    """What the couriers of all receivers share."""

    store: Courier
    clock: Clock
    pause: Pause
    partitions: Callable[[], Sequence[int]]
    """The cells partitions that this process owns now."""
    chance: Callable[[], float]
    """From 0 up to 1, for the jitter."""
    tally: Tally
    knock: Knock


class ReceiverCourier:
    """Delivers to one receiver, one message after the other; a slow one keeps nobody else waiting.

    At least once: an attempt is counted before it is made, and an attempt that was not settled is made
    again. What is told of an alert that is over was settled by the store (ports.AlertingStore).
    """

    def __init__(self, parts: CourierParts, addressee: Addressee) -> None:
        self._parts = parts
        self._to = addressee
        self._stopping = False
        self._disabled = False
        self._held_us = self._hold_us = 0
        self._looked_us = 0
        self._knocked = 0
        self._knocked_us = 0

    def stop(self) -> None:
        """Let `run` finish the attempt in hand and return."""
        self._stopping = True

    async def run(self) -> None:
        """Deliver until stopped."""
        known = False
        while not self._stopping:
            try:
                if not known:
                    await self.learn()
                    known = True
                await self.deliver_due()
            except StoreUnavailable as error:
                _log.warning("courier waits", receiver=self._to.name, reason=str(error))
                await self._parts.pause(UNSETTLED_WAIT_MS)
            await self._parts.pause(IDLE_MS)

    async def learn(self) -> None:
        """Find out whether the receiver said before that it wants nothing any more."""
        disabled = await self._parts.store.disabled()
        self._disabled = disabled.get(self._to.name) == self._to.notifier.address

    async def deliver_due(self) -> int:
        """Attempt what is due, up to a limit; return how many attempts were made."""
        now_us = self._parts.clock.now_us()
        if not self._looks(now_us) or self._holds(now_us):
            return 0
        partitions = self._parts.partitions()
        self._looked_us = now_us
        due = await self._parts.store.due(
            partitions, self._to.name, now_us=now_us, limit=DELIVERIES_PER_ROUND
        )
        attempts = 0
        for delivery in due:
            if self._stopping or self._holds(self._parts.clock.now_us()):
                break
            attempts += await self._deliver(delivery)
        if len(due) == DELIVERIES_PER_ROUND:
            self._looked_us = 0
        return attempts

    def _looks(self, now_us: int) -> bool:
        if self._knocked != self._parts.knock.count:
            self._knocked, self._knocked_us = self._parts.knock.count, now_us
        # The knock comes before the commit: for a moment after it, look each time.
        if 0 <= now_us - self._knocked_us < LOOK_EVERY_US:
            return True
        return not 0 <= now_us - self._looked_us < LOOK_EVERY_US

    def _holds(self, now_us: int) -> bool:
        # A wall clock that was set back counts as over: better one attempt too many than hours of silence.
        return 0 <= now_us - self._held_us < self._hold_us

    async def _deliver(self, delivery: Delivery) -> int:
        parts, now_us = self._parts, self._parts.clock.now_us()
        claimed = await parts.store.claim(delivery, until_us=now_us + CLAIM_US)
        if claimed is None:
            return 0
        attempt = (
            Attempt(Outcome.FAILED, "the receiver answered 410 before")
            if self._disabled
            else await self._to.notifier.send(claimed.id, claimed.body, at_us=now_us)
        )
        await self._settle(claimed, attempt)
        return 1

    async def _settle(self, delivery: Delivery, attempt: Attempt) -> None:
        parts, now_us = self._parts, self._parts.clock.now_us()
        state, due_us = DeliveryState.FAILED, delivery.due_us
        match attempt.outcome:
            case Outcome.DELIVERED:
                state = DeliveryState.DELIVERED
            case Outcome.GONE:
                self._disabled = True
                await parts.store.disable(self._to.name, self._to.notifier.address, at_us=now_us)
            case Outcome.RETRY:
                wait_us = attempt.retry_after_us
                self._held_us, self._hold_us = now_us, min(max(HOLD_US, wait_us or 0), HOLD_US_MAX)
                again_us = next_attempt_us(
                    delivery.attempts, now_us, jitter=parts.chance(), retry_after_us=wait_us
                )
                if again_us is not None:
                    state, due_us = DeliveryState.DUE, again_us
            case Outcome.FAILED:
                pass
        await parts.store.settle(delivery, state, due_us=due_us, at_us=now_us, detail=attempt.detail)
        given_up = attempt.outcome is Outcome.RETRY and state is DeliveryState.FAILED
        parts.tally.notification(self._to.name, "exhausted" if given_up else attempt.outcome.value)
        _log.info(
            "notified" if state is DeliveryState.DELIVERED else "not notified", receiver=self._to.name,
            delivery=delivery.id, alert=delivery.alert_id, attempts=delivery.attempts, state=state.value,
            detail=attempt.detail,
        )  # fmt: skip
