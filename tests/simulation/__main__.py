"""Run seeds of the simulation.

python -m tests.simulation --seed N [--trace]      one seed; --trace prints each step
python -m tests.simulation --seeds A-B [--jobs J]  a range, and what it came to as a table
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from shared.clock import monotonic_seconds
from tests.simulation.run import Result, commit, replay, simulate
from tests.simulation.violation import Violation


class Outcome(NamedTuple):
    """What a seed came to: a result, or a violation."""

    seed: int
    result: Result | None
    violation: str


def main(arguments: Sequence[str]) -> int:
    """Do as asked; return the exit code: 1 if anything was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, help="one seed")
    parser.add_argument("--trace", action="store_true", help="print each step of it")
    parser.add_argument("--seeds", help="a range, such as 0-499")
    parser.add_argument("--jobs", type=int, default=1, help="processes to share a range")
    given = parser.parse_args(arguments)
    if given.seed is not None:
        outcomes = [_outcome(given.seed, trace=given.trace)]
    elif given.seeds:
        first, _, last = given.seeds.partition("-")
        outcomes = _outcomes(range(int(first), int(last or first) + 1), given.jobs)
    else:
        parser.error("give --seed or --seeds")
    return 1 if any(outcome.violation for outcome in outcomes) else 0


def _outcome(seed: int, *, trace: bool) -> Outcome:
    started_s = monotonic_seconds()
    outcome = _tried(seed, trace=trace)
    if outcome.violation:
        print(f"{outcome.violation}\n  at commit {commit()}; replay it with: {replay(seed)}")
    else:
        print(_summary([outcome], monotonic_seconds() - started_s))
    return outcome


def _outcomes(seeds: Sequence[int], jobs: int) -> list[Outcome]:
    started_s = monotonic_seconds()
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(jobs) as pool:
        for outcome in pool.map(partial(_tried, trace=False), seeds, chunksize=4):
            if outcome.violation:
                print(f"{outcome.violation}\n  replay it with: {replay(outcome.seed)}", flush=True)
            outcomes.append(outcome)
    print(_summary(outcomes, monotonic_seconds() - started_s))
    return outcomes


def _tried(seed: int, *, trace: bool) -> Outcome:
    told = (lambda us, text: print(f"{us / 1e6:12.6f} {text}")) if trace else None
    try:
        return Outcome(seed, simulate(seed, trace=told), "")
    except Violation as violation:
        return Outcome(seed, None, str(violation))


def _summary(outcomes: Sequence[Outcome], spent_s: float) -> str:
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    counted = sum((result.counted for result in results), Counter[str]())
    injected = sum((result.injected for result in results), Counter[str]())
    lines = [
        f"seeds       {len(outcomes)} ({outcomes[0].seed} to {outcomes[-1].seed}), at commit {commit()}",
        f"violations  {sum(bool(outcome.violation) for outcome in outcomes)}",
        f"steps       {sum(result.steps for result in results)}",
        f"wall time   {spent_s:.0f} s",
        "", "what happened", *_table(counted), "", "faults injected", *_table(injected),
    ]  # fmt: skip
    return "\n".join(lines)


def _table(counts: Counter[str]) -> Iterable[str]:
    return [f"  {name:<18} {count:>12}" for name, count in sorted(counts.items())]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
