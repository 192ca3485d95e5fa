"""Cells against a recount, and the minimum that survives leaving tickets."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from services.aging.core.age import AgeVersion
from services.aging.core.cells import CellBook, TicketId, cell_keys, recount
from services.aging.core.clock import NEVER, Clock
from services.aging.core.ticket import Ticket
from shared.contracts.backlog import CellKind
from tests.unit.aging.observations import TENANT, at
from tests.unit.aging.partitions import cells_of

VERSION = AgeVersion(edges_seconds=(3_600, 7_200), bucket_edges_seconds=(3_600,))


class Change(NamedTuple):
    id: TicketId
    created_hour: int
    advanced_hour: int
    status: str
    queue: str
    assignee: str
    category: str
    looks: bool


CHANGES = st.builds(
    Change,
    st.sampled_from([(tenant, f"desk:{n}") for tenant in (TENANT, "other") for n in range(4)]),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from(["new", "waiting", "solved", "void"]),
    st.sampled_from(["", "first"]),
    st.sampled_from(["", "ann"]),
    st.sampled_from(["", "billing"]),
    st.booleans(),
)


def ticket(change: Change) -> Ticket:
    return Ticket(
        "desk", at(change.created_hour), status=change.status, queue=change.queue, assignee=change.assignee,
        category=change.category, advanced_us=at(change.created_hour + change.advanced_hour),
    )  # fmt: skip


@settings(max_examples=200)
@given(st.lists(CHANGES, max_size=40))
def test_cells_equal_a_recount_after_any_changes(changes: list[Change]) -> None:
    book, tickets = CellBook(VERSION), dict[TicketId, Ticket]()
    for change in changes:
        was, tickets[change.id] = tickets.get(change.id), ticket(change)
        book.move(change.id[0], was, tickets[change.id])
        if change.looks:
            assert_counted(book, tickets)
    assert_counted(book, tickets)


def assert_counted(book: CellBook, tickets: dict[TicketId, Ticket]) -> None:
    assert cells_of(recount(tickets, VERSION)) == cells_of(book)
    for key, sums in book.cells.items():
        mine = [t for id_, t in tickets.items() if t.open and key in cell_keys(id_[0], t)]
        assert len(mine) == sums.open
        assert min((t.created_us for t in mine), default=None) == book.min_start_us(key)
        buckets = [sums.open - sums.older[0], sums.older[0] - sums.older[1], sums.older[1]]
        assert all(count >= 0 for count in buckets)
        assert len(mine) == sum(buckets)
    main = sum(sums.open for key, sums in book.cells.items() if key.kind is CellKind.MAIN)
    assert main == sum(t.open for t in tickets.values()), "each open ticket is in exactly one cell"


def change(number: int = 1, **more: Any) -> Change:
    return Change((TENANT, f"desk:{number}"), 0, 0, "new", "first", "", "", looks=False)._replace(**more)


def test_only_what_changed_is_unpublished() -> None:
    book = CellBook(VERSION)
    book.move(TENANT, None, ticket(change()))
    book.unpublished.clear()
    book.move(TENANT, ticket(change()), ticket(change()))
    assert set() == book.unpublished
    book.move(TENANT, ticket(change()), ticket(change(queue="")))
    assert {"", "first"} == {key.queue for key in book.unpublished}


def test_an_emptied_cell_stays_until_its_zeros_were_published() -> None:
    book = CellBook(VERSION)
    book.move(TENANT, None, ticket(change()))
    key = next(iter(book.cells))
    book.forget_if_empty(key)
    assert key in book.cells
    book.move(TENANT, ticket(change()), ticket(change(status="solved")))
    assert (0, None) == (book.cells[key].open, book.min_start_us(key))
    book.forget_if_empty(key)
    assert {} == book.cells


def test_category_and_assignee_have_side_cells_of_their_own() -> None:
    book = CellBook(VERSION)
    book.move(TENANT, None, ticket(change(assignee="ann", category="billing")))
    assert {(CellKind.MAIN, ""), (CellKind.ASSIGNEE, "ann"), (CellKind.CATEGORY, "billing")} == {
        (key.kind, key.value) for key in book.cells
    }
    assert {0} == {sums.unowned for sums in book.cells.values()}


def test_a_ticket_that_moves_to_and_fro_leaves_no_pile_behind() -> None:
    book = CellBook(VERSION)
    places = [ticket(change(queue="first" if number % 2 else "")) for number in range(1_000)]
    later = [ticket(change(2, created_hour=1)), ticket(change(3, created_hour=2, queue=""))]
    for one in (places[0], *later):
        book.move(TENANT, None, one)
    for was, now in pairwise(places):
        book.move(TENANT, was, now)
    assert max(len(sums._starts) + len(sums._gone) for sums in book.cells.values()) < 200
    assert [at(0), at(2)] == sorted(sums.min_start_us() or 0 for sums in book.cells.values())


def test_age_counts_from_the_episode_where_that_is_asked_for() -> None:
    book = CellBook(AgeVersion(from_episode=True))
    reopened = Ticket("desk", at(0), status="new", episode=2, episode_us=at(30), advanced_us=at(31))
    book.move(TENANT, None, reopened)
    sums = next(iter(book.cells.values()))
    assert (at(30), 0) == (sums.start_sum_us, sums.older[0])


def test_tickets_without_a_promise_or_an_opening_are_counted_apart() -> None:
    book = CellBook(AgeVersion())
    bare = Ticket("desk", 0, episode=1)
    never = Ticket("desk", 0, episode=1, policy="all@1")
    never.clocks = [Clock("resolution", 1, "all@1", 5, 0, since_us=0, deadline_us=NEVER)]
    book.move("acme", None, bare)
    book.move("acme", None, never)
    assert (1, 1) == (book.no_policy, book.no_opening)
    book.move("acme", bare, never)
    assert (0, 2) == (book.no_policy, book.no_opening)
    book.move("acme", never, None)
    assert (0, 1) == (book.no_policy, book.no_opening)
