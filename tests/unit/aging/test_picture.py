"""What is shown: states, cells, flows and the clock, as the contracts have them."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.age import AgePolicy, AgeVersion
from services.aging.core.cells import CellBook
from services.aging.core.flows import Counters, FlowKey
from services.aging.core.mark import mark_of
from services.aging.core.picture import Stamp, cell_of, clock_of, flow_of, state_of
from services.aging.core.terms import Terms
from shared.contracts.backlog import TicketState
from shared.contracts.instants import from_us
from shared.contracts.tickets import Activity, Observation, Priority, Status, WaitReason
from tests.unit.aging.observations import END_US, TENANT, at, observations, seen
from tests.unit.aging.partitions import derived

STAMP = Stamp(partition=3, epoch=7, version=11, clock_us=at(1))


def state(*all_seen: Observation) -> TicketState:
    ticket, _ = derived([mark_of(one) for one in all_seen], Terms(), END_US)
    ticket.version = 5
    return state_of(TENANT, "desk:1", ticket, STAMP)


def test_a_state_says_what_the_ticket_is() -> None:
    shown = state(
        seen(hours=0, status=Status.SOLVED, created_hours=-1),
        seen(
            hours=1, status=Status.WAITING, wait_reason=WaitReason.VENDOR, queue="first", priority=Priority.P1
        ),
    )
    assert (Status.WAITING, True, WaitReason.VENDOR) == (shown.status, shown.open, shown.wait_reason)
    assert (from_us(at(-1)), from_us(at(1)), 2, from_us(at(1)), None) == (
        shown.created_at, shown.updated_at, shown.episode, shown.reopened_at, shown.left_at,
    )  # fmt: skip
    assert (3, 7, 5, "first", "p1") == (
        shown.partition,
        shown.epoch,
        shown.version,
        shown.queue,
        shown.priority,
    )


def test_a_state_names_the_survivor_only_while_merged() -> None:
    assert "desk:2" == state(seen(hours=0, merged_into="desk:2")).merged_into
    undone = state(seen(hours=0, merged_into="desk:2"), seen(hours=1, activity=Activity.RESTORED))
    assert ("", None, from_us(at(1))) == (undone.merged_into, undone.left_at, undone.reopened_at)


def test_a_deleted_ticket_says_so() -> None:
    shown = state(seen(hours=0), seen(hours=1, activity=Activity.DELETED))
    assert (True, Status.VOID, from_us(at(1))) == (shown.deleted, shown.status, shown.left_at)


@given(st.lists(observations(("desk:1",)), min_size=1, max_size=6))
def test_any_ticket_has_a_state_that_can_be_sent(all_seen: list[Observation]) -> None:
    shown = state(*all_seen)
    assert shown == msgspec.json.decode(msgspec.json.encode(shown), type=TicketState)


def test_a_cell_is_shown_with_its_edges_and_an_emptied_one_as_zeros() -> None:
    version = AgeVersion(edges_seconds=(3_600, 7_200), bucket_edges_seconds=())
    book = CellBook(version)
    ticket, _ = derived([mark_of(seen(hours=0, queue="first"))], Terms(AgePolicy((version,))), at(1))
    book.move(TENANT, None, ticket)
    key = next(iter(book.cells))
    cell = cell_of(book, key, STAMP)
    assert (1, (3_600, 7_200), (1, 0), 1, at(0), at(0)) == (
        cell.open, cell.edges_seconds, cell.older, cell.unowned, cell.created_sum_us, cell.created_min_us,
    )  # fmt: skip
    assert (TENANT, "desk", "first", "new", 3, 7, 11, from_us(at(1))) == (
        cell.tenant, cell.source, cell.queue, cell.status, cell.partition, cell.epoch, cell.version, cell.at,
    )  # fmt: skip
    book.move(TENANT, ticket, derived([mark_of(seen(status=Status.CLOSED))], Terms(), at(1))[0])
    for forgets in (False, True):
        if forgets:
            book.forget_if_empty(key)
        empty = cell_of(book, key, STAMP)
        assert (0, (0, 0), 0, 0, None) == (
            empty.open, empty.older, empty.unowned, empty.created_sum_us, empty.created_min_us,
        )  # fmt: skip


def test_a_flow_and_the_clock_are_shown_as_they_stand() -> None:
    flow = flow_of(FlowKey(TENANT, "desk", "first", "p1", "web"), Counters(*range(1, 11)), STAMP)
    assert tuple(range(1, 11)) == (
        flow.opened, flow.reopened, flow.solved, flow.closed, flow.merged, flow.void,
        flow.corrected_in, flow.corrected_out, flow.imported_in, flow.imported_out,
    )  # fmt: skip
    clock = clock_of(STAMP, partitions=4, position=9, at_end=False, lateness_us=1_500_000, open_tickets=2)
    assert (3, 4, 9, False, 1.5, 2, from_us(at(1))) == (
        clock.partition, clock.partitions, clock.position, clock.at_end, clock.timer_lateness_seconds,
        clock.open, clock.at,
    )  # fmt: skip
