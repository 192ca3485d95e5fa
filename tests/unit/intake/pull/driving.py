"""Driving the flow of a list against a desk, without I/O and in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.intake.core.pull.flow import Flow, Found, Margins, Over, Reply, Step, pull
from services.intake.core.pull.limits import Wait
from services.intake.core.pull.port import Answer, Item, Listing, Request, Unreached
from services.intake.core.pull.position import Position
from tests.servers.desks.desk import EPOCH, Asked, Desk

MARGINS = Margins(settle=timedelta(seconds=120), overlap=timedelta(seconds=60))


class Time:
    """A clock that stands still until somebody waits."""

    def __init__(self, at: datetime = EPOCH) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Run:
    """What one run came to."""

    over: Over
    items: list[Item] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [item.key for item in self.items]


def ask(desk: Desk, request: Request, credentials: dict[str, str], at: datetime) -> Answer | Unreached:
    """Return what the desk answers, as the adapter would hand it over."""
    asked = Asked(f"/{request.path}", dict(request.query), {**request.headers, **credentials})
    answered = desk.answer(asked)
    if answered.cut:
        return Unreached("ReadError")
    return Answer(answered.status, answered.headers, answered.body, at)


def run(
    listing: Listing,
    desk: Desk,
    position: Position,
    *,
    time: Time,
    credentials: dict[str, str],
    margins: Margins = MARGINS,
    dies: Callable[[Found], bool] = lambda _: False,
) -> Run:
    """Read a list once. `dies` tells that the process falls before a finding is acknowledged."""
    flow = pull(listing, position, margins)
    result = Run(Over(position))
    reply: Reply = None
    while True:
        step = _step(flow, reply)
        reply = None
        match step:
            case Over():
                result.over = step
                return result
            case Found(items, reached):
                if dies(step):
                    return result
                result.items += items
                result.positions.append(reached)
                result.over = Over(reached)
            case Wait(seconds):
                result.waits.append(step)
                time.pass_(seconds)
            case Request():
                reply = ask(desk, step, credentials, time.at)


def _step(flow: Flow, reply: Reply) -> Step | Over:
    try:
        return flow.send(reply)
    except StopIteration as stopped:
        over: Over = stopped.value
        return over
