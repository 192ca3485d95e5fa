"""What the memory for e-mail promises: simulated, on SQLite and on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, select

from services.intake.adapters.tables import METADATA, THREADS
from services.intake.adapters.threads import DAY_US, SqlThreads
from services.intake.core.mail.shown import Thread
from services.intake.ports import Threads
from shared.sql.engine import Engine, read
from tests.contract.intake_databases import intake_database
from tests.simulation.point import go_on
from tests.simulation.stores.threads import SimulatedThreads, ThreadsDatabase

pytestmark = pytest.mark.asyncio

KEPT_DAYS = 30


Kept = Callable[[], Awaitable[int]]
"""Gives the number of rows stored."""


@pytest_asyncio.fixture(params=["simulated", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Threads, Kept]]:
    if request.param == "simulated":
        database = ThreadsDatabase(lambda: 0)

        async def kept() -> int:
            return len(database.threads)

        yield SimulatedThreads(database, go_on, kept_days=KEPT_DAYS), kept
        return
    async with intake_database(request, tmp_path) as engine:

        async def counted() -> int:
            count = select(func.count()).select_from(THREADS)
            return await read(engine, lambda connection: connection.execute(count).scalar_one())

        threads = SqlThreads(engine, kept_days=KEPT_DAYS)
        await threads.prepare()
        yield threads, counted


@pytest.fixture
def threads(store: tuple[Threads, Kept]) -> Threads:
    return store[0]


@pytest.fixture
def kept(store: tuple[Threads, Kept]) -> Kept:
    return store[1]


def mail(id: str, *answers: str, tagged: str | None = None) -> Thread:
    return Thread(id, answers, tagged, f"mail-{id}")


async def join(threads: Threads, thread: Thread, *, source: str = "desk", at_us: int = 0) -> str:
    return await threads.join("default", source, thread, at_us=at_us)


async def test_a_mail_that_answers_nothing_has_a_ticket_of_its_own_again_and_again(
    threads: Threads,
) -> None:
    assert ["mail-a", "mail-a"] == [await join(threads, mail("a")) for _ in range(2)]


async def test_an_answer_belongs_to_the_first_mail_it_answers_that_is_known(threads: Threads) -> None:
    await join(threads, mail("a"))
    await join(threads, mail("b"))
    assert "mail-b" == await join(threads, mail("c", "x", "b", "a"))
    assert "mail-b" == await join(threads, mail("d", "c"))


async def test_a_tag_counts_before_everything_else_and_is_remembered(threads: Threads) -> None:
    await join(threads, mail("a"))
    assert "SUP-42" == await join(threads, mail("b", "a", tagged="SUP-42"))
    assert "SUP-42" == await join(threads, mail("c", "b"))


async def test_a_mail_that_comes_after_its_answer_belongs_to_it_but_other_answers_do_not(
    threads: Threads,
) -> None:
    assert "mail-b" == await join(threads, mail("b", "a"))
    assert "mail-c" == await join(threads, mail("c", "a"))
    assert "mail-b" == await join(threads, mail("a"))
    assert "mail-b" == await join(threads, mail("d", "a"))


async def test_other_sources_and_tenants_have_threads_of_their_own(threads: Threads) -> None:
    await join(threads, mail("a"))
    assert "mail-b" == await join(threads, mail("b", "a"), source="tracker")
    assert "mail-b" == await threads.join("acme", "desk", mail("b", "a"), at_us=0)


async def test_mails_of_one_thread_that_come_at_once_are_one_ticket(threads: Threads) -> None:
    joined = await asyncio.gather(*(join(threads, mail("a")) for _ in range(8)))
    assert {"mail-a"} == set(joined)


async def test_an_answer_to_a_mail_of_a_forgotten_ticket_opens_one_of_its_own(
    threads: Threads, kept: Kept
) -> None:
    await join(threads, mail("a"))
    await join(threads, mail("b", "a"))
    await join(threads, mail("a"), source="tracker")
    await join(threads, mail("z"))

    await threads.forget("default", "desk", "mail-a")

    assert 2 == await kept()
    assert "mail-c" == await join(threads, mail("c", "b", "a"))
    assert "mail-a" == await join(threads, mail("d", "a"), source="tracker")
    await threads.forget("default", "desk", "unknown")


async def test_what_is_too_old_is_forgotten_with_the_mails_that_come(threads: Threads, kept: Kept) -> None:
    await join(threads, mail("a", "z"), at_us=0)
    assert "mail-a" == await join(threads, mail("b", "a"), at_us=KEPT_DAYS * DAY_US)
    assert "mail-c" == await join(threads, mail("c", "a"), at_us=KEPT_DAYS * DAY_US + 1)
    assert 3 == await kept()  # both answers await the mail that is forgotten, the first one gets it


async def test_the_migrations_make_the_tables_that_the_code_asks(intake_engine: Engine) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    assert [] == [
        each for each in await read(intake_engine, differences) if "alembic_version" not in str(each)
    ]
