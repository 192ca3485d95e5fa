"""Pauses: which waits stop which clocks, when they end, and what they take out. Row "Pause while pending"."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.aging.core.clock import next_us
from services.aging.core.terms import Terms
from services.aging.settings import default_terms
from tests.unit.aging.sla.agreed import (
    clock,
    length,
    long,
    policy,
    promises,
    terms,
)
from tests.unit.aging.sla.story import (
    agent,
    customer,
    opened,
    shows,
    solves,
    tell,
    waits,
    works,
)

BY_CUSTOMER = promises(resolution=clock("4h", pauses="customer"))
BY_BOTH = promises(resolution=clock("4h", pauses="customer vendor"))
IN_OFFICE = promises(calendar="office", resolution=clock("8h", pauses="customer"))


def capped(at_most: str, calendar: str = "24x7") -> Terms:
    paused = policy(calendar=calendar, resolution=clock("4h", pauses="customer vendor"))
    return terms(replace(paused, max_pause_us=long(at_most)))


def test_a_wait_that_pauses_is_taken_out_and_the_deadline_moves_by_it() -> None:
    """Row "Pause while pending"."""
    told = tell(BY_CUSTOMER, opened("Mon 09:00"), waits("Mon 10:00", "customer"), works("Mon 12:00"))
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 12:00 resumed",
        "Mon 15:00 breached",
    ] == told.of("resolution")
    assert ("Mon 13:00", None, "Mon 15:00") == (
        told.deadline("resolution", "Mon 09:00 started"),
        told.deadline("resolution", "Mon 10:00 paused"),
        told.deadline("resolution", "Mon 12:00 resumed"),
    )


def test_a_paused_clock_tells_what_is_used_of_its_budget_and_has_no_timer() -> None:
    """Row "Pause while pending": no deadline, publish what is left, no alerts. Section 3, item 2."""
    told = tell(BY_CUSTOMER, opened("Mon 09:00"), waits("Mon 10:30", "customer"), until="Thu+2 09:00")
    assert ["Mon 09:00 started", "Mon 10:30 paused (customer)"] == told.of("resolution")
    assert "1h30m" == told.used("resolution", "Mon 10:30 paused")
    assert next_us(told.clock("resolution")) is None


def test_pause_while_pending_a_customer_message_ends_the_pause_at_its_own_time() -> None:
    """Row "Pause while pending": even if the status still says pending; reported as `pause_disputed`."""
    told = tell(
        BY_CUSTOMER, opened("Mon 09:00"), waits("Mon 10:00", "customer"), customer("Mon 12:00"),
        shows("Mon 12:30", status="waiting", assignee="ann"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 12:00 resumed (pause_disputed)",
        "Mon 15:00 breached",
    ] == told.of("resolution")


def test_an_answer_ends_the_dispute_and_the_status_counts_again() -> None:
    """Row "Pause while pending": it is the customer's turn again, as the status says."""
    told = tell(
        BY_CUSTOMER, opened("Mon 09:00"), waits("Mon 10:00", "customer"), customer("Mon 12:00"),
        agent("Mon 13:00"), works("Mon 20:00"), solves("Mon 22:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 12:00 resumed (pause_disputed)",
        "Mon 13:00 paused (customer)",
        "Mon 20:00 resumed",
        "Mon 22:00 met",
    ] == told.of("resolution")
    assert "4h" == told.used("resolution", "Mon 22:00 met")


def test_a_message_of_the_customer_does_not_end_a_wait_for_a_vendor() -> None:
    """Row "Pause while pending": whom the ticket waits for is not who wrote."""
    told = tell(BY_BOTH, opened("Mon 09:00"), waits("Mon 10:00", "vendor"), customer("Mon 12:00"))
    assert ["Mon 09:00 started", "Mon 10:00 paused (vendor)"] == told.of("resolution")


def test_moving_between_two_paused_states_does_not_reset() -> None:
    """Row "Pause while pending"."""
    told = tell(
        BY_BOTH, opened("Mon 09:00"), waits("Mon 10:00", "customer"), waits("Mon 11:00", "vendor"),
        works("Mon 12:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 12:00 resumed",
        "Mon 15:00 breached",
    ] == told.of("resolution")


def test_moving_from_a_wait_that_pauses_to_one_that_does_not_ends_the_pause() -> None:
    """Row "Pause while pending": the matrix of clock and wait reason."""
    told = tell(
        BY_CUSTOMER, opened("Mon 09:00"), waits("Mon 10:00", "customer"), waits("Mon 12:00", "internal")
    )
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 12:00 resumed",
        "Mon 15:00 breached",
    ] == told.of("resolution")


@pytest.mark.parametrize("reason", ["vendor", "internal", "scheduled"])
def test_by_default_only_a_wait_for_the_customer_pauses_a_resolution(reason: str) -> None:
    """Row "Pause while pending", defaults. Section 3, item 20."""
    told = tell(
        default_terms(), opened("Mon 09:00", channel="email", priority="p1"), waits("Mon 10:00", reason)
    )
    assert ["Mon 09:00 started", "Mon 12:12 warned (80%)", "Mon 13:00 breached"] == told.of("resolution")


def test_by_default_a_first_response_never_pauses() -> None:
    """Row "Pause while pending", defaults. Section 3, item 20."""
    told = tell(
        default_terms(), opened("Mon 09:00", channel="email", priority="p1"), waits("Mon 09:10", "customer")
    )
    assert ["Mon 09:00 started", "Mon 09:48 warned (80%)", "Mon 10:00 breached"] == told.of("first_response")
    assert ["Mon 09:00 started", "Mon 09:10 paused (customer)"] == told.of("resolution")


def test_a_next_response_runs_whatever_the_status() -> None:
    """Row "Pause while pending": it runs iff an unanswered public customer message exists."""
    told = tell(
        default_terms(), opened("Mon 09:00", channel="email", priority="p1"),
        agent("Mon 09:30", status="waiting/customer"), customer("Mon 10:00"),
        waits("Mon 10:05", "vendor"), waits("Mon 10:10", "customer"),
    )  # fmt: skip
    assert ["Mon 10:00 started", "Mon 11:36 warned (80%)", "Mon 12:00 breached"] == told.of("next_response")


def test_a_pause_that_lasts_longer_than_it_may_ends_by_itself() -> None:
    """Row "Pause while pending": cap per pause (`max_pause`)."""
    told = tell(capped("2h"), opened("Mon 09:00"), waits("Mon 10:00", "customer"))
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 12:00 resumed (max_pause)",
        "Mon 15:00 breached",
    ] == told.of("resolution")


