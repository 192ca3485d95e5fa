"""Tickets that leave by another way than a resolution. Rows "Merge of duplicates" and "Spam / deleted"."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from shared.contracts.instants import to_us
from shared.contracts.tickets import Activity, Observation
from tests.unit.aging.observations import END_US, seen
from tests.unit.aging.partitions import Partitions
from tests.unit.aging.sla.agreed import clock, promises
from tests.unit.aging.sla.story import (
    OTHER,
    agent,
    customer,
    opened,
    opened_by_agent,
    saw,
    shows,
    solves,
    tell,
    waits,
    works,
)

THIRD = "desk:3"
ANSWERS = promises(first_response="2h", next_response="3h", resolution=clock("4h", warn="50%"))


def test_the_source_of_a_merge_is_superseded_and_never_met_or_breached() -> None:
    """Row "Merge of duplicates"; section 3, item 14: merged tickets escalate and count twice."""
    told = tell(ANSWERS, opened("Mon 09:30"), opened("Mon 09:00", of=OTHER),
                shows("Mon 10:00", of=OTHER, merged_into="desk:1"))  # fmt: skip
    assert ["Mon 09:00 started", "Mon 10:00 superseded (merged)"] == told.of("resolution", OTHER)
    assert ["Mon 09:00 started", "Mon 10:00 superseded (merged)"] == told.of("first_response", OTHER)
    assert (False, None) == (told.tickets[OTHER].past_sla, told.tickets[OTHER].due_us)


def test_the_survivor_keeps_its_own_resolution_clock() -> None:
    """Row "Merge of duplicates"."""
    told = tell(ANSWERS, opened("Mon 09:30"), opened("Mon 09:00", of=OTHER),
                shows("Mon 10:00", of=OTHER, merged_into="desk:1"))  # fmt: skip
    assert [
        "Mon 09:30 started",
        "Mon 11:30 warned (50%)",
        "Mon 13:30 breached",
    ] == told.of("resolution")


@pytest.mark.parametrize("first", [opened("Mon 09:00", of=OTHER), customer("Mon 09:00", of=OTHER)])
def test_the_survivors_first_response_counts_from_the_earliest_unanswered_message_of_both(
    first: object,
) -> None:
    """Row "Merge of duplicates": the creation of the other ticket was its customer's first message."""
    told = tell(ANSWERS, opened("Mon 09:30"), first,  # type: ignore[arg-type]  # drawn by a parameter
                shows("Mon 10:00", of=OTHER, merged_into="desk:1"))  # fmt: skip
    assert ["Mon 09:30 started", "Mon 11:00 breached"] == told.of("first_response")


def test_the_survivors_next_response_counts_from_the_earliest_unanswered_message_of_both() -> None:
    """Row "Merge of duplicates"."""
    told = tell(
        ANSWERS, opened("Mon 08:00"), agent("Mon 08:30"), opened("Mon 09:00", of=OTHER),
        customer("Mon 09:30"), shows("Mon 10:00", of=OTHER, merged_into="desk:1"), agent("Mon 11:00"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 11:00 met"] == told.of("next_response")


def test_an_answer_in_the_duplicate_is_an_answer_to_the_customer() -> None:
    """Row "Merge of duplicates": both are one conversation."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), opened("Mon 09:10", of=OTHER), agent("Mon 09:40", of=OTHER),
        shows("Mon 10:00", of=OTHER, merged_into="desk:1"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 09:40 met"] == told.of("first_response")


def test_an_outbound_duplicate_asks_nothing_of_its_survivor() -> None:
    """Row "Merge of duplicates", with row "First response": who opened the other ticket was an agent."""
    told = tell(ANSWERS, opened("Mon 09:30"), opened_by_agent("Mon 09:00", of=OTHER),
                shows("Mon 10:00", of=OTHER, merged_into="desk:1"))  # fmt: skip
    assert ["Mon 09:30 started", "Mon 11:30 breached"] == told.of("first_response")


def test_late_events_of_the_source_are_routed_to_the_survivor() -> None:
    """Row "Merge of duplicates"."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), agent("Mon 09:30"), opened("Mon 09:10", of=OTHER),
        shows("Mon 10:00", of=OTHER, merged_into="desk:1"), customer("Mon 12:00", of=OTHER),
    )  # fmt: skip
    assert ["Mon 12:00 started", "Mon 15:00 breached"] == told.of("next_response")


def test_events_of_a_source_come_along_a_chain_of_merges() -> None:
    """Row "Merge of duplicates": chain."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), agent("Mon 09:30"), opened("Mon 09:10", of=OTHER),
        opened("Mon 09:20", of=THIRD), shows("Mon 10:00", of=THIRD, merged_into=OTHER),
        shows("Mon 10:30", of=OTHER, merged_into="desk:1"), customer("Mon 12:00", of=THIRD),
    )  # fmt: skip
    assert ["Mon 12:00 started", "Mon 15:00 breached"] == told.of("next_response")


def test_in_a_cycle_of_merges_one_ticket_stays_with_its_clocks() -> None:
    """Row "Merge of duplicates": cycle guard."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), opened("Mon 09:10", of=OTHER),
        shows("Mon 10:00", of=OTHER, merged_into="desk:1"), shows("Mon 10:30", merged_into=OTHER),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 11:00 warned (50%)",
        "Mon 13:00 breached",
    ] == told.of("resolution")
    assert ["Mon 09:10 started", "Mon 10:00 superseded (merged)"] == told.of("resolution", OTHER)


