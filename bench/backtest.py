"""The backtest command on a real log, as people run it: a process from its start to its answer.

There is no peer; the target is a rate. Starting Python and importing everything is in it, which is a
third of a second of the three that the log may take.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.figures import Figures
from bench.harness import Benchmark, Machine, Target, Verdict, run
from bench.quick import sized
from tests.servers.child import Unavailable
from tests.servers.environment import shared_data_directory

ROOT: Final = Path(__file__).resolve().parents[1]
MAPPING: Final = ROOT / "tests" / "data" / "mappings" / "servicenow.yaml"
LOG: Final = Path("event-logs") / "servicenow-third" / "incident_event_log_third.csv.gz"
EVENTS_PER_SECOND_MIN: Final = 15_000
NO_RULES: Final = "rules: []\n"
RULES: Final = """\
rules:
  - {name: backlog, measure: open, by: [queue], above: 50, for: 10m, severity: warning}
  - {name: nobody-has-it, measure: unowned, where: {priority: [p1, p2]}, above: 5, severity: critical}
  - {name: waits-long, measure: older_than, edge: 72h, by: [priority], above: 100, severity: warning}
  - {name: oldest, measure: oldest_age, where: {priority: [p1]}, above: 72h, severity: critical}
"""


def _side(log: Path, config: Path) -> Callable[[], Figures]:
    command = [
        sys.executable, "-m", "barometer", "backtest", str(log), "--mapping", str(MAPPING), "--config",
        str(config), "--json",
    ]  # fmt: skip

    def measured() -> Figures:
        began = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, cwd=ROOT)
        seconds = time.perf_counter() - began
        answer = json.loads(done.stdout)
        return {
            "events_per_second": answer["observations"] / seconds,
            "seconds": seconds,
            "observations": answer["observations"],
            "alerts": len(answer["alerts"]),
        }

    return measured


def main() -> list[Verdict]:
    machine = Machine.now()
    log = shared_data_directory() / LOG
    if not log.exists():
        raise Unavailable("the real log is not there (BAROMETER_SHARED_DATA)")
    with tempfile.TemporaryDirectory(prefix="bench-backtest-") as directory:
        configs = {}
        for name, text in (("without rules", NO_RULES), ("with four rules", RULES)):
            configs[name] = Path(directory) / f"{name}.yaml"
            configs[name].write_text(text, encoding="utf-8")
        sides = {name: _side(log, config) for name, config in configs.items()}
        target = Target("events_per_second", EVENTS_PER_SECOND_MIN)
        return run(
            "backtest",
            Benchmark(
                title="the real ServiceNow log, `barometer backtest --json`",
                sides=sides,
                rounds=sized(5, 1),
                targets=[(name, target) for name in sides],
            ),
            machine,
        )
