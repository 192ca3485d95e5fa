"""A deletion leaves a ticket's key and its shape in time, and nothing that says who or what."""

from __future__ import annotations

from itertools import permutations

import pytest
from msgspec import UNSET

from services.aging.core import rederive
from services.aging.core.erasure import erased
from services.aging.core.mark import decode_mark, encode_mark, identity_of, mark_of, order_of
from services.aging.core.ticket import encode_ticket
from shared.contracts.backlog import FactType
from shared.contracts.tickets import Activity, Observation, Status, TicketFields
from tests.unit.aging.observations import TENANT, at, seen
from tests.unit.aging.partitions import Partition, bare

ID = (TENANT, "desk:1")
OPENED = seen(
    hours=0, requester="kim@shop.example", subject="My pension", url="https://desk.example/1", assignee="ann",
    queue="first", tags=("vip",), raw_status="Offen", status=Status.NEW,
)  # fmt: skip
TAKEN = seen(hours=1, assignee="bob", status=Status.IN_PROGRESS)
SOLVED = seen(hours=2, status=Status.SOLVED, subject="My pension, solved")
DELETED = seen(hours=3, activity=Activity.DELETED, requester="kim@shop.example")
LATE = seen(hours=1.5, requester="kim@shop.example", subject="My pension")
AFTER = seen(hours=4, requester="kim@shop.example", subject="Still my pension")
RESTORED = seen(hours=5, activity=Activity.RESTORED)
AGAIN = seen(hours=6, requester="kim@shop.example", subject="My pension", status=Status.WAITING)
WORDS = (b"kim", b"pension", b"desk.example", b"ann", b"bob")


def taken(*observations: Observation) -> Partition:
    partition = Partition()
    for observation in observations:
        partition.take(observation, clock_us=at(10))
        partition.check()
    return partition


def kept(partition: Partition) -> bytes:
    """Return every byte that is kept of tickets."""
    rows = [body or b"" for body in partition.rows.values()]
    return b"".join([*rows, *(body for marks in partition.marks.values() for body in marks.values())])


def assert_nothing_is_left(partition: Partition) -> None:
    assert [] == [word for word in WORDS if word in kept(partition)]


def test_a_deletion_takes_the_content_of_the_ticket_and_of_every_mark_before_it() -> None:
    partition = taken(OPENED, TAKEN, SOLVED)
    assert b"pension" in kept(partition)

    partition.take(DELETED, clock_us=at(10))

    assert_nothing_is_left(partition)
    assert ("void", True, True) == (
        partition.ticket(ID).status, partition.ticket(ID).deleted, partition.ticket(ID).erased,
    )  # fmt: skip


def test_what_comes_late_or_is_shown_afterwards_brings_nothing_back() -> None:
    assert_nothing_is_left(taken(OPENED, DELETED, LATE, AFTER, SOLVED, OPENED, TAKEN))


def test_an_observation_of_the_very_batch_of_the_deletion_is_erased_as_well() -> None:
    partition = taken(OPENED)
    partition.take(TAKEN, SOLVED, DELETED, AFTER, clock_us=at(10))
    partition.check()
    assert_nothing_is_left(partition)


def test_a_ticket_that_is_brought_back_counts_again_and_its_content_stays_gone() -> None:
    partition = taken(OPENED, DELETED, RESTORED, AGAIN)

    assert_nothing_is_left(partition)
    ticket = partition.ticket(ID)
    assert (True, "waiting", "first", ("vip",)) == (ticket.open, ticket.status, ticket.queue, ticket.tags)


def test_every_order_with_and_without_restarts_comes_to_the_same_ticket_marks_and_facts() -> None:
    sets = (OPENED, TAKEN, DELETED, AFTER), (OPENED, SOLVED, DELETED, RESTORED, AGAIN)
    for observations in sets:
        results = set()
        for number, order in enumerate(permutations(observations)):
            partition = Partition()
            for observation in (*order, order[0]):
                partition.take(observation, clock_us=at(10))
                if number % 2:
                    partition.restart()
            partition.check()
            assert_nothing_is_left(partition)
            marks = tuple(sorted(partition.marks[ID].items()))
            facts = frozenset(key for _, key in partition.standing())
            results.add((encode_ticket(bare(partition.ticket(ID))), marks, facts))
        assert 1 == len(results)


