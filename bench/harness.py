"""Benchmarks beside their peers: interleaved runs, one table, one file of results.

A figure alone says as much about the machine as about the program. So a benchmark has sides (ours and its
peers), the harness runs them in turn, and what counts is the ratio of neighbouring runs. A target that
has no peer is an absolute figure, and is only worth as much as the machine line above it.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.figures import Figures, Spread, column, interleaved, ratio, spread

RESULTS: Final = Path(__file__).with_name("results")
QUIET_LOAD_MAX: Final = 1.0
"""Above this somebody else was computing when a benchmark began, and its absolute figures are too low."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a side must reach: `figure` at least (or, `at_most`, at most) `value`; of `peer`'s, if named."""

    figure: str
    value: float
    peer: str | None = None
    at_most: bool = False

    def met(self, seen: float) -> bool:
        """Return whether `seen` (a ratio if there is a peer) is good enough."""
        return seen <= self.value if self.at_most else seen >= self.value

    def text(self) -> str:
        """Return what is asked, for a table."""
        bound = f"{'<=' if self.at_most else '>='} {number(self.value)}"
        return f"{bound} x {self.peer}" if self.peer else f"{self.figure} {bound}"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What to run: sides by name, how often, and which side must reach what."""

    title: str
    sides: Mapping[str, Callable[[], Figures]]
    rounds: int
    targets: Sequence[tuple[str, Target]] = field(default=())


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and among what a benchmark ran."""

    at: str
    cores: int
    python: str
    system: str
    load_at_start: float

    @classmethod
    def now(cls) -> Machine:
        """Return the machine as it is."""
        return cls(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            cores=os.cpu_count() or 0,
            python=platform.python_version(),
            system=f"{platform.system()} {platform.machine()}",
            load_at_start=round(os.getloadavg()[0], 2),
        )

    def line(self) -> str:
        """Return it in words, with a warning where others were computing."""
        busy = f" (BUSY: above {QUIET_LOAD_MAX:g}, trust ratios only)"
        return (
            f"{self.at}, {self.cores} cores, {self.system}, Python {self.python}, "
            f"load at start {self.load_at_start:g}{busy if self.load_at_start > QUIET_LOAD_MAX else ''}"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a side reached a target, and what was seen."""

    side: str
    target: Target
    seen: Spread

    @property
    def met(self) -> bool:
        """Whether the median is good enough."""
        return self.target.met(self.seen.median)

    def line(self) -> str:
        """Return it in words."""
        seen = f"{number(self.seen.median)} ({number(self.seen.low)} to {number(self.seen.high)})"
        return f"- {self.side}: {self.target.text()}: {seen}: {'reached' if self.met else 'MISSED'}"


def run(name: str, benchmark: Benchmark, machine: Machine | None = None) -> list[Verdict]:
    """Run `benchmark`, print its table, keep its results, and return what became of its targets.

    `machine` as it was before the servers of the benchmark were started.
    """
    machine = machine or Machine.now()
    print(f"\n## {name}: {benchmark.title}\n\n{machine.line()}\n", flush=True)
    runs = interleaved(benchmark.sides, benchmark.rounds, _tell)
    verdicts = judged(benchmark.targets, runs)
    print(table(runs))
    for verdict in verdicts:
        print(verdict.line())
    keep(name, machine, runs, verdicts)
    return verdicts


def judged(targets: Sequence[tuple[str, Target]], runs: Mapping[str, Sequence[Figures]]) -> list[Verdict]:
    """Return what became of each target: by the ratio of neighbouring runs where it names a peer."""
    return [Verdict(side, target, _seen(runs, side, target)) for side, target in targets]


def _seen(runs: Mapping[str, Sequence[Figures]], side: str, target: Target) -> Spread:
    ours = column(runs[side], target.figure)
    return spread(ours) if target.peer is None else ratio(ours, column(runs[target.peer], target.figure))


def table(runs: Mapping[str, Sequence[Figures]]) -> str:
    """Return the runs as a Markdown table: median (lowest to highest) of each figure."""
    names = list(dict.fromkeys(name for side in runs.values() for run in side for name in run))
    lines = [f"| | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for side, its_runs in runs.items():
        cells = [_cell([run[name] for run in its_runs if name in run]) for name in names]
        lines.append(f"| {side} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    seen = spread(values)
    if seen.low == seen.high:
        return number(seen.median)
    return f"{number(seen.median)} ({number(seen.low)} to {number(seen.high)})"


def number(value: float) -> str:
    """Return three significant digits, large numbers with separators."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def keep(
    name: str, machine: Machine, runs: Mapping[str, Sequence[Figures]], verdicts: Sequence[Verdict]
) -> Path:
    """Write everything that was measured as JSON; return where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{machine.at.replace(':', '').replace('+0000', 'Z')}.json"
    document = {
        "benchmark": name,
        "machine": asdict(machine),
        "load_at_end": round(os.getloadavg()[0], 2),
        "runs": {side: [dict(run) for run in its_runs] for side, its_runs in runs.items()},
        "targets": [
            {"side": one.side, **asdict(one.target), "seen": one.seen._asdict(), "met": one.met}
            for one in verdicts
        ],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def _tell(side: str, round_number: int, figures: Figures) -> None:
    shown = ", ".join(f"{name} {number(value)}" for name, value in figures.items())
    print(f"  {round_number + 1}. {side}: {shown}", file=sys.stderr, flush=True)
