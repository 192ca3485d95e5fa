"""Aging's own health as Prometheus metrics: read from the loops when somebody asks, never kept in step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.aging.core.backlog import Backlog
from services.aging.core.batch import Refusal
from services.aging.core.pulled import PullOutcome
from shared.clock import Clock
from shared.codec import Reason
from shared.contracts.instants import SECOND_US
from shared.runtime.partition import PartitionStatus

SERVICE: Final = "aging"
REASONS: Final = (*(reason.value for reason in Refusal), *(reason.value for reason in Reason), "unknown_type")


class Counted(Protocol):
    """What a partition did since it was taken over."""

    folded: int
    repeated: int
    refused: dict[str, int]
    pulled: Counter[tuple[str, PullOutcome]]
    condensed: int


class Partition(Protocol):
    """A partition's memory; `services.aging.worker.AgingLogic` is one."""

    @property
    def output(self) -> Counted:
        """What was folded and refused."""
        ...

    @property
    def backlog(self) -> Backlog:
        """What it holds."""
        ...


class Tally:
    """What the partitions of this process did since it started; partitions come and go, counts stay."""

    def __init__(self) -> None:
        self._logics: dict[int, Partition] = {}
        self._folded = 0
        self._repeated = 0
        self._condensed = 0
        self._refused: dict[str, int] = dict.fromkeys(REASONS, 0)
        self._pulled: Counter[tuple[str, PullOutcome]] = Counter()

    def watch(self, partition: int, logic: Partition) -> None:
        """Count what `logic` does from now on; keep what its predecessor did."""
        former = self._logics.get(partition)
        if former is not None:
            self._keep(former)
        self._logics[partition] = logic

    def _keep(self, logic: Partition) -> None:
        self._folded += logic.output.folded
        self._repeated += logic.output.repeated
        self._condensed += logic.output.condensed
        for reason, count in logic.output.refused.items():
            self._refused[reason] = self._refused.get(reason, 0) + count
        self._pulled.update(logic.output.pulled)

    def folded(self) -> int:
        """Return observations folded that were new."""
        return (
            self._folded
            - self._repeated
            + sum(logic.output.folded - logic.output.repeated for logic in self._logics.values())
        )

    def repeated(self) -> int:
        """Return observations that were known already."""
        return self._repeated + sum(logic.output.repeated for logic in self._logics.values())

    def condensed(self) -> int:
        """Return tickets of which retention left the last state."""
        return self._condensed + sum(logic.output.condensed for logic in self._logics.values())

    def refused(self) -> dict[str, int]:
        """Return records refused, by reason."""
        total = dict(self._refused)
        for logic in self._logics.values():
            for reason, count in logic.output.refused.items():
                total[reason] = total.get(reason, 0) + count
        return total

    def pulled(self) -> Counter[tuple[str, PullOutcome]]:
        """Return pulled states, by source and what they came to."""
        total = Counter(self._pulled)
        for logic in self._logics.values():
            total.update(logic.output.pulled)
        return total

    def logics(self) -> Sequence[Partition]:
        """Return the memories of the partitions this process has or had last."""
        return list(self._logics.values())


class AgingCollector(Collector):
    """`barometer_*` metrics of an aging process."""

    def __init__(self, tally: Tally, statuses: Callable[[], Sequence[PartitionStatus]], clock: Clock) -> None:
        self._tally = tally
        self._statuses = statuses
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        """Give the figures as they are now."""
        yield from self._events()
        yield from self._loops()

    def _events(self) -> Iterator[Metric]:
        events = CounterMetricFamily("barometer_events", "Events by outcome.", labels=["service", "outcome"])
        events.add_metric([SERVICE, "folded"], self._tally.folded())
        events.add_metric([SERVICE, "repeated"], self._tally.repeated())
        refused = self._tally.refused()
        events.add_metric([SERVICE, "rejected"], sum(refused.values()))
        yield events
        rejected = CounterMetricFamily("barometer_rejected", "Rejected events by reason.", labels=["reason"])
        for reason, count in sorted(refused.items()):
            rejected.add_metric([reason], count)
        yield rejected
        condensed = CounterMetricFamily(
            "barometer_tickets_condensed", "Tickets past retention, of which the last state was left."
        )
        condensed.add_metric([], self._tally.condensed())
        yield condensed
        yield self._pulled()

    def _pulled(self) -> Metric:
        pulled = CounterMetricFamily(
            "barometer_pulled", "Pulled states of tickets by source, and whether a webhook had told of them.",
            labels=["source", "outcome"],
        )  # fmt: skip
        counts = self._tally.pulled()
        for source in sorted({source for source, _ in counts}):
            for outcome in PullOutcome:  # all of them, so that a rate sees the first lost one as well
                pulled.add_metric([source, outcome.value], counts[source, outcome])
        return pulled

    def _loops(self) -> Iterator[Metric]:
        statuses = self._statuses()
        now_us = self._clock.now_us()
        behind_us = max((now_us - status.clock_us for status in statuses if status.clock_us), default=0)
        late_us = max((status.lateness_us for status in statuses), default=0)
        figures = (
            ("barometer_event_lag_seconds", "How far the slowest partition's clock is behind.", behind_us / SECOND_US),
            ("barometer_timer_lateness_seconds", "How late the last timers were fired.", late_us / SECOND_US),
            ("barometer_outbox_records", "Records committed and not yet confirmed by the bus.",
             sum(status.outbox_records for status in statuses)),
            ("barometer_open_tickets_in_memory", "Open tickets of the partitions owned here.",
             sum(len(logic.backlog.open) for logic in self._tally.logics())),
            ("barometer_quarantined_tickets", "Tickets whose timer failed.",
             sum(len(logic.backlog.quarantined) for logic in self._tally.logics())),
            ("barometer_no_policy_tickets", "Open tickets that no SLA policy matches.",
             sum(logic.backlog.cells.no_policy for logic in self._tally.logics())),
            ("barometer_no_opening_tickets", "Open tickets with a clock whose calendar does not open again.",
             sum(logic.backlog.cells.no_opening for logic in self._tally.logics())),
        )  # fmt: skip
        for name, text, value in figures:
            gauge = GaugeMetricFamily(name, text, labels=["service"])
            gauge.add_metric([SERVICE], value)
            yield gauge
