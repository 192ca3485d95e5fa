"""Position, epoch, clock and outbox of partitions in memory: what shared/sql/journal.py is on SQL.

Written a second time, after the promises and not after the statements, so that a mistake in one of the two
makes them differ under tests/contract/test_journal.py.
"""

from __future__ import annotations

from typing import Any

from shared.sql.port import Commit, Log, NotOwner, PositionMismatch, Taken
from tests.simulation.stores.tables import Database, OutboxRow, PartitionRow, Table


class Journal:
    """The tables `partitions` and `outbox` of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.partitions = Table(database, PartitionRow, key=("topic", "partition"), by=("topic",))
        self.outbox = Table(
            database, OutboxRow, key=("topic", "partition", "number"), by=("topic", "partition")
        )

    def take_over(self, log: Log, partition: int, *, owner: str, known: tuple[int, int] | None) -> Taken:
        """Raise the epoch and return what was committed. Raises PositionMismatch, having changed nothing."""
        assert 0 <= partition < log.partitions, (partition, log)
        self._check_log(log)
        former = self.partitions.get(log.topic, partition) or PartitionRow(
            log.topic, partition, "", "", 0, epoch=0, owner="", position=None, clock_us=0, next_block=0, note=b""
        )  # fmt: skip
        epoch = max(former.epoch + 1, self._database.now_ms())
        self.partitions.put(
            former._replace(
                epoch=epoch, owner=owner,
                cluster=log.cluster, topic_id=log.topic_id, log_partitions=log.partitions,
            )
        )  # fmt: skip
        return Taken(
            epoch=epoch,
            position=former.position,
            clock_us=former.clock_us,
            next_block=former.next_block,
            note=former.note,
            unpublished=[(row.number, row.block) for row in self.outbox.of(log.topic, partition)],
            unchanged=known is not None and known == (former.epoch, former.position),
        )

    def _check_log(self, log: Log) -> None:
        for row in self.partitions.of(log.topic):
            pairs = (
                ("cluster", row.cluster, log.cluster),
                ("topic id", row.topic_id, log.topic_id),
                ("number of partitions", row.log_partitions, log.partitions),
            )
            differs = [f"{name} was {was}, now {now}" for name, was, now in pairs if was != now]
            if row.position is not None and differs:
                text = f"{log.topic}/{row.partition} was read from another log ({', '.join(differs)})"
                raise PositionMismatch(f"{text}. Nothing was changed.")

    def advance(self, commit: Commit[Any]) -> None:
        """Write position, clock, note and block of `commit` if the epoch is the stored one, or raise NotOwner.

        A position, clock or block number that goes back is a mistake of the caller and an assertion.
        """
        row = self.partitions.get(commit.topic, commit.partition)
        name = f"{commit.topic}/{commit.partition}"
        if row is None or row.epoch != commit.epoch:
            now = "gone" if row is None else f"epoch {row.epoch} of {row.owner}"
            raise NotOwner(f"{name}: was taken over (ours is epoch {commit.epoch}, stored is {now})")
        number = row.next_block if commit.block is None else commit.block[0]
        forward = (
            (row.position is None or row.position <= commit.position)
            and row.clock_us <= commit.clock_us
            and row.next_block == number
        )
        assert forward, f"{name}: commit goes back or skips: {commit} after {row}"
        self.partitions.put(
            row._replace(
                position=commit.position, clock_us=commit.clock_us, note=commit.note,
                next_block=number if commit.block is None else number + 1,
            )
        )  # fmt: skip
        for kept in self.outbox.of(commit.topic, commit.partition):
            if kept.number <= commit.confirmed:
                self.outbox.remove(kept.topic, kept.partition, kept.number)
        if commit.block is not None:
            self.outbox.put(OutboxRow(commit.topic, commit.partition, number, commit.block[1]))
