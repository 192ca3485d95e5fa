"""Whose turn it is: first response, next response, periodic update, and who starts and stops them.

Rows "First response", "Next response", "Periodic update" and "Agent vs customer reply".
"""

from __future__ import annotations

import pytest

from services.aging.settings import default_terms
from shared.contracts.tickets import Activity, Actor, Visibility
from tests.unit.aging.sla.agreed import (
    clock,
    promises,
)
from tests.unit.aging.sla.story import (
    agent,
    customer,
    note,
    opened,
    opened_by_agent,
    saw,
    shows,
    tell,
    waits,
    works,
)

ANSWERS = promises(first_response="2h", next_response="3h", update=clock("8h", pauses="customer"))


# ----------------------------------------------------------------------------------------- first response
def test_first_response_runs_from_the_creation_to_the_first_public_message_of_an_agent() -> None:
    """Row "First response"."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), note("Mon 09:30"), works("Mon 09:40", assignee="ann"),
        agent("Mon 10:00"), agent("Mon 10:30"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 10:00 met"] == told.of("first_response")
    assert ("1h", "Mon 11:00") == (
        told.used("first_response", "Mon 10:00 met"), told.deadline("first_response", "Mon 10:00 met"),
    )  # fmt: skip


@pytest.mark.parametrize("channel", ["web", "phone", "email", "chat"])
def test_a_ticket_of_a_customer_owes_a_first_response_from_its_creation(channel: str) -> None:
    """Row "First response": at creation for web form and phone; for mail the creation is the message."""
    told = tell(ANSWERS, shows("Mon 09:10", created="Mon 09:00", channel=channel), agent("Mon 12:00"))
    assert ["Mon 09:00 started", "Mon 11:00 breached", "Mon 12:00 finished"] == told.of("first_response")


def test_a_web_form_that_a_system_enters_is_the_customers() -> None:
    """Row "First response": at creation for web form."""
    told = tell(ANSWERS, opened("Mon 09:00", actor=Actor.SYSTEM, channel="web"), agent("Mon 10:00"))
    assert ["Mon 09:00 started", "Mon 10:00 met"] == told.of("first_response")


def test_an_outbound_ticket_of_an_agent_has_no_clock_until_the_customer_writes() -> None:
    """Row "First response"."""
    told = tell(
        ANSWERS, opened_by_agent("Mon 09:00"), agent("Mon 09:05"), customer("Mon 12:00"), agent("Mon 13:00")
    )
    assert ["Mon 12:00 started", "Mon 13:00 met"] == told.of("first_response")


def test_a_ticket_created_privately_starts_at_the_customers_first_message() -> None:
    """Row "First response": privately created tickets."""
    told = tell(
        ANSWERS, opened_by_agent("Mon 09:00", visibility=Visibility.INTERNAL), agent("Mon 09:30"),
        customer("Mon 10:00"),
    )  # fmt: skip
    assert ["Mon 10:00 started", "Mon 12:00 breached"] == told.of("first_response")


def test_a_call_that_is_answered_live_is_met_with_nothing_used() -> None:
    """Row "First response": phone answered live: met with 0 s."""
    told = tell(ANSWERS, opened_by_agent("Mon 09:00", channel="phone"), customer("Mon 10:00"))
    assert ["Mon 09:00 started", "Mon 09:00 met"] == told.of("first_response")
    assert "0s" == told.used("first_response", "Mon 09:00 met")
    assert ["Mon 10:00 started", "Mon 13:00 breached"] == told.of("next_response")


def test_an_answer_before_the_status_says_so_counts() -> None:
    """Row "First response": messages decide, not the status."""
    told = tell(ANSWERS, opened("Mon 09:00"), agent("Mon 09:30", status="new"))
    assert ["Mon 09:00 started", "Mon 09:30 met"] == told.of("first_response")


# ------------------------------------------------------------------------------------------ next response
def test_next_response_runs_from_the_oldest_unanswered_message_and_later_ones_do_not_move_it() -> None:
    """Row "Next response"; section 3, item 11."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), agent("Mon 10:00"), customer("Mon 11:00"), customer("Mon 12:00"),
        customer("Mon 13:00"), agent("Mon 13:30"),
    )  # fmt: skip
    assert ["Mon 11:00 started", "Mon 13:30 met"] == told.of("next_response")


def test_there_is_one_numbered_instance_for_each_run_of_unanswered_messages() -> None:
    """Row "Next response"."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), agent("Mon 10:00"), customer("Mon 11:00"), agent("Mon 12:00"),
        customer("Mon 13:00"), agent("Mon 17:00"), customer("Mon 18:00"),
    )  # fmt: skip
    assert [
        "Mon 11:00 started",
        "Mon 12:00 met",
        "Mon 13:00 started #2",
        "Mon 16:00 breached #2",
        "Mon 17:00 finished #2",
        "Mon 18:00 started #3",
        "Mon 21:00 breached #3",
    ] == told.of("next_response")


def test_next_response_does_not_start_before_the_first_response_is_met() -> None:
    """Row "Next response"; section 3, item 10: each clock has its own deadline."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), customer("Mon 09:30"), customer("Mon 10:00"), agent("Mon 12:00")
    )
    assert ["Mon 09:00 started", "Mon 11:00 breached", "Mon 12:00 finished"] == told.of("first_response")
    assert [] == told.of("next_response")


