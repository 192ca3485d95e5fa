"""`barometer sla clock` for people: one clock from flags, and what it shows in a few lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from barometer.exits import Refused, reported
from barometer.sla.calendars import Calendars
from barometer.sla.clock import Promised, answer, promised, reading_of
from barometer.sla.questions import answer_all
from services.aging.core.policy import ClockName
from services.aging.core.stopwatch import Reading
from shared.calendars.hours import NoOpening
from shared.clock import SystemClock
from shared.contracts.durations import span_text
from shared.contracts.instants import SECOND_US, rfc3339


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asked:
    """A clock, by flags."""

    policy: str | None = None
    """A policy of the configuration; it says target, warning and calendar."""
    clock: str = ClockName.RESOLUTION.value
    """Which of its promises: first_response, next_response, update, resolution or team."""
    priority: str | None = None
    """p1 to p4; without one the default target."""
    calendar: str | None = None
    """A calendar of the configuration, or 24x7; instead of the policy's."""
    seconds: str | None = None
    """The target, without a policy."""
    warn_before: str | None = None
    """Warn so many seconds before the deadline; without a policy."""
    start: str | None = None
    """When the clock starts, such as 2026-03-27T16:30:00+01:00."""
    pause: Annotated[list[str], Parameter(negative="")] = field(default_factory=list)
    """When it is paused; may be repeated."""
    resume: Annotated[list[str], Parameter(negative="")] = field(default_factory=list)
    """When it goes on; may be repeated."""
    stop: str | None = None
    """When it ends."""
    as_of: str | None = None
    """The instant of the answer; by default now."""

    def question(self) -> dict[str, Any]:
        """Return the question that the flags ask. Raises Refused."""
        if self.start is None:
            raise Refused("--start is missing; or ask many questions with --jsonl")
        if self.policy is not None:
            policy = {"name": self.policy, "metric": self.clock, "priority": self.priority}
            given = {"target_seconds": self.seconds, "warn_before_seconds": self.warn_before}
            policy |= {name: value for name, value in given.items() if value is not None}
        else:
            policy = {
                "metric": self.clock,
                "target_seconds": self.seconds,
                "warn_before_seconds": self.warn_before,
            }
        return {
            "calendar": self.calendar,
            "policy": policy,
            "events": [
                {"at": at, "type": move}
                for move, instants in (
                    ("start", [self.start]), ("pause", self.pause), ("resume", self.resume),
                    ("stop", [self.stop] if self.stop is not None else []),
                )
                for at in instants
            ],
            "as_of": self.as_of or rfc3339(SystemClock().now_us()),
        }  # fmt: skip


def clock(
    asked: Asked | None = None,
    *,
    config: Path | None = None,
    jsonl: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Tell when a promise is due that started, paused and went on like this, and whether it is broken.

    Args:
        asked: What happened to the clock.
        config: The configuration; without one BAROMETER_CONFIG, or barometer.yaml here.
        jsonl: Answer the questions of standard input, one JSON object a line.
    """
    return reported(lambda: _answer(asked or Asked(), config, jsonl=jsonl))


def _answer(asked: Asked, config: Path | None, *, jsonl: bool) -> int:
    calendars = Calendars(config)
    if jsonl:
        if asked != Asked():
            raise Refused("with --jsonl the questions say it; leave out the other flags")
        return answer_all(lambda question: answer(calendars, question))
    question = asked.question()
    promise = promised(calendars, question)
    try:
        reading = reading_of(promise, question)
    except NoOpening as none:
        raise Refused(str(none)) from none
    print("\n".join(told(promise, reading, question)))
    return 0


def told(promise: Promised, reading: Reading, question: dict[str, Any]) -> list[str]:
    """Return what the clock shows, in words."""
    policy, metric, target_us, _ = promise
    calendar = question["calendar"] or policy.calendar
    hours = f"open time of {calendar}" if policy.promises[metric].business else "wall time"
    whose = f" of {policy.label.partition('@')[0]}" if policy.label else ""
    lines = [f"{metric}{whose}: {_span(target_us)} in {hours}, as of {question['as_of']}", ""]
    used = f"{_span(reading.used_us)} used"
    if reading.paused_us:
        used += f", {_span(reading.paused_us)} paused"
    left = f"{_span(reading.left_us)} left" if reading.left_us >= 0 else f"{_span(-reading.left_us)} over"
    lines += [f"time     {used}, {left}", f"due      {_due(reading)}"]
    if reading.warn_us is not None:
        lines.append(f"warning  {rfc3339(reading.warn_us)}")
    return lines


def _due(reading: Reading) -> str:
    if reading.breached_us is not None:
        return f"{rfc3339(reading.breached_us)}, and broken"
    if reading.due_if_resumed_us is not None:
        return f"paused; {rfc3339(reading.due_if_resumed_us)} if it went on now"
    return rfc3339(reading.due_us) if reading.due_us is not None else "not started"


def _span(amount_us: int) -> str:
    return span_text(amount_us / SECOND_US)
