"""Row "Reopen after resolve": what goes on, what begins anew, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace

from services.aging.core.fold import derive
from services.aging.core.mark import mark_of, order_of
from services.aging.core.story import Story
from shared.contracts.tickets import Activity
from tests.unit.aging.sla.agreed import (
    clock,
    long,
    policy,
    promises,
    terms,
    us,
    when,
)
from tests.unit.aging.sla.story import (
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

RESOLUTION = promises(resolution=clock("4h", pauses="customer"))
ANSWERS = promises(first_response="2h", next_response="3h", update="8h", resolution="48h")


def test_the_first_resolution_is_frozen_and_a_reopening_within_the_window_resumes_it() -> None:
    """Row "Reopen after resolve": solved time excluded."""
    told = tell(RESOLUTION, opened("Mon 09:00"), solves("Mon 11:00"), works("Tue 11:00"), solves("Tue 12:00"))
    assert [
        "Mon 09:00 started",
        "Mon 11:00 met",
        "Tue 11:00 resumed (reopened)",
        "Tue 12:00 met",
    ] == told.of("resolution")
    assert ("2h", "3h") == (
        told.used("resolution", "Mon 11:00 met"), told.used("resolution", "Tue 12:00 met"),
    )  # fmt: skip


def test_a_resumed_resolution_can_still_be_breached_and_the_first_result_stays_met() -> None:
    """Row "Reopen after resolve"; section 3, item 8: solved time is neither pending nor working."""
    told = tell(RESOLUTION, opened("Mon 09:00"), solves("Mon 11:00"), works("Tue 11:00"))
    assert [
        "Mon 09:00 started",
        "Mon 11:00 met",
        "Tue 11:00 resumed (reopened)",
        "Tue 13:00 breached",
    ] == told.of("resolution")


def test_the_window_itself_still_resumes() -> None:
    """Row "Reopen after resolve": inside `reopen_window`, default 72 h."""
    told = tell(RESOLUTION, opened("Mon 09:00"), solves("Mon 11:00"), works("Thu 11:00"))
    assert "Thu 11:00 resumed (reopened)" in told.of("resolution")


def test_a_reopening_after_the_window_is_a_new_instance_with_its_full_target() -> None:
    """Row "Reopen after resolve"."""
    told = tell(RESOLUTION, opened("Mon 09:00"), solves("Mon 11:00"), works("Thu 11:00:01"))
    assert [
        "Mon 09:00 started",
        "Mon 11:00 met",
        "Thu 11:00:01 started #2 (reopened)",
        "Thu 15:00:01 breached #2",
    ] == told.of("resolution")


def test_the_window_is_the_policys_own_and_counts_from_solved_not_from_closed() -> None:
    """Row "Reopen after resolve" and row "Resolution": stops at solved, not at closed."""
    by = terms(replace(policy(resolution="4h"), reopen_window_us=long("1h")))
    told = tell(
        by, opened("Mon 09:00"), solves("Mon 11:00"), shows("Mon 13:00", status="closed"), works("Mon 13:30")
    )
    assert [
        "Mon 09:00 started",
        "Mon 11:00 met",
        "Mon 13:30 started #2 (reopened)",
        "Mon 17:30 breached #2",
    ] == told.of("resolution")


def test_an_undone_merge_or_void_always_resumes() -> None:
    """Row "Reopen after resolve": reopen caused by our own error (undo, merge undone)."""
    told = tell(
        RESOLUTION, opened("Mon 09:00"), saw("Mon 10:00", Activity.SPAM),
        saw("Mon+1 10:00", Activity.RESTORED),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 superseded (void)",
        "Mon+1 10:00 resumed (reopened)",
        "Mon+1 13:00 breached",
    ] == told.of("resolution")
    told = tell(
        RESOLUTION, opened("Mon 09:00"), shows("Mon 10:00", merged_into="desk:9"),
        shows("Mon+1 10:00", merged_into=None),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 superseded (merged)",
        "Mon+1 10:00 resumed (reopened)",
        "Mon+1 13:00 breached",
    ] == told.of("resolution")


def test_a_breach_right_after_a_reopening_gives_notice_before_anybody_is_paged() -> None:
    """Row "Reopen after resolve": no alert before `min_notice`. Section 3, item 21."""
    told = tell(RESOLUTION, opened("Mon 09:00"), solves("Mon 12:58"), works("Tue 12:00"))
    assert "Tue 12:02 breached" == told.of("resolution")[-1]
    assert "Tue 12:15" == told.notify_at("resolution", "Tue 12:02 breached")


def test_a_breach_long_after_a_reopening_needs_no_notice() -> None:
    """Row "Reopen after resolve": the grace is for those who had no time to react."""
    told = tell(RESOLUTION, opened("Mon 09:00"), solves("Mon 11:00"), works("Tue 11:00"))
    assert told.notify_at("resolution", "Tue 13:00 breached") is None


def test_closing_does_not_wipe_a_breach_and_reopening_tells_no_second_one() -> None:
    """Section 3, item 21: closing wipes the breach from the record."""
    told = tell(RESOLUTION, opened("Mon 09:00"), solves("Mon 15:00"), works("Tue 09:00"), solves("Tue 10:00"))
    assert [
        "Mon 09:00 started",
        "Mon 13:00 breached",
        "Mon 15:00 finished",
        "Tue 09:00 resumed (reopened)",
        "Tue 10:00 finished",
    ] == told.of("resolution")


def test_next_response_starts_at_the_reopening_message() -> None:
    """Row "Reopen after resolve"."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), agent("Mon 10:00", status="solved"),
        customer("Tue 10:00", status="in_progress"), agent("Tue 11:00"),
    )  # fmt: skip
    assert ["Tue 10:00 started (reopened)", "Tue 11:00 met"] == told.of("next_response")


