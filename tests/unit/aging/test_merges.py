"""Merges: who ignores its own link, what is told to whom, and that telling comes to an end."""

from __future__ import annotations

from itertools import permutations

import pytest

from services.aging.core.merges import (
    LINKS_MAX,
    MESSAGES_MAX,
    cycle_of,
    decode_register,
    encode_register,
    ignores_own_link,
    known_links,
    messages_of,
)
from services.aging.core.ticket import Ticket
from shared.contracts.backlog import FactType
from shared.contracts.instants import from_us
from shared.contracts.tickets import Absorbed, Activity, Actor, MessageMark, Observation, Status, Visibility
from tests.unit.aging.observations import END_US, TENANT, at, seen
from tests.unit.aging.partitions import Partition, Partitions, arrival
from tests.unit.aging.sla.agreed import promises

SURVIVOR = (TENANT, "desk:2")


def register(ticket: str, survivor: str, revision: int = 1, **more: object) -> Absorbed:
    told = Absorbed(tenant=TENANT, ticket=ticket, survivor=survivor, revision=revision, at=from_us(at(0)))
    return told if not more else Absorbed(**{**{n: getattr(told, n) for n in told.__struct_fields__}, **more})


def told_by(observations: tuple[Observation, ...], partitions: int = 2) -> Partitions:
    world = Partitions(partitions)
    for observation in observations:
        world.take(observation, clock_us=END_US)
    world.settle()
    world.check()
    return world


def open_keys(world: Partitions) -> list[str]:
    return sorted(id_[1] for id_, ticket in world.awake().items() if ticket.open)


def test_a_merged_ticket_leaves_the_stock_by_being_merged_and_is_no_resolution() -> None:
    partition = Partition()
    partition.take(seen(hours=0), seen(hours=1, merged_into="desk:2"), clock_us=at(1))
    assert ("merged", at(1)) == (partition.ticket((TENANT, "desk:1")).status, at(1))
    counters = next(iter(partition.backlog.flows.counters.values()))
    assert (1, 1, 0, 0) == (counters.opened, counters.merged, counters.solved, counters.closed)
    partition.check()


def test_a_survivor_keeps_one_register_for_each_ticket_it_absorbed() -> None:
    world = told_by((seen("desk:1", 0, merged_into="desk:3"), seen("desk:2", 1, merged_into="desk:3")))
    kept = world.of(TENANT, "desk:3").registers[TENANT, "desk:3"]
    assert {"desk:1": False, "desk:2": False} == {ticket: one.withdrawn for ticket, one in kept.items()}


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_in_a_cycle_the_smallest_key_alone_ignores_its_link_in_whatever_order_it_is_told(length: int) -> None:
    keys = [f"desk:{number}" for number in range(1, length + 1)]
    cycle = [seen(key, 1, merged_into=keys[(n + 1) % length]) for n, key in enumerate(keys)]
    for order in permutations(cycle):
        world = told_by(order)
        assert ["desk:1"] == open_keys(world)
        assert ["desk:1"] == [id_[1] for id_, ticket in world.awake().items() if ticket.ignores_link]


def test_trees_that_hang_on_a_cycle_stay_merged() -> None:
    world = told_by(
        (
            seen("desk:0", 1, merged_into="desk:2"),
            seen("desk:00", 1, merged_into="desk:0"),
            seen("desk:2", 1, merged_into="desk:1"),
            seen("desk:1", 1, merged_into="desk:2"),
        )
    )
    assert ["desk:1"] == open_keys(world)


def test_a_cycle_that_is_broken_merges_its_smallest_key_again() -> None:
    world = told_by((seen("desk:1", 1, merged_into="desk:2"), seen("desk:2", 2, merged_into="desk:1")))
    assert ["desk:1"] == open_keys(world)
    world.take(seen("desk:2", 3, merged_into=None), clock_us=END_US)
    world.settle()
    world.check()
    assert ["desk:2"] == open_keys(world)


def test_pointing_elsewhere_withdraws_from_the_former_survivor() -> None:
    world = told_by((seen("desk:1", 1, merged_into="desk:2"), seen("desk:1", 2, merged_into="desk:3")))
    said = [(one.survivor, one.revision, one.withdrawn) for one in world.said]
    assert [("desk:2", 1, False), ("desk:2", 2, True), ("desk:3", 3, False)] == said


