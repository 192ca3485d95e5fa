"""What aging's store promises its worker and its API: simulated, on SQLite and on a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import ValidationError
from sqlalchemy.exc import IntegrityError

from services.aging.adapters.sql import MIGRATIONS, SqlAgingStore
from services.aging.core.attention import CONDENSED
from services.aging.ports import (
    AgingChanges,
    AgingQueries,
    AgingStore,
    Cursor,
    DeferredRow,
    FlowRow,
    MarkRow,
    Moved,
    OpenRow,
    QuarantineRow,
    RegisterRow,
    TicketFilter,
    TicketGroup,
    TicketGroups,
    TicketRow,
)
from shared.runtime.port import NotOwner, StoreMisconfigured
from shared.sql.engine import opened
from shared.sql.migrate import upgrade
from tests.contract.aging_rows import (
    BYTES,
    DAY_US,
    INT64_MAX,
    INT64_MIN,
    NOW_US,
    TEXTS,
    Owner,
    a_closed_ticket,
    a_ticket,
    recount,
    ticket_rows,
)
from tests.simulation.point import go_on
from tests.simulation.stores.aging import SimulatedAgingStore
from tests.simulation.stores.aging_database import AgingDatabase

pytestmark = pytest.mark.asyncio
few = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
tenants = (f"tenant {number}" for number in count())
"""One for each example, which then sees nothing of the others."""


class Store(AgingStore, AgingQueries, Protocol):
    """Both sides, which one class keeps."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return address_of(request, tmp_path)


