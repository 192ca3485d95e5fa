"""Records fetched but not yet handed out.

Both logs are read in pages (a chunk of the SQLite log, a fetch of Kafka) that are larger than what the
caller asked for. Fetching the page again for each small read would cost its decoding every time.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.bus.port import Record


class Page:
    """Consecutive records of one partition; served in order, and only from where the last serving ended."""

    __slots__ = ("_at", "_beyond", "_records")

    def __init__(self, records: Sequence[Record], beyond: int) -> None:
        """`beyond` is the offset after the page: its last record may be followed by a gap."""
        self._records = records
        self._beyond = beyond
        self._at = 0

    @property
    def next_offset(self) -> int:
        """Return the offset to ask for next."""
        return self._records[self._at].offset if self._at < len(self._records) else self._beyond

    def empty(self) -> bool:
        """Return whether everything was handed out."""
        return self._at >= len(self._records)

    def take(self, records_max: int) -> Sequence[Record]:
        """Hand out up to `records_max` records."""
        taken = self._records[self._at : self._at + records_max]
        self._at += len(taken)
        return taken
