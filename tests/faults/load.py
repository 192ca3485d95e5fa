"""A made-up help desk that sends under any weather, and remembers only what it was promised.

Each round opens tickets in a queue of its own and solves those of the round before, so that everybody downstream
has something to say all the time: tickets open and leave, cross an age edge seconds after they were sent, and each
queue fires one alert and ends it. Senders send the same again until it is acknowledged, as publishers must.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any, Final

import httpx2

SENDERS: Final = 2
BATCH: Final = 10
TICKETS: Final = 40
PROBES: Final = 3
"""Tickets sent at the moment of a fault, all in one queue: enough for its alert."""
EDGE: Final = timedelta(hours=24)
CROSSES_WITHIN_S: Final = (0.5, 2.5)
"""How long after it was made up a ticket grows older than EDGE."""
TRIES_S: Final = 120.0
TRY_AGAIN_S: Final = 0.1
ANSWER_S: Final = 35.0
PACE_S: Final = 0.15


@dataclass
class Story:
    """A ticket, as its source knows it."""

    key: str
    queue: str
    created: datetime
    solved: datetime | None = None
    status: str = "new"
    events: set[str] = field(default_factory=set)
    """Acknowledged."""

    @property
    def crosses(self) -> datetime:
        """When it is as old as EDGE."""
        return self.created + EDGE


class Desk:
    """Makes tickets up and sends them to intake at `url()`, which may be away."""

    def __init__(self, url: Callable[[], str], seed: int) -> None:
        self._url = url
        self._chance = random.Random(seed)
        self._number = 0
        self._lock = threading.Lock()
        self.stories: dict[str, Story] = {}
        self.tried_again = 0
        self.failures: list[str] = []

    def now(self) -> datetime:
        """Return the host's time."""
        return datetime.now(UTC)

    @contextmanager
    def sending(self, *, tickets: int = TICKETS, solve: bool = True) -> Iterator[None]:
        """Send a round of load while the body runs, then to the end: everything is acknowledged after it."""
        self._number += 1
        waiting: SimpleQueue[list[dict[str, Any]]] = SimpleQueue()
        for batch in self._batches(self._solved() if solve else [], self._opened(tickets)):
            waiting.put(batch)
        threads = [threading.Thread(target=self._send, args=(waiting,)) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                thread.join(2 * TRIES_S)
        assert [] == self.failures
        assert not any(thread.is_alive() for thread in threads), "senders hang"

    def probe(self) -> str:
        """Send PROBES tickets to a queue of their own until they are acknowledged; return its name."""
        queue = f"probe-{self._number}"
        items = [
            self._first(self._story(f"{queue}-{nth}", queue))
            for nth in range(PROBES)
        ]  # fmt: skip
        with httpx2.Client(timeout=ANSWER_S) as client:
            self._until_acknowledged(client, items)
        return queue

    def finish(self) -> None:
        """Solve what is left."""
        self._number += 1
        with httpx2.Client(timeout=ANSWER_S) as client:
            for batch in self._batches(self._solved()):
                self._until_acknowledged(client, batch)

    def _story(self, name: str, queue: str) -> Story:
        crosses = self.now() + timedelta(seconds=self._chance.uniform(*CROSSES_WITHIN_S))
        story = Story(f"default:{name}", queue, crosses - EDGE)
        with self._lock:
            self.stories[story.key] = story
        return story

    def _first(self, story: Story) -> dict[str, Any]:
        return {
            **self._event(story, "new", story.created),
            "status": "new", "subject": f"ticket {story.key}", "priority": "p3",
        }  # fmt: skip

    def _event(self, story: Story, name: str, time: datetime) -> dict[str, Any]:
        # The queue each time: batches overtake each other, and a ticket that first showed none would be counted there.
        external = story.key.split(":", 1)[1]
        return {"id": external, "event_id": name, "time": time.isoformat(), "queue": story.queue}

    def _opened(self, tickets: int) -> list[dict[str, Any]]:
        """Return the life of new tickets up to now, a late word included."""
        items = []
        queue = f"load-{self._number}"
        for nth in range(tickets):
            story = self._story(f"{queue}-{nth}", queue)
            later = self.now()
            items += [
                self._first(story),
                {**self._event(story, "taken", later), "status": "in_progress", "assignee": "ana"},
                {**self._event(story, "late", story.created + timedelta(hours=1)), "category": "late"},
            ]
            story.status = "in_progress"
        return items

    def _solved(self) -> list[dict[str, Any]]:
        items = []
        for story in self.stories.values():
            if story.solved is None:
                story.solved, story.status = self.now(), "solved"
                items.append({**self._event(story, "solved", story.solved), "status": "solved"})
        return items

    def _batches(self, *parts: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
        for part in parts:
            items = list(part)
            self._chance.shuffle(items)
            for begin in range(0, len(items), BATCH):
                yield items[begin : begin + BATCH]

    def _send(self, waiting: SimpleQueue[list[dict[str, Any]]]) -> None:
        try:
            with httpx2.Client(timeout=ANSWER_S) as client:
                while True:
                    self._until_acknowledged(client, waiting.get_nowait())
                    time.sleep(PACE_S)
        except Empty:
            return
        except AssertionError as error:
            self.failures.append(str(error))

    def _until_acknowledged(self, client: httpx2.Client, items: list[dict[str, Any]]) -> None:
        end = time.monotonic() + TRIES_S
        while not self._acknowledged(client, items):
            assert time.monotonic() < end, f"not acknowledged within {TRIES_S} s"
            time.sleep(TRY_AGAIN_S)

    def _acknowledged(self, client: httpx2.Client, items: list[dict[str, Any]]) -> bool:
        try:
            answer = client.post(f"{self._url()}/v1/events", json=items)
        except httpx2.TransportError:
            self.tried_again += 1
            return False
        assert answer.status_code in {202, 429, 503}, answer.text
        if answer.status_code != 202:
            self.tried_again += 1
            return False
        for result in answer.json()["results"]:
            assert result["status"] == 202, result
            with self._lock:
                self.stories[result["ticket"]].events.add(result["event_id"])
        return True
