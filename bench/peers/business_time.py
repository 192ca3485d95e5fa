"""The peer of calendars: businesstimedelta, a library for open time that steps from window to window.

Monday to Friday from 9 to 17, without holidays, in one zone: its plainest case. Run by its own interpreter
(`requirements/install.sh bench-peer`), and so free of any import from the project:

    .cache/bench-peer/bin/python bench/peers/business_time.py ZONE < QUESTIONS

A question is a line `START AMOUNT`, in seconds since 1970 and of open time. Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timezone

import pytz
from businesstimedelta import BusinessTimeDelta, Rules, WorkDayRule


def main(zone: str) -> None:
    """Answer all questions twice: when is it due, and how much is open until the due time."""
    working_day = WorkDayRule(
        start_time=datetime.min.time().replace(hour=9),
        end_time=datetime.min.time().replace(hour=17),
        tz=pytz.timezone(zone),
    )
    rules = Rules([working_day])
    asked = [tuple(map(int, line.split())) for line in sys.stdin]
    questions = [
        (datetime.fromtimestamp(start, timezone.utc), BusinessTimeDelta(rules, seconds=amount))  # noqa: UP017
        for start, amount in asked
    ]
    began = time.perf_counter()
    dues = [start + amount for start, amount in questions]
    answered = time.perf_counter()
    for (start, _), due in zip(questions, dues, strict=True):
        rules.difference(start, due)
    ended = time.perf_counter()
    each_us = 1_000_000 / len(questions)
    figures = {"due_us": (answered - began) * each_us, "elapsed_us": (ended - answered) * each_us}
    print(json.dumps({**figures, "sum_of_dues": sum(int(due.timestamp()) for due in dues)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
