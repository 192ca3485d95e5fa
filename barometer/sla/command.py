"""`barometer sla due|elapsed`: when is so much open time used up, and how much of it lies between two instants?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from barometer.exits import Refused, reported
from barometer.sla.calendars import Calendars
from barometer.sla.questions import answer_all
from barometer.sla.values import amount_us, covered_us, instant_us
from services.aging.core.stopwatch import seconds_of
from shared.calendars.hours import NoOpening
from shared.contracts.instants import rfc3339

Answer = Callable[[Calendars, Mapping[str, Any]], tuple[str, Any]]
"""The name and value that answer a question."""

_Flag = Annotated[bool, Parameter(negative="")]


def due(
    *,
    calendar: str | None = None,
    start: str | None = None,
    seconds: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    config: Path | None = None,
    jsonl: _Flag = False,
) -> int:
    """Print the instant at which so many seconds of open time have passed.

    Args:
        calendar: A calendar of the configuration, or 24x7.
        start: From when, such as 2026-03-27T16:30:00+01:00.
        seconds: How much open time; negative counts backwards, 0 gives the next open instant.
        config: The configuration; without one BAROMETER_CONFIG, or barometer.yaml here.
        jsonl: Answer the questions of standard input, one JSON object a line.
    """
    asked = {"calendar": calendar, "start": start, "seconds": seconds}
    return reported(lambda: _answer(_due, asked, config, jsonl=jsonl))


def elapsed(
    *,
    calendar: str | None = None,
    start: str | None = None,
    end: str | None = None,
    config: Path | None = None,
    jsonl: _Flag = False,
) -> int:
    """Print the seconds of open time between two instants; negative if the end comes first.

    Args:
        calendar: A calendar of the configuration, or 24x7.
        start: From when, such as 2026-03-27T16:30:00+01:00.
        end: Until when.
        config: The configuration; without one BAROMETER_CONFIG, or barometer.yaml here.
        jsonl: Answer the questions of standard input, one JSON object a line.
    """
    asked = {"calendar": calendar, "start": start, "end": end}
    return reported(lambda: _answer(_elapsed, asked, config, jsonl=jsonl))


def _answer(answer: Answer, asked: Mapping[str, str | None], config: Path | None, *, jsonl: bool) -> int:
    calendars = Calendars(config)
    if jsonl:
        if given := [f"--{name}" for name, value in asked.items() if value is not None]:
            raise Refused(f"with --jsonl the questions say it; leave out {', '.join(given)}")
        return answer_all(lambda question: dict([answer(calendars, question)]))
    if missing := [f"--{name}" for name, value in asked.items() if value is None]:
        raise Refused(f"{', '.join(missing)} is missing; or ask many questions with --jsonl")
    try:
        _, value = answer(calendars, asked)
    except NoOpening as none:
        raise Refused(str(none)) from none
    print(value)
    return 0


def _due(calendars: Calendars, question: Mapping[str, Any]) -> tuple[str, str]:
    hours = calendars.find(question.get("calendar"))
    start_us = instant_us("start", question.get("start"))
    due_us = hours.add(start_us, amount_us("seconds", question.get("seconds")))
    return "due", rfc3339(covered_us("the due time", due_us))


def _elapsed(calendars: Calendars, question: Mapping[str, Any]) -> tuple[str, int | float]:
    hours = calendars.find(question.get("calendar"))
    start_us = instant_us("start", question.get("start"))
    return "seconds", seconds_of(hours.elapsed(start_us, instant_us("end", question.get("end"))))
