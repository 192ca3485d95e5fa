"""A receiver of alerts who refuses, is slow, loses its answer, or has moved away; it remembers all it got."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.alerting.core.delivery import Attempt, Outcome, judge
from tests.simulation.point import Point

OK: Final = 204
GONE: Final = 410


class Answer(NamedTuple):
    """How the receiver treats one attempt."""

    status: int = OK
    """What it answers."""
    retry_after_us: int | None = None
    arrives: bool = True
    """Whether the message reaches it at all."""
    is_heard: bool = True
    """Whether its answer comes back; a message that arrived may look like one that did not."""


class Received(NamedTuple):
    """A message that reached the receiver."""

    delivery_id: str
    body: bytes
    is_acknowledged: bool
    """It answered 2xx, whether or not that was heard."""


@dataclass(slots=True)
class Receiver:
    """The other side. Outlives every process of ours."""

    name: str
    answers: Callable[[], Answer] = Answer
    received: list[Received] = field(default_factory=list)

    def take(self, delivery_id: str, body: bytes) -> Answer:
        """Return how it treats this message, and remember it if it arrives."""
        answer = self.answers()
        if answer.arrives:
            is_ok = judge(answer.status).outcome is Outcome.DELIVERED
            self.received.append(Received(delivery_id, body, is_ok))
        return answer


class SimulatedNotifier:
    """Notifier: one process's way to a receiver."""

    def __init__(self, receiver: Receiver, point: Point) -> None:
        self._receiver, self._point = receiver, point

    @property
    def address(self) -> str:
        """Where it sends to."""
        return f"digest-of-{self._receiver.name}"

    async def send(self, delivery_id: str, body: bytes, *, at_us: int) -> Attempt:
        """Make one attempt."""
        await self._point("notifier.send", done=False)
        answer = self._receiver.take(delivery_id, body)
        await self._point("notifier.send", done=True)
        if not answer.arrives or not answer.is_heard:
            return Attempt(Outcome.RETRY, "no answer")
        return judge(answer.status, answer.retry_after_us)