def test_nobody_waits_for_an_answer_when_the_agent_was_the_last_to_write() -> None:
    """Section 3, item 11: update clock escalates although the agent was the last to answer."""
    told = tell(ANSWERS, opened("Mon 09:00"), agent("Mon 10:00"), customer("Mon 11:00"), agent("Mon 12:00"),
                agent("Mon 14:00"))  # fmt: skip
    assert ["Mon 11:00 started", "Mon 12:00 met"] == told.of("next_response")
    assert all(one.name == "update" for one in told.ticket.clocks)


# ---------------------------------------------------------------------------------------- periodic update
def test_a_periodic_update_runs_from_each_public_message_of_an_agent_to_the_next() -> None:
    """Row "Periodic update"."""
    told = tell(ANSWERS, opened("Mon 09:00"), agent("Mon 10:00"), customer("Mon 11:00"), agent("Mon 12:00"))
    assert [
        "Mon 10:00 started",
        "Mon 12:00 met",
        "Mon 12:00 started #2",
        "Mon 20:00 breached #2",
    ] == told.of("update")


def test_a_periodic_update_pauses_while_it_is_the_customers_turn() -> None:
    """Row "Periodic update": pauses on customer."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), agent("Mon 10:00", status="waiting/customer"), works("Mon 20:00"),
        agent("Mon 21:00"),
    )  # fmt: skip
    assert [
        "Mon 10:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 20:00 resumed",
        "Mon 21:00 met",
        "Mon 21:00 started #2",
        "Tue 05:00 breached #2",
    ] == told.of("update")
    assert "1h" == told.used("update", "Mon 21:00 met")


def test_a_periodic_update_does_not_start_before_the_first_response_is_met() -> None:
    """Section 3, item 10: update clock overrides the longer first-response clock."""
    told = tell(ANSWERS, opened_by_agent("Mon 09:00"), agent("Mon 09:30"), customer("Mon 10:00"))
    assert [] == told.of("update")
    assert ["Mon 10:00 started", "Mon 12:00 breached"] == told.of("first_response")


def test_periodic_updates_and_stays_in_queues_are_off_by_default() -> None:
    """Row "Periodic update": off by default; `team` too."""
    told = tell(default_terms(), opened("Mon 09:00", channel="email", queue="first"), agent("Mon 10:00"))
    assert ([], []) == (told.of("update"), told.of("team"))


# --------------------------------------------------------------------------------- agent vs customer reply
@pytest.mark.parametrize("actor", [Actor.BOT, Actor.SYSTEM, Actor.VENDOR, Actor.CUSTOMER])
def test_only_an_agents_public_message_is_an_answer(actor: Actor) -> None:
    """Row "Agent vs customer reply"; section 3, item 23: automatic mails count as first response."""
    told = tell(ANSWERS, opened("Mon 09:00"), agent("Mon 10:00", actor=actor))
    assert ["Mon 09:00 started", "Mon 11:00 breached"] == told.of("first_response")


@pytest.mark.parametrize(
    "unseen",
    [
        note("Mon 10:00"),
        agent("Mon 10:00", visibility=Visibility.INTERNAL),
        shows("Mon 10:00", actor=Actor.AGENT, visibility=Visibility.PUBLIC, assignee="ann"),
        works("Mon 10:00"),
    ],
)
def test_what_the_customer_cannot_read_is_no_answer(unseen: object) -> None:
    """Row "Agent vs customer reply"; section 3, item 12: the rule is on actor kind and visibility."""
    told = tell(ANSWERS, opened("Mon 09:00"), unseen)  # type: ignore[arg-type]  # drawn by a parameter
    assert ["Mon 09:00 started", "Mon 11:00 breached"] == told.of("first_response")


@pytest.mark.parametrize("actor", [Actor.BOT, Actor.SYSTEM, Actor.VENDOR, Actor.AGENT])
def test_an_automatic_message_starts_nothing_and_ends_no_pause(actor: Actor) -> None:
    """Row "Agent vs customer reply": Auto-Submitted mail and vacation replies start and stop nothing."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), agent("Mon 10:00", status="waiting/customer"),
        customer("Mon 11:00", actor=actor),
    )  # fmt: skip
    assert [] == told.of("next_response")
    assert ["Mon 10:00 started", "Mon 10:00 paused (customer)"] == told.of("update")


def test_a_private_message_of_a_customer_starts_nothing() -> None:
    """Row "Agent vs customer reply": (actor kind, visibility)."""
    told = tell(ANSWERS, opened("Mon 09:00"), agent("Mon 10:00"),
                customer("Mon 11:00", visibility=Visibility.INTERNAL))  # fmt: skip
    assert [] == told.of("next_response")


def test_a_message_whose_author_is_not_told_is_of_whom_its_activity_says() -> None:
    """Row "Agent vs customer reply"; section 3, item 12: not on channel or article type."""
    told = tell(
        ANSWERS, opened("Mon 09:00"), saw("Mon 10:00", Activity.AGENT_MESSAGE),
        saw("Mon 11:00", Activity.CUSTOMER_MESSAGE), saw("Mon 12:00", Activity.AGENT_MESSAGE),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 10:00 met"] == told.of("first_response")
    assert ["Mon 11:00 started", "Mon 12:00 met"] == told.of("next_response")


def test_a_next_response_is_not_paused_by_a_wait() -> None:
    """Row "Pause while pending": reply clocks do not pause on status."""
    told = tell(ANSWERS, opened("Mon 09:00"), agent("Mon 10:00"), customer("Mon 11:00"),
                waits("Mon 11:10", "customer"))  # fmt: skip
    assert ["Mon 11:00 started", "Mon 14:00 breached"] == told.of("next_response")
