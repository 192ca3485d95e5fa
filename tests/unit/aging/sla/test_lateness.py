"""Time passes, and truth comes late: crossings at their instants, once, and what a late event takes back.

Row "Late or corrected events"; section 3, items 2, 3, 6, 7, 22, 24 and 25 as far as facts go.
"""

from __future__ import annotations

from services.aging.core.facts import fact_of
from shared.contracts.backlog import Cause, FactType
from shared.contracts.instants import SECOND_US
from shared.contracts.tickets import Observation
from tests.unit.aging.sla.agreed import clock, promises, us
from tests.unit.aging.sla.story import (
    Listening,
    agent,
    customer,
    line_of,
    opened,
    shows,
    solves,
    tell,
    waits,
    works,
)

BREACHED, MET, WARNED = FactType.SLA_BREACHED, FactType.SLA_MET, FactType.SLA_WARNED
ANSWERS = promises(first_response=clock("2h", warn="50% 15m"))
RESOLUTION = promises(resolution=clock("4h", warn="50% 80%", pauses="customer"))


def hear(by: Listening, *happened: Observation, at: str) -> None:
    """Let time pass to `at`, when `happened` comes."""
    by.pass_time(us(at) - 1)
    by.take(*happened, clock_us=us(at))


def said(by: Listening) -> list[str]:
    """Return all that was said about clocks, in the order in which it was; withdrawals begin with a minus."""
    return [
        ("-" if one.statement.turn % 2 else "") + line_of(one.statement.draft)
        for one in by.stated
        if one.statement.draft.detail is not None
    ]


# ------------------------------------------------------------------------------- late or corrected events
def test_a_late_answer_withdraws_the_breach_and_is_met_at_its_own_time() -> None:
    """Row "Late or corrected events": a late "agent replied" retracts a breach; event time rules."""
    here = Listening(ANSWERS)
    hear(here, opened("Mon 09:00"), at="Mon 09:00")
    hear(here, agent("Mon 10:50"), at="Mon 12:00")
    assert [
        "Mon 09:00 started",
        "Mon 10:00 warned (50%)",
        "Mon 10:45 warned (900s)",
        "Mon 11:00 breached",
        "-Mon 11:00 breached",
        "Mon 10:50 met",
        "Mon 12:00 restated (sla.breached -> sla.met)",
    ] == said(here)
    here.check()


def test_a_late_answer_that_was_late_itself_leaves_the_breach_and_finishes_it() -> None:
    """Row "Late or corrected events"."""
    here = Listening(ANSWERS)
    hear(here, opened("Mon 09:00"), at="Mon 09:00")
    hear(here, agent("Mon 11:30"), at="Mon 12:00")
    assert ["Mon 11:00 breached", "Mon 11:30 finished"] == said(here)[-2:]


def test_a_result_that_turns_out_worse_is_restated_too() -> None:
    """Row "Late or corrected events": corrections are new `restated` events."""
    here = Listening(ANSWERS)
    hear(here, opened("Mon 09:00"), agent("Mon 09:30"), at="Mon 09:30")
    hear(here, opened("Mon 09:00", created="Mon 06:00"), at="Mon 10:00")
    assert [
        "-Mon 09:00 started",
        "-Mon 09:30 met",
        "Mon 06:00 started",
        "Mon 07:00 warned (50%)",
        "Mon 07:45 warned (900s)",
        "Mon 08:00 breached",
        "Mon 09:30 finished",
        "Mon 10:00 restated (sla.met -> sla.breached)",
    ] == said(here)[2:]


def test_a_late_pause_takes_back_a_breach_and_moves_the_deadline() -> None:
    """Row "Late or corrected events"; section 3, item 1: pauses are read from the timeline."""
    here = Listening(RESOLUTION)
    hear(here, opened("Mon 09:00"), at="Mon 09:00")
    hear(here, waits("Mon 09:30", "customer"), works("Mon 11:30"), at="Mon 14:00")
    here.pass_time(us("Tue 09:00"))
    assert "-Mon 13:00 breached" in said(here)
    assert "Mon 15:00 breached" == said(here)[-1]


