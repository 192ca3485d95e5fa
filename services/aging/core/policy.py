"""SLA policies: which promise a ticket has, by its fields, and what each promise says.

A policy is chosen by conditions on the ticket's fields; the first that matches wins. It holds up to one
promise for each clock: how long, by priority; in open time of a calendar or in wall time; when to warn;
which wait reasons pause it. Policies come in versions, and a version never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from shared.contracts.instants import SECOND_US


class ClockName(str, Enum):
    """The promises there are."""

    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    UPDATE = "update"
    RESOLUTION = "resolution"
    TEAM = "team"


DEFAULT_TARGET: Final = "default"
"""Of a ticket whose priority has no target of its own, or that shows no priority."""
ALWAYS_OPEN: Final = "24x7"
"""The calendar that needs no definition."""
REOPEN_WINDOW_US: Final = 72 * 3_600 * SECOND_US
MIN_NOTICE_US: Final = 15 * 60 * SECOND_US


@dataclass(frozen=True, slots=True)
class Stage:
    """When to warn: once a share of the target is used, or once so much is left. One of the two is given."""

    share: float | None = None
    left_us: int | None = None

    @property
    def name(self) -> str:
        """`80%`, or `900s` left."""
        if self.share is not None:
            return f"{self.share * 100:g}%"
        assert self.left_us is not None
        return f"{self.left_us // SECOND_US}s"

    def used_us(self, target_us: int) -> int:
        """Return how much of `target_us` is used when the stage begins; 0 if it begins at once."""
        if self.share is not None:
            return int(target_us * self.share)
        assert self.left_us is not None
        return max(0, target_us - self.left_us)


@dataclass(frozen=True, slots=True)
class Promise:
    """What a policy says of one clock. `targets_us` by priority, and `default`."""

    targets_us: Mapping[str, int]
    stages: tuple[Stage, ...] = ()
    pauses: frozenset[str] = frozenset()
    """Wait reasons that pause it."""
    business: bool = True
    """Counted in the calendar's open time; else in wall time."""

    def target_us(self, priority: str) -> int | None:
        """Return the target for `priority`; None: no promise for it."""
        found = self.targets_us.get(priority)
        return self.targets_us.get(DEFAULT_TARGET) if found is None else found


@dataclass(frozen=True, slots=True)
class Policy:
    """A named set of promises, by clock. `match`: field -> accepted values; all fields have to match."""

    name: str
    promises: Mapping[str, Promise]
    match: Mapping[str, frozenset[str]] = field(default_factory=dict)
    calendar: str = ALWAYS_OPEN
    reopen_window_us: int = REOPEN_WINDOW_US
    """A ticket reopened within it goes on where its resolution stopped; later it gets a new instance."""
    min_notice_us: int = MIN_NOTICE_US
    """Open time that people get before they are paged for a breach that a change brought about."""
    max_pause_us: int | None = None
    """The longest pause, in open time; then the clock goes on by itself."""
    label: str = ""
    """`name@version`: what instances remember."""

    def target_us(self, clock: str, priority: str) -> int | None:
        """Return how long the promise of `clock` is for `priority`; None: there is none."""
        promise = self.promises.get(clock)
        return None if promise is None else promise.target_us(priority)


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """All policies, in force from `effective_us` on. `running`: they reach instances that run already."""

    policies: tuple[Policy, ...] = ()
    effective_us: int = 0
    running: bool = False
