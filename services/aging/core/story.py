"""The story of a ticket: what a fold from the beginning remembers and a ticket in memory does not.

A clock that comes into being late (another policy matches, a priority gets a promise) counts from its own
beginning, with the pauses there were since then; so somebody has to know them. And `explain` tells each
interval of each clock. Both are asked of the whole timeline only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from services.aging.core.clock import Clock
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


class Story:
    """Collects what happens while a timeline is folded."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.gone: dict[tuple[str, int], Clock] = {}
        """Instances that ended or were superseded, as they were then; another policy may bring one back."""
        self._waits: list[tuple[int, str]] = []
        self._since: dict[tuple[str, int], tuple[str, int]] = {}

    def wait(self, at_us: int, why: str) -> None:
        """From `at_us` on the ticket stands for `why`; empty: somebody works on it, or should."""
        if not self._waits or self._waits[-1][1] != why:
            self._waits.append((at_us, why))

    def past(
        self, hours: Hours, pauses: Collection[str], from_us: int, until_us: int, max_pause_us: int | None
    ) -> list[tuple[str, int, int]]:
        """Return (kind, begin_us, end_us) for what a clock with `pauses` did in [from_us, until_us)."""
        found: list[tuple[str, int, int]] = []
        capped_us: int | None = None
        paused = False
        ends = [at for at, _ in self._waits[1:]] + [until_us]
        for (begin_us, why), end_us in zip(self._waits, ends, strict=True):
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

    def turn(self, clock: str, instance: int, policy: str, kind: str, at_us: int) -> None:
        """A clock's interval of some kind ends at `at_us`, and one of `kind` begins; empty: none does."""
        key = (clock, instance)
        if key in self._since:
            former, since_us = self._since.pop(key)
            if since_us < at_us:
                self.spans.append(Span(clock, instance, policy, former, since_us, at_us))
        if kind:
            self._since[key] = (kind, at_us)

    def until(self, at_us: int, policies: Mapping[tuple[str, int], str]) -> list[Span]:
        """Return all spans, those that still last cut at `at_us`; `policies` are the labels of those."""
        lasting = [
            Span(name, instance, policies.get((name, instance), ""), kind, since_us, at_us)
            for (name, instance), (kind, since_us) in self._since.items()
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