def test_undoing_a_merge_withdraws_it_and_brings_the_ticket_back() -> None:
    world = told_by((seen("desk:1", 1, merged_into="desk:2"), seen("desk:1", 2, activity=Activity.RESTORED)))
    assert [False, True] == [one.withdrawn for one in world.said]
    assert ["desk:1"] == open_keys(world)


def test_a_link_into_a_cycle_that_is_withdrawn_is_not_told_round_and_round() -> None:
    """Members of a cycle told each other of a link that was gone, by turns, without end."""
    world = Partitions(1)
    for observation in (
        seen("desk:2", 1, merged_into="desk:3"),
        seen("desk:1", 1, merged_into="desk:2"),
        seen("desk:1", 2, merged_into=None),
        seen("desk:3", 1, merged_into="desk:2"),
    ):
        world.take(observation, clock_us=END_US)
    world.settle()
    world.check()
    assert ["desk:1", "desk:2"] == open_keys(world)
    assert len(world.said) < 12


def test_a_withdrawn_link_of_a_tree_is_not_told_round_the_cycle_it_hangs_on() -> None:
    world = Partitions(1)
    world.take(seen("desk:3", 0, merged_into="desk:0"), clock_us=END_US)
    world.take(seen("desk:4", 1, merged_into="desk:3"), clock_us=END_US)
    world.deliver(0)
    world.take(seen("desk:2", 2, merged_into="desk:0"), clock_us=END_US)
    world.take(seen("desk:0", 3, merged_into="desk:2"), clock_us=END_US)
    world.take(seen("desk:4", 4, merged_into="desk:1"), clock_us=END_US)
    world.settle()
    world.check()
    assert ["desk:0"] == open_keys(world)


def test_merges_never_cross_tenants() -> None:
    world = Partitions(2)
    world.take(seen("desk:1", 1, merged_into="desk:2"), clock_us=END_US)
    world.take(seen("desk:2", 1, merged_into="desk:1", tenant="other"), clock_us=END_US)
    world.settle()
    world.check()
    assert [] == open_keys(world)
    assert {("acme", "desk:2"), ("other", "desk:1")} == {
        id_ for partition in world.all for id_ in partition.registers
    }


def test_the_same_register_twice_and_an_older_one_later_change_nothing() -> None:
    partition = Partition()
    partition.take(seen("desk:2", 0), clock_us=at(0))
    version = partition.ticket((TENANT, "desk:2")).version
    partition.absorb(register("desk:1", "desk:2", 2, withdrawn=True))
    partition.absorb(register("desk:1", "desk:2", 2, withdrawn=True))
    partition.absorb(register("desk:1", "desk:2", 1))
    assert partition.registers[TENANT, "desk:2"]["desk:1"].withdrawn
    assert version + 1 == partition.ticket((TENANT, "desk:2")).version


def test_a_register_waits_for_a_survivor_that_was_not_heard_of() -> None:
    partition = Partition()
    partition.absorb(register("desk:2", "desk:1", links={"desk:2": "desk:1"}), clock_us=at(0))
    assert {} == partition.rows
    partition.take(seen("desk:1", 1, merged_into="desk:2"), clock_us=at(1))
    assert partition.ticket((TENANT, "desk:1")).ignores_link


def test_a_tickets_own_link_and_its_registers_win_over_hearsay() -> None:
    registers = [
        register("desk:2", "desk:1", links={"desk:1": "desk:9", "desk:7": "desk:1", "desk:5": "desk:2"}),
        register("desk:3", "desk:1", withdrawn=True, links={"desk:8": "desk:3"}),
    ]
    assert {"desk:2": "desk:1", "desk:5": "desk:2", "desk:1": "desk:4"} == known_links(
        "desk:1", "desk:4", registers
    )
    assert {"desk:2": "desk:1", "desk:5": "desk:2"} == known_links("desk:1", "", registers)


def test_no_more_links_are_known_than_the_limit() -> None:
    many = register("desk:2", "desk:1", links={f"x:{number}": "desk:2" for number in range(LINKS_MAX + 5)})
    assert LINKS_MAX == len(known_links("desk:1", "", [many]))


