"""What every store promises through the journal, on SQLite and on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from shared.bus.port import LogIdentity
from shared.sql.engine import Engine, opened, read, transaction
from shared.sql.journal import OUTBOX, PARTITIONS, advance, define_journal, take_over
from shared.sql.port import Commit, NotOwner, PositionMismatch, Taken
from shared.sql.upsert import delete_by_keys, insert_missing, select_by_keys, upsert

pytestmark = pytest.mark.asyncio

METADATA = MetaData()
define_journal(METADATA)
ROWS = Table(
    "rows",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("ticket", Text, primary_key=True),
    Column("at_us", BigInteger),
    Column("open", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
LOG = LogIdentity(cluster="c-1", topic="tickets.events.v1", topic_id="t-1", partitions=4)


@dataclass(frozen=True)
class Row:
    """A change beside the journal."""

    key: str


@pytest_asyncio.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/state.db"
    else:
        url = request.getfixturevalue("postgres_url")
    async with opened(url) as engine:
        await transaction(engine, METADATA.create_all)
        yield engine


async def taken(
    engine: Engine, log: LogIdentity = LOG, partition: int = 0, known: tuple[int, int] | None = None
) -> Taken:
    return await transaction(engine, lambda c: take_over(c, log, partition, owner="a", known=known))


def a_commit(epoch: int, position: int, *, block: int | None = None, confirmed: int = -1) -> Commit[Row]:
    return Commit(
        topic=LOG.topic,
        partition=0,
        epoch=epoch,
        position=position,
        clock_us=position * 10,
        note=b"note %d" % position,
        confirmed=confirmed,
        block=None if block is None else (block, b"block %d" % block),
        changes=Row(f"at {position}"),
    )


def write(connection: Connection, commit: Commit[Row]) -> None:
    advance(connection, commit)
    upsert(connection, ROWS, [("t", commit.changes.key, commit.position, True, b"\x00\xff")])


async def committed(engine: Engine, commit: Commit[Row]) -> None:
    await transaction(engine, lambda c: write(c, commit))


async def stored(engine: Engine) -> tuple[list[str], list[int], list[tuple[int, int | None, int]]]:
    def look(c: Connection) -> tuple[list[str], list[int], list[tuple[int, int | None, int]]]:
        p = PARTITIONS.c
        return (
            list(c.execute(select(ROWS.c.ticket).order_by(ROWS.c.ticket)).scalars()),
            list(c.execute(select(OUTBOX.c.number).order_by(OUTBOX.c.number)).scalars()),
            [(e, x, b) for e, x, b in c.execute(select(p.epoch, p.position, p.next_block))],
        )

    return await read(engine, look)


async def test_a_partition_never_read_has_no_position_and_nothing_to_publish(engine: Engine) -> None:
    assert Taken(0, None, 0, 0, b"", [], unchanged=False) == (await taken(engine))._replace(epoch=0)


async def test_what_was_committed_is_given_back_at_the_next_take_over(engine: Engine) -> None:
    first = await taken(engine)
    await committed(engine, a_commit(first.epoch, 7, block=0))
    await committed(engine, a_commit(first.epoch, 9, block=1))
    second = await taken(engine)
    blocks = [(0, b"block 0"), (1, b"block 1")]
    assert Taken(second.epoch, 9, 90, 2, b"note 9", blocks, unchanged=False) == second
    assert first.epoch < second.epoch


async def test_an_epoch_is_above_those_of_a_database_that_was_lost(engine: Engine) -> None:
    before = [(await taken(engine)).epoch for _ in range(3)]
    await transaction(engine, lambda c: c.execute(delete(PARTITIONS)))
    assert 1_700_000_000_000 < before[0] < before[1] < before[2]
    assert before[0] <= (await taken(engine)).epoch
    await transaction(engine, lambda c: c.execute(update(PARTITIONS).values(epoch=2**50)))
    assert 2**50 + 1 == (await taken(engine)).epoch


async def test_confirmed_blocks_are_forgotten_and_the_others_stay_in_order(engine: Engine) -> None:
    mine = (await taken(engine)).epoch
    for number in range(12):
        await committed(engine, a_commit(mine, number, block=number))
    await committed(engine, a_commit(mine, 20, confirmed=8))
    assert [9, 10, 11] == [number for number, _ in (await taken(engine)).unpublished]


async def test_a_stale_epoch_changes_nothing_and_says_so(engine: Engine) -> None:
    mine = (await taken(engine)).epoch
    await committed(engine, a_commit(mine, 5, block=0))
    await taken(engine)
    before = await stored(engine)
    with pytest.raises(NotOwner, match=rf"ours is epoch {mine}, stored is epoch \d+ of a"):
        await committed(engine, a_commit(mine, 6, block=1, confirmed=0))
    assert before == await stored(engine)


async def test_a_commit_that_fails_late_leaves_nothing_of_itself(engine: Engine) -> None:
    mine = (await taken(engine)).epoch
    await committed(engine, a_commit(mine, 5, block=0))
    before = await stored(engine)

    def fail(connection: Connection) -> None:
        write(connection, a_commit(mine, 6, block=1, confirmed=0))
        connection.execute(ROWS.insert().values(tenant="t", ticket="at 5", open=True, body=b""))

    with pytest.raises(IntegrityError):
        await transaction(engine, fail)
    assert before == await stored(engine)


@pytest.mark.parametrize(
    "wrong",
    [a_commit(0, 4), replace(a_commit(0, 6), clock_us=49), a_commit(0, 6, block=7)],
    ids=["position", "clock", "block number"],
)
async def test_position_and_clock_never_go_back_and_no_block_is_skipped(
    engine: Engine, wrong: Commit[Row]
) -> None:
    mine = (await taken(engine)).epoch
    await committed(engine, a_commit(mine, 5, block=0))
    with pytest.raises(AssertionError, match="goes back or skips"):
        await committed(engine, replace(wrong, epoch=mine))


async def test_memory_is_good_if_nobody_took_over_or_committed_since(engine: Engine) -> None:
    mine = (await taken(engine)).epoch
    await committed(engine, a_commit(mine, 5))
    assert (await taken(engine, known=(mine, 5))).unchanged
    again = await taken(engine, known=(mine, 5))
    assert not again.unchanged  # the line above took over
    await committed(engine, a_commit(again.epoch, 6))
    assert not (await taken(engine, known=(again.epoch, 5))).unchanged


async def test_partitions_are_taken_over_apart(engine: Engine) -> None:
    mine = (await taken(engine)).epoch
    await committed(engine, a_commit(mine, 5))
    assert (await taken(engine, partition=3)).position is None
    await committed(engine, a_commit(mine, 6))


@pytest.mark.parametrize(
    ("log", "difference"),
    [
        (replace(LOG, cluster="c-2"), "cluster was c-1, now c-2"),
        (replace(LOG, topic_id="t-2"), "topic id was t-1, now t-2"),
        (replace(LOG, partitions=8), "number of partitions was 4, now 8"),
    ],
)
async def test_a_position_in_another_log_is_refused_with_the_mend_and_changes_nothing(
    engine: Engine, log: LogIdentity, difference: str
) -> None:
    mine = (await taken(engine)).epoch
    await committed(engine, a_commit(mine, 5))
    before = await stored(engine)
    for partition in (0, 3):  # also for one that was never read: its tickets were elsewhere
        with pytest.raises(PositionMismatch, match=difference) as caught:
            await taken(engine, log, partition)
        assert "Nothing was changed" in str(caught.value)
    assert before == await stored(engine)


async def test_a_log_that_was_never_read_may_be_another_one(engine: Engine) -> None:
    mine = (await taken(engine)).epoch
    mine = (await taken(engine, replace(LOG, cluster="c-2"))).epoch
    await committed(engine, a_commit(mine, 1))
    with pytest.raises(PositionMismatch):
        await taken(engine, LOG)


async def test_rows_are_replaced_left_alone_found_and_deleted_by_key(engine: Engine) -> None:
    text = "snowman ☃ and 😀"
    first = [("t", f"{n}", None, n % 2 == 0, b"\x00") for n in range(1_200)]

    def work(c: Connection) -> None:
        upsert(c, ROWS, first)
        upsert(c, ROWS, [("t", "7", -1, True, text.encode()), ("u", text, 2**62, False, b"")])
        insert_missing(c, ROWS, [("t", "8", 8, True, b"new"), ("v", "1", 1, True, b"")])
        delete_by_keys(c, ROWS, [("t", "9"), ("t", "absent")])
        delete_by_keys(c, ROWS, [("v",)], by=["tenant"])

    await transaction(engine, work)
    found = await read(engine, lambda c: select_by_keys(c, ROWS, [("t", f"{n}") for n in range(2_000)]))
    assert 1_199 == len(found)
    assert {("t", "8", None, True, b"\x00")} == {row for row in found if row[1] == "8"}
    assert {("t", "7", -1, True, text.encode())} == {row for row in found if row[1] == "7"}
    by_tenant = await read(
        engine, lambda c: select_by_keys(c, ROWS, [("u",), ("v",)], by=["tenant"], order=["ticket"])
    )
    assert [("u", text, 2**62, False, b"")] == by_tenant
    assert all(type(row[3]) is bool for row in found)


async def test_no_rows_are_no_statement(engine: Engine) -> None:
    await transaction(engine, lambda c: upsert(c, ROWS, []))
    await transaction(engine, lambda c: delete_by_keys(c, ROWS, []))
    assert [] == await read(engine, lambda c: select_by_keys(c, ROWS, []))


async def test_reading_does_not_wait_for_a_writer(engine: Engine) -> None:
    mine = (await taken(engine)).epoch
    url = engine.url.render_as_string(hide_password=False)

    async def stored_by_others() -> object:
        async with opened(url) as other:
            return await stored(other)

    def write_and_look(connection: Connection) -> object:
        write(connection, a_commit(mine, 5))
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, stored_by_others()).result()

    assert ([], [], [(mine, None, 0)]) == await transaction(engine, write_and_look)
