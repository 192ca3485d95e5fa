"""How promises end: resolution, one stay in a queue, the deadline second, and events of one instant.

Rows "Resolution", "The deadline second" and "Same-instant events".
"""

from __future__ import annotations

import pytest

from tests.unit.aging.sla.agreed import clock, promises
from tests.unit.aging.sla.story import (
    Told,
    agent,
    customer,
    opened,
    shows,
    solves,
    tell,
    waits,
    works,
)

RESOLUTION = promises(resolution=clock("4h", pauses="customer"))


# --------------------------------------------------------------------------------------------- resolution
def test_a_resolution_stops_at_solved_not_at_closed() -> None:
    """Row "Resolution"."""
    told = tell(RESOLUTION, opened("Mon 09:00"), solves("Mon 11:00"), shows("Mon 20:00", status="closed"))
    assert ["Mon 09:00 started", "Mon 11:00 met"] == told.of("resolution")
    assert "2h" == told.used("resolution", "Mon 11:00 met")


def test_a_ticket_closed_without_being_solved_is_resolved_then() -> None:
    """Row "Resolution": the first of solved and closed."""
    told = tell(RESOLUTION, opened("Mon 09:00"), shows("Mon 11:00", status="closed"),
                solves("Mon 12:00"))  # fmt: skip
    assert ["Mon 09:00 started", "Mon 11:00 met"] == told.of("resolution")


def test_an_answer_alone_resolves_nothing() -> None:
    """Row "Resolution": only a shown status moves a ticket."""
    told = tell(RESOLUTION, opened("Mon 09:00"), agent("Mon 10:00"))
    assert ["Mon 09:00 started", "Mon 13:00 breached"] == told.of("resolution")


def test_a_resolution_after_its_breach_finishes_late_by_so_much() -> None:
    """Section 2: resolved late is a breach, late by so much; "Late or corrected events": the stamp."""
    told = tell(RESOLUTION, opened("Mon 09:00"), solves("Mon 14:30"))
    assert ["Mon 09:00 started", "Mon 13:00 breached", "Mon 14:30 finished"] == told.of("resolution")
    assert ("5h30m", "Mon 13:00") == (
        told.used("resolution", "Mon 14:30 finished"), told.deadline("resolution", "Mon 14:30 finished"),
    )  # fmt: skip


def test_a_ticket_solved_while_it_waits_is_met_with_what_was_used_before() -> None:
    """Row "Resolution", with row "Pause while pending"."""
    told = tell(RESOLUTION, opened("Mon 09:00"), waits("Mon 10:00", "customer"), solves("Fri 10:00"))
    assert ["Mon 09:00 started", "Mon 10:00 paused (customer)", "Fri 10:00 met"] == told.of("resolution")
    assert "1h" == told.used("resolution", "Fri 10:00 met")


def test_a_closed_ticket_has_no_timer() -> None:
    """Section 3, item 25: no alerts for closed tickets."""
    told = tell(RESOLUTION, opened("Mon 09:00"), solves("Mon 11:00"))
    assert (None, False, False) == (told.ticket.due_us, told.ticket.past_sla, told.ticket.at_risk)


