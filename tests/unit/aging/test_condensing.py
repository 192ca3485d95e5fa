"""What retention leaves of a ticket that left long ago: enough that no later news mistakes it for a new one."""

from __future__ import annotations

import pytest

from services.aging.core.condensing import condensed, is_condensable
from services.aging.core.ticket import Ticket
from shared.contracts.tickets import Activity, Actor, Observation, Priority, Status
from tests.unit.aging.observations import TENANT, at, seen
from tests.unit.aging.partitions import Partition, Partitions

ID = (TENANT, "desk:1")
OPENED = seen(
    hours=0, requester="kim@shop.example", subject="My pension", url="https://desk.example/1", assignee="ann",
    queue="first", priority=Priority.P1, tags=("vip",),
)  # fmt: skip
SOLVED = seen(hours=2, status=Status.SOLVED)
NOTE = seen(hours=3, subject="My pension, noted")
AFTER = at(100)


def condensed_after(*observations: Observation) -> Partition:
    partition = Partition()
    for observation in observations:
        partition.take(observation, clock_us=at(10))
    outcome = partition.condense(AFTER)
    assert [] == outcome.stated
    partition.check()
    return partition


def test_the_last_state_and_one_mark_without_content_are_left() -> None:
    partition = condensed_after(OPENED, SOLVED, NOTE)

    ticket = partition.ticket(ID)
    assert ("solved", "first", "p1", ("vip",), at(0), at(2)) == (
        ticket.status, ticket.queue, ticket.priority, ticket.tags, ticket.created_us, ticket.left_us,
    )  # fmt: skip
    assert 1 == len(partition.marks[ID])
    kept = b"".join([partition.rows[ID] or b"", *partition.marks[ID].values()])
    assert [] == [word for word in (b"kim", b"pension", b"desk.example", b"ann") if word in kept]


def test_an_open_ticket_is_never_condensed_and_a_condensed_one_not_again() -> None:
    partition = Partition()
    partition.take(OPENED, clock_us=at(10))
    assert {} == partition.condense(AFTER).condensed
    partition = condensed_after(OPENED, SOLVED)
    assert {} == partition.condense(AFTER).condensed


def test_neither_a_repeat_nor_late_nor_bare_news_opens_it_again() -> None:
    late = seen(hours=1, status=Status.IN_PROGRESS)
    older = seen(hours=-5, status=Status.NEW)
    bare = seen(hours=200, subject="a tag was added")
    partition = condensed_after(OPENED, SOLVED, NOTE)
    for observation in (OPENED, SOLVED, NOTE, late, older, bare):
        partition.take(observation, clock_us=at(300))
        partition.check()
        assert "solved" == partition.ticket(ID).status


def test_a_repeat_of_its_last_observation_is_one_still() -> None:
    partition = condensed_after(OPENED, SOLVED)
    outcome = partition.take(SOLVED, clock_us=at(11))
    assert (1, {}) == (outcome.repeated, outcome.marks)


def test_reopened_it_goes_on_as_if_nothing_had_been_taken_away() -> None:
    again = (OPENED, SOLVED, seen(hours=3, status=Status.NEW), seen(hours=4, status=Status.CLOSED))
    reopened = seen(hours=200, status=Status.IN_PROGRESS, assignee="bob")
    whole, partition = Partition(), condensed_after(*again)
    for observation in again:
        whole.take(observation, clock_us=at(10))

    for each in (whole, partition):
        each.take(reopened, clock_us=at(200))
    partition.check()

    expected, found = whole.ticket(ID), partition.ticket(ID)
    assert (3, at(200), at(0), True) == (found.episode, found.episode_us, found.created_us, found.open)
    assert (expected.clocks, expected.due_us, expected.queue) == (found.clocks, found.due_us, found.queue)
    assert not found.condensed


def test_condensed_again_after_later_news_the_newest_state_is_left() -> None:
    partition = condensed_after(OPENED, SOLVED)
    partition.take(seen(hours=200, queue="second", requester="kim@shop.example"), clock_us=at(201))
    assert [ID] == list(partition.condense(at(400)).condensed)
    assert "second" == partition.ticket(ID).queue
    partition.restart()
    partition.check()


@pytest.mark.parametrize("activity", [Activity.SPAM, Activity.DELETED, Activity.MERGED])
def test_what_was_no_resolution_stays_none_and_can_still_be_brought_back(activity: Activity) -> None:
    ending = seen(hours=2, activity=activity)
    partition = condensed_after(OPENED, ending)
    status = partition.ticket(ID).status

    partition.take(seen(hours=1, status=Status.IN_PROGRESS), clock_us=at(300))
    assert status == partition.ticket(ID).status
    partition.take(seen(hours=400, activity=Activity.RESTORED), clock_us=at(401))
    partition.check()
    assert partition.ticket(ID).open


def test_a_merged_ticket_tells_its_survivor_nothing_new() -> None:
    world = Partitions(1)
    spoken = seen(hours=1, activity=Activity.CUSTOMER_MESSAGE, actor=Actor.CUSTOMER)
    for observation in (OPENED, spoken, seen("desk:2", 1), seen(hours=2, merged_into="desk:2")):
        world.take(observation, clock_us=at(10))
        world.settle()
    told = len(world.said)
    partition = world.all[0]
    assert [ID] == list(partition.condense(AFTER).condensed)

    world.take(seen(hours=200, queue="second"), clock_us=at(300))
    world.settle()

    world.check()
    assert "second" == partition.ticket(ID).queue
    assert told == len(world.said)


def test_a_cycle_of_merges_keeps_the_ticket_that_ignores_its_link() -> None:
    assert not is_condensable(Ticket("desk", 0, status="solved", ignores_link=True))


def test_a_ticket_that_was_brought_back_after_a_deletion_has_no_content_to_lose() -> None:
    partition = Partition()
    for observation in (OPENED, seen(hours=1, activity=Activity.DELETED),
                        seen(hours=2, activity=Activity.RESTORED), seen(hours=3, status=Status.SOLVED)):  # fmt: skip
        partition.take(observation, clock_us=at(10))
    assert {} == partition.condense(AFTER).condensed


def test_what_is_condensed_is_a_copy() -> None:
    ticket = Ticket("desk", 0, last_order=b"\x00" * 26, status="solved", shown="solved", subject="x")
    condensed(ticket)
    assert "x" == ticket.subject
