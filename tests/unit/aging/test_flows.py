"""Flows: counters that never go back, and whose sum is the stock."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.flows import Counters, FlowBook, FlowKey, decode_flow, encode_flow
from services.aging.core.ticket import Draft, Ticket
from shared.contracts.backlog import FactType
from shared.contracts.tickets import Status
from tests.unit.aging.observations import END_US, TENANT, Sending, at, seen, sendings
from tests.unit.aging.partitions import Partition, arrival

TICKET = Ticket("desk", 0, queue="first", priority="p1", channel="web")
KEY = FlowKey(TENANT, "desk", "first", "p1", "web")
ENTERED = [Draft(kind, 0, 1, flow=1) for kind in (FactType.OPENED, FactType.REOPENED)]
LEFT = [
    Draft(kind, 0, 1, flow=-1)
    for kind in (FactType.SOLVED, FactType.CLOSED, FactType.MERGED, FactType.VOIDED)
]


def test_each_movement_has_its_counter() -> None:
    book = FlowBook()
    book.move(TENANT, TICKET, [*ENTERED, *LEFT], (), imported=False)
    assert {KEY: Counters(1, 1, 1, 1, 1, 1)} == book.counters
    assert -2 == book.net(TENANT)
    assert 0 == book.net("other")
    assert {KEY} == book.unsaved == book.unpublished


def test_what_did_not_happen_is_corrected_in_the_other_direction() -> None:
    book = FlowBook()
    book.move(TENANT, TICKET, (), [*ENTERED, *LEFT], imported=False)
    assert {KEY: Counters(corrected_out=2, corrected_in=4)} == book.counters


def test_imported_movements_move_the_stock_and_not_the_counters() -> None:
    book = FlowBook()
    book.move(TENANT, TICKET, [*ENTERED, LEFT[0]], [LEFT[1]], imported=True)
    assert {KEY: Counters(imported_in=3, imported_out=1)} == book.counters
    assert 2 == book.net(TENANT)


@given(st.builds(FlowKey, *[st.text()] * 5), st.lists(st.integers(0, 2**62), min_size=10, max_size=10))
def test_a_row_is_read_back_as_it_was_written(key: FlowKey, counts: list[int]) -> None:
    assert (key, Counters(*counts)) == decode_flow(*encode_flow(key, Counters(*counts)))


@given(st.lists(sendings(), max_size=10))
def test_no_counter_ever_goes_back_and_their_sum_is_the_stock(sent: list[Sending]) -> None:
    partition = Partition()
    before: dict[FlowKey, tuple[int, ...]] = {}
    for sending in sent:
        clock_us = max(partition.clock_us, arrival(sending.observation, 0).mark.time_us) + sending.lag_us
        partition.take(sending.observation, clock_us=clock_us)
        now = {key: msgspec.structs.astuple(one) for key, one in partition.backlog.flows.counters.items()}
        for key, counts in before.items():
            assert all(old <= new for old, new in zip(counts, now[key], strict=True))
        before = now
        assert 0 == partition.backlog.flow_error(TENANT)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_a_leaving_found_out_late_is_counted_under_its_own_name(order: tuple[int, ...]) -> None:
    shown = [seen(hours=0), seen(hours=1, status=Status.SOLVED), seen(hours=2, status=Status.CLOSED)]
    partition = Partition()
    for index in order:
        partition.take(shown[index], clock_us=END_US)
    counters = next(iter(partition.backlog.flows.counters.values()))
    # Backwards, three beginnings and two ways of leaving were believed in and corrected; the net is one.
    assert (0, 1) == (counters.net, counters.solved)
    assert counters.closed == (0 if order == (0, 1, 2) else 1)
    assert at(1) == partition.ticket((TENANT, "desk:1")).left_us
