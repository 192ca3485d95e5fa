"""How far the aging partitions have come, and what to do when one of them stands still.

A tenant's tickets lie in all aging partitions, so its figures are true only up to the lowest of their
clocks. One that stands still freezes every rule: nothing false is said, but nothing true either, and a
person has to know. That is Barometer's own alert, `barometer_clock_stale`.
"""

from __future__ import annotations

from typing import Final

from services.alerting.core.alerts import AlertRecord, Reason, ended
from services.alerting.core.rules import alert_id, fingerprint
from shared.contracts.backlog import PartitionClock
from shared.contracts.instants import SECOND_US, to_us

STALE_AFTER_US: Final = 30 * SECOND_US
"""Clocks come each second; thirty missed ones are no hiccup."""
CLOCK_STALE: Final = "barometer_clock_stale"
NO_TENANT: Final = ""
"""Barometer's own alerts belong to no tenant; whoever may read alerts sees them."""


class Clocks:
    """The newest clock of each aging partition, as read from one partition of the cells topic."""

    def __init__(self) -> None:
        self._newest: dict[int, PartitionClock] = {}
        self.partitions = 0
        """Number of aging partitions, 0 while unknown."""

    def apply(self, clock: PartitionClock) -> bool:
        """Take a clock; return False if it is not newer than the one known."""
        known = self._newest.get(clock.partition)
        if known is not None and (clock.epoch, clock.version) <= (known.epoch, known.version):
            return False
        self._newest[clock.partition] = clock
        self.partitions = max(self.partitions, clock.partitions)
        return True

    def low_us(self) -> int | None:
        """Return the lowest clock; None until the clocks of all aging partitions are known."""
        if not self.partitions or len(self._newest) < self.partitions:
            return None
        return min(to_us(clock.at) for clock in self._newest.values())

    def at_us(self, partition: int) -> int | None:
        """Return the clock of one aging partition, None while unknown."""
        clock = self._newest.get(partition)
        return None if clock is None else to_us(clock.at)

    def known(self) -> tuple[PartitionClock, ...]:
        """Return the clocks, by partition."""
        return tuple(self._newest[partition] for partition in sorted(self._newest))


class StaleClocks:
    """Raises and resolves `barometer_clock_stale`, one alert for each aging partition."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._firing: dict[str, AlertRecord] = {}
        self._started_us: int | None = None

    def restore(self, alert: AlertRecord) -> None:
        """Go on with a stored alert that was not over."""
        self._firing[dict(alert.labels).get("partition", "")] = alert

    def judge(self, now_us: int) -> list[AlertRecord]:
        """Return the alerts that begin or end by `now_us`, the clock of the partition read."""
        if now_us <= 0:
            return []  # nothing was read yet, and the bus's own time is not known: there is no clock to judge by
        if self._started_us is None:
            # After downtime of everything, aging needs a moment too before it can be called late.
            self._started_us = now_us
        changed: list[AlertRecord] = []
        for partition in range(self._clocks.partitions):
            stale_us = self._stale_us(partition)
            firing = self._firing.get(str(partition))
            if firing is None and stale_us <= now_us:
                changed.append(self._fire(partition, stale_us, now_us))
            elif firing is not None and self._recovered(partition, now_us):
                del self._firing[str(partition)]
                changed.append(ended(firing, now_us, 0.0, Reason.RECOVERED))
        return changed

    def next_due_us(self) -> int | None:
        """Return when the next clock becomes stale if nothing is heard of it until then."""
        waiting = [
            self._stale_us(partition)
            for partition in range(self._clocks.partitions)
            if str(partition) not in self._firing
        ]
        return min(waiting, default=None)

    def _stale_us(self, partition: int) -> int:
        at_us = self._clocks.at_us(partition) or 0
        return max(at_us, self._started_us or 0) + STALE_AFTER_US

    def _recovered(self, partition: int, now_us: int) -> bool:
        at_us = self._clocks.at_us(partition)
        return at_us is not None and now_us - at_us < STALE_AFTER_US

    def _fire(self, partition: int, stale_us: int, now_us: int) -> AlertRecord:
        labels = (("partition", str(partition)),)
        of = fingerprint(NO_TENANT, CLOCK_STALE, labels)
        at_us = self._clocks.at_us(partition)
        alert = AlertRecord(
            id=alert_id(of, stale_us),
            fingerprint=of,
            tenant=NO_TENANT,
            rule=CLOCK_STALE,
            rule_digest="",
            severity="critical",
            labels=labels,
            measure="clock_age",
            value=(now_us - (stale_us - STALE_AFTER_US if at_us is None else at_us)) / SECOND_US,
            threshold=STALE_AFTER_US / SECOND_US,
            since_us=stale_us,
            fired_at_us=stale_us,
            summary="An aging partition stands still: no rule is judged until it goes on.",
        )
        self._firing[str(partition)] = alert
        return alert
