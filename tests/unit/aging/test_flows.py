"""Flows: counters that never go back, and whose sum is the stock."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.clock import ClockDetail
from services.aging.core.facts import Statement
from services.aging.core.flows import (
    ClockCounters,
    Counters,
    FlowBook,
    FlowKey,
    decode_flow,
    encode_flow,
)
from services.aging.core.policy import Policy, PolicyVersion, Promise
from services.aging.core.terms import Terms
from services.aging.core.ticket import Draft, Ticket
from shared.contracts.backlog import DURATION_BOUNDS_SECONDS, FactType
from shared.contracts.instants import SECOND_US
from shared.contracts.tickets import Activity, Status
from tests.unit.aging.observations import (
    END_US,
    HOUR_US,
    TENANT,
    TERMS,
    Sending,
    at,
    observations,
    seen,
    sendings,
)
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


@given(
    st.builds(FlowKey, *[st.text()] * 5),
    st.lists(st.integers(0, 2**62), min_size=10, max_size=10),
    st.dictionaries(st.text(), st.builds(ClockCounters, *[st.integers(0, 2**62)] * 4)),
)
def test_a_row_is_read_back_as_it_was_written(
    key: FlowKey, counts: list[int], clocks: dict[str, ClockCounters]
) -> None:
    written = msgspec.convert([*counts, clocks], Counters)
    assert (key, written) == decode_flow(*encode_flow(key, written))


def test_a_row_of_before_promises_were_counted_is_read_without_any() -> None:
    former = msgspec.msgpack.encode([1, 2])
    assert (KEY, Counters(1, 2)) == decode_flow(encode_flow(KEY, Counters())[0], former)


def numbers(counters: Counters) -> dict[str, int]:
    """Return every number of `counters` by its path."""
    members = msgspec.structs.asdict(counters)
    found: dict[str, int] = {name: value for name, value in members.items() if name != "clocks"}
    for clock, counts in counters.clocks.items():
        for name, value in msgspec.structs.asdict(counts).items():
            steps = enumerate(value) if isinstance(value, list) else [("", value)]
            found |= {f"{clock}.{name}{step}": count for step, count in steps}
    return found


@pytest.mark.slow
@given(TERMS, st.lists(sendings(), max_size=10))
def test_no_counter_ever_goes_back_and_their_sum_is_the_stock(terms: Terms, sent: list[Sending]) -> None:
    partition = Partition(terms)
    before: dict[FlowKey, dict[str, int]] = {}
    for sending in sent:
        clock_us = max(partition.clock_us, arrival(sending.observation, 0).mark.time_us) + sending.lag_us
        partition.take(sending.observation, clock_us=clock_us)
        now = {key: numbers(one) for key, one in partition.backlog.flows.counters.items()}
        for key, counts in before.items():
            assert all(old <= now[key][name] for name, old in counts.items())
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


# Promises.

POLICY = Policy(
    "all",
    {
        "first_response": Promise({"default": 2 * 3_600 * SECOND_US}),
        "resolution": Promise({"default": 10 * 3_600 * SECOND_US}),
    },
    label="all@1",
)
PROMISED = Terms(policies=(PolicyVersion((POLICY,)),))


def clocks(partition: Partition) -> dict[str, ClockCounters]:
    """Return the verdicts of a partition with tickets of one queue, priority and channel."""
    (counters,) = partition.backlog.flows.counters.values()
    return counters.clocks


def took(clock: str, *seconds: int) -> list[int]:
    """Return how many of `seconds` are in each bucket, the slow and obvious way."""
    bounds = (*DURATION_BOUNDS_SECONDS[clock], float("inf"))
    return [
        sum(low < one <= high for one in seconds) for low, high in zip((-1, *bounds), bounds, strict=False)
    ]


def test_a_clock_is_known_at_zero_from_its_start_on() -> None:
    partition = Partition(PROMISED)
    partition.take(seen(), clock_us=at(0))
    assert {"first_response": ClockCounters(), "resolution": ClockCounters()} == clocks(partition)


def test_verdicts_are_counted_with_how_long_they_took_by_the_wall_clock() -> None:
    partition = Partition(PROMISED)
    partition.take(seen(), clock_us=at(0))
    partition.take(seen(hours=2, activity=Activity.AGENT_MESSAGE), clock_us=at(2))
    partition.take(seen(hours=30, status=Status.SOLVED), clock_us=at(30))
    first, resolution = clocks(partition)["first_response"], clocks(partition)["resolution"]
    assert (1, 0, 2 * HOUR_US) == (first.met, first.breached, first.duration_sum_us)
    assert took("first_response", 2 * 3_600) == first.durations
    assert (0, 1, 30 * HOUR_US) == (resolution.met, resolution.breached, resolution.duration_sum_us)
    assert took("resolution", 30 * 3_600) == resolution.durations


def test_a_breach_is_counted_when_its_time_comes_and_the_end_of_it_only_in_the_durations() -> None:
    partition = Partition(PROMISED)
    partition.take(seen(), clock_us=at(0))
    partition.pass_time(at(2))
    assert 0 == clocks(partition)["first_response"].breached
    partition.pass_time(at(2) + 1)
    assert (1, []) == (
        clocks(partition)["first_response"].breached,
        clocks(partition)["first_response"].durations,
    )
    partition.take(seen(hours=90, activity=Activity.AGENT_MESSAGE), clock_us=at(90))
    after = clocks(partition)["first_response"]
    assert (0, 1, took("first_response", 90 * 3_600)) == (after.met, after.breached, after.durations)


def test_an_answer_heard_of_late_takes_a_breach_back_as_a_correction() -> None:
    partition = Partition(PROMISED)
    partition.take(seen(), clock_us=at(0))
    partition.pass_time(at(5))
    partition.take(seen(hours=1, activity=Activity.AGENT_MESSAGE), clock_us=at(6))
    after = clocks(partition)["first_response"]
    assert (1, 1, 0, 1) == (after.met, after.breached, after.met_corrected, after.breached_corrected)


def test_a_resolution_that_a_reopening_let_go_on_is_measured_again_from_its_start() -> None:
    partition = Partition(PROMISED)
    for hours, status in ((0, Status.NEW), (1, Status.SOLVED), (3, Status.IN_PROGRESS), (4, Status.SOLVED)):
        partition.take(seen(hours=hours, status=status), clock_us=at(hours))
    after = clocks(partition)["resolution"]
    assert (2, took("resolution", 3_600, 4 * 3_600), 5 * HOUR_US) == (
        after.met, after.durations, after.duration_sum_us,
    )  # fmt: skip


def test_imports_move_no_verdict_but_what_breaks_after_them_does() -> None:
    partition = Partition(PROMISED)
    partition.runs_open = True
    partition.take(seen(run="r", hours=-3), clock_us=at(0))
    partition.end_runs()
    assert {"first_response": ClockCounters(), "resolution": ClockCounters()} == clocks(partition)
    partition.pass_time(at(8))
    assert (0, 1) == (clocks(partition)["first_response"].breached, clocks(partition)["resolution"].breached)


def test_the_last_bound_belongs_to_its_bucket() -> None:
    book = FlowBook()
    bounds = DURATION_BOUNDS_SECONDS["first_response"]
    for took_us in (0, *(bound * SECOND_US for bound in bounds), bounds[-1] * SECOND_US + 1):
        detail = ClockDetail("p@1", 1, 1, started_us=7)
        draft = Draft(FactType.SLA_MET, 7 + took_us, 1, "first_response", 0, detail)
        book.judge(TENANT, TICKET, [Statement(draft, 0)], imported=False)
    assert [2, *[1] * (len(bounds) - 1), 1] == book.counters[KEY].clocks["first_response"].durations


@pytest.mark.slow
@given(TERMS, st.lists(sendings(observations(runs=False)), max_size=10))
def test_verdicts_without_their_corrections_are_the_facts_that_stand(
    terms: Terms, sent: list[Sending]
) -> None:
    partition = Partition(terms)
    for sending in sent:
        clock_us = max(partition.clock_us, arrival(sending.observation, 0).mark.time_us) + sending.lag_us
        partition.take(sending.observation, clock_us=clock_us)
    standing: dict[str, int] = {}
    for _, (kind, name, _, _) in partition.standing():
        if kind in {FactType.SLA_MET.value, FactType.SLA_BREACHED.value}:
            standing[f"{name} {kind}"] = standing.get(f"{name} {kind}", 0) + 1
    counted: dict[str, int] = {}
    for counters in partition.backlog.flows.counters.values():
        for name, clock in counters.clocks.items():
            for verdict in ("met", "breached"):
                net = getattr(clock, verdict) - getattr(clock, f"{verdict}_corrected")
                counted[f"{name} sla.{verdict}"] = counted.get(f"{name} sla.{verdict}", 0) + net
    assert standing == {name: count for name, count in counted.items() if count}
