"""Age: from which instant it counts, which edges it crosses, and exactly when.

An edge belongs to the older side: a ticket is in the older bucket from `start + edge` on. The edges may
change; each version counts for the instants from its `effective_us` on, so what was stated before an
edit stays true.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, NamedTuple

from shared.contracts.instants import SECOND_US

DAY_SECONDS: Final = 86_400
DEFAULT_EDGES_SECONDS: Final = (
    DAY_SECONDS,
    2 * DAY_SECONDS,
    3 * DAY_SECONDS,
    7 * DAY_SECONDS,
    30 * DAY_SECONDS,
)
DEFAULT_BUCKET_EDGES_SECONDS: Final = (DAY_SECONDS, 3 * DAY_SECONDS)


@dataclass(frozen=True, slots=True)
class AgeVersion:
    """Edges in force from `effective_us` on. `from_episode`: age counts from the last reopening."""

    effective_us: int = 0
    edges_seconds: tuple[int, ...] = DEFAULT_EDGES_SECONDS
    bucket_edges_seconds: tuple[int, ...] = DEFAULT_BUCKET_EDGES_SECONDS
    from_episode: bool = False

    def __post_init__(self) -> None:
        """Refuse edges that are not ascending and positive, and buckets that are no edges."""
        assert all(a < b for a, b in zip((0, *self.edges_seconds), self.edges_seconds, strict=False))
        assert set(self.bucket_edges_seconds) <= set(self.edges_seconds)

    def start_us(self, created_us: int, episode_us: int) -> int:
        """Return the instant age counts from."""
        return episode_us if self.from_episode else created_us

    def passed(self, start_us: int, at_us: int) -> int:
        """Return how many edges a ticket has passed at `at_us`."""
        return bisect_right(self.edges_seconds, (at_us - start_us) // SECOND_US)


class Crossing(NamedTuple):
    """A ticket's age reaches `edge_seconds` at `at_us`."""

    at_us: int
    edge_seconds: int


@dataclass(frozen=True, slots=True)
class AgePolicy:
    """All versions of the edges, oldest first; the first one counts from the beginning of time."""

    versions: tuple[AgeVersion, ...] = (AgeVersion(),)

    def at(self, at_us: int) -> AgeVersion:
        """Return the version in force at `at_us`."""
        found = self.versions[0]
        for version in self.versions[1:]:
            if version.effective_us > at_us:
                break
            found = version
        return found

    @property
    def latest(self) -> AgeVersion:
        """The newest version, in force or about to be."""
        return self.versions[-1]

    def crossings(self, created_us: int, episode_us: int, *, first_us: int, before_us: int) -> list[Crossing]:
        """Return the crossings in [first_us, before_us), in order."""
        found: list[Crossing] = []
        for index, version in enumerate(self.versions):
            later = self.versions[index + 1].effective_us if index + 1 < len(self.versions) else before_us
            lowest, highest = (
                max(first_us, version.effective_us if index else first_us),
                min(before_us, later),
            )
            start_us = version.start_us(created_us, episode_us)
            for edge in version.edges_seconds:
                at_us = start_us + edge * SECOND_US
                if lowest <= at_us < highest:
                    found.append(Crossing(at_us, edge))
        return found

    def next_us(self, created_us: int, episode_us: int, *, after_us: int) -> int | None:
        """Return the first crossing strictly after `after_us`, None if there is none."""
        for index, version in enumerate(self.versions):
            last = index + 1 == len(self.versions)
            end_us = None if last else self.versions[index + 1].effective_us
            lowest = max(after_us + 1, version.effective_us if index else after_us + 1)
            start_us = version.start_us(created_us, episode_us)
            for edge in version.edges_seconds:
                at_us = start_us + edge * SECOND_US
                if at_us >= lowest and (end_us is None or at_us < end_us):
                    return at_us
        return None
