"""What asks for attention: when each signal begins, what ends it, and that time finds it without a sweep."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from services.aging.core.age import AgePolicy, AgeVersion
from services.aging.core.attention import Signal, names_of
from services.aging.core.cells import recount
from services.aging.core.facts import Statement, fact_of
from services.aging.core.mark import mark_of
from services.aging.core.terms import Attention, Terms
from shared.contracts.backlog import Cause, CellKind, FactType
from shared.contracts.tickets import Activity, Actor, Observation, Status, WaitReason
from tests.unit.aging.observations import DAY_US, HOUR_US, START_US, TENANT, at, seen
from tests.unit.aging.partitions import Partition, derived

SHORT: Final = Attention(
    stuck_after_us=10 * HOUR_US, stale_after_us=20 * HOUR_US, bounces=2, close_after_us=15 * HOUR_US
)
CALM: Final = Attention(1_000 * DAY_US, 1_000 * DAY_US, 1_000, 1_000 * DAY_US, escalate=False)
SIGNALS: Final = {
    FactType.ESCALATED, FactType.STUCK, FactType.STALE, FactType.BOUNCING, FactType.CLOSE_CANDIDATE,
    FactType.RELIEVED,
}  # fmt: skip
CUSTOMER: Final[dict[str, Any]] = {"status": Status.WAITING, "wait_reason": WaitReason.CUSTOMER}
VENDOR: Final[dict[str, Any]] = {"status": Status.WAITING, "wait_reason": WaitReason.VENDOR}


def told(
    *all_seen: Observation, until: float, terms: Terms | None = None, settings: Attention = SHORT
) -> list[tuple[str, float, str]]:
    """Return (what, hour, why or which) of the signals by the hour `until`."""
    drafts = derived([mark_of(one) for one in all_seen], terms or Terms(attention=(settings,)), at(until))[1]
    return [
        (one.type.value.split(".")[1], (one.at_us - START_US) / HOUR_US, one.reason or one.clock)
        for one in drafts
        if one.type in SIGNALS
    ]


def standing(*all_seen: Observation, until: float, settings: Attention = SHORT) -> list[str]:
    terms = Terms(attention=(settings,))
    return names_of(derived([mark_of(one) for one in all_seen], terms, at(until))[0].signals)


def customer_wrote(hours: float) -> Observation:
    return seen(hours=hours, activity=Activity.CUSTOMER_MESSAGE, actor=Actor.CUSTOMER)


def agent_wrote(hours: float) -> Observation:
    return seen(hours=hours, activity=Activity.AGENT_MESSAGE, actor=Actor.AGENT)


# ------------------------------------------------------------------------------------------ escalated
ESCALATING: Final = replace(CALM, escalate=True)


def test_a_ticket_is_escalated_at_the_instant_it_reaches_the_oldest_bucket() -> None:
    assert [] == told(seen(hours=0), until=72 - 1e-6, settings=ESCALATING)
    assert [("escalated", 72, "")] == told(seen(hours=0), until=72, settings=ESCALATING)


def test_a_ticket_is_escalated_once_in_each_episode_and_at_once_if_it_comes_back_old() -> None:
    story = (seen(hours=0), seen(hours=80, status=Status.SOLVED), seen(hours=90, status=Status.NEW))
    assert [("escalated", 72, ""), ("escalated", 90, "")] == told(*story, until=500, settings=ESCALATING)


def test_an_age_counted_from_reopening_escalates_by_the_age_of_the_episode() -> None:
    age = AgePolicy((AgeVersion(from_episode=True),))
    story = (seen(hours=0), seen(hours=80, status=Status.SOLVED), seen(hours=90, status=Status.NEW))
    terms = Terms(age, attention=(ESCALATING,))
    assert [("escalated", 72, ""), ("escalated", 162, "")] == told(*story, until=500, terms=terms)


@pytest.mark.parametrize(
    "terms",
    [
        Terms(attention=(CALM,)),
        Terms(AgePolicy((AgeVersion(bucket_edges_seconds=()),)), attention=(ESCALATING,)),
    ],
)
def test_nothing_is_escalated_if_the_settings_say_so_or_there_are_no_buckets(terms: Terms) -> None:
    assert [] == told(seen(hours=0), until=5_000, terms=terms)


def test_an_escalated_fact_carries_the_priority_flag() -> None:
    ticket, drafts = derived([mark_of(seen(hours=0))], Terms(attention=(ESCALATING,)), at(72))
    facts = [
        fact_of(TENANT, "desk:1", ticket, Statement(draft, 0), stated_us=at(72), cause=Cause.OBSERVED)
        for draft in drafts
    ]
    assert [(FactType.ESCALATED, Cause.TIME)] == [(one.type, one.cause) for one in facts if one.priority_flag]


# ---------------------------------------------------------------------------------------------- stuck
def test_a_ticket_too_long_in_one_wait_is_stuck_until_the_wait_ends() -> None:
    story = (seen(hours=0), seen(hours=1, **VENDOR))
    assert [("stuck", 11, "vendor")] == told(*story, until=11)
    assert [("stuck", 11, "vendor"), ("relieved", 12, "stuck")] == told(
        *story, seen(hours=12, status=Status.IN_PROGRESS), until=13
    )


def test_another_wait_reason_is_another_wait_and_an_observation_within_it_is_not() -> None:
    waits = (seen(hours=0, **VENDOR), seen(hours=9, queue="second"))
    assert [("stuck", 10, "vendor")] == told(*waits, until=10)
    assert [] == told(*waits, seen(hours=9.5, wait_reason=WaitReason.INTERNAL), until=19.4)
    assert [("stuck", 19.5, "internal")] == told(
        *waits, seen(hours=9.5, wait_reason=WaitReason.INTERNAL), until=19.5
    )


def test_the_customers_answer_ends_the_wait_for_the_customer_whatever_the_status_says() -> None:
    story = (seen(hours=0, **CUSTOMER), customer_wrote(5))
    assert [] == told(*story, until=24)
    assert [("stuck", 22, "customer")] == told(*story, agent_wrote(12), until=24)


# ---------------------------------------------------------------------------------------------- stale
def test_a_ticket_nobody_heard_of_is_stale_until_the_next_observation() -> None:
    assert [("stale", 20, ""), ("relieved", 25, "stale"), ("stale", 45, "")] == told(
        seen(hours=0), seen(hours=25, assignee="ann"), until=50
    )


def test_an_observation_at_the_very_instant_keeps_a_ticket_from_being_stale() -> None:
    assert [] == told(seen(hours=0), seen(hours=20), until=39)


def test_nothing_can_be_stale_before_it_was_first_observed() -> None:
    assert [] == told(seen(hours=100, created_hours=0), until=119, settings=replace(SHORT, escalate=False))


# ------------------------------------------------------------------------------------------- bouncing
def test_reassignments_and_reopenings_together_make_a_ticket_bounce() -> None:
    story = (
        seen(hours=0, assignee="ann", queue="first"),
        seen(hours=1, queue="second", assignee="bob"),  # one handing over
        seen(hours=2, status=Status.SOLVED),
        seen(hours=3, status=Status.NEW),
    )
    assert [("bouncing", 3, "")] == told(*story, until=4)


def test_a_first_owner_and_a_cleared_one_are_no_reassignment() -> None:
    story = [seen(hours=n, assignee=name) for n, name in enumerate(["ann", None, "ann", None, "bob"])]
    assert [] == told(*story, until=5)


def test_a_ticket_brought_back_from_spam_did_not_bounce() -> None:
    story = [seen(hours=n, activity=Activity.SPAM if n % 2 else Activity.RESTORED) for n in range(1, 9)]
    assert [] == told(seen(hours=0), *story, until=9)


def test_bouncing_is_stated_once_in_each_episode() -> None:
    moves = [seen(hours=n, queue=f"queue {n}") for n in range(6)]
    again = (seen(hours=7, status=Status.SOLVED), seen(hours=8, status=Status.NEW))
    assert [("bouncing", 2, ""), ("bouncing", 8, "")] == told(*moves, *again, until=9)


# --------------------------------------------------------------------------------------- to be closed
def test_only_the_silence_of_the_customer_whose_turn_it_is_makes_a_ticket_ready_to_be_closed() -> None:
    settings = replace(CALM, close_after_us=15 * HOUR_US)
    others: list[dict[str, Any]] = [VENDOR, {"status": Status.IN_PROGRESS}, {"status": Status.SOLVED}]
    for other in others:
        assert [] == told(seen(hours=0, **other), until=500, settings=settings)
    assert [("close_candidate", 15, "customer_silent")] == told(
        seen(hours=0, **CUSTOMER), until=500, settings=settings
    )


def test_a_reminder_does_not_lengthen_the_silence_and_an_answer_ends_it() -> None:
    settings = replace(CALM, close_after_us=15 * HOUR_US)
    story = (seen(hours=0, **CUSTOMER), agent_wrote(10))
    assert [("close_candidate", 15, "customer_silent")] == told(*story, until=16, settings=settings)
    assert [("close_candidate", 15, "customer_silent"), ("relieved", 17, "close_candidate")] == told(
        *story, customer_wrote(17), until=500, settings=settings
    )


# ------------------------------------------------------------------------------------------- together
def test_who_leaves_the_stock_asks_for_nothing_and_its_end_says_so() -> None:
    story = (seen(hours=0, **CUSTOMER), seen(hours=30, status=Status.CLOSED))
    assert ["close_candidate", "stale", "stuck"] == sorted(standing(*story[:1], until=29))
    assert [] == standing(*story, until=500)
    assert "relieved" not in [what for what, _, _ in told(*story, until=500)]


def test_stricter_settings_reach_what_has_waited_for_longer_already_from_their_instant_on() -> None:
    lax = replace(CALM, stuck_after_us=100 * HOUR_US)
    terms = Terms(attention=(lax, replace(SHORT, stale_after_us=DAY_US * 99, effective_us=at(50))))
    assert [("stuck", 50, "vendor")] == told(seen(hours=0, **VENDOR), until=60, terms=terms)
    assert [("stuck", 55, "vendor")] == told(seen(hours=45, **VENDOR), until=60, terms=terms)


def test_laxer_settings_leave_what_was_stated() -> None:
    terms = Terms(attention=(SHORT, replace(CALM, effective_us=at(12))))
    assert [("stuck", 10, "vendor")] == told(seen(hours=0, **VENDOR), until=60, terms=terms)


def test_terms_keep_the_settings_that_held_until_others_followed() -> None:
    later = Terms(attention=(replace(SHORT, bounces=7),))
    both = Terms(attention=(SHORT,)).followed(later, at(5), generation=2)
    assert (SHORT, replace(SHORT, bounces=7, effective_us=at(5))) == both.attention
    assert not both.says_the_same(later)


def test_timers_wait_for_signals_and_cells_count_them() -> None:
    partition = Partition(Terms(attention=(SHORT,)))
    partition.take(seen(hours=0, queue="first", **CUSTOMER), clock_us=at(0))
    dues = []
    for _ in range(3):
        dues.append(partition.backlog.timers.next_us())
        partition.fold([], until_us=dues[-1] or 0)
        partition.check()
    assert [at(10), at(15), at(20)] == dues
    (sums,) = (sums for key, sums in partition.backlog.cells.cells.items() if key.kind is CellKind.MAIN)
    assert (1, 1, 0, 1) == (sums.stuck, sums.stale, sums.bouncing, sums.close_candidates)
    partition.restart()
    partition.check()
    partition.take(seen(hours=21, status=Status.SOLVED), clock_us=at(21))
    assert {(0, 0, 0)} == {
        (sums.stuck, sums.stale, sums.close_candidates) for sums in partition.backlog.cells.cells.values()
    }


def test_a_late_answer_withdraws_what_was_said_of_the_silence() -> None:
    partition = Partition(Terms(attention=(SHORT,)))
    partition.take(seen(hours=0, **CUSTOMER), clock_us=at(0))
    partition.pass_time(at(16))
    partition.take(customer_wrote(14), clock_us=at(17))
    said = {key[0] for _, key in partition.standing()}
    assert FactType.STUCK.value in said
    assert FactType.CLOSE_CANDIDATE.value not in said
    partition.check()


def test_counts_of_signals_equal_a_recount() -> None:
    ticket, _ = derived([mark_of(seen(hours=0, **VENDOR))], Terms(attention=(SHORT,)), at(30))
    (sums,) = recount({(TENANT, "desk:1"): ticket}, AgeVersion()).cells.values()
    assert (1, 1, 0, 0) == (sums.stuck, sums.stale, sums.bouncing, sums.close_candidates)


def test_signals_are_called_by_their_names() -> None:
    assert ["stuck", "bouncing"] == names_of(int(Signal.STUCK | Signal.BOUNCING))