def test_whether_an_answer_came_late_or_in_time_the_same_stands_in_the_end() -> None:
    """Row "Late or corrected events": event time rules, in any order of arrival."""
    told = tell(ANSWERS, opened("Mon 09:00"), agent("Mon 10:50"), customer("Mon 10:55"))
    assert ["Mon 09:00 started", "Mon 10:00 warned (50%)", "Mon 10:45 warned (900s)", "Mon 10:50 met"] == (
        told.of("first_response")
    )


def test_each_answer_is_stamped_with_the_deadline_then_in_force_and_what_was_used() -> None:
    """Row "Late or corrected events": later edits cannot rewrite history."""
    told = tell(ANSWERS, opened("Mon 09:00"), agent("Mon 10:20"))
    assert ("Mon 11:00", "1h20m") == (
        told.deadline("first_response", "Mon 10:20 met"), told.used("first_response", "Mon 10:20 met"),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------ time is an event
def test_every_crossing_is_stated_when_it_happens() -> None:
    """Section 3, item 24: time is an event; a breach is true strictly after its deadline."""
    here = Listening(ANSWERS)
    hear(here, opened("Mon 09:00"), at="Mon 09:00")
    here.pass_time(us("Mon 20:00"))
    of_time = [one for one in here.stated if one.statement.draft.type in {WARNED, BREACHED}]
    assert [us("Mon 10:00"), us("Mon 10:45"), us("Mon 11:00") + 1] == [one.stated_us for one in of_time]
    assert {Cause.TIME} == {one.cause for one in of_time}


def test_a_breach_at_night_is_recorded_at_once() -> None:
    """Row "When may an alert be sent": clock and delivery are separate."""
    here = Listening(promises(calendar="office", resolution=clock("8h", wall=True)))
    hear(here, opened("Mon 16:00"), at="Mon 16:00")
    here.pass_time(us("Tue 09:00"))
    assert [us("Tue 00:00") + 1] == [o.stated_us for o in here.stated if o.statement.draft.type is BREACHED]


def test_each_stage_of_an_instance_is_stated_once_however_often_anybody_looks() -> None:
    """Section 3, item 3: "100s of emails": one alert per ticket, clock instance and stage."""
    here = Listening(ANSWERS)
    hear(here, opened("Mon 09:00"), at="Mon 09:00")
    for hour in range(10, 20):
        hear(here, shows(f"Mon {hour}:00", assignee=f"agent {hour}"), at=f"Mon {hour}:00")
        here.restart()
    assert [
        "Mon 09:00 started",
        "Mon 10:00 warned (50%)",
        "Mon 10:45 warned (900s)",
        "Mon 11:00 breached",
    ] == said(here)


def test_after_a_downtime_every_missed_stage_is_caught_up_in_order_with_its_true_instant_and_late() -> None:
    """Section 3, item 6: only the first escalation level ran, the missed ones are not recomputed."""
    here = Listening(RESOLUTION)
    hear(here, opened("Mon 09:00"), at="Mon 09:00")
    here.fold([], until_us=us("Tue 09:00"))
    assert [
        "Mon 09:00 started",
        "Mon 11:00 warned (50%)",
        "Mon 12:12 warned (80%)",
        "Mon 13:00 breached",
    ] == said(here)
    breach = here.stated[-1]
    assert breach.statement.draft.type in {BREACHED, FactType.AGE_CROSSED}
    late = [
        fact_of(*one.id, one.ticket, one.statement, stated_us=one.stated_us, cause=one.cause).late_seconds
        for one in here.stated
        if one.statement.draft.type in {WARNED, BREACHED}
    ]
    assert [22 * 3_600.0, (20 * 60 + 48) * 60.0, 20 * 3_600.0] == late


def test_an_answer_that_waited_in_the_queue_during_a_downtime_is_heard_before_anyone_is_called_late() -> None:
    """Section 3, item 6, with design 3c: the crossings then come with their true instants."""
    here = Listening(ANSWERS)
    hear(here, opened("Mon 09:00"), at="Mon 09:00")
    here.take(agent("Mon 09:40"), clock_us=us("Mon 09:40") + SECOND_US)
    here.fold([], until_us=us("Tue 09:00"))
    assert ["Mon 09:00 started", "Mon 09:40 met"] == said(here)


def test_a_clock_that_was_paused_during_a_downtime_crosses_nothing() -> None:
    """Section 3, item 2: "SLA expired" mail sent while the ticket is pending."""
    here = Listening(RESOLUTION)
    hear(here, opened("Mon 09:00"), waits("Mon 10:00", "customer"), at="Mon 10:00")
    here.fold([], until_us=us("Thu+1 09:00"))
    assert ["Mon 09:00 started", "Mon 10:00 paused (customer)"] == said(here)


def test_several_stages_passed_over_by_one_change_are_told_as_the_newest_one() -> None:
    """Section 3, item 6: caught up and grouped; a change brings about one warning, not all at once."""
    told = tell(
        promises(resolution=clock({"p1": "4h", "p3": "40h"}, warn="25% 50% 75%")),
        opened("Mon 09:00", priority="p3"), shows("Mon 11:30", priority="p1"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 11:30 deadline_changed (priority_raised)",
        "Mon 11:30 warned (50% priority_raised)",
        "Mon 12:00 warned (75%)",
        "Mon 13:00 breached",
    ] == told.of("resolution")


def test_lead_times_of_warnings_are_shares_or_time_left_as_many_as_one_likes() -> None:
    """Section 3, item 25: alert lead times configurable."""
    told = tell(promises(resolution=clock("10h", warn="1h 50% 4h 80%")), opened("Mon 09:00"))
    assert [
        "Mon 09:00 started",
        "Mon 14:00 warned (50%)",
        "Mon 15:00 warned (14400s)",
        "Mon 17:00 warned (80%)",
        "Mon 18:00 warned (3600s)",
        "Mon 19:00 breached",
    ] == told.of("resolution")


def test_two_stages_of_one_instant_are_one_warning() -> None:
    """Section 3, item 3: nobody is told twice at once."""
    told = tell(promises(resolution=clock("10h", warn="90% 1h")), opened("Mon 09:00"))
    assert ["Mon 09:00 started", "Mon 18:00 warned (3600s)", "Mon 19:00 breached"] == told.of("resolution")


def test_a_ticket_is_at_risk_inside_its_warning_window_and_past_sla_after_its_deadline() -> None:
    """Section 3, item 24 (and design section 2: at risk is open, not past SLA)."""
    opened_at = opened("Mon 09:00")
    seen = [tell(ANSWERS, opened_at, until=until).ticket for until in ("Mon 09:59", "Mon 10:00", "Mon 11:01")]
    assert [(False, False), (True, False), (False, True)] == [(one.at_risk, one.past_sla) for one in seen]


# ------------------------------------------------------------------------------------- why did it change?
def test_every_change_of_a_deadline_says_what_changed_it() -> None:
    """Section 3, item 7: "the due date changes automatically and nobody knows why"."""
    told = tell(
        promises(resolution=clock({"p1": "2h", "default": "8h"}, pauses="customer")),
        opened("Mon 09:00"), waits("Mon 10:00", "customer"), customer("Mon 11:00"),
        shows("Mon 11:30", priority="p1"), solves("Mon 11:45"), works("Mon 20:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 11:00 resumed (pause_disputed)",
        "Mon 11:30 deadline_changed (priority_raised)",
        "Mon 11:45 met",
        "Mon 20:00 resumed (reopened)",
        "Mon 20:15 breached",
    ] == told.of("resolution")
    assert ["Mon 17:00", None, "Mon 18:00", "Mon 12:00", "Mon 12:00", "Mon 20:15", "Mon 20:15"] == [
        told.deadline("resolution", line) for line in told.of("resolution")
    ]


def test_an_answer_at_the_reopening_costs_nothing_of_the_days_in_between() -> None:
    """Section 3, item 22: a reply time of 985,492 s."""
    told = tell(
        promises(first_response="2h", next_response="3h"),
        opened("Mon 09:00"), agent("Mon 10:00", status="solved"), customer("Mon 10:01"),
        agent("Thu 10:00", status="in_progress"),
    )  # fmt: skip
    assert [] == told.of("next_response")
