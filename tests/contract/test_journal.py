"""What every store promises through the journal: simulated, on SQLite and on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.bus.port import LogIdentity
from shared.sql import engine as engines
from shared.sql.engine import Engine, opened, read, transaction, translated
from shared.sql.port import Commit, NotOwner, PositionMismatch, StoreUnavailable, Taken
from shared.sql.upsert import delete_by_keys, insert_missing, select_by_keys, upsert
from tests.contract.journals import (
    LOG,
    METADATA,
    ROWS,
    Journal,
    Row,
    SimulatedJournal,
    SqlJournal,
    write,
)

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    async with prepared(request, tmp_path) as engine:
        yield engine


@asynccontextmanager
async def prepared(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/state.db"
    else:
        url = request.getfixturevalue("postgres_url")
    async with opened(url) as engine:
        await transaction(engine, METADATA.create_all)
        yield engine


@pytest_asyncio.fixture(params=["simulated", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    if request.param == "simulated":
        yield SimulatedJournal()
        return
    async with prepared(request, tmp_path) as engine:
        yield SqlJournal(engine)


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


async def test_a_partition_never_read_has_no_position_and_nothing_to_publish(journal: Journal) -> None:
    assert Taken(0, None, 0, 0, b"", [], unchanged=False) == (await journal.taken())._replace(epoch=0)


async def test_what_was_committed_is_given_back_at_the_next_take_over(journal: Journal) -> None:
    first = await journal.taken()
    await journal.commit(a_commit(first.epoch, 7, block=0))
    await journal.commit(a_commit(first.epoch, 9, block=1))
    second = await journal.taken()
    blocks = [(0, b"block 0"), (1, b"block 1")]
    assert Taken(second.epoch, 9, 90, 2, b"note 9", blocks, unchanged=False) == second
    assert first.epoch < second.epoch


async def test_an_epoch_is_above_those_of_a_database_that_was_lost(journal: Journal) -> None:
    before = [(await journal.taken()).epoch for _ in range(3)]
    await journal.lose()
    assert 1_700_000_000_000 < before[0] < before[1] < before[2]
    assert before[0] <= (await journal.taken()).epoch
    await journal.found_with_epoch(2**50)
    assert 2**50 + 1 == (await journal.taken()).epoch


async def test_confirmed_blocks_are_forgotten_and_the_others_stay_in_order(journal: Journal) -> None:
    mine = (await journal.taken()).epoch
    for number in range(12):
        await journal.commit(a_commit(mine, number, block=number))
    await journal.commit(a_commit(mine, 20, confirmed=8))
    assert [9, 10, 11] == [number for number, _ in (await journal.taken()).unpublished]


async def test_a_stale_epoch_changes_nothing_and_says_so(journal: Journal) -> None:
    mine = (await journal.taken()).epoch
    await journal.commit(a_commit(mine, 5, block=0))
    await journal.taken()
    before = await journal.stored()
    with pytest.raises(NotOwner, match=rf"ours is epoch {mine}, stored is epoch \d+ of a"):
        await journal.commit(a_commit(mine, 6, block=1, confirmed=0))
    assert before == await journal.stored()


async def test_a_commit_that_fails_late_leaves_nothing_of_itself(journal: Journal) -> None:
    mine = (await journal.taken()).epoch
    await journal.commit(a_commit(mine, 5, block=0))
    before = await journal.stored()
    with pytest.raises(journal.broken):
        await journal.commit(a_commit(mine, 6, block=1, confirmed=0), broken=True)
    assert before == await journal.stored()


@pytest.mark.parametrize(
    "wrong",
    [a_commit(0, 4), replace(a_commit(0, 6), clock_us=49), a_commit(0, 6, block=7)],
    ids=["position", "clock", "block number"],
)
async def test_position_and_clock_never_go_back_and_no_block_is_skipped(
    journal: Journal, wrong: Commit[Row]
) -> None:
    mine = (await journal.taken()).epoch
    await journal.commit(a_commit(mine, 5, block=0))
    with pytest.raises(AssertionError, match="goes back or skips"):
        await journal.commit(replace(wrong, epoch=mine))


async def test_memory_is_good_if_nobody_took_over_or_committed_since(journal: Journal) -> None:
    mine = (await journal.taken()).epoch
    await journal.commit(a_commit(mine, 5))
    assert (await journal.taken(known=(mine, 5))).unchanged
    again = await journal.taken(known=(mine, 5))
    assert not again.unchanged  # the line above took over
    await journal.commit(a_commit(again.epoch, 6))
    assert not (await journal.taken(known=(again.epoch, 5))).unchanged


async def test_partitions_are_taken_over_apart(journal: Journal) -> None:
    mine = (await journal.taken()).epoch
    await journal.commit(a_commit(mine, 5))
    assert (await journal.taken(partition=3)).position is None
    await journal.commit(a_commit(mine, 6))


@pytest.mark.parametrize(
    ("log", "difference"),
    [
        (replace(LOG, cluster="c-2"), "cluster was c-1, now c-2"),
        (replace(LOG, topic_id="t-2"), "topic id was t-1, now t-2"),
        (replace(LOG, partitions=8), "number of partitions was 4, now 8"),
    ],
)
async def test_a_position_in_another_log_is_refused_with_the_mend_and_changes_nothing(
    journal: Journal, log: LogIdentity, difference: str
) -> None:
    mine = (await journal.taken()).epoch
    await journal.commit(a_commit(mine, 5))
    before = await journal.stored()
    for partition in (0, 3):  # also for one that was never read: its tickets were elsewhere
        with pytest.raises(PositionMismatch, match=difference) as caught:
            await journal.taken(log, partition)
        assert "Nothing was changed" in str(caught.value)
    assert before == await journal.stored()


async def test_a_log_that_was_never_read_may_be_another_one(journal: Journal) -> None:
    mine = (await journal.taken()).epoch
    mine = (await journal.taken(replace(LOG, cluster="c-2"))).epoch
    await journal.commit(a_commit(mine, 1))
    with pytest.raises(PositionMismatch):
        await journal.taken(LOG)


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
    mine = (await SqlJournal(engine).taken()).epoch
    url = engine.url.render_as_string(hide_password=False)

    async def stored_by_others() -> object:
        async with opened(url) as other:
            return await SqlJournal(other).stored()

    def write_and_look(connection: Connection) -> object:
        write(connection, a_commit(mine, 5))
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, stored_by_others()).result()

    assert ([], [], [(mine, None, 0)]) == await transaction(engine, write_and_look)


async def test_who_stands_still_in_the_middle_of_a_commit_holds_up_its_successor_no_longer_than_allowed(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "STANDSTILL_S_MAX", 1.0)
    async with opened(postgres_url) as still, opened(postgres_url) as other:
        assert isinstance(still, AsyncEngine)
        await transaction(still, METADATA.create_all)
        mine = (await SqlJournal(still).taken()).epoch
        successors: list[Taken] = []

        async def take_over() -> None:
            async with asyncio.timeout(20):
                successors.append(await SqlJournal(other).taken())

        with pytest.raises(StoreUnavailable):
            await _standing_still(still, a_commit(mine, 5), take_over)
        [successor] = successors
        assert mine < successor.epoch
        assert ([], [], [(successor.epoch, None, 0)]) == await SqlJournal(still).stored()


async def _standing_still(
    engine: AsyncEngine, commit: Commit[Row], meanwhile: Callable[[], Awaitable[None]]
) -> None:
    """Commit, but do nothing for as long as `meanwhile` takes once everything was written."""
    with translated(engine):
        async with engine.begin() as connection:
            await connection.run_sync(write, commit)
            await meanwhile()
