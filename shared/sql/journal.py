"""Position, epoch, clock and outbox of a partition: the part of every store that must never be wrong.

A batch has an effect exactly once because four things are written in the transaction that writes its
results: how far the log was read, what is to be published, the partition's clock, and the check that
this process still owns the partition. These functions do that part; they run inside the caller's
transaction, on SQLite and on Postgres, and the caller adds its own rows before or after.

The epoch is a fencing token. `take_over` raises it in the row that `advance` names in its WHERE clause;
the database orders the two, so that a former owner, however late it wakes up, changes no row and hears
it. On Postgres that holds at READ COMMITTED: the waiting UPDATE looks at the new row.

Epochs outlive the database: the bus remembers the highest one of each writer, and readers of cells the
newest they saw. So an empty database, or one restored from a backup, must not begin to count below them,
and an epoch is never lower than the milliseconds since 1970 when it was given. It is compared, never read as a
time; a clock that is wrong makes a larger or smaller step, no mistake.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from shared.sql.port import Commit, Log, NotOwner, PositionMismatch, Taken

C = TypeVar("C")


def define_journal(metadata: MetaData) -> tuple[Table, Table]:
    """Return the tables `partitions` and `outbox`, defined in `metadata`.

    A service's first migration calls it with a MetaData of its own and creates both. Their shape is
    frozen by that: another shape is another function, beside this one.
    """
    partitions = Table(
        "partitions",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("cluster", Text, nullable=False),
        Column("topic_id", Text, nullable=False),
        Column("log_partitions", Integer, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("owner", Text, nullable=False),
        Column("position", BigInteger),
        Column("clock_us", BigInteger, nullable=False),
        Column("next_block", BigInteger, nullable=False),
        Column("note", LargeBinary, nullable=False),
    )
    outbox = Table(
        "outbox",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("number", BigInteger, primary_key=True),
        Column("block", LargeBinary, nullable=False),
    )
    return partitions, outbox


PARTITIONS, OUTBOX = define_journal(MetaData())

_FRESH: Final = {"epoch": 0, "position": None, "clock_us": 0, "next_block": 0, "note": b""}


def take_over(
    connection: Connection, log: Log, partition: int, *, owner: str, known: tuple[int, int] | None
) -> Taken:
    """Raise the partition's epoch and return what was committed; from here on older owners are fenced.

    `owner` is a name for people. `known` is the (epoch, position) of memory still held, if any. Raises
    PositionMismatch if what is stored was read from another log than `log`; nothing is changed then.
    """
    assert 0 <= partition < log.partitions, (partition, log)
    _check_log(connection, log)
    _insert_missing(connection, log, partition)
    p = PARTITIONS.c
    mine = (p.topic == log.topic, p.partition == partition)
    row = connection.execute(select(PARTITIONS).where(*mine).with_for_update()).one()
    epoch = max(row.epoch + 1, _milliseconds(connection))
    connection.execute(
        update(PARTITIONS).where(*mine).values(
            epoch=epoch, owner=owner,
            cluster=log.cluster, topic_id=log.topic_id, log_partitions=log.partitions,
        )
    )  # fmt: skip
    blocks = connection.execute(
        select(OUTBOX.c.number, OUTBOX.c.block)
        .where(OUTBOX.c.topic == log.topic, OUTBOX.c.partition == partition)
        .order_by(OUTBOX.c.number)
    )
    return Taken(
        epoch=epoch,
        position=row.position,
        clock_us=row.clock_us,
        next_block=row.next_block,
        note=row.note,
        unpublished=[(number, block) for number, block in blocks],
        unchanged=known is not None and known == (row.epoch, row.position),
    )


def _milliseconds(connection: Connection) -> int:
    # By the database's clock, which all processes share.
    sqlite = connection.dialect.name == "sqlite"
    now = "(julianday('now') - 2440587.5) * 86400000" if sqlite else "floor(extract(epoch FROM now()) * 1000)"
    return int(connection.exec_driver_sql(f"SELECT CAST({now} AS bigint)").scalar_one())


def _check_log(connection: Connection, log: Log) -> None:
    # All partitions of the topic, not only ours: with more partitions than before, tickets move to
    # others, and a partition that is new has no row that could disagree.
    p = PARTITIONS.c
    stored = connection.execute(
        select(p.partition, p.cluster, p.topic_id, p.log_partitions)
        .where(
            p.topic == log.topic,
            p.position.is_not(None),
            or_(
                p.cluster != log.cluster,
                p.topic_id != log.topic_id,
                p.log_partitions != log.partitions,
            ),
        )
        .order_by(p.partition)
        .limit(1)
    ).one_or_none()
    if stored is not None:
        raise PositionMismatch(_mismatch(stored, log))


def _mismatch(stored: Row[*tuple[Any, ...]], log: Log) -> str:
    pairs = (
        ("cluster", stored.cluster, log.cluster),
        ("topic id", stored.topic_id, log.topic_id),
        ("number of partitions", stored.log_partitions, log.partitions),
    )
    differences = ", ".join(f"{name} was {was}, now {now}" for name, was, now in pairs if was != now)
    return (
        f"{log.topic}/{stored.partition}: the positions in this database refer to another log than the one "
        f"at hand ({differences}). Nothing was changed. Point BAROMETER_BUS at the former log; or "
        f"restore log and database from backups of one moment; or give an empty database in "
        f"BAROMETER_DATABASE to fold again what this log holds."
    )


def _insert_missing(connection: Connection, log: Log, partition: int) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    values = {
        "topic": log.topic, "partition": partition, "cluster": log.cluster, "topic_id": log.topic_id,
        "log_partitions": log.partitions, "owner": "", **_FRESH,
    }  # fmt: skip
    connection.execute(dialect.insert(PARTITIONS).values(values).on_conflict_do_nothing())


def advance(connection: Connection, commit: Commit[C]) -> None:
    """Write position, clock, note and outbox block of `commit`, if we are still the owner.

    Call it first in the transaction: it locks the partition's row. Raises NotOwner, having changed
    nothing, if the stored epoch is another one. A position, clock or block number that goes back is a
    mistake of the caller and an assertion.
    """
    p = PARTITIONS.c
    number = None if commit.block is None else commit.block[0]
    written = connection.execute(
        update(PARTITIONS)
        .where(
            p.topic == commit.topic,
            p.partition == commit.partition,
            p.epoch == commit.epoch,
            or_(p.position.is_(None), p.position <= commit.position),
            p.clock_us <= commit.clock_us,
            p.next_block == (p.next_block if number is None else number),
        )
        .values(
            position=commit.position, clock_us=commit.clock_us, note=commit.note,
            next_block=p.next_block if number is None else number + 1,
        )
    )  # fmt: skip
    if written.rowcount != 1:
        _refuse(connection, commit)
    _write_outbox(connection, commit)


def _refuse(connection: Connection, commit: Commit[C]) -> None:
    p = PARTITIONS.c
    where = (p.topic == commit.topic, p.partition == commit.partition)
    row = connection.execute(select(p.epoch, p.owner, p.position, p.clock_us).where(*where)).one_or_none()
    name = f"{commit.topic}/{commit.partition}"
    if row is None or row.epoch != commit.epoch:
        now = "gone" if row is None else f"epoch {row.epoch} of {row.owner}"
        raise NotOwner(f"{name}: was taken over (ours is epoch {commit.epoch}, stored is {now})")
    raise AssertionError(f"{name}: commit goes back or skips: {commit} after {row}")


def _write_outbox(connection: Connection, commit: Commit[C]) -> None:
    mine = {"topic": commit.topic, "partition": commit.partition}
    if commit.confirmed >= 0:
        o = OUTBOX.c
        connection.execute(
            delete(OUTBOX).where(
                o.topic == commit.topic, o.partition == commit.partition, o.number <= commit.confirmed
            )
        )
    if commit.block is not None:
        number, block = commit.block
        connection.execute(insert(OUTBOX).values({**mine, "number": number, "block": block}))