# ------------------------------------------------------------------------------------- one stay in a queue
def test_each_stay_in_a_queue_has_its_own_clock_beside_the_customers() -> None:
    """Section 3, item 9: a second team has no time left, because the clock starts at creation."""
    told = tell(
        promises(team="2h", resolution="8h"), opened("Mon 09:00", queue="first"),
        shows("Mon 10:30", queue="second"), shows("Mon 13:00", queue="first"), solves("Mon 14:00"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:30 met",
        "Mon 10:30 started #2",
        "Mon 12:30 breached #2",
        "Mon 13:00 finished #2",
        "Mon 13:00 started #3",
        "Mon 14:00 met #3",
    ] == told.of("team")
    assert ["Mon 09:00 started", "Mon 14:00 met"] == told.of("resolution")


def test_showing_the_same_queue_again_is_no_new_stay_and_no_queue_is_none() -> None:
    """Section 3, item 9: per stay in a queue."""
    told = tell(
        promises(team="2h"), opened("Mon 09:00"), shows("Mon 09:30", queue="first"),
        shows("Mon 10:00", queue="first"), shows("Mon 11:00", queue=None),
    )  # fmt: skip
    assert ["Mon 09:30 started", "Mon 11:00 met"] == told.of("team")


def test_a_ticket_that_is_reopened_into_another_queue_begins_one_stay() -> None:
    """Section 3, item 9: instances are numbered by the stays there were."""
    told = tell(
        promises(team="2h"), opened("Mon 09:00", queue="first"), solves("Mon 10:00"),
        works("Mon 11:00", queue="second"),
    )  # fmt: skip
    assert [
        "Mon 09:00 started",
        "Mon 10:00 met",
        "Mon 11:00 started #2 (reopened)",
        "Mon 13:00 breached #2",
    ] == told.of("team")


# ------------------------------------------------------------------------------------- the deadline second
@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        ("Mon 10:59:59", ["Mon 09:00 started", "Mon 10:59:59 met"]),
        ("Mon 11:00", ["Mon 09:00 started", "Mon 11:00 met"]),
        ("Mon 11:00:01", ["Mon 09:00 started", "Mon 11:00 breached", "Mon 11:00:01 finished"]),
        ("Mon 11:00:00.000001", ["Mon 09:00 started", "Mon 11:00 breached", "Mon 11:00:00.000001 finished"]),
    ],
)
def test_met_is_who_is_done_by_the_deadline_and_a_breach_is_true_strictly_after_it(
    answered: str, expected: list[str]
) -> None:
    """Row "The deadline second"."""
    told = tell(promises(first_response="2h"), opened("Mon 09:00"), agent(answered))
    assert expected == told.of("first_response")


def test_at_the_deadline_itself_nothing_is_breached_yet() -> None:
    """Row "The deadline second"."""
    told = tell(promises(first_response="2h"), opened("Mon 09:00"), until="Mon 11:00")
    assert (["Mon 09:00 started"], False) == (told.of("first_response"), told.ticket.past_sla)


def test_an_answer_at_the_closing_that_is_the_deadline_is_in_time_until_the_next_opening() -> None:
    """Row "The deadline second": what is met by open time used is met; section 2: "closing time"."""
    told = tell(promises(calendar="office", first_response="1h"), opened("Fri 16:00"), agent("Fri 17:00"))
    assert ["Fri 16:00 started", "Fri 17:00 met"] == told.of("first_response")
    assert "Fri 17:00" == told.deadline("first_response", "Fri 16:00 started")


# ------------------------------------------------------------------------------------ same-instant events
def both(*lines: str) -> Told:
    """Return what comes of solving, waiting and working, all shown at Monday 10:00."""
    happened = {
        "stop": solves("Mon 10:00"),
        "pause": waits("Mon 10:00", "customer"),
        "start": works("Mon 10:00"),
    }
    return tell(RESOLUTION, opened("Mon 09:00"), *[happened[line] for line in lines])


def test_at_one_instant_a_stop_counts_before_a_pause_before_a_start() -> None:
    """Row "Same-instant events"."""
    assert [
        "Mon 09:00 started",
        "Mon 10:00 resumed (reopened)",
        "Mon 10:00 met",
        "Mon 13:00 breached",
    ] == both("start", "stop").of("resolution")
    assert [
        "Mon 09:00 started",
        "Mon 10:00 resumed",
        "Mon 10:00 paused (customer)",
        "Mon 13:00 breached",
    ] == both("start", "pause").of("resolution")
    assert "waiting" == both("pause", "stop").ticket.status
    assert both("start", "pause", "stop").ticket == both("stop", "start", "pause").ticket


def test_the_sources_own_sequence_decides_before_the_kind_does() -> None:
    """Row "Same-instant events": occurred_at, source sequence, kind rank, event id."""
    told = tell(
        RESOLUTION, opened("Mon 09:00"), works("Mon 10:00", sequence=1), solves("Mon 10:00", sequence=2)
    )
    assert ["Mon 09:00 started", "Mon 10:00 met"] == told.of("resolution")


def test_one_observation_that_answers_and_waits_stops_then_pauses() -> None:
    """Row "Same-instant events", within one observation."""
    told = tell(
        promises(first_response="2h", resolution=clock("4h", pauses="customer")),
        opened("Mon 09:00"), agent("Mon 10:00", status="waiting/customer"),
        customer("Mon 12:00", status="in_progress"),
    )  # fmt: skip
    assert ["Mon 09:00 started", "Mon 10:00 met"] == told.of("first_response")
    assert [
        "Mon 09:00 started",
        "Mon 10:00 paused (customer)",
        "Mon 12:00 resumed",
        "Mon 15:00 breached",
    ] == told.of("resolution")
