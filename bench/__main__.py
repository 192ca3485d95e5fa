"""`python -m bench [NAME ...]`: run the benchmarks named, or all of them, and say which target was missed.

A missed target is no error: the exit code only tells whether everything that was asked for could run.
BENCH_QUICK=1 runs everything once and briefly, to see that it works; its figures mean nothing.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Final

from bench.harness import Verdict
from tests.servers.child import Unavailable

NAMES: Final = ("intake_single", "intake_batches", "webhooks", "aging", "aging_real", "backtest", "calendars")


def main(wanted: Sequence[str]) -> int:
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    verdicts: list[Verdict] = []
    skipped: list[str] = []
    for name in wanted or NAMES:
        try:
            verdicts += importlib.import_module(f"bench.{name}").main()
        except Unavailable as missing:
            print(f"\n## {name}: cannot run here: {missing}")
            skipped.append(name)
    missed = [verdict for verdict in verdicts if not verdict.met]
    print(f"\n{len(verdicts) - len(missed)} of {len(verdicts)} targets reached")
    for verdict in missed:
        print(verdict.line())
    return 1 if skipped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