def test_what_was_true_of_the_ticket_stays_true_and_no_fact_is_withdrawn() -> None:
    partition = taken(OPENED, TAKEN, SOLVED)
    before = partition.standing()

    outcome = partition.take(DELETED, clock_us=at(10))

    assert [FactType.VOIDED] == [stated.statement.draft.type for stated in outcome.stated]
    assert before < partition.standing()


def test_a_repeat_of_an_erased_observation_is_one_still() -> None:
    partition = taken(OPENED, DELETED)
    outcome = partition.take(OPENED, clock_us=at(11))
    assert (1, {}, {}) == (outcome.repeated, outcome.marks, outcome.rewritten)


def test_a_repeat_dated_by_its_receipt_is_one_still_whatever_was_erased() -> None:
    first = seen(hours=1, id="m", dated_by_receipt=True, subject="My pension", status=Status.SOLVED)
    again = seen(hours=2, id="m", dated_by_receipt=True, subject="My pension", status=Status.SOLVED)
    other = seen(hours=3, id="m", dated_by_receipt=True, subject="Another", status=Status.SOLVED)
    results = {
        (encode_ticket(bare(taken(*order).ticket(ID))), len(taken(*order).standing()))
        for order in permutations((first, again, other, DELETED))
    }
    assert 1 == len(results)


def test_an_assignee_is_told_apart_within_the_ticket_and_nowhere_else() -> None:
    def name_in(ticket: str) -> object:
        mark = mark_of(seen(ticket, 0, assignee="ann"))
        return erased(ticket, mark, order_of(mark)).fields.assignee

    assert name_in("desk:1") == name_in("desk:1")
    assert name_in("desk:1") != name_in("desk:2")


def test_a_reassignment_counts_as_before() -> None:
    partition = taken(OPENED, TAKEN, DELETED, RESTORED)
    assert 1 == partition.ticket(ID).bounces


def test_why_it_was_deleted_stays_and_any_other_reason_goes() -> None:
    for activity, expected in ((Activity.DELETED, "ticket 42 of the register"), (Activity.SPAM, None)):
        mark = mark_of(
            Observation(
                tenant=TENANT, source="desk", ticket="desk:1", id="1", time=OPENED.time,
                received_at=OPENED.time, activity=activity, reason="ticket 42 of the register",
            )
        )  # fmt: skip
        assert expected == erased("desk:1", mark, order_of(mark)).reason


def test_an_erased_mark_keeps_what_sorts_and_identifies_it() -> None:
    mark = mark_of(OPENED)
    order = order_of(mark)

    gone = decode_mark(encode_mark(erased("desk:1", mark, order)))

    assert (order, identity_of(order)) == (order_of(gone), gone.identity)
    assert gone == erased("desk:1", gone, order)
    assert TicketFields(
        status=Status.NEW, raw_status="Offen", queue="first", tags=("vip",), assignee=gone.fields.assignee
    ) == gone.fields  # fmt: skip
    assert UNSET is gone.fields.subject


def test_a_sleeping_ticket_is_erased_when_it_wakes() -> None:
    partition = Partition()
    partition.runs_open = True
    imported = [seen(hours=n, run="run", subject="My pension") for n in range(2)]
    partition.take(*imported, seen(hours=3, run="run", activity=Activity.DELETED), clock_us=at(10))

    partition.end_runs()

    partition.check()
    assert_nothing_is_left(partition)


def test_a_full_ticket_has_room_for_what_erases_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rederive, "MARKS_MAX", 2)
    partition = taken(OPENED, SOLVED)

    partition.take(DELETED, clock_us=at(10))
    partition.take(
        seen(hours=7, activity=Activity.DELETED, id="again", dated_by_receipt=True), clock_us=at(10)
    )

    assert_nothing_is_left(partition)
    assert (3, ["too_many_marks"]) == (
        len(partition.marks[ID]),
        [one.reason.value for one in partition.refused],
    )
