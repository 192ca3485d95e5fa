"""The story of a ticket: what a fold from the beginning remembers and a ticket in memory does not.

A clock that comes into being late (another policy matches, a priority gets a promise) counts from its own
beginning, with the pauses there were since then; so somebody has to know them. And `explain` tells each
interval of each clock. Both are asked of the whole timeline only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from services.aging.core.clock import Clock
from services.aging.core.mark import Mark
from services.aging.core.ticket import Draft, TurnKey
from shared.calendars.hours import Hours, NoOpening

RUNNING: Final = "running"
OUTCOMES: Final = frozenset({"solved", "closed", "merged", "void"})


class Span(NamedTuple):
    """An interval of one clock instance: running, or standing for a reason."""

    clock: str
    instance: int
    policy: str
    kind: str
    """`running`, a wait reason, or how the ticket left the stock."""
    from_us: int
    until_us: int
    began: Mark | None = None
    """What was observed when it began; None: time passed, or other terms came into force."""
    ended: Mark | None = None


class Wait(NamedTuple):
    """From `at_us` on the ticket stood for `why`; empty: nobody was waited for."""

    at_us: int
    why: str
    mark: Mark | None


class Story:
    """Collects what happens while a timeline is folded."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.gone: dict[tuple[str, int], Clock] = {}
        """Instances that ended or were superseded, as they were then; another policy may bring one back."""
        self.mark: Mark | None = None
        """What is observed; None while time passes."""
        self.causes: dict[TurnKey, Mark] = {}
        """What brought facts about, of those that time did not."""
        self.waits: list[Wait] = []
        """What the ticket stood for, in order."""
        self._since: dict[tuple[str, int], tuple[str, int, Mark | None]] = {}

    def wait(self, at_us: int, why: str) -> None:
        """From `at_us` on the ticket stands for `why`; empty: somebody works on it, or should."""
        if not self.waits or self.waits[-1].why != why:
            self.waits.append(Wait(at_us, why, self.mark))

    def told(self, drafts: Sequence[Draft]) -> None:
        """`drafts` came with the mark of now; those that were overdue before it came with time."""
        mark = self.mark
        if mark is not None:
            self.causes.update((draft.key, mark) for draft in drafts if draft.at_us == mark.time_us)

    def again(self, clock: str, instance: int) -> None:
        """An instance that was superseded comes back: it counts from its beginning by another policy."""
        self.spans = [span for span in self.spans if (span.clock, span.instance) != (clock, instance)]

    def past(
        self, hours: Hours, pauses: Collection[str], from_us: int, until_us: int, max_pause_us: int | None
    ) -> list[tuple[str, int, int]]:
        """Return (kind, begin_us, end_us) for what a clock with `pauses` did in [from_us, until_us)."""
        found: list[tuple[str, int, int]] = []
        capped_us: int | None = None
        paused = False
        ends = [wait.at_us for wait in self.waits[1:]] + [until_us]
        for (begin_us, why, _), end_us in zip(self.waits, ends, strict=True):
            low, high = max(begin_us, from_us), min(end_us, until_us)
            if why in pauses and not paused:
                capped_us = _cap_us(hours, low, max_pause_us)
            paused = why in pauses
            if low >= high:
                continue
            if paused and capped_us is not None and capped_us < high:
                found += [(why, low, max(low, capped_us)), (RUNNING, max(low, capped_us), high)]
            else:
                found.append((why if paused or why in OUTCOMES else RUNNING, low, high))
        return [one for one in found if one[1] < one[2]]

    def stands_since_us(self, pauses: Collection[str], from_us: int) -> int:
        """Return since when a clock with `pauses` that began at `from_us` stands, as it does now."""
        since_us = from_us
        for wait in reversed(self.waits):
            if wait.why not in pauses:
                break
            since_us = wait.at_us
        return max(since_us, from_us)

    def turn(self, clock: str, instance: int, policy: str, kind: str, at_us: int) -> None:
        """A clock's interval of some kind ends at `at_us`, and one of `kind` begins; empty: none does."""
        key = (clock, instance)
        if key in self._since:
            former, since_us, began = self._since.pop(key)
            if since_us < at_us:
                self.spans.append(Span(clock, instance, policy, former, since_us, at_us, began, self.mark))
        if kind:
            self._since[key] = (kind, at_us, self.mark)

    def until(self, at_us: int, policies: Mapping[tuple[str, int], str]) -> list[Span]:
        """Return all spans, those that still last cut at `at_us`; `policies` are the labels of those."""
        lasting = [
            Span(name, instance, policies.get((name, instance), ""), kind, since_us, at_us, began)
            for (name, instance), (kind, since_us, began) in self._since.items()
            if since_us < at_us
        ]
        return [*self.spans, *lasting]


def _cap_us(hours: Hours, from_us: int, max_pause_us: int | None) -> int | None:
    if max_pause_us is None:
        return None
    try:
        return hours.add(from_us, max_pause_us)
    except NoOpening:
        return None
