"""What the memory for mailboxes and help desks promises, on SQLite and on a real Postgres."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from services.intake.adapters.cursors import SqlCursors
from services.intake.ports import CursorKey, HeldCursor
from shared.sql.engine import Engine
from shared.sql.port import NotOwner

pytestmark = pytest.mark.asyncio

MAILBOX = CursorKey("default", "desk", "imap")


@pytest_asyncio.fixture
async def cursors(intake_engine: Engine) -> SqlCursors:
    return SqlCursors(intake_engine)


async def take(
    cursors: SqlCursors, holder: str = "a", *, key: CursorKey = MAILBOX, now_us: int = 0, until_us: int = 10
) -> HeldCursor:
    held = await cursors.take(key, holder=holder, now_us=now_us, until_us=until_us)
    assert held is not None
    return held


async def test_a_cursor_that_nobody_saved_is_empty(cursors: SqlCursors) -> None:
    assert b"" == await cursors.load(MAILBOX)
    assert b"" == (await take(cursors)).body


async def test_what_was_saved_is_there_again_byte_for_byte(cursors: SqlCursors) -> None:
    body = bytes(range(256))
    await cursors.save(MAILBOX, body, epoch=(await take(cursors)).epoch, at_us=1, until_us=10)
    assert (body, body) == (await cursors.load(MAILBOX), (await take(cursors)).body)


async def test_a_source_has_a_cursor_of_each_kind_and_other_sources_and_tenants_their_own(
    cursors: SqlCursors,
) -> None:
    await cursors.save(MAILBOX, b"17", epoch=(await take(cursors)).epoch, at_us=1, until_us=10)
    for other in (
        MAILBOX._replace(kind="pull"),
        MAILBOX._replace(source="shop"),
        MAILBOX._replace(tenant="acme"),
    ):
        assert b"" == (await take(cursors, "b", key=other)).body


async def test_nobody_gets_a_cursor_that_another_one_holds(cursors: SqlCursors) -> None:
    await take(cursors, "a", until_us=10)
    assert None is await cursors.take(MAILBOX, holder="b", now_us=9, until_us=20)
    assert (await take(cursors, "b", now_us=10, until_us=20)).epoch


async def test_who_saves_holds_on_for_longer(cursors: SqlCursors) -> None:
    epoch = (await take(cursors, "a", until_us=10)).epoch
    await cursors.save(MAILBOX, b"1", epoch=epoch, at_us=5, until_us=30)
    assert None is await cursors.take(MAILBOX, holder="b", now_us=29, until_us=40)


async def test_a_holder_that_begins_anew_gets_its_cursor_at_once(cursors: SqlCursors) -> None:
    first = await take(cursors, "a", until_us=10)
    assert first.epoch < (await take(cursors, "a", now_us=1, until_us=11)).epoch


async def test_a_former_holder_changes_nothing_and_hears_it(cursors: SqlCursors) -> None:
    former = await take(cursors, "a", until_us=10)
    latter = await take(cursors, "b", now_us=10, until_us=20)
    with pytest.raises(NotOwner, match="default/desk/imap"):
        await cursors.save(MAILBOX, b"old", epoch=former.epoch, at_us=11, until_us=99)
    await cursors.release(MAILBOX, epoch=former.epoch)
    await cursors.save(MAILBOX, b"new", epoch=latter.epoch, at_us=12, until_us=20)
    assert b"new" == await cursors.load(MAILBOX)
    assert None is await cursors.take(MAILBOX, holder="a", now_us=19, until_us=40)


async def test_a_released_cursor_is_anybodys_as_it_was_saved(cursors: SqlCursors) -> None:
    epoch = (await take(cursors, "a", until_us=1_000)).epoch
    await cursors.save(MAILBOX, b"5", epoch=epoch, at_us=1, until_us=1_000)
    await cursors.release(MAILBOX, epoch=epoch)
    assert b"5" == (await take(cursors, "b", now_us=2, until_us=20)).body


async def test_of_many_that_take_it_at_once_one_gets_it(cursors: SqlCursors) -> None:
    taken = await asyncio.gather(
        *(cursors.take(MAILBOX, holder=f"m{n}", now_us=5, until_us=10) for n in range(8))
    )
    assert 1 == sum(one is not None for one in taken)
