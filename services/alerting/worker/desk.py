"""The logics of the partitions that this process owns, for whoever looks at them from outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from services.alerting.core.alerts import Standing
from services.alerting.core.picture import TenantPicture
from services.alerting.worker.partition import AlertingLogic, Parts
from shared.runtime.partition import PartitionStatus, Phase


class Desk:
    """BacklogViews over the partitions that are loaded and ours."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._logics: dict[int, AlertingLogic] = {}
        self._statuses: Callable[[], Sequence[PartitionStatus]] = tuple

    def follow(self, statuses: Callable[[], Sequence[PartitionStatus]]) -> None:
        """Learn from `statuses` which partitions are ours."""
        self._statuses = statuses

    def new_logic(self, partition: int) -> AlertingLogic:
        """Return the empty logic of a partition; it replaces a former one."""
        logic = self._logics[partition] = AlertingLogic(partition, self._parts)
        return logic

    def cut(self, buckets_seconds: Sequence[int]) -> None:
        """Cut ages into these buckets from now on."""
        self._parts = self._parts._replace(buckets_seconds=tuple(buckets_seconds))
        for logic in self._logics.values():
            logic.cut(self._parts)

    def partitions(self) -> Sequence[int]:
        """Return the partitions that are ours, loaded or not: their deliveries are ours to send."""
        return [status.partition for status in self._statuses() if status.epoch]

    def loaded(self) -> Sequence[AlertingLogic]:
        """Return the logics that know their whole picture."""
        running = [status.partition for status in self._statuses() if status.phase is Phase.RUNNING]
        return [self._logics[partition] for partition in running if partition in self._logics]

    def judging(self) -> Sequence[AlertingLogic]:
        """Return the logics that judge rules."""
        return [logic for logic in self.loaded() if logic.begun]

    def pictures(self, tenant: str | None) -> Sequence[tuple[TenantPicture, int]]:
        """Return the series of a tenant (None: of all), each with the clock they are true for."""
        return [
            (view.picture, logic.picture_us)
            for logic in self.loaded()
            if logic.picture_us
            for name, view in logic.tenants.items()
            if tenant is None or name == tenant
        ]

    def standings(self, tenant: str) -> Sequence[Standing] | None:
        """Return the rules on each group of a tenant; None if its partition is not judged here."""
        for logic in self.judging():
            if tenant in logic.tenants:
                return list(logic.tenants[tenant].evaluator.standing())
        return None

    def judged_us(self, tenant: str) -> int | None:
        """Return the instant up to which the tenant's rules were judged, None if not here."""
        for logic in self.judging():
            if tenant in logic.tenants:
                return logic.judged_us
        return None

    def firing(self) -> Mapping[tuple[str, str], int]:
        """Return how many alerts fire by (rule, severity)."""
        return Counter(
            (alert.rule, alert.severity) for logic in self.loaded() for alert in logic.firing.values()
        )

    def judged_low_us(self) -> int | None:
        """Return the instant up to which everything here was judged, None before the first."""
        return min((logic.judged_us for logic in self.judging()), default=None)

    def complaints(self) -> Sequence[str]:
        """Return why rules are not judged, in words."""
        judging = {logic.partition for logic in self.judging()}
        return [
            f"backlog.cells.v1/{status.partition}: waiting for the clocks of all aging partitions"
            for status in self._statuses()
            if status.phase is Phase.RUNNING and status.partition not in judging
        ]
