"""Is there any order, split or repetition of observations that leads to another backlog?"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from services.aging.core.batch import Arrival
from services.aging.core.terms import Terms
from shared.contracts.tickets import Observation
from tests.unit.aging.observations import (
    END_US,
    HOUR_US,
    KEYS,
    START_US,
    TERMS,
    Sending,
    observations,
    seen,
    sendings,
)
from tests.unit.aging.partitions import Partition, Partitions, arrival

pytestmark = pytest.mark.slow


def replay(sent: Sequence[Sending], terms: Terms, *, imports: bool = False) -> Partitions:
    """Send everything through one partition, in the order and batches given, and let time pass."""
    world = Partitions(1, terms)
    partition = world.all[0]
    partition.runs_open = imports
    batch: list[Arrival] = []
    clock_us = START_US - 300 * HOUR_US
    for sending in sent:
        time_us = arrival(sending.observation, 0).mark.time_us
        clock_us = max(clock_us, time_us - sending.ahead_us) + sending.lag_us
        batch.append(arrival(sending.observation, clock_us, len(batch)))
        if sending.splits:
            send(world, partition, batch)
            batch = []
            if sending.restarts:
                partition.restart()
    send(world, partition, batch)
    if imports:
        partition.end_runs()
        world.collect()
        world.settle()
        partition.check()
    world.pass_time(END_US)
    world.check()
    return world


def send(world: Partitions, partition: Partition, batch: Sequence[Arrival]) -> None:
    partition.fold(batch)
    assert not partition.refused
    world.collect()
    partition.check()


# Few tickets most of the time: then their observations meet each other, and their timers.
SENDINGS = st.one_of(sendings(observations(KEYS[:1])), sendings(observations(KEYS[:2])), sendings())


@settings(max_examples=200)
@given(st.data(), st.lists(SENDINGS, max_size=10), TERMS)
def test_order_repeats_batches_and_sleep_change_nothing(
    data: DataObject, sent: list[Sending], terms: Terms
) -> None:
    first = replay(sorted(sent, key=lambda one: one.observation.time), terms)
    again = [*sent, *data.draw(st.lists(st.sampled_from(sent), max_size=4))] if sent else []
    travels = data.draw(st.lists(SENDINGS, min_size=len(again), max_size=len(again)))
    shuffled = [
        travel._replace(observation=one.observation)
        for one, travel in zip(data.draw(st.permutations(again)), travels, strict=True)
    ]
    second = replay(shuffled, terms, imports=data.draw(st.booleans()))
    assert first.result() == second.result()


MERGE_KEYS = ("desk:1", "desk:2", "desk:3", "desk:4", "desk:5", "desk:6")
LINKINGS = st.builds(
    lambda key, into, hours: seen(key, hours, merged_into=into),
    st.sampled_from(MERGE_KEYS),
    st.sampled_from([*MERGE_KEYS, None]),
    st.integers(0, 30),
)


@settings(max_examples=200)
@given(st.data(), st.lists(LINKINGS, min_size=2, max_size=12), st.integers(1, 3))
def test_merges_over_partitions_come_to_the_same_rest_however_they_hear_of_each_other(
    data: DataObject, linkings: list[Observation], count: int
) -> None:
    expected = told_in_order(linkings)
    world = Partitions(count)
    for linking in data.draw(st.permutations(linkings)):
        world.take(linking, clock_us=END_US)
        for _ in range(data.draw(st.integers(0, 3))):
            if world.wire:
                world.deliver(data.draw(st.integers(0, len(world.wire) - 1)), keep=data.draw(st.booleans()))
    while world.wire:
        assert len(world.said) < 500, "partitions tell each other without end"
        world.deliver(data.draw(st.integers(0, len(world.wire) - 1)))
    for told in data.draw(st.lists(st.sampled_from(world.said), max_size=4)) if world.said else ():
        world.wire.append(told)
    world.settle()
    world.check()
    assert expected.result() == world.result()


def told_in_order(linkings: Sequence[Observation]) -> Partitions:
    world = Partitions(1)
    for linking in linkings:
        world.take(linking, clock_us=END_US)
        world.settle()
    world.check()
    return world


@settings(max_examples=60)
@given(st.data(), st.lists(SENDINGS, max_size=10), TERMS)
def test_whatever_comes_after_retention_no_count_goes_wrong_and_nothing_is_told_of_it(
    data: DataObject, sent: list[Sending], terms: Terms
) -> None:
    world = replay(sent, terms)
    partition = world.all[0]
    before = {id_: ticket.open for id_, ticket in world.awake().items()}
    stated = len(partition.turns)
    gone = partition.condense(END_US).condensed
    partition.check()
    assert before == {id_: ticket.open for id_, ticket in world.awake().items()}
    assert len(partition.turns) == stated
    if data.draw(st.booleans()):
        partition.restart()
    # All of it again, in any order: each is known, or older than what is left.
    for sending in data.draw(st.permutations(sent)):
        send(world, partition, [arrival(sending.observation, END_US)])
    reopened = {id_ for id_ in gone if world.awake()[id_].open}
    assert set() == reopened
