"""The rules of the clocks once more, slow and plain: a quarter of an hour after the other, in whole quarters.

It shares no code with the core, and remembers no instants: each clock is a counter that somebody moves. Whatever
the core finds out by calendars and timers has to come out here by counting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

DAY: Final = 96
"""Quarters of an hour."""
OPEN: Final = ("new", "in_progress", "waiting")


@dataclass(frozen=True)
class Event:
    """What happens at a quarter, all at once. `status` may be `waiting/customer`; None: not shown."""

    at: int
    by: Literal["customer", "agent", ""] = ""
    """Who writes, publicly."""
    status: str | None = None
    priority: str | None = None
    queue: str | None = None


@dataclass(frozen=True)
class Rule:
    """A promise, in quarters."""

    targets: Mapping[str, int]
    pauses: tuple[str, ...] = ()


@dataclass
class Counter:
    """An instance."""

    name: str
    instance: int
    target: int
    used: int = 0
    runs: bool = True
    breached: bool = False
    moved_at: int = -1
    """When it last counted."""


@dataclass
class Ticking:
    """A ticket, opened by its customer or by an agent, and its counters."""

    rules: Mapping[str, Rule]
    is_open_hour: Callable[[int], bool]
    window: int
    """Of reopening."""
    by_customer: bool
    priority: str
    queue: str
    now: int = 0
    status: str = "new"
    reason: str = ""
    answered: bool = False
    asked: bool = False
    disputed: bool = False
    left_at: int = 0
    counters: dict[str, Counter] = field(default_factory=dict)
    runs_of: dict[str, int] = field(default_factory=dict)
    facts: set[tuple[str, str, int, int, int]] = field(default_factory=set)
    """(what, clock, instance, when, used)."""

    def run(self, events: Sequence[Event], until: int) -> None:
        """Count from the first event, which opens the ticket, to `until`."""
        self.now = events[0].at
        self.asked = self.by_customer
        if self.asked:
            self._start("first_response")
        self._start("resolution")
        if self.queue:
            self._start("team")
        for now in range(self.now, until + 1):
            self.now = now
            for event in events[1:]:
                if event.at == now:
                    self._take(event)
            for counter in self.counters.values():
                self._look(counter)
                if counter.runs and self.is_open_hour(now):
                    counter.used += 1
                    counter.moved_at = now + 1

    def _say(self, what: str, counter: Counter) -> None:
        self.facts.add((what, counter.name, counter.instance, self.now, counter.used))

    def _look(self, counter: Counter) -> None:
        """Whoever has used all, and is not done by now, is late: if time counts now, or did until now."""
        counts = self.is_open_hour(self.now) or counter.moved_at == self.now
        if counter.runs and not counter.breached and counter.used >= counter.target and counts:
            counter.breached = True
            self._say("breached", counter)

    # What happens.

    def _take(self, event: Event) -> None:
        was_open = self.status in OPEN
        if event.status is not None:
            self.status, _, self.reason = event.status.partition("/")
        if event.by == "agent":
            self._answer()
        if was_open and not self.is_open:
            self._leave()
        self._move(event.queue, was_open=was_open)
        self._dispute(event.by)
        if self.is_open and not was_open:
            self._reopen()
        if event.priority is not None and event.priority != self.priority:
            self._raise(event.priority)
        if event.by == "customer" and not self.asked:
            self._ask()
        if self.is_open:
            self._pause()

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def _move(self, queue: str | None, *, was_open: bool) -> None:
        is_other = queue is not None and queue != self.queue
        self.queue = self.queue if queue is None else queue
        if self.is_open and (is_other or not was_open):
            self._stop("team")
            if self.queue:
                self._start("team")

    def _dispute(self, by: str) -> None:
        if (self.status, self.reason) != ("waiting", "customer"):
            self.disputed = False
        elif by:
            self.disputed = by == "customer"

    def _ask(self) -> None:
        self.asked = True
        if self.is_open:
            self._start("next_response" if self.answered else "first_response")

    def _answer(self) -> None:
        if self.asked:
            self._stop("next_response" if self.answered else "first_response")
            self.asked, self.answered = False, True
        if self.answered:
            self._stop("update")
            if self.is_open:
                self._start("update")

    def _leave(self) -> None:
        self.left_at = self.now
        self._stop("team")
        self._stop("update")
        for counter in self.counters.values():
            counter.runs = False
            if counter.name == "resolution":
                self._say("finished" if counter.breached else "met", counter)

    def _reopen(self) -> None:
        if self.now - self.left_at > self.window:
            self._start("resolution")
        name = "next_response" if self.answered else "first_response"
        if self.asked and name not in self.counters:
            self._start(name)

    def _raise(self, priority: str) -> None:
        self.priority = priority
        for counter in self.counters.values():
            target = self.rules[counter.name].targets[priority]
            if target == counter.target:
                continue
            counter.target, counter.moved_at = target, -1
            if counter.used > target and not counter.breached and self.is_open:
                counter.breached = True
                self._say("breached", counter)

    def _pause(self) -> None:
        for counter in self.counters.values():
            pauses = self.status == "waiting" and self.reason in self.rules[counter.name].pauses
            runs = not pauses or (self.disputed and self.reason == "customer")
            if runs and not counter.runs:
                counter.moved_at = -1
                if counter.used > counter.target and not counter.breached:  # raised while it was solved
                    counter.breached = True
                    self._say("breached", counter)
            counter.runs = runs

    def _start(self, name: str) -> None:
        self.runs_of[name] = self.runs_of.get(name, 0) + 1
        counter = Counter(name, self.runs_of[name], self.rules[name].targets[self.priority])
        self.counters[name] = counter
        self._say("started", counter)

    def _stop(self, name: str) -> None:
        counter = self.counters.pop(name, None)
        if counter is not None:
            self._say("finished" if counter.breached else "met", counter)
