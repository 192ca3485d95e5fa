"""At every commit and take-over: by the owner, and nothing goes back.

Told by what the databases hold, not by what the store says: a store that forgets to look at the epoch is found
as well as a loop that commits what it should not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.simulation.stores.journal import Journal
from tests.simulation.stores.tables import PartitionRow


class JournalWatch:
    """Compares the stored positions with what they were."""

    def __init__(self, journals: Sequence[Journal], violation: Callable[[str], None]) -> None:
        self._journals, self._violation = journals, violation
        self._known: dict[tuple[str, int], PartitionRow] = {}
        self.commits = self.take_overs = 0

    def wrote(self, process: str) -> None:
        """`process` has just committed or taken over: whatever changed is its own, and went forward."""
        for journal in self._journals:
            for row in journal.partitions.rows():
                known = self._known.get((row.topic, row.partition))
                if known is not row:
                    self._known[row.topic, row.partition] = row
                    self._look(process, known, row)

    def _look(self, process: str, known: PartitionRow | None, row: PartitionRow) -> None:
        if row.owner != process:
            self._say(row, f"{process} wrote, but {row.owner} is the owner")
        is_commit = known is not None and row.epoch == known.epoch
        self.commits += is_commit
        self.take_overs += not is_commit
        if known is not None:
            self._compare(known, row)

    def _compare(self, known: PartitionRow, row: PartitionRow) -> None:
        if row.epoch < known.epoch:
            self._say(row, f"the epoch went back from {known.epoch} to {row.epoch}")
        if row.epoch > known.epoch and _committed(row) != _committed(known):
            self._say(row, f"a take-over changed {_committed(known)} into {_committed(row)}")
        if (known.position or 0) > (row.position or 0):
            self._say(row, f"the position went back from {known.position} to {row.position}")
        if known.clock_us > row.clock_us:
            self._say(row, f"the clock went back from {known.clock_us} to {row.clock_us}")
        if row.next_block - known.next_block not in {0, 1}:
            self._say(row, f"block {row.next_block} follows block {known.next_block}")

    def _say(self, row: PartitionRow, text: str) -> None:
        self._violation(f"{row.topic}/{row.partition}: {text}")


def _committed(row: PartitionRow) -> tuple[int | None, int, int, bytes]:
    return row.position, row.clock_us, row.next_block, row.note