def test_a_cycle_is_found_only_by_those_on_it() -> None:
    links = {"a": "b", "b": "c", "c": "a", "x": "a"}
    assert {"a": "b", "b": "c", "c": "a"} == cycle_of("b", links)
    assert {} == cycle_of("x", links)
    assert {} == cycle_of("unheard", links)
    assert [True, False, False, False] == [ignores_own_link(key, links) for key in "abcx"]
    assert ignores_own_link("self", {"self": "self"})


def test_a_survivor_hears_the_public_messages_only_the_earliest_first() -> None:
    marks = [
        seen(hours=0, activity=Activity.CUSTOMER_MESSAGE),
        seen(hours=1, activity=Activity.INTERNAL_NOTE),
        seen(hours=2, activity=Activity.AGENT_MESSAGE, actor=Actor.BOT),
        seen(hours=3, activity=Activity.AGENT_MESSAGE),
        seen(hours=4, status=Status.SOLVED),
    ]
    ticket = Ticket("desk", at(0))
    assert [
        MessageMark(from_us(at(0)), Actor.CUSTOMER),
        MessageMark(from_us(at(3)), Actor.AGENT),
    ] == messages_of(ticket, [arrival(mark, 0).mark for mark in marks])
    one = arrival(seen(activity=Activity.CUSTOMER_MESSAGE), 0).mark
    assert MESSAGES_MAX == len(messages_of(ticket, [one] * (MESSAGES_MAX + 1)))


def test_being_opened_by_its_customer_is_a_message_of_a_ticket() -> None:
    shown = arrival(seen(hours=1, created_hours=0), 0).mark
    assert [MessageMark(from_us(at(0)), Actor.CUSTOMER)] == messages_of(Ticket("desk", at(0)), [shown])


def test_a_message_that_the_customer_cannot_see_is_not_told() -> None:
    hidden = arrival(seen(activity=Activity.AGENT_MESSAGE), 0).mark
    mark = type(hidden)(0, "1", "desk", Activity.AGENT_MESSAGE, None, Visibility.INTERNAL)
    assert [] == messages_of(Ticket("desk", 0), [mark])


def test_a_register_is_read_back_as_it_was_written() -> None:
    told = register(
        "desk:1", "desk:2", links={"desk:1": "desk:2"}, messages=(MessageMark(from_us(at(1)), Actor.AGENT),)
    )
    assert told == decode_register(encode_register(told))


# ------------------------------------------------------------------- told of what is ahead of the clock
def spoken(*spoken: tuple[float, Actor]) -> tuple[MessageMark, ...]:
    return tuple(MessageMark(from_us(at(hours)), actor) for hours, actor in spoken)


def a_survivor() -> Partition:
    """Return a partition at hour 1 with a ticket of hour 0 that is to be answered within two hours."""
    partition = Partition(promises(first_response="2h", next_response="2h"))
    partition.take(seen("desk:2", 0, activity=Activity.CUSTOMER_MESSAGE), clock_us=at(1))
    return partition


def standing(partition: Partition) -> set[tuple[str, float]]:
    facts = {key for _, key in partition.standing() if key[1] == "first_response"}
    return {(kind, (at_us - at(0)) / (at(1) - at(0))) for kind, _, _, at_us in facts}


STARTED, MET = FactType.SLA_STARTED.value, FactType.SLA_MET.value
BREACHED, FINISHED = FactType.SLA_BREACHED.value, FactType.SLA_FINISHED.value


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("steps", [(5.0,), (1.25, 1.5, 1.75, 3.0, 5.0)])
def test_a_message_of_an_absorbed_ticket_ahead_of_the_clock_counts_at_its_time(
    steps: tuple[float, ...], restarts: bool
) -> None:
    """The partition of the absorbed ticket is ahead by its clock; nobody is called late over a reply that was there."""
    partition = a_survivor()
    partition.absorb(
        register("desk:1", "desk:2", messages=spoken((1.5, Actor.AGENT), (1.75, Actor.CUSTOMER)))
    )
    assert {(STARTED, 0)} == standing(partition)
    for hours in steps:
        if restarts:
            partition.restart()
        partition.pass_time(at(hours))
        partition.check()
        assert partition.truth(SURVIVOR)[0].agent_us == partition.ticket(SURVIVOR).agent_us
    assert {(STARTED, 0), (MET, 1.5)} == standing(partition)
    assert at(1.75) == partition.ticket(SURVIVOR).customer_us
    assert {} == partition.deferred
    assert not any(stands % 2 for stands in partition.turns.values()), "nothing was taken back"


