"""Which policy a clock follows: versions that come into force, fields that change, and when none fits.

Rows "Policy edited mid-ticket", "Ticket's attributes change so another policy matches" and "No calendar opening, no
policy, no priority".
"""

from __future__ import annotations

from shared.contracts.backlog import Cause
from tests.unit.aging.sla.agreed import (
    NEVER,
    clock,
    policy,
    promises,
    since,
    terms,
)
from tests.unit.aging.sla.story import (
    agent,
    cause_of,
    customer,
    opened,
    shows,
    solves,
    tell,
    waits,
    works,
)


# -------------------------------------------------------------------------- policy edited mid-ticket
def test_running_instances_keep_their_policy_version_and_new_ones_take_the_new() -> None:
    """Row "Policy edited mid-ticket"."""
    told = tell(
        terms(
            policy(first_response="1h", next_response="1h", resolution="8h"),
            since("Mon 10:00", policy(version="2", first_response="30m", next_response="30m", resolution="2h")),
        ),
        opened("Mon 09:00"), agent("Mon 09:30"), customer("Mon 09:45"), agent("Mon 10:40"),
        customer("Mon 11:00"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 17:00 breached"] == told.of("resolution")
    assert [
        "Mon 09:45 started",
        "Mon 10:40 met",
        "Mon 11:00 started #2",
        "Mon 11:30 breached #2",
    ] == told.of("next_response")


def test_a_policy_published_for_running_instances_moves_their_deadlines_at_once() -> None:
    """Row "Policy edited mid-ticket": `apply=running`; elapsed is kept."""
    told = tell(
        terms(policy(resolution="8h"), since("Mon 10:00", policy(version="2", resolution="2h"), running=True)),
        opened("Mon 09:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 deadline_changed (policy_change)",
        "Mon 11:00 breached",
    ] == told.of("resolution")
    assert ("1h", "Mon 11:00") == (
        told.used("resolution", "Mon 10:00 deadline_changed"),
        told.deadline("resolution", "Mon 10:00 deadline_changed"),
    )


def test_those_that_breach_at_once_by_an_edit_say_so_and_page_nobody() -> None:
    """Row "Policy edited mid-ticket": one grouped notice (`cause=policy_change`), never pages."""
    told = tell(
        terms(policy(resolution="8h"), since("Mon 12:00", policy(version="2", resolution="2h"), running=True)),
        opened("Mon 09:00"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 12:00 breached (policy_change)"] == told.of("resolution")
    assert Cause.POLICY_CHANGE is cause_of(told, "resolution", "Mon 12:00 breached")


def test_recorded_results_never_change_by_an_edit() -> None:
    """Row "Policy edited mid-ticket": recorded breaches and results never change."""
    told = tell(
        terms(
            policy(first_response="1h", resolution="2h"),
            since("Mon 12:00", policy(version="2", first_response="10m", resolution="9h"), running=True),
        ),
        opened("Mon 09:00"), agent("Mon 09:30"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 09:30 met"] == told.of("first_response")
    assert ["Mon 09:00 started", "Mon 11:00 breached"] == told.of("resolution")


def test_a_version_for_running_instances_reaches_paused_ones_too() -> None:
    """Row "Policy edited mid-ticket"; section 3, item 1: paused time is kept."""
    paused = clock("8h", pauses="customer")
    told = tell(
        terms(
            policy(resolution=paused),
            since("Mon 12:00", policy(version="2", resolution=clock("3h", pauses="customer")), running=True),
        ),
        opened("Mon 09:00"), waits("Mon 10:00", "customer"), works("Mon 14:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 14:00 resumed",
        "Mon 16:00 breached",
    ] == told.of("resolution")


def test_a_version_for_running_instances_reaches_a_solved_ticket_when_it_is_reopened() -> None:
    """Row "Policy edited mid-ticket", with row "Reopen after resolve": what goes on follows the version."""
    told = tell(
        terms(
            policy(resolution="8h"),
            since("Mon 12:00", policy(version="2", resolution="2h"), running=True),
            since("Mon 13:00", policy(version="3", resolution="1h")),
        ),
        opened("Mon 09:00"), solves("Mon 10:00"), works("Mon 14:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 met",
        "Mon 14:00 resumed (reopened)",
        "Mon 15:00 breached",
    ] == told.of("resolution")


def test_a_version_that_pauses_for_other_reasons_counts_from_when_it_is_in_force() -> None:
    """Row "Policy edited mid-ticket": what was paused by the old version stays paused until then."""
    told = tell(
        terms(
            policy(resolution=clock("4h", pauses="vendor")),
            since("Mon 12:00", policy(version="2", resolution="4h"), running=True),
        ),
        opened("Mon 09:00"), waits("Mon 10:00", "vendor"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (vendor)",
        "Mon 12:00 resumed (policy_change)",
        "Mon 15:00 breached",
    ] == told.of("resolution")


def test_a_change_of_priority_reads_the_target_of_the_version_that_the_instance_keeps() -> None:
    """Row "Policy edited mid-ticket": instances keep their version, each its own."""
    first = policy(next_response={"p1": "1h", "default": "4h"}, resolution={"p1": "5h", "default": "9h"})
    second = policy(
        version="2", next_response={"p1": "2h", "default": "6h"}, resolution={"p1": "1h", "default": "1h"}
    )
    told = tell(
        terms(first, since("Mon 10:00", second)),
        opened("Mon 09:00", priority="p2"), agent("Mon 09:30"), customer("Mon 10:30"),
        shows("Mon 11:00", priority="p1"),
    )  # fmt: skip
    assert [
        "Mon 10:30 started",
        "Mon 11:00 deadline_changed (priority_raised)",
        "Mon 12:30 breached",
    ] == told.of("next_response")
    assert [
        "Mon 09:00 started",
        "Mon 11:00 deadline_changed (priority_raised)",
        "Mon 14:00 breached",
    ] == told.of("resolution")


def test_a_field_that_changes_to_the_same_policy_keeps_the_version() -> None:
    """Row "Policy edited mid-ticket": the edit reaches running instances by `apply=running` only."""
    first = [policy("vip", {"segment": "vip"}, resolution="1h"), policy("rest", resolution="9h")]
    second = [policy("vip", {"segment": "vip"}, version="2", resolution="1h"),
              policy("rest", version="2", resolution="2h")]  # fmt: skip
    told = tell(
        terms(*first, since("Mon 10:00", *second)),
        opened("Mon 09:00", segment="small"), shows("Mon 12:00", segment="medium"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 18:00 breached"] == told.of("resolution")


# --------------------------------------------------------------------------------- another policy matches
def test_another_policy_with_the_same_metric_continues_the_instance_with_the_new_target() -> None:
    """Row "Ticket's attributes change so another policy matches". Section 3, item 1: paused time is kept."""
    told = tell(
        terms(
            policy("vip", {"segment": "vip"}, resolution=clock("4h", pauses="customer")),
            policy("rest", resolution=clock("8h", pauses="customer")),
        ),
        opened("Mon 09:00"), waits("Mon 10:00", "customer"), works("Mon 12:00"),
        shows("Mon 13:00", segment="vip"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 12:00 resumed",
        "Mon 13:00 deadline_changed (policy_change)",
        "Mon 15:00 breached",
    ] == told.of("resolution")


def test_a_metric_only_in_the_old_policy_is_closed_as_superseded() -> None:
    """Row "Ticket's attributes change so another policy matches". Section 3, item 13: its timers go."""
    told = tell(
        terms(policy("vip", {"segment": "vip"}, first_response="1h", resolution="4h"),
              policy("rest", resolution="8h")),
        opened("Mon 09:00", segment="vip"), shows("Mon 09:30", segment="small"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 09:30 superseded (policy_change)"] == told.of("first_response")


def test_a_metric_only_in_the_new_policy_starts_from_its_own_beginning_with_history() -> None:
    """Row "Ticket's attributes change so another policy matches": retroactive start, retroactive pause."""
    told = tell(
        terms(policy("vip", {"segment": "vip"}, first_response="4h",
                     resolution=clock("4h", pauses="customer")), policy("rest", first_response="4h")),
        opened("Mon 09:00"), waits("Mon 10:00", "customer"), works("Mon 12:00"),
        shows("Mon 13:00", segment="vip"),
    )  # fmt: skip
    assert ["Mon 13:00 started (policy_change)", "Mon 15:00 breached"] == told.of("resolution")
    assert "2h" == told.used("resolution", "Mon 13:00 started")


def test_a_retroactive_start_of_a_next_response_counts_from_the_first_unanswered_message() -> None:
    """Row "Ticket's attributes change so another policy matches"."""
    told = tell(
        terms(policy("vip", {"segment": "vip"}, next_response="3h"), policy("rest", first_response="1h")),
        opened("Mon 09:00"), agent("Mon 09:30"), customer("Mon 10:00"), customer("Mon 11:00"),
        shows("Mon 12:00", segment="vip"),
    )  # fmt: skip
    assert ["Mon 12:00 started (policy_change)", "Mon 13:00 breached"] == told.of("next_response")


def test_a_retroactive_start_past_its_target_breaches_at_the_change_with_notice() -> None:
    """Row "Ticket's attributes change so another policy matches", as for a raised priority."""
    told = tell(
        terms(policy("vip", {"segment": "vip"}, resolution="1h"), policy("rest", first_response="4h")),
        opened("Mon 09:00"), shows("Mon 12:00", segment="vip"),
    )  # fmt: skip
    assert [
        "Mon 12:00 started (policy_change)",
        "Mon 12:00 breached (policy_change)",
    ] == told.of("resolution")
    assert "Mon 12:15" == told.notify_at("resolution", "Mon 12:00 breached")


def test_an_answered_first_response_does_not_start_again_by_another_policy() -> None:
    """Row "Ticket's attributes change so another policy matches": what is over stays over."""
    told = tell(
        terms(policy("vip", {"segment": "vip"}, first_response="1h"), policy("rest", first_response="4h")),
        opened("Mon 09:00"), agent("Mon 09:30"), shows("Mon 12:00", segment="vip"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 09:30 met"] == told.of("first_response")


def test_an_instance_that_comes_back_with_its_policy_is_breached_and_warned_once() -> None:
    """Row "Priority changes mid-ticket": at most one breach per instance. Section 3, item 3."""
    told = tell(
        terms(policy("vip", {"segment": "vip"}, resolution=clock("2h", warn="50%")),
              policy("rest", first_response="24h")),
        opened("Mon 09:00", segment="vip"), shows("Mon 12:00", segment="small"),
        shows("Mon 13:00", segment="vip"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 warned (50%)",
        "Mon 11:00 breached",
        "Mon 12:00 superseded (policy_change)",
        "Mon 13:00 started (policy_change)",
    ] == told.of("resolution")
    assert told.ticket.past_sla


def test_the_first_policy_that_matches_counts() -> None:
    """Row "Policy edited mid-ticket": first matching policy, top down."""
    told = tell(
        terms(policy("vip", {"segment": "vip"}, resolution="1h"),
              policy("billing", {"queue": "billing"}, resolution="2h"), policy("rest", resolution="3h")),
        opened("Mon 09:00", queue="billing"), shows("Mon 09:10", queue="billing", segment="vip"),
    )  # fmt: skip
    assert "Mon 11:00" == told.deadline("resolution", "Mon 09:00 started")
    assert ["Mon 09:00 started", "Mon 09:10 deadline_changed (policy_change)", "Mon 10:00 breached"] == (
        told.of("resolution")
    )


# ------------------------------------------------------------------------ no opening, no policy, no priority
def test_a_ticket_that_no_policy_takes_has_no_clock_and_says_so() -> None:
    """Row "No calendar opening, no policy, no priority": the state `no_policy`."""
    told = tell(terms(policy("vip", {"segment": "vip"}, resolution="1h")), opened("Mon 09:00"))
    assert ([], "") == (told.of("resolution"), told.ticket.policy)


def test_a_ticket_that_leaves_all_policies_has_its_clocks_superseded() -> None:
    """Section 3, item 13: a deadline of the old policy does not stay."""
    told = tell(
        terms(policy("vip", {"segment": "vip"}, resolution="1h")),
        opened("Mon 09:00", segment="vip"), shows("Mon 09:30", segment=None),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 09:30 superseded (policy_change)"] == told.of("resolution")
    assert "" == told.ticket.policy


def test_a_calendar_that_never_opens_gives_no_deadline_and_no_breach_instead_of_wall_time() -> None:
    """Row "No calendar opening, no policy, no priority": the state `no_opening`, never a silent fallback."""
    told = tell(
        terms(policy(calendar="shut", first_response="1h"), shut=NEVER),
        opened("Mon 09:00"), agent("Fri 09:00"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Fri 09:00 met"] == told.of("first_response")
    assert told.deadline("first_response", "Mon 09:00 started") is None


def test_without_a_priority_the_default_target_holds_and_without_one_there_is_no_promise() -> None:
    """Row "No calendar opening, no policy, no priority"."""
    told = tell(promises(first_response={"p1": "1h"}, resolution={"p1": "1h", "default": "3h"}),
                opened("Mon 09:00"))  # fmt: skip
    assert ([], ["Mon 09:00 started", "Mon 12:00 breached"]) == (
        told.of("first_response"), told.of("resolution"),
    )  # fmt: skip


def test_a_priority_that_comes_later_starts_the_promise_from_its_own_beginning() -> None:
    """Row "No calendar opening, no policy, no priority", with the row on attributes: history is applied."""
    told = tell(promises(resolution={"p1": "3h"}), opened("Mon 09:00"), shows("Mon 10:00", priority="p1"),
                solves("Mon 11:00"))  # fmt: skip
    assert ["Mon 10:00 started (priority_raised)", "Mon 11:00 met"] == told.of("resolution")
    assert "2h" == told.used("resolution", "Mon 11:00 met")
