"""An explanation as a page for the terminal: one screen for a usual ticket.

For each age and promise one line with the answer, and below it the intervals that add up to it. Promises that ended
have one line each; what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from services.aging.api.explained import (
    AgeExplained,
    Because,
    ClockExplained,
    HoursUsed,
    IntervalExplained,
    Left,
    TicketExplained,
)
from shared.contracts.durations import span_text

INTERVALS_SHOWN: Final = 8
"""Of one promise, the newest; `--all` shows all."""
ENDED_SHOWN: Final = 5
"""Promises that ended, the newest."""

TEXT_CHARACTERS_MAX: Final = 60
"""Of a subject or an event's id; the rest is left out."""
_COUNTED_AT: Final = 58
_COUNTED: Final = 11

_WHY_NOT: Final = {
    "no_policy": "no policy matches",
    "not_promised": "not promised",
    "no_target": "no target for its priority",
    "not_begun": "nobody waits for it",
    "ended": "done",
}


def page(found: TicketExplained, *, everything: bool = False) -> str:
    """Return the page; `everything`: all intervals, of ended promises too."""
    intervals = None if everything else INTERVALS_SHOWN
    going_on = [clock for clock in found.clocks if clock.ended_at is None]
    ended = [clock for clock in found.clocks if clock.ended_at is not None]
    blocks = [_head(found), _age(found.age, found.at, intervals)]
    blocks += [_clock(clock, found.at, intervals) for clock in sorted(going_on, key=_urgency)]
    if everything:
        blocks += [_clock(clock, found.at, None) for clock in ended]
    elif ended:
        blocks.append(_ended(ended, found.clocks_omitted))
    blocks += [block for block in (_absent(found), _withdrawn(found)) if block]
    return "\n\n".join("\n".join(block) for block in blocks)


def _urgency(clock: ClockExplained) -> tuple[bool, datetime, str]:
    return (clock.due is None, clock.due or clock.started_at, clock.clock)


def _head(found: TicketExplained) -> list[str]:
    status = found.status if found.wait_reason is None else f"{found.status} for {found.wait_reason}"
    sla = "past SLA" if found.past_sla else "at risk" if found.at_risk else ""
    words = [
        status,
        found.priority or "",
        sla,
        f"policy {found.policy}" if found.policy else "no policy matches",
    ]
    if found.asleep:
        words.append("asleep until its import is over")
    title = f"{_plain(found.key)}  {_plain(found.subject or '')}".rstrip()
    return [title, f"{', '.join(filter(None, words))}; as of {_instant(found.at)} UTC"]


def _age(age: AgeExplained, at: datetime, shown: int | None) -> list[str]:
    since = "created" if age.counted_from == "created" else "reopened"
    text = f"AGE  {_span(age.age_seconds)} ({age.age_bucket}), {since} {_instant(age.since)}"
    if age.next_edge_at is not None:
        text += f", reaches {age.next_edge} {_instant(age.next_edge_at)}"
    return [text, *_table(age.intervals, age.earlier, at, shown, is_age=True)]


def _clock(clock: ClockExplained, at: datetime, shown: int | None) -> list[str]:
    return [
        f"{_name(clock)}  {_standing(clock)}",
        f"  {clock.policy}: {_span(clock.target_seconds)} in {_hours(clock)}",
        *_table(clock.intervals, clock.earlier, at, shown),
        f"  {'used':<{_COUNTED_AT}}{_span(clock.used_seconds):>{_COUNTED}} of {_span(clock.target_seconds)}",
        *_changes(clock),
    ]


def _name(clock: ClockExplained) -> str:
    number = f" #{clock.instance}" if clock.instance > 1 else ""
    return f"{clock.clock.upper().replace('_', ' ')}{number}"


def _standing(clock: ClockExplained) -> str:
    left = clock.remaining_seconds
    by = f"{_span(left)} left" if left >= 0 else f"{_span(-left)} over"
    if clock.ended_at is not None:
        return _verdict(clock)
    if clock.breached and clock.due is not None:
        return f"BROKEN, was due {_instant(clock.due)}, {by}"
    if clock.state == "no_opening":
        return f"no deadline: {clock.calendar} never opens long enough, {by}"
    if clock.due is None:
        then = (
            ""
            if clock.due_if_resumed is None
            else f", due {_instant(clock.due_if_resumed)} if it went on now"
        )
        return f"stands, {by}{then}"
    warned = (
        ", at risk"
        if clock.at_risk
        else ""
        if clock.warn_at is None
        else f", warns {_instant(clock.warn_at)}"
    )
    return f"due {_instant(clock.due)}, {by}{warned}"


