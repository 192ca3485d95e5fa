"""A partition moved batch by batch: exact timers, late news, sleep, refusals, quarantine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.aging.core import backlog as module
from services.aging.core import rederive
from services.aging.core.age import AgePolicy, AgeVersion
from services.aging.core.backlog import AHEAD_US_MAX
from services.aging.core.batch import Outcome, Refusal
from services.aging.core.terms import Terms
from shared.contracts.backlog import Cause, FactType
from shared.contracts.instants import from_us
from shared.contracts.tickets import Absorbed, Status
from tests.unit.aging.observations import END_US, KEYS, TENANT, at, seen
from tests.unit.aging.partitions import Partition, arrival, bare

ID = (TENANT, "desk:1")
CROSSED = FactType.AGE_CROSSED
EPISODES = Terms(AgePolicy((AgeVersion(edges_seconds=(3_600,), bucket_edges_seconds=(), from_episode=True),)))


def said(*outcomes: Outcome) -> list[tuple[str, str, float, int]]:
    """(ticket, fact type and clock, hours, turn) of all statements."""
    return [
        (
            stated.id[1],
            stated.statement.draft.clock or stated.statement.draft.type.value,
            (stated.statement.draft.at_us - at(0)) / 3_600_000_000,
            stated.statement.turn,
        )
        for outcome in outcomes
        for stated in outcome.stated
    ]


# -------------------------------------------------------------------------------------------- timers
def test_a_crossing_is_stated_at_its_instant_and_not_before() -> None:
    partition = Partition()
    partition.take(seen(hours=0), clock_us=at(0))
    assert at(24) == partition.backlog.timers.next_us()
    assert [] == said(partition.fold([], until_us=at(24) - 1))
    outcome = partition.fold([], until_us=at(24))
    assert [("desk:1", "age.86400", 24, 0)] == said(outcome)
    assert [(at(24), Cause.TIME)] == [(stated.stated_us, stated.cause) for stated in outcome.stated]
    partition.check()


def test_after_downtime_all_crossings_come_in_order_with_their_true_instants() -> None:
    partition = Partition()
    partition.take(seen("desk:1", 0), seen("desk:2", 1), clock_us=at(1))
    outcome = partition.fold([], until_us=at(200))
    crossed = [one for one in said(outcome) if one[1].startswith("age.")]
    assert [24, 48, 72, 168] == [hours for key, _, hours, _ in crossed if key == "desk:1"]
    assert [25, 49, 73, 169] == [hours for key, _, hours, _ in crossed if key == "desk:2"]
    assert {at(200)} == {stated.stated_us for stated in outcome.stated}
    partition.check()


def test_a_timer_due_at_a_records_clock_fires_before_the_record() -> None:
    partition = Partition()
    partition.take(seen(hours=0), seen("desk:2", 0), clock_us=at(0))
    outcome = partition.take(seen("desk:2", 24.5, status=Status.SOLVED), clock_us=at(25))
    assert [
        ("desk:1", "age.86400", 24, 0), ("desk:2", "age.86400", 24, 0), ("desk:2", "ticket.solved", 24.5, 0),
    ] == said(outcome)  # fmt: skip


def test_no_more_timers_fire_in_a_batch_than_the_limit_and_the_rest_follow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TIMERS_MAX", 2)
    partition = Partition()
    partition.take(*[seen(key, 0) for key in KEYS], seen("desk:5", 0), clock_us=at(0))
    outcome = partition.fold([], until_us=at(25))
    assert (2, True) == (len(outcome.stated), outcome.more)
    outcomes = partition.pass_time(at(25))
    assert (3, False) == (len(said(*outcomes)), outcomes[-1].more)
    partition.check()


def test_a_record_that_overtakes_an_overdue_timer_states_the_crossing_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TIMERS_MAX", 1)
    partition = Partition()
    partition.take(*[seen(key, 0) for key in KEYS], clock_us=at(0))
    partition.take(*[seen(key, 25, status=Status.SOLVED) for key in KEYS], clock_us=at(26))
    partition.pass_time(at(27))
    assert 4 == len([key for key in partition.standing() if key[1][0] == CROSSED.value])
    partition.check()


def test_a_record_from_before_a_timer_that_fires_first_is_folded_all_the_same() -> None:
    partition = Partition()
    partition.take(seen(hours=0), clock_us=at(0))
    outcome = partition.take(seen(hours=23), clock_us=at(30))
    assert ([], [("desk:1", "age.86400", 24, 0)]) == (outcome.refused, said(outcome))
    solved = partition.take(seen(hours=40, status=Status.SOLVED), clock_us=at(50))
    assert ([], [("desk:1", "ticket.solved", 40, 0)]) == (solved.refused, said(solved))
    partition.check()


def test_a_record_put_off_does_not_swallow_its_tickets_timer() -> None:
    """It showed a link, which takes all marks to judge, and was then put off with the ticket in hand."""
    partition = Partition()
    partition.take(seen(hours=0), clock_us=at(0))
    partition.take(seen(hours=24.05, merged_into="desk:2"), clock_us=at(24))
    assert {CROSSED.value, "ticket.opened"} == {key[1][0] for key in partition.standing()}
    assert at(48) == partition.backlog.timers.next_us()
    partition.check()


def test_a_repeat_that_arrives_when_a_timer_is_due_does_not_swallow_it() -> None:
    partition = Partition()
    partition.take(seen(hours=0), clock_us=at(0))
    outcome = partition.take(seen(hours=0), clock_us=at(24))
    assert ([("desk:1", "age.86400", 24, 0)], 1) == (said(outcome), outcome.repeated)


# --------------------------------------------------------------------------------------- late, ahead
def test_a_late_end_withdraws_a_crossing_and_a_later_opening_asserts_it_again() -> None:
    partition = Partition()
    partition.take(seen(hours=0), clock_us=at(30))
    late = partition.take(seen(hours=20, status=Status.SOLVED), clock_us=at(31))
    assert [("desk:1", "age.86400", 24, 1), ("desk:1", "ticket.solved", 20, 0)] == said(late)
    assert {Cause.LATE} == {stated.cause for stated in late.stated}
    later = partition.take(seen(hours=20, sequence=1, status=Status.NEW), clock_us=at(32))
    assert ("desk:1", "ticket.reopened", 20, 0) in said(later)
    partition.check()


def test_records_of_a_ticket_that_come_the_wrong_way_round_in_one_batch_are_both_folded() -> None:
    partition = Partition()
    partition.take(seen(hours=0), clock_us=at(0))
    outcome = partition.take(seen(hours=3, queue="last"), seen(hours=2, queue="first"), clock_us=at(4))
    assert ([], "last", 3) == (outcome.refused, partition.ticket(ID).queue, partition.ticket(ID).marks)
    partition.check()


def test_several_late_records_of_a_ticket_in_one_batch_are_one_change() -> None:
    partition = Partition()
    partition.take(seen(hours=50), clock_us=at(50))
    outcome = partition.take(*[seen(hours=hours) for hours in (3, 2, 1)], clock_us=at(51))
    assert (1, 3) == (len(outcome.tickets), len(outcome.marks))
    assert 2 == partition.ticket(ID).version


@pytest.mark.parametrize(("ahead_us", "refused"), [(AHEAD_US_MAX, False), (AHEAD_US_MAX + 1, True)])
def test_an_observation_ahead_of_the_clock_waits_for_its_time_or_is_refused(
    ahead_us: int, refused: bool
) -> None:
    partition = Partition()
    outcome = partition.take(seen(plus_us=ahead_us), clock_us=at(0))
    assert (0, {}) == (outcome.seen, outcome.tickets)
    assert [Refusal.FUTURE_TIME] * refused == [one.reason for one in outcome.refused]
    partition.pass_time(at(1))
    assert refused == (ID not in partition.rows)


def test_reopened_and_touched_in_one_batch_behind_a_crossing_of_the_new_episode() -> None:
    partition = Partition(EPISODES)
    partition.take(seen(hours=0, status=Status.SOLVED), clock_us=at(0))
    outcome = partition.take(seen(hours=2, status=Status.NEW), seen(hours=2.5), clock_us=at(9))
    assert [] == outcome.refused
    assert [("desk:1", "ticket.reopened", 2, 0), ("desk:1", "age.3600", 3, 0)] == said(outcome)
    partition.check()


def test_solved_closed_and_solved_again_in_one_instant_in_any_batches() -> None:
    shown = [
        seen(hours=1, sequence=number, status=status, id=str(number))
        for number, status in enumerate((Status.SOLVED, Status.CLOSED, Status.SOLVED))
    ]
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        for together in (True, False):
            partition = Partition()
            partition.take(seen(hours=0), clock_us=at(2))
            batches = [[shown[n] for n in order]] if together else [[shown[n]] for n in order]
            for batch in batches:
                assert [] == partition.take(*batch, clock_us=at(2)).refused
            partition.check()


def test_a_closed_ticket_costs_no_memory_and_is_loaded_when_it_is_heard_of() -> None:
    partition = Partition()
    partition.take(seen(hours=0, status=Status.SOLVED), clock_us=at(0))
    assert (0, None) == (len(partition.backlog.open), partition.backlog.timers.next_us())
    outcome = partition.take(seen(hours=1, status=Status.NEW), clock_us=at(1))
    assert [("desk:1", "ticket.reopened", 1, 0)] == said(outcome)


def test_a_restart_between_any_batches_changes_nothing() -> None:
    partition, other = Partition(), Partition()
    for hours in (0, 23, 25, 24.5, 90):
        partition.take(seen(hours=hours), seen("desk:2", hours + 1), clock_us=at(91))
        other.take(seen(hours=hours), seen("desk:2", hours + 1), clock_us=at(91))
        other.restart()
        other.check()
    partition.pass_time(END_US)
    other.pass_time(END_US)
    assert partition.standing() == other.standing()
    assert [bare(one) for one in partition.awake().values()] == [bare(one) for one in other.awake().values()]


# --------------------------------------------------------------------------------------- new edges
def adopt(partition: Partition, age: AgeVersion, at_us: int) -> None:
    former = partition.backlog.terms
    later = Terms(AgePolicy((age,)))
    partition.backlog.adopt(former.followed(later, at_us, generation=former.generation + 1), at_us=at_us)


def test_new_edges_restate_nothing_and_count_from_when_they_were_applied() -> None:
    partition = Partition()
    partition.take(seen(hours=0), clock_us=at(0))
    partition.fold([], until_us=at(30))
    hourly = AgeVersion(effective_us=at(1), edges_seconds=(3_600, 126_000), bucket_edges_seconds=(126_000,))
    adopt(partition, hourly, at(30) + 1)
    partition.fold([], until_us=at(30) + 1)
    assert at(35) == partition.backlog.timers.next_us()
    partition.check()
    partition.take(seen(hours=2), clock_us=at(31))
    partition.restart()
    partition.pass_time(at(100))
    assert {("age.86400", at(24)), ("age.126000", at(35))} == {
        (key[1], key[3]) for _, key in partition.standing() if key[0] == CROSSED.value
    }
    partition.check()


def test_cells_follow_new_edges_when_they_come_into_force() -> None:
    partition = Partition()
    partition.take(seen(hours=0), clock_us=at(0))
    adopt(partition, AgeVersion(0, (3_600, 126_000), ()), at(30))
    partition.backlog.cells.unpublished.clear()
    partition.pass_time(at(30) - 1)
    assert [[1, 0, 0, 0, 0]] == [sums.older for sums in partition.backlog.cells.cells.values()]
    partition.fold([], until_us=at(30))
    assert [[1, 0]] == [sums.older for sums in partition.backlog.cells.cells.values()]
    assert 1 == len(partition.backlog.cells.unpublished)
    partition.check()


def test_a_timer_of_former_edges_is_not_waited_for_after_a_restart() -> None:
    partition = Partition()
    partition.take(seen(hours=0), clock_us=at(0))
    adopt(partition, AgeVersion(0, (3_600,), ()), 1)
    partition.restart()
    assert [("desk:1", "age.3600", 1, 0)] == said(*partition.pass_time(at(2)))


# ----------------------------------------------------------------------------------- runs of imports
def test_an_imported_ticket_sleeps_until_the_run_is_over_and_then_tells_its_final_timeline() -> None:
    partition = Partition()
    partition.runs_open = True
    partition.take(seen(hours=0, run="run"), clock_us=at(100))
    partition.take(
        seen(hours=30, run="run", status=Status.SOLVED), seen(hours=20, actor=None), clock_us=at(101)
    )
    assert ([], set()) == (list(partition.awake()), partition.standing())
    outcome = partition.end_runs()
    assert [
        ("desk:1", "ticket.opened", 0, 0), ("desk:1", "age.86400", 24, 0), ("desk:1", "ticket.solved", 30, 0),
    ] == said(outcome)  # fmt: skip
    assert {Cause.IMPORT} == {stated.cause for stated in outcome.stated}
    partition.check()


def test_a_ticket_that_is_awake_stays_so_when_a_run_tells_of_it() -> None:
    partition = Partition()
    partition.take(seen(hours=0), clock_us=at(0))
    partition.runs_open = True
    outcome = partition.take(
        seen(hours=1, run="run", status=Status.SOLVED), seen("desk:2", 1), clock_us=at(1)
    )
    assert {"desk:1", "desk:2"} == {id_[1] for id_ in outcome.tickets}
    assert [Cause.IMPORT, Cause.OBSERVED] == [stated.cause for stated in outcome.stated]


# -------------------------------------------------------------------------- refusals and quarantine
def poison(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, bad: Callable[..., bool]) -> None:
    step = getattr(where, name)

    def raising(*args: Any, **kwargs: Any) -> Any:
        if bad(*args, **kwargs):
            raise ValueError("poison")
        return step(*args, **kwargs)

    monkeypatch.setattr(where, name, raising)


def test_a_poisonous_record_is_refused_whole_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition()
    partition.take(seen(hours=0), clock_us=at(0))
    before = partition.ticket(ID)
    poison(monkeypatch, module, "extend", lambda ticket_, mark, *_, **__: mark.id == "bad")
    outcome = partition.take(
        seen(hours=1, id="bad", queue="x"), seen("desk:2", 1), seen(hours=2), clock_us=at(2)
    )
    assert [(0, Refusal.FOLD_FAILED)] == [(one.origin, one.reason) for one in outcome.refused]
    assert "poison" in outcome.refused[0].detail
    assert (before.marks + 1, "") == (partition.ticket(ID).marks, partition.ticket(ID).queue)
    assert (TENANT, "desk:2") in partition.rows
    partition.check()


@pytest.mark.parametrize("together", [True, False])
def test_only_the_poisonous_one_of_a_tickets_late_records_is_refused(
    monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    partition = Partition()
    partition.take(seen(hours=9), clock_us=at(9))
    poison(monkeypatch, rederive, "derive", lambda marks, *_, **__: any(mark.id == "bad" for mark in marks))
    late = [seen(hours=1, id="good"), seen(hours=2, id="bad"), seen(hours=3, id="fine")]
    for batch in [late] if together else [[one] for one in late]:
        partition.take(*batch, clock_us=at(9))
    assert [Refusal.FOLD_FAILED] == [one.reason for one in partition.refused]
    assert 3 == partition.ticket(ID).marks
    partition.check()


def test_a_ticket_all_of_whose_records_are_refused_keeps_its_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition()
    partition.take(seen(hours=9), clock_us=at(9))
    poison(monkeypatch, rederive, "derive", lambda marks, *_, **__: any(mark.id == "bad" for mark in marks))
    outcome = partition.take(seen(hours=1, id="bad"), seen(hours=2, id="bad"), clock_us=at(34))
    assert [Refusal.FOLD_FAILED] * 2 == [one.reason for one in outcome.refused]
    assert (set(), [("desk:1", "age.86400", 33, 0)]) == (partition.backlog.quarantined, said(outcome))
    partition.check()


def test_no_mark_is_taken_beyond_the_limit_in_or_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MARKS_MAX", 2)
    monkeypatch.setattr(rederive, "MARKS_MAX", 2)
    partition = Partition()
    partition.take(seen(hours=0), seen(hours=1), clock_us=at(1))
    for observation in (seen(hours=2), seen(hours=0.5)):
        outcome = partition.take(observation, clock_us=at(2))
        assert [Refusal.TOO_MANY_MARKS] == [one.reason for one in outcome.refused]
    assert [] == partition.take(seen(hours=1), clock_us=at(3)).refused, "a repeat takes no room"
    assert 2 == len(partition.timeline(ID))
    partition.check()


def test_a_failing_timer_quarantines_its_ticket_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition()
    partition.take(seen("desk:1", 0, subject="bad"), seen("desk:2", 0), clock_us=at(0))
    poison(monkeypatch, module, "advance", lambda one, *_, **__: one.subject == "bad")
    outcome = partition.fold([], until_us=at(24))
    assert [ID] == list(outcome.quarantined)
    assert [("desk:2", "age.86400", 24, 0)] == said(outcome)
    assert {} == partition.fold([], until_us=at(25)).quarantined, "once"
    partition.restart()
    assert {} == partition.fold([], until_us=at(47)).quarantined
    partition.check()


@pytest.mark.parametrize("hours", [26, 1])
def test_an_observation_that_can_be_folded_releases_its_ticket(
    monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    partition = Partition()
    partition.take(seen(hours=0, subject="bad"), clock_us=at(0))
    with monkeypatch.context() as patched:
        poison(patched, module, "advance", lambda one, *_, **__: one.subject == "bad")
        partition.fold([], until_us=at(24))
    outcome = partition.take(seen(hours=hours), clock_us=at(26))
    assert ([ID], set()) == (outcome.released, partition.backlog.quarantined)
    assert ("desk:1", "age.86400", 24, 0) in said(outcome)
    assert at(48) == partition.backlog.timers.next_us()
    partition.check()


def test_a_ticket_quarantined_and_released_in_one_batch_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition()
    partition.take(seen(hours=0, subject="bad"), clock_us=at(0))
    poison(monkeypatch, module, "advance", lambda one, *_, **__: one.subject == "bad")
    items = [arrival(seen("desk:2", 25), at(25), 0), arrival(seen(hours=26), at(26), 1)]
    outcome = partition.fold(items)
    assert ({}, [ID]) == (outcome.quarantined, outcome.released)


def test_a_sleeper_that_cannot_be_folded_is_quarantined(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = Partition()
    partition.runs_open = True
    partition.take(seen(hours=0, run="run", id="bad"), seen("desk:2", 0, run="run"), clock_us=at(1))
    poison(monkeypatch, rederive, "derive", lambda marks, *_, **__: marks[0].id == "bad")
    outcome = partition.end_runs()
    assert ([ID], [(TENANT, "desk:2")]) == (list(outcome.quarantined), list(outcome.tickets))


# ------------------------------------------------------------------------------------------- tenants
def test_the_stock_of_each_tenant_is_its_own() -> None:
    partition = Partition()
    partition.take(
        seen(), seen(tenant="other"), seen("desk:2", tenant="other", status=Status.CLOSED), clock_us=at(1)
    )
    nets = [partition.backlog.flows.net(tenant) for tenant in (TENANT, "other", "nobody")]
    assert ([1, 1, 0], 2) == (nets, len(partition.backlog.open))
    partition.check()


def test_a_register_for_a_sleeping_survivor_waits_with_it() -> None:
    partition = Partition()
    partition.runs_open = True
    partition.take(seen(hours=0, run="run", merged_into="desk:2"), clock_us=at(1))
    links = {"desk:2": "desk:1"}
    partition.absorb(
        Absorbed(tenant=TENANT, ticket="desk:2", survivor="desk:1", revision=1, at=from_us(0), links=links)
    )
    partition.end_runs()
    assert partition.ticket(ID).ignores_link