def test_a_merge_undone_gives_both_their_own_clocks_back() -> None:
    """Row "Merge of duplicates", with row "Reopen after resolve": merge undone resumes."""
    told = tell(
        ANSWERS, opened("Mon 09:30"), opened("Mon 09:00", of=OTHER),
        shows("Mon 10:00", of=OTHER, merged_into="desk:1"), shows("Mon 10:30", of=OTHER, merged_into=None),
    )  # fmt: skip
    assert ["Mon 09:30 started", "Mon 11:30 breached"] == told.of("first_response")
    assert [
        "Mon 09:00 started",
        "Mon 10:00 superseded (merged)",
        "Mon 10:30 resumed (reopened)",
        "Mon 11:30 breached",
    ] == told.of("first_response", OTHER)


def test_an_outcome_that_another_lies_over_counts_as_it_was_first() -> None:
    """Row "Merge of duplicates": Frappe's source is closed and so looks resolved; here it does not."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), opened("Mon 09:10", of=OTHER),
        shows("Mon 10:00", of=OTHER, merged_into="desk:1", status="closed"),
    )  # fmt: skip
    assert "Mon 10:00 superseded (merged)" == told.of("resolution", OTHER)[-1]


@pytest.mark.parametrize("activity", [Activity.SPAM, Activity.DELETED])
def test_spam_and_deleted_tickets_are_superseded_at_that_time(activity: Activity) -> None:
    """Row "Spam / deleted": outcome void at event time, out of attainment."""
    told = tell(ANSWERS, opened("Mon 09:00"), saw("Mon 10:00", activity))
    assert ["Mon 09:00 started", "Mon 10:00 superseded (void)"] == told.of("resolution")
    assert (None, False) == (told.ticket.due_us, told.ticket.past_sla)


def test_what_comes_after_a_delete_moves_no_clock() -> None:
    """Row "Spam / deleted": a delete leaves a tombstone that ignores later observations."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), saw("Mon 10:00", Activity.DELETED), agent("Mon 10:30"),
        works("Mon 11:00"), customer("Mon 11:30"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 10:00 superseded (void)"] == told.of("first_response")


def test_a_breach_before_the_delete_stays_in_the_record() -> None:
    """Row "Spam / deleted": kept in audit. Section 3, item 21."""
    told = tell(ANSWERS, opened("Mon 09:00"), saw("Mon 12:00", Activity.DELETED))
    assert ["Mon 09:00 started", "Mon 11:00 breached", "Mon 12:00 superseded (void)"] == told.of(
        "first_response"
    )


def test_a_revived_ticket_goes_on_and_the_void_time_is_not_counted() -> None:
    """Row "Spam / deleted": revives orphans."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), saw("Mon 10:00", Activity.DELETED), saw("Fri 10:00", Activity.RESTORED),
        waits("Fri 10:10", "internal"), solves("Fri 11:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 superseded (void)",
        "Fri 10:00 resumed (reopened)",
        "Fri 11:00 met",
    ] == told.of("resolution")
    assert "2h" == told.used("resolution", "Fri 11:00 met")


KEYS = ("desk:1", "desk:2", "desk:3", "desk:4")
LINKINGS = st.builds(
    lambda key, into, hours, activity: seen(key, hours, merged_into=into, activity=activity),
    st.sampled_from(KEYS),
    st.sampled_from([*KEYS, None]),
    st.integers(0, 12),
    st.sampled_from([Activity.CUSTOMER_MESSAGE, Activity.AGENT_MESSAGE, Activity.UPDATED]),
)


@pytest.mark.slow
@settings(max_examples=100)
@given(st.data(), st.lists(LINKINGS, min_size=2, max_size=10))
def test_what_merged_tickets_tell_each_other_comes_to_the_same_rest_in_any_order(
    data: DataObject, linkings: list[Observation]
) -> None:
    """Row "Merge of duplicates": chain, cycle guard."""
    results = []
    for order in (linkings, data.draw(st.permutations(linkings))):
        world = Partitions(1, ANSWERS)
        for linking in order:
            world.take(linking, clock_us=END_US)
            world.settle()
        world.check()
        results.append(world.result())
    assert results[0] == results[1]


@pytest.mark.slow
@settings(max_examples=100)
@given(st.data(), st.lists(LINKINGS, min_size=2, max_size=10))
def test_what_merged_tickets_tell_each_other_comes_to_the_same_rest_though_their_partitions_clocks_differ(
    data: DataObject, linkings: list[Observation]
) -> None:
    expected = Partitions(2, ANSWERS)
    for linking in linkings:
        expected.take(linking, clock_us=END_US)
    expected.settle()
    world = Partitions(2, ANSWERS)
    ahead = sorted(linkings, key=lambda linking: linking.time)
    while ahead or world.wire:
        if world.wire and (not ahead or data.draw(st.booleans())):
            world.deliver(data.draw(st.integers(0, len(world.wire) - 1)))
            continue
        first = data.draw(st.sampled_from([ahead[0].ticket, ahead[-1].ticket]))
        partition = world.of(ahead[0].tenant, first)
        linking = next(one for one in ahead if world.of(one.tenant, one.ticket) is partition)
        ahead.remove(linking)
        partition.pass_time(to_us(linking.time) - 1)
        world.take(linking, clock_us=to_us(linking.time))
    while any(partition.clock_us < END_US for partition in world.all) or world.wire:
        world.pass_time(END_US)
    world.check()
    assert expected.result() == world.result()
