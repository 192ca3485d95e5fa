"""Promises met and broken, as Prometheus sees them: counters for each SLA clock, and two histograms.

What aging counted comes as cumulative counters of each of its partitions. Here they are added up by the
labels that are shown; a clock has series in a group of tickets from its first start there on.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Final, NamedTuple

from shared.contracts.backlog import DURATION_BOUNDS_SECONDS, ClockFlow
from shared.contracts.instants import SECOND_US


class Family(NamedTuple):
    """A metric."""

    name: str
    kind: str
    help: str

    @property
    def header(self) -> str:
        """What precedes the samples."""
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.kind}\n"


BREACHES: Final = Family("backlog_sla_breaches_total", "counter", "Promises that were broken.")
MET: Final = Family("backlog_sla_met_total", "counter", "Promises that were met.")
CORRECTIONS: Final = Family(
    "backlog_sla_corrections_total", "counter", "Verdicts counted above that turned out otherwise."
)
FIRST_RESPONSE: Final = Family(
    "backlog_first_response_seconds",
    "histogram",
    "Wall time from the customer's first message to the answer.",
)
RESOLUTION: Final = Family(
    "backlog_resolution_seconds", "histogram", "Wall time from the start of a ticket to its solution."
)
FAMILIES: Final = (BREACHES, MET, CORRECTIONS, FIRST_RESPONSE, RESOLUTION)

_HISTOGRAMS: Final = {"first_response": FIRST_RESPONSE, "resolution": RESOLUTION}
_BUCKETS: Final = {
    clock: (*(str(float(bound)) for bound in bounds), "+Inf")
    for clock, bounds in DURATION_BOUNDS_SECONDS.items()
}
"""The upper bounds as labels have them."""

Group = tuple[str, str, str]
"""Queue, priority and channel, as shown."""
FlowKey = tuple[int, str, str, str, str]
"""Aging partition, source, queue, priority and channel."""
Texts = dict[str, dict[object, str]]
"""The samples of each family, by what they are of."""


class _Sums:
    """What is counted of one clock in one group."""

    __slots__ = ("breached", "breached_corrected", "duration_sum_us", "durations", "met", "met_corrected")

    def __init__(self, clock: str) -> None:
        self.met = self.breached = self.met_corrected = self.breached_corrected = self.duration_sum_us = 0
        self.durations = [0] * len(_BUCKETS.get(clock, ()))

    def add(self, now: ClockFlow, before: ClockFlow) -> None:
        """Count what came between two values of one flow. Counters never go back, so neither do these."""
        self.met += max(0, now.met - before.met)
        self.breached += max(0, now.breached - before.breached)
        self.met_corrected += max(0, now.met_corrected - before.met_corrected)
        self.breached_corrected += max(0, now.breached_corrected - before.breached_corrected)
        self.duration_sum_us += max(0, now.duration_sum_us - before.duration_sum_us)
        known = before.durations or (0,) * len(now.durations)
        for place, (new, old) in enumerate(zip(now.durations, known, strict=False)):
            self.durations[place] += max(0, new - old)


class Promises:
    """The series about promises of one tenant; writes them into the texts of its picture."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._flows: dict[tuple[FlowKey, str], ClockFlow] = {}
        self._sums: dict[Group, dict[str, _Sums]] = {}

    def apply(self, key: FlowKey, group: Group, clocks: Mapping[str, ClockFlow]) -> None:
        """Take the newest counters of a flow, which is shown in `group`."""
        for name, now in clocks.items():
            before = self._flows.get((key, name), _NOTHING)
            self._flows[key, name] = now
            sums = self._sums.setdefault(group, {})
            if name not in sums:
                sums[name] = _Sums(name)
            sums[name].add(now, before)

    def write(self, group: Group, labels: str) -> None:
        """Write the series of a group anew; `labels` is how it is labelled."""
        clocks = self._sums.get(group)
        if not clocks:
            return
        texts = self._texts
        named = [(f'{labels},clock="{name}"', sums) for name, sums in clocks.items()]
        texts[BREACHES.name][group] = "".join(
            f"{BREACHES.name}{{{labelled}}} {sums.breached}\n" for labelled, sums in named
        )
        texts[MET.name][group] = "".join(f"{MET.name}{{{labelled}}} {sums.met}\n" for labelled, sums in named)
        texts[CORRECTIONS.name][group] = "".join(
            f'{CORRECTIONS.name}{{{labelled},verdict="met"}} {sums.met_corrected}\n'
            f'{CORRECTIONS.name}{{{labelled},verdict="breached"}} {sums.breached_corrected}\n'
            for labelled, sums in named
        )
        for name, family in _HISTOGRAMS.items():
            if name in clocks:
                texts[family.name][group] = _histogram(family.name, labels, _BUCKETS[name], clocks[name])


_NOTHING: Final = ClockFlow()


def _histogram(name: str, labels: str, bounds: tuple[str, ...], sums: _Sums) -> str:
    counts = list(accumulate(sums.durations))
    buckets = "".join(
        f'{name}_bucket{{{labels},le="{bound}"}} {count}\n'
        for bound, count in zip(bounds, counts, strict=True)
    )
    total_seconds = sums.duration_sum_us / SECOND_US
    return f"{buckets}{name}_sum{{{labels}}} {total_seconds}\n{name}_count{{{labels}}} {counts[-1]}\n"
