"""What aging's store promises its API: simulated, on SQLite and on a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from services.aging.ports import (
    AgingChanges,
    Cursor,
    Moved,
    TicketFilter,
    TicketGroup,
    TicketGroups,
    TicketRow,
)
from tests.contract.aging_rows import (
    DAY_US,
    INT64_MAX,
    INT64_MIN,
    NOW_US,
    Owner,
    a_closed_ticket,
    a_ticket,
    recount,
)
from tests.contract.aging_stores import Store, aging_store, few, tenants

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["simulated", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with aging_store(request, tmp_path) as store:
        yield store


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
