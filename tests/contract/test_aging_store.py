"""What aging's store promises its worker: simulated, on SQLite and on a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from msgspec import ValidationError
from sqlalchemy.exc import IntegrityError

from services.aging.adapters.sql import SqlAgingStore
from services.aging.core.attention import CONDENSED
from services.aging.ports import (
    AgingChanges,
    DeferredRow,
    FlowRow,
    MarkRow,
    OpenRow,
    QuarantineRow,
    RegisterRow,
    TicketFilter,
    TicketRow,
)
from shared.runtime.port import NotOwner, StoreMisconfigured
from tests.contract.aging_rows import (
    BYTES,
    INT64_MAX,
    INT64_MIN,
    NOW_US,
    TEXTS,
    Owner,
    a_closed_ticket,
    a_ticket,
    ticket_rows,
)
from tests.contract.aging_stores import Store, address_of, aging_store, few, tenants

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return address_of(request, tmp_path)


@pytest_asyncio.fixture(params=["simulated", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with aging_store(request, tmp_path) as store:
        yield store


async def opened_tickets(store: Store, partition: int) -> list[OpenRow]:
    return sorted([row async for chunk in store.load_open(partition) for row in chunk])


async def test_a_postgres_database_without_the_schema_is_refused_with_the_mend(url: str) -> None:
    if url.startswith("sqlite"):
        async with SqlAgingStore.open(url) as store:
            assert await store.ticket("default", "s:1") is None
        return
    with pytest.raises(StoreMisconfigured, match="barometer db upgrade"):
        async with SqlAgingStore.open(url):
            pass


async def test_all_of_a_commit_is_there_after_it(store: Store) -> None:
    owner = await Owner.of(store)
    changes = AgingChanges(
        tickets=[a_ticket("s:1"), a_ticket("s:2")],
        marks=[MarkRow("default", "s:1", b"\x02", b"later"), MarkRow("default", "s:1", b"\x01", b"first")],
        deferred=[DeferredRow(0, 9, "default", "s:1", b"\x03", b"waits")],
        registers=[RegisterRow("default", "s:1", "s:9", 1, b"register")],
        flows=[FlowRow(0, "a", b"1")],
        quarantined=[QuarantineRow(0, "default", "s:2", 5, "ZeroDivisionError")],
    )
    await owner.commit(changes)
    ids = [("default", "s:1"), ("default", "s:2")]
    assert {ids[0]: a_ticket("s:1"), ids[1]: a_ticket("s:2")} == await store.load_tickets(ids)
    assert {ids[0]: changes.marks[::-1]} == await store.load_marks(ids)
    assert changes.marks[::-1] == await store.marks(*ids[0])
    assert changes.deferred == await store.load_deferred(0)
    assert {ids[0]: changes.registers} == await store.load_registers(ids)
    assert changes.registers == await store.registers(*ids[0])
    assert changes.flows == await store.load_flows(0) == await store.flows()
    assert changes.quarantined == await store.load_quarantined(0) == await store.quarantined("default")
    assert [(0, 1_000_000, 1)] == await store.clocks()


async def test_nothing_of_a_commit_is_there_if_any_of_it_fails(store: Store) -> None:
    owner = await Owner.of(store)
    broken = MarkRow("default", "s:1", b"\x01", None)  # type: ignore[arg-type]
    with pytest.raises((IntegrityError, ValidationError)):
        await owner.commit(AgingChanges(tickets=[a_ticket("s:1")], marks=[broken]))
    assert await store.ticket("default", "s:1") is None
    assert [] == await store.clocks()
    await owner.commit(AgingChanges())
    assert [(0, 1_000_000, 1)] == await store.clocks()


async def test_a_commit_with_a_stale_epoch_changes_nothing_and_says_so(store: Store) -> None:
    former = await Owner.of(store)
    await former.commit(AgingChanges(tickets=[a_ticket("s:1")]))
    present = await Owner.of(store)
    with pytest.raises(NotOwner):
        await former.commit(AgingChanges(tickets=[a_ticket("s:1", queue="second"), a_ticket("s:2")]))
    assert a_ticket("s:1") == await store.ticket("default", "s:1")
    assert await store.ticket("default", "s:2") is None
    assert 1 == present.position


@few
@given(row=ticket_rows(), later=ticket_rows())
async def test_a_ticket_is_read_back_as_it_was_written(
    store: Store, row: TicketRow, later: TicketRow
) -> None:
    owner = await Owner.of(store)
    row = row._replace(tenant=next(tenants))
    await owner.commit(AgingChanges(tickets=[row]))
    assert row == await store.ticket(row.tenant, row.ticket)
    later = later._replace(tenant=row.tenant, ticket=row.ticket)
    await owner.commit(AgingChanges(tickets=[later]))
    assert {(row.tenant, row.ticket): later} == await store.load_tickets([(row.tenant, row.ticket)])


async def test_numbers_are_kept_up_to_the_ends_of_64_bits(store: Store) -> None:
    row = a_ticket(created_us=INT64_MIN, aged_from_us=INT64_MIN, left_us=INT64_MAX, version=INT64_MAX)
    await (await Owner.of(store)).commit(AgingChanges(tickets=[row]))
    assert row == await store.ticket("default", row.ticket)


@few
@given(marks=st.dictionaries(BYTES, BYTES, min_size=1, max_size=8), ticket=TEXTS)
async def test_marks_come_back_whole_and_in_the_order_of_their_bytes(
    store: Store, marks: dict[bytes, bytes], ticket: str
) -> None:
    tenant = next(tenants)
    rows = [MarkRow(tenant, ticket, order, body) for order, body in marks.items()]
    await (await Owner.of(store)).commit(AgingChanges(marks=rows))
    assert sorted(rows) == await store.marks(tenant, ticket)
    assert {(tenant, ticket): sorted(rows)} == await store.load_marks([(tenant, ticket)])


async def test_a_mark_that_is_there_is_left_alone(store: Store) -> None:
    owner = await Owner.of(store)
    await owner.commit(AgingChanges(marks=[MarkRow("default", "s:1", b"\x01", b"first")]))
    again = [MarkRow("default", "s:1", b"\x01", b"again"), MarkRow("default", "s:1", b"\x02", b"new")]
    await owner.commit(AgingChanges(marks=again))
    assert [b"first", b"new"] == [mark.body for mark in await store.marks("default", "s:1")]


async def test_of_a_mark_that_is_rewritten_nothing_stays_whether_or_not_it_is_there(store: Store) -> None:
    owner = await Owner.of(store)
    kept, gone = (MarkRow("default", "s:1", b"%d" % number, b"with a name") for number in (1, 2))
    await owner.commit(AgingChanges(marks=[kept, gone]))

    erased = [gone._replace(body=b"without"), gone._replace(order=b"3", body=b"new")]
    await owner.commit(AgingChanges(marks=[gone], rewritten=erased))

    assert [kept, *erased] == await store.marks("default", "s:1")


async def test_what_stands_for_a_timeline_is_in_place_of_all_its_marks(store: Store) -> None:
    owner = await Owner.of(store)
    before = [MarkRow("default", ticket, b"%d" % n, b"body") for ticket in ("s:1", "s:2") for n in range(3)]
    await owner.commit(AgingChanges(marks=before))

    left = MarkRow("default", "s:1", b"2", b"condensed")
    await owner.commit(AgingChanges(condensed=[left]))

    assert [left] == await store.marks("default", "s:1")
    assert before[3:] == await store.marks("default", "s:2")


async def test_what_left_long_ago_comes_by_when_it_left_and_no_more_than_asked(store: Store) -> None:
    rows = [
        a_closed_ticket("s:1", left_us=5), a_closed_ticket("s:2", left_us=3), a_closed_ticket("s:3", left_us=4),
        a_closed_ticket("s:4", left_us=9), a_closed_ticket("s:5", left_us=1, partition=1), a_ticket("s:6"),
        a_closed_ticket("s:7", left_us=2, tenant="another"),
        a_closed_ticket("s:8", left_us=3)._replace(left_us=None), a_ticket("s:9", asleep=True),
    ]  # fmt: skip
    await (await Owner.of(store)).commit(AgingChanges(tickets=rows))

    first = await store.load_gone(0, before_us=9, after=("", 0, ""), limit=3)
    assert ["s:7", "s:2", "s:3"] == [row.ticket for row in first]
    rest = await store.load_gone(0, before_us=9, after=("default", 4, "s:3"), limit=3)
    assert ["s:1"] == [row.ticket for row in rest]


async def test_a_condensed_ticket_is_on_no_list_and_found_by_its_key(store: Store) -> None:
    gone = a_closed_ticket("s:1", left_us=5)._replace(left_us=None, flags=CONDENSED)
    await (await Owner.of(store)).commit(AgingChanges(tickets=[gone, a_closed_ticket("s:2", left_us=5)]))
    for wanted in (TicketFilter("default"), TicketFilter("default", open=False)):
        found = await store.find(wanted, after=None, newest_first=False, limit=9)
        assert ["s:2"] == [row.ticket for row in found]
    assert gone == await store.ticket("default", "s:1")


async def test_of_a_register_the_highest_revision_stays_and_of_one_revision_the_newest(store: Store) -> None:
    owner = await Owner.of(store)
    for revision in (2, 3, 1, 3):
        body = b"%d, %d" % (revision, owner.position)
        await owner.commit(AgingChanges(registers=[RegisterRow("default", "s:1", "s:2", revision, body)]))
    assert [RegisterRow("default", "s:1", "s:2", 3, b"3, 3")] == await store.registers("default", "s:1")


async def test_loading_a_partition_gives_its_open_and_awake_tickets(store: Store) -> None:
    rows = [
        a_ticket("s:1"),
        a_ticket("s:2", partition=1),
        a_ticket("s:3", asleep=True),
        a_closed_ticket("s:4", left_us=NOW_US),
        a_ticket("s:5", tenant="other"),
    ]
    await (await Owner.of(store)).commit(AgingChanges(tickets=rows))
    expected = [OpenRow("default", "s:1", b"body"), OpenRow("other", "s:5", b"body")]
    assert expected == await opened_tickets(store, 0)
    assert [] == await opened_tickets(store, 2)


async def test_loading_goes_on_over_many_chunks(store: Store) -> None:
    rows = [a_ticket(f"s:{number:04}") for number in range(2_500)]
    await (await Owner.of(store)).commit(AgingChanges(tickets=rows))
    assert [row.ticket for row in rows] == [row.ticket for row in await opened_tickets(store, 0)]
    found = await store.load_tickets([(row.tenant, row.ticket) for row in rows] * 2)
    assert rows == sorted(found.values())


async def test_a_ticket_follows_its_changes_into_and_out_of_the_lists(store: Store) -> None:
    owner = await Owner.of(store)
    everything = TicketFilter("default", open=True)
    for row, listed in (
        (a_ticket(asleep=True), []),
        (a_ticket(), [a_ticket()]),
        (a_closed_ticket("s:1", left_us=NOW_US), []),
        (a_ticket(aged_from_us=NOW_US, version=4), [a_ticket(aged_from_us=NOW_US, version=4)]),
    ):
        await owner.commit(AgingChanges(tickets=[row]))
        assert listed == await store.find(everything, after=None, newest_first=False, limit=9)
        assert [OpenRow(row.tenant, row.ticket, row.body) for row in listed] == await opened_tickets(store, 0)
        assert [row] * row.asleep == await store.load_asleep(0, limit=9)


async def test_sleeping_tickets_come_by_key_and_no_more_than_asked(store: Store) -> None:
    rows = [a_ticket(f"s:{number}", asleep=True, partition=number % 2) for number in (5, 3, 1, 4, 2)]
    await (await Owner.of(store)).commit(AgingChanges(tickets=rows))
    assert ["s:1", "s:3"] == [row.ticket for row in await store.load_asleep(1, limit=2)]


async def test_what_is_done_or_released_is_gone(store: Store) -> None:
    owner = await Owner.of(store)
    waiting = [
        DeferredRow(0, 9, "default", "s:1", b"\x01", b"a"),
        DeferredRow(0, 5, "b", "s:1", b"\x01", b"b"),
    ]
    failed = QuarantineRow(0, "default", "s:1", 5, "error")
    await owner.commit(AgingChanges(deferred=waiting, quarantined=[failed]))
    assert waiting[::-1] == await store.load_deferred(0)
    await owner.commit(AgingChanges(deferred_done=waiting[:1], released=[("default", "s:1"), ("b", "s:1")]))
    assert waiting[1:] == await store.load_deferred(0)
    assert [] == await store.load_quarantined(0)


async def test_within_a_batch_what_was_put_off_is_done_and_what_failed_again_stays(
    store: Store,
) -> None:
    owner = await Owner.of(store)
    waiting, failed = DeferredRow(0, 9, "a", "s:1", b"", b""), QuarantineRow(0, "a", "s:1", 5, "error")
    changes = AgingChanges(
        deferred=[waiting], deferred_done=[waiting], quarantined=[failed], released=[("a", "s:1")]
    )
    await owner.commit(changes)
    assert [] == await store.load_deferred(0)
    assert [failed] == await store.load_quarantined(0)


async def test_what_is_unknown_is_absent(store: Store) -> None:
    nobody = [("default", "s:1")]
    assert await store.ticket("default", "s:1") is None
    assert {} == await store.load_tickets(nobody) == await store.load_tickets([])
    assert {} == await store.load_marks(nobody)
    assert {} == await store.load_registers(nobody)
    assert [] == await store.marks("default", "s:1")
    assert [] == await store.group(TicketFilter("nobody"), ["queue"], edges_us=[], now_us=NOW_US)
    assert [] == await store.group(TicketFilter("nobody"), [], edges_us=[1], now_us=NOW_US)
