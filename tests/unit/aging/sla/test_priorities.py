"""Row "Priority changes mid-ticket": elapsed time is kept, the target is replaced from the change on."""

from __future__ import annotations

from services.aging.core.terms import Terms
from shared.contracts.backlog import Cause
from tests.unit.aging.sla.agreed import (
    clock,
    policy,
    promises,
    terms,
)
from tests.unit.aging.sla.story import (
    agent,
    cause_of,
    opened,
    shows,
    solves,
    tell,
    waits,
    works,
)

BY_PRIORITY = promises(resolution=clock({"p1": "2h", "p2": "3h", "p3": "8h"}, warn="80%", pauses="customer"))


def test_elapsed_time_is_carried_over_to_the_new_target() -> None:
    """Row "Priority changes mid-ticket": 3 h to 2 h after 1 h leaves 1 h."""
    told = tell(BY_PRIORITY, opened("Mon 09:00", priority="p2"), shows("Mon 10:00", priority="p1"))
    assert [
        "Mon 09:00 started",
        "Mon 10:00 deadline_changed (priority_raised)",
        "Mon 10:36 warned (80%)",
        "Mon 11:00 breached",
    ] == told.of("resolution")
    assert "1h" == told.used("resolution", "Mon 10:00 deadline_changed")


def test_a_raise_that_finds_more_used_than_allowed_breaches_at_the_change_with_notice() -> None:
    """Row "Priority changes mid-ticket": `cause=priority_raised`, and `min_notice` before any page."""
    told = tell(BY_PRIORITY, opened("Mon 09:00", priority="p3"), shows("Mon 13:00", priority="p1"))
    assert ["Mon 09:00 started", "Mon 13:00 breached (priority_raised)"] == told.of("resolution")
    assert ("4h", "Mon 13:15") == (
        told.used("resolution", "Mon 13:00 breached"), told.notify_at("resolution", "Mon 13:00 breached"),
    )  # fmt: skip
    assert Cause.PRIORITY_RAISED is cause_of(told, "resolution", "Mon 13:00 breached")


def test_the_notice_is_counted_in_open_time() -> None:
    """Row "Priority changes mid-ticket": 15 business minutes."""
    told = tell(
        terms(policy(calendar="office", resolution={"p1": "2h", "p3": "20h"})),
        opened("Fri 09:00", priority="p3"), shows("Fri 16:50", priority="p1"),
    )  # fmt: skip
    assert "Mon+1 09:05" == told.notify_at("resolution", "Fri 16:50 breached")


def test_a_breach_soon_after_a_raise_waits_for_the_notice_too() -> None:
    """Row "Priority changes mid-ticket": who had no time to react is not paged at once."""
    told = tell(BY_PRIORITY, opened("Mon 09:00", priority="p3"), shows("Mon 10:55", priority="p1"))
    assert [
        "Mon 09:00 started",
        "Mon 10:55 deadline_changed (priority_raised)",
        "Mon 10:55 warned (80% priority_raised)",
        "Mon 11:00 breached",
    ] == told.of("resolution")
    assert "Mon 11:10" == told.notify_at("resolution", "Mon 11:00 breached")


def test_a_raise_at_the_very_deadline_is_in_time_and_gives_notice() -> None:
    """Row "The deadline second": what is used up exactly is not exceeded; the breach is true after it."""
    told = tell(BY_PRIORITY, opened("Mon 09:00", priority="p3"), shows("Mon 11:00", priority="p1"))
    assert [
        "Mon 09:00 started",
        "Mon 11:00 deadline_changed (priority_raised)",
        "Mon 11:00 warned (80% priority_raised)",
        "Mon 11:00 breached",
    ] == told.of("resolution")
    assert "Mon 11:15" == told.notify_at("resolution", "Mon 11:00 breached")


def test_lowering_moves_the_deadline_away() -> None:
    """Row "Priority changes mid-ticket"."""
    told = tell(BY_PRIORITY, opened("Mon 09:00", priority="p1"), shows("Mon 10:00", priority="p3"))
    assert [
        "Mon 09:00 started",
        "Mon 10:00 deadline_changed (priority_lowered)",
        "Mon 15:24 warned (80%)",
        "Mon 17:00 breached",
    ] == told.of("resolution")


def test_lowering_after_a_breach_does_not_erase_it() -> None:
    """Row "Priority changes mid-ticket"; section 3, item 21."""
    told = tell(
        BY_PRIORITY, opened("Mon 09:00", priority="p1"), shows("Mon 12:00", priority="p3"),
        solves("Mon 13:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:36 warned (80%)",
        "Mon 11:00 breached",
        "Mon 13:00 finished",
    ] == told.of("resolution")


def test_there_is_at_most_one_breach_per_instance_however_often_the_priority_moves() -> None:
    """Row "Priority changes mid-ticket": no duplicate breach. Section 3, item 3: one fact per stage."""
    told = tell(
        BY_PRIORITY, opened("Mon 09:00", priority="p1"), shows("Mon 12:00", priority="p3"),
        shows("Mon 13:00", priority="p2"), shows("Mon 14:00", priority="p1"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:36 warned (80%)",
        "Mon 11:00 breached",
    ] == told.of("resolution")


def test_a_warning_told_before_a_change_is_not_told_again() -> None:
    """Section 3, item 3: one alert per clock instance and stage."""
    told = tell(
        BY_PRIORITY, opened("Mon 09:00", priority="p2"), shows("Mon 11:30", priority="p3"),
        shows("Mon 11:35", priority="p2"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 11:24 warned (80%)",
        "Mon 11:30 deadline_changed (priority_lowered)",
        "Mon 11:35 deadline_changed (priority_raised)",
        "Mon 12:00 breached",
    ] == told.of("resolution")


def test_results_already_reached_are_not_rewritten_by_a_later_priority() -> None:
    """Row "Priority changes mid-ticket": first response was met by the target in force then."""
    told = tell(
        promises(first_response={"p1": "10m", "p3": "4h"}),
        opened("Mon 09:00", priority="p3"), agent("Mon 10:00"), shows("Mon 11:00", priority="p1"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 10:00 met"] == told.of("first_response")


def test_a_change_while_paused_keeps_elapsed_and_paused_time() -> None:
    """Section 3, item 1: elapsed and paused time belong to the ticket's timeline, never to the policy."""
    told = tell(
        BY_PRIORITY, opened("Mon 09:00", priority="p3"), waits("Mon 10:00", "customer"),
        shows("Mon 18:00", priority="p1"), works("Mon 20:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 20:00 resumed",
        "Mon 20:36 warned (80%)",
        "Mon 21:00 breached",
    ] == told.of("resolution")


def test_a_priority_without_a_promise_supersedes_and_a_later_one_goes_on_with_the_history() -> None:
    """Row "Ticket's attributes change so another policy matches", for priorities."""
    by: Terms = promises(resolution=clock({"p1": "3h"}, pauses="customer"))
    told = tell(
        by, opened("Mon 09:00", priority="p1"), shows("Mon 10:00", priority="p4"),
        waits("Mon 11:00", "customer"), works("Mon 12:00"), shows("Mon 12:30", priority="p1"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 superseded (priority_lowered)",
        "Mon 12:30 started (priority_raised)",
        "Mon 13:00 breached",
    ] == told.of("resolution")
