"""Counting open tickets: from the sums of the database for now, ticket by ticket for a past instant.

Both ways end in the same `Count`, so an instant has one definition of each figure, whoever counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.aging.api.answers import Figures
from services.aging.core.age import AgeVersion
from services.aging.core.attention import COUNTED
from services.aging.ports import Group
from shared.contracts.durations import bucket_labels, duration_text
from shared.contracts.instants import SECOND_US
from shared.contracts.tickets import Status

_FLAGGED: Final = ("past_sla", "at_risk", "stuck", "stale", "bouncing", "close_candidates")
"""The members of Figures that count COUNTED."""


@dataclass(slots=True)
class Count:
    """Open tickets, added up. `older` counts by age edge."""

    edges: int
    open: int = 0
    unowned: int = 0
    start_sum_us: int = 0
    start_min_us: int | None = None
    statuses: dict[str, int] = field(default_factory=dict)
    older: list[int] = field(default_factory=list)
    flagged: list[int] | None = field(default_factory=lambda: [0] * len(COUNTED))
    """By flag, as COUNTED has them; None where they were not asked for."""

    def __post_init__(self) -> None:
        """Begin with no ticket beyond any edge."""
        self.older = self.older or [0] * self.edges

    def add_group(self, group: Group, status: str) -> None:
        """Count in the tickets of `group`, which all have `status`."""
        self._add(group.open, group.unowned, group.created_sum_us, group.created_min_us, status)
        self.older = [mine + theirs for mine, theirs in zip(self.older, group.older, strict=True)]
        self._add_flagged(group.flagged)

    def add_ticket(
        self, start_us: int, passed: int, status: str, flags: int | None, *, unowned: bool
    ) -> None:
        """Count in one ticket whose age counts from `start_us` and is beyond `passed` edges."""
        self._add(1, int(unowned), start_us, start_us, status)
        self._add_flagged(None if flags is None else [int(bool(flags & flag)) for flag in COUNTED])
        for index in range(passed):
            self.older[index] += 1

    def add(self, other: Count) -> None:
        """Count in what `other` has counted."""
        for status, number in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + number
        self.open += other.open
        self.unowned += other.unowned
        self.start_sum_us += other.start_sum_us
        self._oldest(other.start_min_us)
        self.older = [mine + theirs for mine, theirs in zip(self.older, other.older, strict=True)]
        self._add_flagged(other.flagged)

    def _add_flagged(self, flagged: Sequence[int] | None) -> None:
        if self.flagged is None or flagged is None:
            self.flagged = None
        else:
            self.flagged = [mine + theirs for mine, theirs in zip(self.flagged, flagged, strict=True)]

    def _add(self, number: int, unowned: int, sum_us: int, min_us: int, status: str) -> None:
        self.open += number
        self.unowned += unowned
        self.start_sum_us += sum_us
        self._oldest(min_us)
        self.statuses[status] = self.statuses.get(status, 0) + number

    def _oldest(self, start_us: int | None) -> None:
        if start_us is not None:
            mine = self.start_min_us
            self.start_min_us = start_us if mine is None else min(mine, start_us)


Counts = dict[tuple[str, ...], Count]
"""By the values of the dimensions asked for."""


def by_status(groups: Iterable[Group], edges: int) -> Counts:
    """Return the counts of `groups`, whose last value is the status, without it."""
    counts: Counts = {}
    for group in groups:
        *values, status = group.values
        counts.setdefault(tuple(values), Count(edges)).add_group(group, status)
    return counts


def together(counts: Iterable[Count], edges: int) -> Count:
    """Return all of `counts` as one."""
    total = Count(edges)
    for count in counts:
        total.add(count)
    return total


def kept(counts: Counts, places: Sequence[int], edges: int) -> Counts:
    """Return `counts` by the values at `places` only."""
    fewer: Counts = {}
    for values, count in counts.items():
        fewer.setdefault(tuple(values[place] for place in places), Count(edges)).add(count)
    return fewer


def bucket_counts(open_: int, older: Sequence[int], age: AgeVersion) -> dict[str, int]:
    """Return how many of `open_` tickets are in each age bucket."""
    beyond = [older[age.edges_seconds.index(edge)] for edge in age.bucket_edges_seconds]
    numbers = [more - less for more, less in zip((open_, *beyond), (*beyond, 0), strict=True)]
    return dict(zip(bucket_labels(age.bucket_edges_seconds), numbers, strict=True))


def age_seconds(start_us: int, at_us: int) -> int:
    """Return whole seconds from `start_us`; 0 for a ticket of a source whose clock is ahead."""
    return max(0, at_us - start_us) // SECOND_US


def figures(count: Count, age: AgeVersion, at_us: int) -> dict[str, Any]:
    """Return the members of Figures."""
    open_ = count.open
    assert count.flagged is not None, "what is shown was asked for"
    return {
        "open": open_,
        "not_started": count.statuses.get(Status.NEW.value, 0),
        "in_progress": count.statuses.get(Status.IN_PROGRESS.value, 0),
        "waiting": count.statuses.get(Status.WAITING.value, 0),
        "unowned": count.unowned,
        "by_bucket": bucket_counts(open_, count.older, age),
        "older_than": dict(zip(map(duration_text, age.edges_seconds), count.older, strict=True)),
        "oldest_age_seconds": None if count.start_min_us is None else age_seconds(count.start_min_us, at_us),
        "average_age_seconds": (open_ * at_us - count.start_sum_us) / open_ / SECOND_US if open_ else None,
        **dict(zip(_FLAGGED, count.flagged, strict=True)),
    }


def shown(count: Count, age: AgeVersion, at_us: int) -> Figures:
    """Return `count` as answers have it."""
    return Figures(**figures(count, age, at_us))