@pytest_asyncio.fixture(params=["simulated", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "simulated":
        yield SimulatedAgingStore(AgingDatabase(lambda: NOW_US // 1_000), go_on)
        return
    url = address_of(request, tmp_path)
    async with opened(url) as engine:
        await upgrade(engine, MIGRATIONS)
    async with SqlAgingStore.open(url) as store:
        yield store


def address_of(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of this test."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/aging.db"
    address: str = request.getfixturevalue("postgres_url")
    return address


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


async def pages(store: Store, wanted: TicketFilter, *, newest_first: bool, limit: int) -> list[TicketRow]:
    found: list[TicketRow] = []
    after: Cursor | None = None
    while page := await store.find(wanted, after=after, newest_first=newest_first, limit=limit):
        assert len(page) <= limit
        found.extend(page)
        after = Cursor(page[-1].aged_from_us, page[-1].ticket)
    return found


stocks = st.lists(
    st.builds(
        lambda days, queue, priority, assignee, status, asleep: a_ticket(
            created_us=NOW_US - days * DAY_US // 2, aged_from_us=NOW_US - days * DAY_US // 2,
            queue=queue, priority=priority, assignee=assignee, asleep=asleep,
            status=status, open=status != "solved", left_us=None if status != "solved" else NOW_US - DAY_US,
        ),
        st.integers(0, 6), st.sampled_from(["", "first", "Zweite", "ä"]), st.sampled_from(["p1", "p2"]),
        st.sampled_from(["", "ann"]), st.sampled_from(["new", "waiting", "solved"]), st.booleans(),
    ),
    max_size=30,
)  # fmt: skip


async def stocked(store: Store, stock: Sequence[TicketRow]) -> tuple[str, list[TicketRow]]:
    tenant = next(tenants)
    rows = [row._replace(tenant=tenant, ticket=f"s:{place}") for place, row in enumerate(stock)]
    await (await Owner.of(store)).commit(AgingChanges(tickets=rows))
    return tenant, rows


@few
@given(
    stock=stocks,
    limit=st.integers(1, 7),
    newest_first=st.booleans(),
    open=st.sampled_from([True, False, None]),
)
async def test_pages_follow_each_other_without_gap_or_repeat(
    store: Store, stock: list[TicketRow], limit: int, newest_first: bool, open: bool | None
) -> None:
    tenant, rows = await stocked(store, stock)
    rows = [row for row in rows if not row.asleep and (open is None or row.open is open)]
    rows.sort(key=lambda row: (row.aged_from_us, row.ticket), reverse=newest_first)
    wanted = TicketFilter(tenant, open=open)
    assert rows == await pages(store, wanted, newest_first=newest_first, limit=limit)


@few
@given(
    stock=stocks,
    queues=st.sets(st.sampled_from(["", "first", "ä"])),
    by=st.permutations(["queue", "priority"]),
)
async def test_groups_are_what_counting_the_rows_gives(
    store: Store, stock: list[TicketRow], queues: set[str], by: list[str]
) -> None:
    tenant, rows = await stocked(store, stock)
    edges = [DAY_US, 2 * DAY_US]
    wanted = TicketFilter(tenant, open=True, dimensions=(("queue", tuple(sorted(queues))),))
    counted = [row for row in rows if row.open and not row.asleep and (not queues or row.queue in queues)]
    groups = await store.group(wanted, by, edges_us=edges, now_us=NOW_US)
    assert recount(counted, by, edges) == {group.values: group for group in groups}
    whole = await store.group(wanted, [], edges_us=edges, now_us=NOW_US)
    assert recount(counted, [], edges) == {group.values: group for group in whole}


async def test_a_list_is_narrowed_by_columns_and_by_age(store: Store) -> None:
    young = a_ticket("s:1", aged_from_us=NOW_US - 1, duplicate_group=7)
    old = a_ticket("s:2", aged_from_us=NOW_US - DAY_US, job=INT64_MIN)
    other = a_ticket("s:3", queue="second", aged_from_us=NOW_US - 2 * DAY_US)
    await (await Owner.of(store)).commit(AgingChanges(tickets=[young, old, other]))
    for expected, wanted in (
        ([old, young], TicketFilter("default", dimensions=(("queue", ("first",)),))),
        ([other, old, young], TicketFilter("default", dimensions=(("queue", ("first", "second")),))),
        ([], TicketFilter("default", dimensions=(("queue", ("first",)), ("priority", ("p1",))))),
        ([other, old], TicketFilter("default", created_before_us=NOW_US - DAY_US)),
        ([young], TicketFilter("default", created_after_us=NOW_US - DAY_US)),
        ([old], TicketFilter("default", groups=(("job", (7, INT64_MIN)),))),
        ([], TicketFilter("default", groups=(("job", (7,)), ("duplicate_group", (7,))))),
        ([], TicketFilter("nobody")),
    ):
        assert expected == await store.find(wanted, after=None, newest_first=False, limit=9)


async def test_the_living_of_an_instant_are_those_created_and_not_yet_gone(store: Store) -> None:
    at_us = NOW_US - 10 * DAY_US
    born = {"created_us": at_us, "aged_from_us": NOW_US}
    living = [a_ticket("s:1", **born), a_closed_ticket("s:2", left_us=at_us + 1, **born)]
    others = [
        a_ticket("s:3", created_us=at_us + 1),
        a_closed_ticket("s:4", left_us=at_us, created_us=0),
        a_ticket("s:5", asleep=True, **born),
        a_ticket("s:6", tenant="other", **born),
        a_closed_ticket("s:7", left_us=at_us + 1, asleep=True, **born),
    ]
    await (await Owner.of(store)).commit(AgingChanges(tickets=living + others))
    found = [row async for chunk in store.alive_at(TicketFilter("default"), at_us) for row in chunk]
    assert living == sorted(found)


async def test_movement_counts_what_came_and_what_left_since(store: Store) -> None:
    since_us = NOW_US - DAY_US
    rows = [
        a_ticket("s:1", created_us=since_us),
        a_ticket("s:2", created_us=since_us + 1),
        a_ticket("s:3", created_us=since_us + 1, queue="second"),
        a_closed_ticket("s:4", created_us=since_us + 1, left_us=since_us + 2),
        a_closed_ticket("s:5", created_us=0, left_us=since_us + 1),
        a_closed_ticket("s:6", created_us=0, left_us=since_us),
        a_ticket("s:7", created_us=since_us + 1, asleep=True),
        a_ticket("s:8", created_us=since_us + 1, tenant="other"),
        a_ticket("s:9", created_us=0, left_us=since_us + 1),
    ]
    await (await Owner.of(store)).commit(AgingChanges(tickets=rows))
    expected = [Moved("first", "new", 1, 0), Moved("first", "solved", 1, 2), Moved("second", "new", 1, 0)]
    assert expected == sorted(await store.moved("default", since_us=since_us))
    assert [] == await store.moved("nobody", since_us=0)


async def test_the_notes_of_all_partitions_are_those_last_committed(store: Store) -> None:
    first, second = await Owner.of(store, 1), await Owner.of(store, 2)
    await first.commit(AgingChanges(), note=b"old")
    await first.commit(AgingChanges(), note=b"new")
    await second.commit(AgingChanges(), note=b"other")
    found = await store.notes()
    assert {1: b"new", 2: b"other"} == {partition: found[partition] for partition in (1, 2)}


async def test_what_an_order_is_made_from_is_each_ticket_of_the_list_once(store: Store) -> None:
    owner, tenant = await Owner.of(store), next(tenants)
    rows = [a_ticket(f"s:{number}", tenant=tenant, body=b"%d" % number) for number in range(3)]
    rows += [
        a_ticket("s:other queue", tenant=tenant, queue="second"),
        a_closed_ticket("s:closed", tenant=tenant, left_us=NOW_US),
        a_ticket("s:asleep", tenant=tenant, asleep=True, open=False),
        a_ticket("s:0", tenant=next(tenants)),
    ]
    await owner.commit(AgingChanges(tickets=rows))
    wanted = TicketFilter(tenant, open=True, dimensions=(("queue", ("first",)),))
    found = [row async for chunk in store.bodies(wanted) for row in chunk]
    assert [(0, f"s:{number}", b"%d" % number) for number in range(3)] == sorted(found)


grouped = st.lists(
    st.builds(
        lambda days, queue, group, job, asleep, left: a_ticket(
            aged_from_us=NOW_US - days * DAY_US, queue=queue, duplicate_group=group, job=job, asleep=asleep,
            open=not left, left_us=NOW_US if left else None,
        ),
        st.integers(0, 3), st.sampled_from(["", "first"]), st.sampled_from([None, INT64_MIN, -1]),
        st.sampled_from([None, 0, 1, INT64_MAX]), st.booleans(), st.booleans(),
    ),
    max_size=30,
)  # fmt: skip


def sized(rows: Sequence[TicketRow], by: str) -> list[TicketGroup]:
    """The groups of `rows`, counted the plain way, the largest first."""
    groups: dict[int, list[TicketRow]] = {}
    for row in rows:
        if (group := getattr(row, by)) is not None:
            groups.setdefault(group, []).append(row)
    found = []
    for group, members in groups.items():
        oldest = min(members, key=lambda row: (row.aged_from_us, row.ticket))
        found.append(TicketGroup(group, len(members), oldest.aged_from_us, oldest.ticket))
    return sorted(found, key=lambda each: (-each.tickets, each.oldest_us, each.id))


@few
@given(stock=grouped, by=st.sampled_from(["duplicate_group", "job"]))
async def test_the_size_of_a_group_is_how_many_open_and_awake_tickets_share_it(
    store: Store, stock: list[TicketRow], by: str
) -> None:
    tenant, rows = await stocked(store, stock)
    sizes = {
        each.id: each.tickets for each in sized([row for row in rows if row.open and not row.asleep], by)
    }
    assert sizes == await store.group_sizes(tenant, by, [INT64_MIN, -1, 0, 1, 2, INT64_MAX])
    assert {id_: size for id_, size in sizes.items() if id_ == 1} == await store.group_sizes(tenant, by, [1])
    assert {} == await store.group_sizes(next(tenants), by, [1]) == await store.group_sizes(tenant, by, [])


@few
@given(
    stock=grouped,
    by=st.sampled_from(["duplicate_group", "job"]),
    at_least=st.integers(1, 4),
    limit=st.integers(1, 3),
    queues=st.sampled_from([(), ("first",)]),
)
async def test_the_largest_groups_come_first_with_their_oldest_tickets_and_what_all_come_to(
    store: Store, stock: list[TicketRow], by: str, at_least: int, limit: int, queues: tuple[str, ...]
) -> None:
    tenant, rows = await stocked(store, stock)
    counted = [row for row in rows if row.open and not row.asleep and (not queues or row.queue in queues)]
    groups = [each for each in sized(counted, by) if each.tickets >= at_least]
    expected = TicketGroups(groups[:limit], len(groups), sum(each.tickets for each in groups))
    wanted = TicketFilter(tenant, open=True, dimensions=(("queue", queues),))
    assert expected == await store.largest_groups(wanted, by, at_least=at_least, limit=limit)


async def test_of_groups_of_one_size_the_one_with_the_oldest_ticket_comes_first_then_the_smaller_id(
    store: Store,
) -> None:
    rows = [
        a_ticket(f"s:{number}", job=job, aged_from_us=NOW_US - age_us)
        for number, (job, age_us) in enumerate(
            [(1, 5), (1, 6), (2, 7), (2, 1), (-4, 6), (-4, 5), (0, 6), (3, 9)]
        )
    ]
    await (await Owner.of(store)).commit(AgingChanges(tickets=rows))
    found = await store.largest_groups(TicketFilter("default", open=True), "job", at_least=1, limit=4)
    assert [
        TicketGroup(2, 2, NOW_US - 7, "s:2"),
        TicketGroup(-4, 2, NOW_US - 6, "s:4"),
        TicketGroup(1, 2, NOW_US - 6, "s:1"),
        TicketGroup(3, 1, NOW_US - 9, "s:7"),
    ] == found.largest
    assert (5, 8) == (found.groups, found.tickets)


async def test_a_ticket_follows_its_changes_from_group_to_group(store: Store) -> None:
    owner = await Owner.of(store)
    for job, sizes in ((1, {1: 1}), (2, {2: 1}), (None, {})):
        await owner.commit(AgingChanges(tickets=[a_ticket(job=job)]))
        assert sizes == await store.group_sizes("default", "job", [1, 2])