def test_a_message_whose_time_comes_in_a_batch_counts_before_the_timers_of_that_batch() -> None:
    partition = a_survivor()
    told = register("desk:1", "desk:2", messages=spoken((1.5, Actor.AGENT)))
    partition.absorb(told, clock_us=at(1))
    partition.take(seen("desk:2", 4), clock_us=at(4))
    assert {(STARTED, 0), (MET, 1.5)} == standing(partition)
    partition.check()


def test_a_message_ahead_of_the_clock_reaches_a_survivor_that_is_closed() -> None:
    partition = a_survivor()
    partition.take(seen("desk:2", 1, status=Status.SOLVED), clock_us=at(1))
    partition.absorb(register("desk:1", "desk:2", messages=spoken((2, Actor.AGENT))))
    assert -1 == partition.ticket(SURVIVOR).agent_us
    partition.pass_time(at(3))
    assert at(2) == partition.ticket(SURVIVOR).agent_us
    partition.check()


def test_a_message_ahead_of_the_clock_waits_for_a_survivor_not_heard_of_and_one_that_sleeps() -> None:
    told = register("desk:1", "desk:2", messages=spoken((2, Actor.AGENT)))
    unheard = Partition()
    unheard.absorb(told, clock_us=at(1))
    unheard.pass_time(at(3))
    unheard.take(seen("desk:2", 0), clock_us=at(3))
    asleep = Partition()
    asleep.runs_open = True
    asleep.take(seen("desk:2", 0, run="run"), clock_us=at(1))
    asleep.absorb(told)
    asleep.end_runs()
    asleep.pass_time(at(3))
    for partition in (unheard, asleep):
        assert at(2) == partition.ticket(SURVIVOR).agent_us
        partition.check()


@pytest.mark.parametrize(
    ("newer", "answered"),
    [
        (register("desk:1", "desk:2", 2, withdrawn=True), set()),
        (register("desk:1", "desk:2", 2, messages=spoken((4, Actor.AGENT))), {(FINISHED, 4)}),
    ],
)
def test_of_what_waits_a_later_revision_wins(newer: Absorbed, answered: set[tuple[str, float]]) -> None:
    partition = a_survivor()
    partition.absorb(register("desk:1", "desk:2", messages=spoken((1.5, Actor.AGENT))))
    partition.absorb(newer)
    partition.pass_time(at(5))
    partition.check()
    assert {(STARTED, 0), (BREACHED, 2)} | answered == standing(partition)
    assert newer == partition.registers[SURVIVOR]["desk:1"]


def test_several_tickets_and_repeats_may_tell_of_what_is_ahead_of_the_clock() -> None:
    partition = a_survivor()
    first = register("desk:1", "desk:2", messages=spoken((1.5, Actor.AGENT)))
    other = register("desk:3", "desk:2", messages=spoken((1.5, Actor.CUSTOMER), (1.75, Actor.AGENT)))
    partition.absorb(first, other, first)
    partition.absorb(other)
    partition.pass_time(at(5))
    partition.absorb(first, other)
    partition.check()
    assert {"desk:1": first, "desk:3": other} == partition.registers[SURVIVOR]
    assert at(1.75) == partition.ticket(SURVIVOR).agent_us


def test_a_chain_hears_of_a_message_once_its_time_has_come() -> None:
    """The one in the middle tells the last; both are behind the first."""
    world = Partitions(1)
    world.take(seen("desk:3", 0), clock_us=at(1))
    world.take(seen("desk:2", 1, merged_into="desk:3"), clock_us=at(1))
    world.settle()
    world.wire.append(
        register("desk:1", "desk:2", links={"desk:1": "desk:2"}, messages=spoken((2, Actor.AGENT)))
    )
    world.settle()
    world.pass_time(at(3))
    world.all[0].check()
    assert at(2) == world.all[0].ticket((TENANT, "desk:3")).agent_us