def _verdict(clock: ClockExplained) -> str:
    assert clock.ended_at is not None
    left = clock.remaining_seconds
    how = {"met": "met", "breached": "BROKEN", "superseded": "superseded"}[clock.state]
    by = f"{_span(left)} to spare" if left >= 0 else f"{_span(-left)} late"
    due = "" if clock.due is None else f", due {_instant(clock.due)}"
    return f"{how} {_instant(clock.ended_at)}{due}, {by}"


def _hours(clock: ClockExplained) -> str:
    if not clock.hours:
        return "wall time" if clock.calendar == "24x7" else f"open time of {clock.calendar}"
    return f"open time of {clock.calendar}, version {', then '.join(map(_version, clock.hours))}"


def _version(hours: HoursUsed) -> str:
    since = "" if hours.effective_from is None else f" from {_instant(hours.effective_from)}"
    return f"{hours.version}{since}" + (f" ({hours.retroactive})" if hours.retroactive else "")


def _table(
    intervals: Sequence[IntervalExplained], earlier: Left, at: datetime, shown: int | None, *, is_age: bool = False
) -> Iterator[str]:  # fmt: skip
    hidden = intervals[:-shown] if shown is not None else []
    count = earlier.intervals + len(hidden)
    if count:
        counted = earlier.counted_seconds + sum(one.counted_seconds for one in hidden)
        yield f"  {f'{count} earlier intervals':<{_COUNTED_AT}}{_span(counted):>{_COUNTED}}"
    for one in intervals[len(hidden) :]:
        until = "now" if one.ended is None and one.until == at else _instant(one.until)
        counts = _span(one.counted_seconds) if one.counted_seconds or one.kind == "running" else "-"
        note = _cause(one.began) if is_age else _note(one)
        yield f"  {_instant(one.since):<19}  {until:<19}  {one.kind:<16}{counts:>{_COUNTED}}   {note}".rstrip()


def _note(interval: IntervalExplained) -> str:
    closed = ""
    if interval.kind == "running" and interval.closed_seconds:
        days = ", ".join(f"{day.date} {day.kind}" for day in interval.special_dates)
        closed = f"; {_span(interval.closed_seconds)} closed" + (f" ({days})" if days else "")
    return f"{_cause(interval.began)}{closed}"


def _cause(because: Because) -> str:
    if because.by == "observation":
        who = f" by {because.actor}" if because.actor else ""
        return f"{because.activity}{who} [{_plain(because.event_id or '')}]"
    if because.by == "absorbed":
        return f"{because.activity} in a merged ticket"
    return f"configuration {because.version}" if because.by == "configuration" else "time"


def _changes(clock: ClockExplained) -> Iterator[str]:
    for fact in clock.facts:
        if fact.type == "sla.deadline_changed" and fact.deadline is not None:
            why = "" if fact.because is None else f", {_cause(fact.because)}"
            yield f"  {_instant(fact.at)}  deadline became {_instant(fact.deadline)}: {fact.reason}{why}"


def _ended(clocks: Sequence[ClockExplained], omitted: int) -> list[str]:
    shown = clocks[-ENDED_SHOWN:]
    width = max(len(_name(clock)) for clock in shown)
    lines = [f"{_name(clock):<{width}}  {_verdict(clock)}" for clock in shown]
    hidden = omitted + len(clocks) - len(shown)
    return [*lines, f"{hidden} earlier ended; --all shows them"] if hidden else lines


def _absent(found: TicketExplained) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for one in found.no_clock:
        if one.reason != "ended":
            reasons.setdefault(one.reason, []).append(one.clock)
    if not reasons:
        return []
    told = [f"{_WHY_NOT[reason]}: {', '.join(clocks)}" for reason, clocks in reasons.items()]
    lines = [f"NO CLOCK  {'; '.join(told)}"]
    if "no_policy" in reasons:
        lines += [f"  {line}" for line in _failed(found)]
    return lines


def _failed(found: TicketExplained) -> Iterable[str]:
    for policy in found.policies:
        failing = [
            f"{one.field} is {_plain(' '.join(one.shown)) or 'not shown'}, asked is {' or '.join(one.accepted)}"
            for one in policy.conditions
            if not one.holds
        ]
        yield f"{policy.policy}: {'; '.join(failing)}"


def _withdrawn(found: TicketExplained) -> list[str]:
    gone = [fact for fact in found.facts if not fact.stands]
    return [
        f"WITHDRAWN  {fact.type} {fact.clock or ''} of {_instant(fact.at)}".replace("  of", " of")
        for fact in gone
    ]


def _plain(text: str) -> str:
    # Senders choose it: nothing of it may steer the terminal.
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= TEXT_CHARACTERS_MAX else f"{shown[: TEXT_CHARACTERS_MAX - 3]}..."


def _span(seconds: float) -> str:
    return span_text(seconds)


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" + (f".{at.microsecond:06}".rstrip("0") if at.microsecond else "")