def test_the_longest_pause_counts_over_all_its_reasons_and_again_for_the_next_pause() -> None:
    """Row "Pause while pending": moving between two paused states does not reset the cap either."""
    told = tell(
        capped("2h"), opened("Mon 09:00"), waits("Mon 10:00", "customer"), waits("Mon 11:30", "vendor"),
        works("Mon 13:00"), waits("Mon 13:30", "vendor"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 12:00 resumed (max_pause)",
        "Mon 13:30 paused (vendor)",
        "Mon 15:30 resumed (max_pause)",
        "Mon 17:00 breached",
    ] == told.of("resolution")


def test_a_wait_after_a_reopening_is_another_pause() -> None:
    """Row "Pause while pending": cap per pause."""
    told = tell(
        capped("2h"), opened("Mon 09:00"), waits("Mon 10:00", "customer"), solves("Mon 13:00"),
        waits("Mon 14:00", "customer"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 12:00 resumed (max_pause)",
        "Mon 13:00 met",
        "Mon 14:00 paused (customer)",
        "Mon 16:00 resumed (max_pause)",
        "Mon 18:00 breached",
    ] == told.of("resolution")


def test_a_pause_that_a_policy_finds_is_as_long_as_the_wait_was_already() -> None:
    """Row "Ticket's attributes change so another policy matches": retroactive pause, cap included."""
    paused = clock("4h", pauses="customer")
    vip = replace(policy("vip", {"segment": "vip"}, resolution=paused), max_pause_us=long("2h"))
    told = tell(
        terms(vip, policy("rest", first_response="24h")), opened("Mon 09:00"), waits("Mon 10:00", "customer"),
        shows("Mon 11:00", segment="vip"),
    )  # fmt: skip
    assert [
        "Mon 11:00 started (policy_change)",
        "Mon 11:00 paused (customer)",
        "Mon 12:00 resumed (max_pause)",
        "Mon 15:00 breached",
    ] == told.of("resolution")


def test_a_paused_clock_that_a_policy_finds_past_its_target_is_breached_by_the_change() -> None:
    """Row "Priority changes mid-ticket": if elapsed already exceeds the target, at the change instant."""
    vip = policy("vip", {"segment": "vip"}, resolution=clock("1h", pauses="customer"))
    told = tell(
        terms(vip, policy("rest", first_response="24h")), opened("Mon 09:00"), waits("Mon 11:00", "customer"),
        shows("Mon 12:00", segment="vip"),
    )  # fmt: skip
    assert [
        "Mon 12:00 started (policy_change)",
        "Mon 12:00 breached (policy_change)",
        "Mon 12:00 paused (customer)",
    ] == told.of("resolution")


def test_the_longest_pause_is_open_time_too() -> None:
    """Row "Pause while pending"; section 3, item 5: one unit for target, elapsed and pause."""
    told = tell(capped("2h", "office"), opened("Fri 09:00"), waits("Fri 16:00", "customer"))
    assert [
        "Fri 09:00 started",
        "Fri 13:00 breached",
    ] == told.of("resolution")[:2]
    told = tell(capped("2h", "office"), opened("Fri 14:00"), waits("Fri 16:00", "customer"))
    assert [
        "Fri 14:00 started",
        "Fri 16:00 paused (customer)",
        "Mon+1 10:00 resumed (max_pause)",
        "Mon+1 12:00 breached",
    ] == told.of("resolution")


def test_a_pause_over_the_weekend_gives_no_more_than_the_open_time_in_it() -> None:
    """Section 3, item 5: pause counted in wall time, deadline in business days, gives too much."""
    told = tell(
        IN_OFFICE, opened("Fri 13:00"), waits("Fri 16:00", "customer"), works("Mon+1 10:00"),
        until="Fri+1 00:00",
    )  # fmt: skip
    # 3 h on Friday, 5 h are left from Monday 10:00 on; the pause took 1 h of Friday and 1 h of Monday.
    assert "Mon+1 15:00" == told.deadline("resolution", "Mon+1 10:00 resumed")
    assert "Mon+1 15:00 breached" == told.of("resolution")[-1]


def test_a_pause_wholly_outside_hours_moves_nothing() -> None:
    """Section 3, item 5 (and section 2: a pause takes out the open time inside it)."""
    told = tell(IN_OFFICE, opened("Mon 13:00"), waits("Mon 18:00", "customer"), works("Tue 08:00"))
    assert "Tue 13:00" == told.deadline("resolution", "Mon 13:00 started")
    assert "Tue 13:00" == told.deadline("resolution", "Tue 08:00 resumed")
    assert "Tue 13:00 breached" == told.of("resolution")[-1]


def test_a_clock_may_start_inside_a_pause_and_runs_from_the_resume() -> None:
    """Section 2, "Peers agree": a clock may start inside a pause; it runs from the resume."""
    told = tell(BY_CUSTOMER, opened("Mon 09:00", status="waiting/customer"), works("Mon 12:00"))
    assert [
        "Mon 09:00 started",
        "Mon 09:00 paused (customer)",
        "Mon 12:00 resumed",
        "Mon 16:00 breached",
    ] == told.of("resolution")


def test_a_pause_between_warning_and_deadline_tells_the_warning_once() -> None:
    """Section 2, "Nobody tests": a pause between warning and deadline. Section 3, item 3."""
    told = tell(
        promises(resolution=clock("4h", warn="50%", pauses="customer")),
        opened("Mon 09:00"), waits("Mon 12:00", "customer"), works("Mon 20:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 11:00 warned (50%)",
        "Mon 12:00 paused (customer)",
        "Mon 20:00 resumed",
        "Mon 21:00 breached",
    ] == told.of("resolution")


def test_a_breached_clock_can_pause_but_stays_breached() -> None:
    """Section 3, item 21: breaches are facts that nothing afterwards takes away."""
    told = tell(
        BY_CUSTOMER, opened("Mon 09:00"), waits("Mon 14:00", "customer"), works("Mon 15:00"),
        solves("Mon 16:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 13:00 breached",
        "Mon 14:00 paused (customer)",
        "Mon 15:00 resumed",
        "Mon 16:00 finished",
    ] == told.of("resolution")
    assert length(long("6h")) == told.used("resolution", "Mon 16:00 finished")


def test_a_pause_in_the_last_second_of_the_budget_keeps_it() -> None:
    """Row "The deadline second": the second itself is met, so a pause at it leaves nothing, and is no breach."""
    told = tell(BY_CUSTOMER, opened("Mon 09:00"), waits("Mon 13:00", "customer"), works("Mon 14:00"))
    assert [
        "Mon 09:00 started",
        "Mon 13:00 paused (customer)",
        "Mon 14:00 resumed",
        "Mon 14:00 breached",
    ] == told.of("resolution")
