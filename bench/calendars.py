"""Due times and open time from a calendar, near and far, beside a library that steps from window to window.

A million tickets ask at each restart and at each edit of a calendar. The figures are microseconds a question; that
ours are the same for hours and for years is the point. Both sides must give the same answers, or nothing is measured.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.figures import Figures
from bench.harness import Benchmark, Machine, Target, Verdict, run
from bench.quick import sized
from shared.calendars.compiled import Calendar
from shared.calendars.definition import definition_from
from shared.contracts.instants import SECOND_US
from tests.servers.child import Unavailable

ROOT: Final = Path(__file__).resolve().parents[1]
PEER_PYTHON: Final = ROOT / ".cache" / "bench-peer" / "bin" / "python"
ZONE: Final = "Europe/Berlin"
DOCUMENT: Final = {
    "timezone": ZONE,
    "weekly": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
}
PEER: Final = "businesstimedelta"
FROM_S: Final = 1_704_067_200
"""1 January 2024; starts lie within the three years behind it."""
STARTS_S: Final = 3 * 365 * 86_400
NEAR_S: Final = 40 * 3_600
FAR_S: Final = 3_000 * 3_600
DUE_US_MAX: Final = 1.2
ELAPSED_US_MAX: Final = 1.1

Question = tuple[int, int]
"""Start and amount, in seconds."""


def _questions(count: int, least_s: int, most_s: int) -> list[Question]:
    chance = random.Random(20_261_121)
    return [(FROM_S + chance.randrange(STARTS_S), chance.randrange(least_s, most_s)) for _ in range(count)]


def _ours(questions: Sequence[Question]) -> Figures:
    asked = [(start * SECOND_US, amount * SECOND_US) for start, amount in questions]
    began = time.perf_counter()
    calendar = Calendar(definition_from(DOCUMENT))
    calendar.add(*asked[0])
    first = time.perf_counter()
    calendar.elapsed(asked[0][0], max(calendar.add(*each) for each in asked))
    add, elapsed = calendar.add, calendar.elapsed
    warm = time.perf_counter()
    dues = [add(start_us, amount_us) for start_us, amount_us in asked]
    answered = time.perf_counter()
    for (start_us, _), due_us in zip(asked, dues, strict=True):
        elapsed(start_us, due_us)
    ended = time.perf_counter()
    each_us = SECOND_US / len(asked)
    return {
        "due_us": (answered - warm) * each_us,
        "elapsed_us": (ended - answered) * each_us,
        "first_due_us": (first - began) * SECOND_US,
        "sum_of_dues": sum(dues) // SECOND_US,
    }


def _peer(questions: Sequence[Question]) -> Callable[[], Figures]:
    expected = _ours(questions)["sum_of_dues"]

    def measured() -> Figures:
        done = subprocess.run(
            [str(PEER_PYTHON), str(ROOT / "bench" / "peers" / "business_time.py"), ZONE],
            input="".join(f"{start} {amount}\n" for start, amount in questions),
            check=True, capture_output=True, text=True, timeout=600, cwd=ROOT,
        )  # fmt: skip
        figures: dict[str, float] = json.loads(done.stdout)
        assert expected == figures.pop("sum_of_dues"), "the two do not agree"
        return figures

    return measured


def _measured(questions: Sequence[Question]) -> Callable[[], Figures]:
    def measured() -> Figures:
        return {name: value for name, value in _ours(questions).items() if name != "sum_of_dues"}

    return measured


def main() -> list[Verdict]:
    if not PEER_PYTHON.exists():
        raise Unavailable(f"{PEER} is not installed (requirements/install.sh bench-peer)")
    machine = Machine.now()
    spans = {"hours": (1, NEAR_S), "years": (FAR_S // 2, FAR_S)}
    many, few = sized(200_000, 2_000), sized(2_000, 20)
    sides: dict[str, Callable[[], Figures]] = {}
    targets: list[tuple[str, Target]] = []
    for span, (least_s, most_s) in spans.items():
        ours, theirs = f"ours, {span} away", f"{PEER}, {span} away"
        sides[ours] = _measured(_questions(many, least_s, most_s))
        sides[theirs] = _peer(_questions(few, least_s, most_s))
        targets += [
            (ours, Target("due_us", DUE_US_MAX, at_most=True)),
            (ours, Target("elapsed_us", ELAPSED_US_MAX, at_most=True)),
            (ours, Target("due_us", 0.1, peer=theirs, at_most=True)),
            (ours, Target("elapsed_us", 0.1, peer=theirs, at_most=True)),
        ]
    title = "microseconds for a due time and for open time, Monday to Friday, 9 to 17"
    return run("calendars", Benchmark(title=title, sides=sides, rounds=sized(5, 1), targets=targets), machine)
