"""The fold of a timeline: statuses, overlays, episodes, crossings, and its two equal paths."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aging.core.batch import Dated
from services.aging.core.fold import derive, extend, extends, settle
from services.aging.core.mark import mark_of, order_of
from services.aging.core.terms import Terms
from services.aging.core.ticket import Draft, Ticket, decode_ticket, encode_ticket
from shared.contracts.backlog import FactType
from shared.contracts.tickets import Activity, Observation, Priority, Status, WaitReason
from tests.unit.aging.observations import DAY_US, END_US, START_US, TERMS, at, observations, seen
from tests.unit.aging.partitions import bare, derived

OPENED, SOLVED, CLOSED = FactType.OPENED, FactType.SOLVED, FactType.CLOSED
REOPENED, VOIDED, CROSSED = FactType.REOPENED, FactType.VOIDED, FactType.AGE_CROSSED


def fold(*all_seen: Observation, until_us: int = END_US, terms: Terms | None = None) -> Ticket:
    return derived([mark_of(one) for one in all_seen], terms or Terms(), until_us)[0]


def facts(*all_seen: Observation, until_us: int = END_US) -> list[tuple[FactType, float, int]]:
    drafts = derived([mark_of(one) for one in all_seen], Terms(), until_us)[1]
    return [(one.type, (one.at_us - START_US) / 3_600_000_000, one.flow) for one in drafts]


def stock_facts(*all_seen: Observation) -> list[tuple[FactType, float, int]]:
    return [one for one in facts(*all_seen) if one[0] is not CROSSED]


# ---------------------------------------------------------------------------------------------- laws
@settings(max_examples=150)
@given(st.lists(observations(("desk:1",)), min_size=1, max_size=9), TERMS, st.sampled_from([0, 1, 30, 100]))
def test_extending_by_a_mark_equals_deriving_with_it(
    all_seen: list[Observation], terms: Terms, lag_hours: int
) -> None:
    dated = sorted({(order_of(m := mark_of(one)), m.time_us, m.id): m for one in all_seen}.items())
    timeline = [Dated(order, mark) for (order, _, _), mark in dated]
    for size in range(1, len(timeline)):
        known, last = timeline[:size], timeline[size]
        until_us = max(known[-1].mark.time_us, START_US + lag_hours * DAY_US // 24)
        ticket, before = derive([d.mark for d in known], known[-1].order, terms=terms, until_us=until_us)
        until_us = max(until_us, last.mark.time_us)
        if not extends(ticket, last.mark, last.order, terms, until_us=until_us):
            continue
        new = extend(ticket, last.mark, last.order, terms=terms, until_us=until_us)
        marks = [d.mark for d in timeline[: size + 1]]
        expected, after = derive(marks, last.order, terms=terms, until_us=until_us)
        assert bare(expected) == bare(ticket)
        assert {(d.key, d.flow) for d in after} == {(d.key, d.flow) for d in [*before, *new]}
        assert len(after) == len(before) + len(new)


@given(st.lists(observations(("desk:1",)), min_size=1, max_size=9), TERMS)
def test_no_fact_is_drafted_twice_and_all_come_in_the_order_of_time(
    all_seen: list[Observation], terms: Terms
) -> None:
    _, drafts = derived([mark_of(one) for one in all_seen], terms, END_US)
    assert len(drafts) == len({draft.key for draft in drafts})
    assert [draft.at_us for draft in drafts] == sorted(draft.at_us for draft in drafts)


@given(st.lists(observations(("desk:1",)), min_size=1, max_size=9), TERMS)
def test_a_ticket_is_read_back_as_it_was_written(all_seen: list[Observation], terms: Terms) -> None:
    ticket, drafts = derived([mark_of(one) for one in all_seen], terms, END_US)
    ticket.turns = {draft.key: 3 for draft in drafts}
    assert ticket == decode_ticket(encode_ticket(ticket))


# -------------------------------------------------------------------------------------------- fields
def test_absent_says_nothing_and_null_clears() -> None:
    shown = seen(hours=0, queue="first", assignee="ann", priority=Priority.P1, subject="help", tags=("a",))
    ticket = fold(shown, seen(hours=1, queue=None, tags=None, assignee="bob"))
    assert ("", "bob", "p1", "help", ()) == (
        ticket.queue, ticket.assignee, ticket.priority, ticket.subject, ticket.tags,
    )  # fmt: skip


def test_a_ticket_that_never_showed_a_status_is_new() -> None:
    assert "new" == fold(seen(queue="first")).status
    assert "new" == fold(seen(hours=0, status=Status.WAITING), seen(hours=1, status=None)).status


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ([{"status": Status.WAITING}], "internal"),
        ([{"status": Status.WAITING, "wait_reason": None}], "internal"),
        ([{"status": Status.WAITING, "wait_reason": WaitReason.VENDOR}], "vendor"),
        (
            [{"status": Status.WAITING, "wait_reason": WaitReason.VENDOR}, {"status": Status.WAITING}],
            "vendor",
        ),
        ([{"status": Status.WAITING}, {"wait_reason": WaitReason.CUSTOMER}], "customer"),
        ([{"wait_reason": WaitReason.CUSTOMER}, {"status": Status.WAITING}], "internal"),
        ([{"status": Status.WAITING, "wait_reason": WaitReason.VENDOR}, {"status": Status.NEW}], ""),
        (
            [
                {"status": Status.WAITING, "wait_reason": WaitReason.VENDOR},
                {"status": Status.NEW},
                {"status": Status.WAITING},
            ],
            "internal",
        ),
    ],
)
def test_a_waiting_ticket_waits_for_whom_it_says_or_for_ourselves(
    shown: list[dict[str, Any]], expected: str
) -> None:
    assert expected == fold(*[seen(hours=n, **fields) for n, fields in enumerate(shown)]).wait_reason


def test_creation_is_the_earliest_ever_shown() -> None:
    assert at(-5) == fold(seen(hours=0), seen(hours=3, created_hours=-5)).created_us
    assert at(0) == fold(seen(hours=0, created_hours=2), seen(hours=3, created_at=None)).created_us


# ---------------------------------------------------------------------------------- outcomes and stock
def test_solving_closing_and_reopening_leave_and_enter_the_stock() -> None:
    assert [
        (OPENED, 0, 1), (SOLVED, 1, -1), (CLOSED, 2, 0), (REOPENED, 3, 1), (CLOSED, 4, -1),
    ] == stock_facts(
        seen(hours=0),
        seen(hours=1, status=Status.SOLVED),
        seen(hours=2, status=Status.CLOSED),
        seen(hours=3, status=Status.IN_PROGRESS),
        seen(hours=4, status=Status.CLOSED),
    )  # fmt: skip


def test_solved_and_reopened_within_one_tick_of_the_clock_is_open() -> None:
    ticket = fold(
        seen(hours=0), seen(hours=1, status=Status.IN_PROGRESS, id="a"), seen(hours=1, status=Status.SOLVED)
    )
    assert (True, 2, at(1)) == (ticket.open, ticket.episode, ticket.episode_us)


def test_solved_closed_and_solved_again_in_one_instant_is_solved_once() -> None:
    again = [
        seen(hours=1, sequence=number, status=status, id=str(number))
        for number, status in enumerate((Status.SOLVED, Status.CLOSED, Status.SOLVED))
    ]
    assert [(OPENED, 0, 1), (SOLVED, 1, -1), (CLOSED, 1, 0)] == stock_facts(seen(hours=0), *again)


def test_spam_is_void_over_whatever_status_is_shown_until_it_is_restored() -> None:
    shown = [seen(hours=0), seen(hours=1, activity=Activity.SPAM), seen(hours=2, status=Status.SOLVED)]
    assert ("void", [(OPENED, 0, 1), (VOIDED, 1, -1)]) == (fold(*shown).status, stock_facts(*shown))
    shown.append(seen(hours=3, activity=Activity.RESTORED))
    assert [(OPENED, 0, 1), (VOIDED, 1, -1), (SOLVED, 3, 0)] == stock_facts(*shown)


def test_a_deleted_ticket_ignores_what_comes_later_but_not_what_was_before() -> None:
    deleted = seen(hours=2, activity=Activity.DELETED, queue="second")
    ticket = fold(
        seen(hours=0), deleted, seen(hours=3, queue="third", status=Status.NEW), seen(hours=1, assignee="ann")
    )
    assert ("void", "second", "ann") == (ticket.status, ticket.queue, ticket.assignee)


def test_a_deleted_ticket_that_is_restored_opens_again() -> None:
    ticket = fold(
        seen(hours=0), seen(hours=1, activity=Activity.DELETED), seen(hours=2, activity=Activity.RESTORED)
    )
    assert (True, 2, None) == (ticket.open, ticket.episode, ticket.left_us)


def test_void_after_closed_is_told_but_leaves_the_stock_no_second_time() -> None:
    shown = (seen(hours=0, status=Status.CLOSED), seen(hours=1, activity=Activity.SPAM))
    assert [(OPENED, 0, 1), (CLOSED, 0, -1), (VOIDED, 1, 0)] == stock_facts(*shown)
    assert at(0) == fold(*shown).left_us


def test_restoring_undoes_a_merge_and_forgets_its_link() -> None:
    ticket = fold(seen(hours=0, merged_into="desk:2"), seen(hours=1, activity=Activity.RESTORED))
    assert (True, "", False) == (ticket.open, ticket.link, ticket.merged)


# ----------------------------------------------------------------------------------------- crossings
def test_a_crossing_has_its_exact_instant_and_its_episode() -> None:
    _, drafts = derived([mark_of(seen(hours=0))], Terms(), at(24))
    assert Draft(CROSSED, at(24), 1, "age.86400") == drafts[-1]
    assert 1 == len(derived([mark_of(seen(hours=0))], Terms(), at(24) - 1)[1])


@pytest.mark.parametrize(("plus_us", "crosses"), [(-1, False), (0, False), (1, True)])
def test_a_ticket_solved_exactly_at_the_edge_does_not_cross_it(plus_us: int, crosses: bool) -> None:
    solved = seen(hours=24, plus_us=plus_us, status=Status.SOLVED)
    assert crosses == (CROSSED in [fact[0] for fact in facts(seen(hours=0), solved)])


@pytest.mark.parametrize(("plus_us", "crosses"), [(-1, True), (0, True), (1, False)])
def test_a_ticket_reopened_exactly_at_the_edge_crosses_it(plus_us: int, crosses: bool) -> None:
    shown = (
        seen(hours=0),
        seen(hours=1, status=Status.SOLVED),
        seen(hours=24, plus_us=plus_us, status=Status.NEW),
    )
    assert crosses == (CROSSED in [fact[0] for fact in facts(*shown, until_us=at(25))])


def test_nothing_is_crossed_while_closed_and_age_goes_on_meanwhile() -> None:
    shown = (seen(hours=0), seen(hours=1, status=Status.SOLVED), seen(hours=60, status=Status.NEW))
    crossed = [hours for type_, hours, _ in facts(*shown, until_us=at(80)) if type_ is CROSSED]
    assert [72] == crossed


def test_the_crossings_before_a_ticket_was_first_heard_of_are_stated() -> None:
    crossed = [
        h for type_, h, _ in facts(seen(hours=0, created_hours=-50), until_us=at(1)) if type_ is CROSSED
    ]
    assert [-26, -2] == crossed


def test_waiting_pauses_no_age() -> None:
    shown = (seen(hours=0), seen(hours=1, status=Status.WAITING, wait_reason=WaitReason.CUSTOMER))
    assert (CROSSED, 24, 0) in facts(*shown)


# ------------------------------------------------------------------------------------ the timely path
def in_stock(*all_seen: Observation, until_us: int) -> Ticket:
    return fold(*all_seen, until_us=until_us)


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        (seen(hours=30), True),
        (seen(hours=25), True),
        (seen(hours=24), False),  # time brought about a crossing at that instant
        (seen(hours=23), False),
        (seen(hours=30, created_hours=-1), False),
        (seen(hours=30, created_hours=0), True),
    ],
)
def test_a_mark_extends_a_ticket_if_it_changes_nothing_before_it(mark: Observation, expected: bool) -> None:
    ticket = in_stock(seen(hours=0), until_us=at(40))
    assert expected == extends(ticket, mark_of(mark), order_of(mark_of(mark)), Terms(), until_us=at(40))


def test_a_mark_of_the_instant_at_which_a_ticket_left_does_not_extend_it() -> None:
    ticket = in_stock(seen(hours=0), seen(hours=1, sequence=1, status=Status.SOLVED), until_us=at(2))
    for hours, expected in ((1, False), (1.5, True)):
        mark = mark_of(seen(hours=hours, sequence=2))
        assert expected == extends(ticket, mark, order_of(mark), Terms(), until_us=at(2))


def test_extending_by_a_late_mark_is_a_programmers_error() -> None:
    late = mark_of(seen(hours=-1))
    with pytest.raises(AssertionError):
        extend(in_stock(seen(), until_us=at(0)), late, order_of(late), terms=Terms(), until_us=at(1))


def test_settling_works_the_next_instant_out_anew_and_moves_only_what_is_not_overdue() -> None:
    ticket = in_stock(seen(hours=0), until_us=at(1))
    ticket.due_us = at(2)  # by other edges
    settle(ticket, Terms(), until_us=at(23))
    settled = (ticket.due_us, ticket.advanced_us)
    settle(ticket, Terms(), until_us=at(30))
    assert (at(24), at(23)) == settled == (ticket.due_us, ticket.advanced_us)


def test_a_ticket_costs_no_collector_time_and_shares_its_words() -> None:
    ticket = decode_ticket(encode_ticket(fold(seen(queue="a long queue name"))))
    again = decode_ticket(encode_ticket(fold(seen(queue="a long queue name"))))
    assert ticket.queue is again.queue
    assert not Ticket.__struct_config__.gc
    assert msgspec.msgpack.decode(encode_ticket(ticket))[0] == "desk"