def test_a_thank_you_after_the_end_starts_nothing() -> None:
    """Section 3, item 22: a courtesy message after solve starts nothing until reopen."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), agent("Mon 10:00", status="solved"), customer("Mon 10:05"),
        customer("Tue 10:00"),
    )  # fmt: skip
    assert [] == told.of("next_response")
    assert ["Mon 09:00 started", "Mon 10:00 met"] == told.of("resolution")


def test_after_a_thank_you_the_next_response_counts_from_the_reopening_and_no_days_in_between() -> None:
    """Section 3, item 22: reopened reply times count the days in between."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), agent("Mon 10:00", status="solved"), customer("Mon 10:05"),
        works("Wed 10:00"), agent("Wed 11:00"),
    )  # fmt: skip
    assert ["Wed 10:00 started (reopened)", "Wed 11:00 met"] == told.of("next_response")
    assert "1h" == told.used("next_response", "Wed 11:00 met")


def test_what_is_asked_and_answered_after_the_end_is_no_instance() -> None:
    """Section 3, item 22: instances are numbered by what started."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), agent("Mon 10:00", status="solved"), customer("Mon 10:05"),
        agent("Mon 10:10"), customer("Mon 10:15"), works("Mon 11:00"),
    )  # fmt: skip
    assert ["Mon 11:00 started (reopened)", "Mon 14:00 breached"] == told.of("next_response")


def test_a_question_of_before_the_end_counts_on_when_another_policy_promises_its_answer() -> None:
    """Section 3, item 8, with the row on attributes: history is applied, the solved time left out."""
    by = terms(policy("vip", {"segment": "vip"}, next_response="3h"), policy("rest", first_response="2h"))
    told = tell(
        by, opened("Mon 09:00"), agent("Mon 10:00"), customer("Mon 11:00"), solves("Mon 12:00"),
        works("Tue 12:00"), shows("Tue 13:00", segment="vip"),
    )  # fmt: skip
    assert ["Tue 13:00 started (policy_change)", "Tue 14:00 breached"] == told.of("next_response")
    assert "2h" == told.used("next_response", "Tue 13:00 started")


def test_an_unanswered_clock_stands_while_the_ticket_is_solved_and_goes_on_when_reopened() -> None:
    """Section 3, item 8: solved time is an interval of its own kind."""
    told = tell(ANSWERS, opened("Mon 09:00"), solves("Mon 10:00"), works("Tue 10:00"), agent("Tue 10:30"))
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (solved)",
        "Tue 10:00 resumed (reopened)",
        "Tue 10:30 met",
    ] == told.of("first_response")
    assert "1h30m" == told.used("first_response", "Tue 10:30 met")


def test_solved_time_is_its_own_kind_of_interval() -> None:
    """Section 3, item 8."""
    happened = [opened("Mon 09:00"), waits("Mon 10:00", "customer"), works("Mon 11:00"), solves("Mon 12:00"),
                works("Tue 12:00")]  # fmt: skip
    marks = [mark_of(one) for one in happened]
    story = Story()
    until_us = us("Tue 12:30")
    derive(marks, order_of(marks[-1]), terms=RESOLUTION, until_us=until_us, story=story)
    assert [
        ("running", "Mon 09:00", "Mon 10:00"),
        ("customer", "Mon 10:00", "Mon 11:00"),
        ("running", "Mon 11:00", "Mon 12:00"),
        ("solved", "Mon 12:00", "Tue 12:00"),
        ("running", "Tue 12:00", "Tue 12:30"),
    ] == [(one.kind, when(one.from_us), when(one.until_us)) for one in story.until(until_us, {})]


def test_a_periodic_update_ends_with_the_ticket_and_begins_with_the_next_message_of_an_agent() -> None:
    """Row "Periodic update": while the ticket is open."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), agent("Mon 10:00"), solves("Mon 11:00"), works("Mon 20:00"),
        agent("Mon 21:00"),
    )  # fmt: skip
    assert [
        "Mon 10:00 started",
        "Mon 11:00 met",
        "Mon 21:00 started #2",
        "Tue 05:00 breached #2",
    ] == told.of("update")


def test_a_stay_in_a_queue_ends_with_the_ticket_and_a_reopening_begins_the_next() -> None:
    """Section 3, item 9: a clock per stay in a queue, side by side with the customer's."""
    told = tell(
        promises(team="4h"), opened("Mon 09:00", queue="first"), solves("Mon 10:00"), works("Mon 20:00"),
        shows("Mon 21:00", queue="second"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 met",
        "Mon 20:00 started #2 (reopened)",
        "Mon 21:00 met #2",
        "Mon 21:00 started #3",
        "Tue 01:00 breached #3",
    ] == told.of("team")


def test_a_reopened_outbound_ticket_owes_no_answer_before_its_customer_wrote() -> None:
    """Row "First response": agent-opened outbound ticket, reopened without a word of the customer."""
    told = tell(ANSWERS, opened_by_agent("Mon 09:00"), solves("Mon 10:00"), works("Mon 11:00"))
    assert ([], []) == (told.of("first_response"), told.of("next_response"))
