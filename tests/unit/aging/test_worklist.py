"""The order of work: what comes first, what decides between two tickets, and the reasons given for it."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.age import AgeVersion
from services.aging.core.clock import NEVER, Clock
from services.aging.core.ticket import Ticket
from services.aging.core.worklist import Weights, WorkOrder, span
from shared.contracts.instants import SECOND_US
from tests.unit.aging.observations import DAY_US, HOUR_US, at

MINUTE_US: Final = 60 * SECOND_US
NOW_US: Final = at(100) // MINUTE_US * MINUTE_US
ORDER: Final = WorkOrder(NOW_US, AgeVersion())


def clock(left_us: int, *, name: str = "resolution", runs: bool = True) -> Clock:
    """A clock that is due `left_us` from now."""
    since_us = NOW_US - DAY_US if runs else -1
    return Clock(name, 1, "all@1", DAY_US, 0, since_us=since_us, deadline_us=NOW_US + left_us)


def ticket(*clocks: Clock, age_us: int = HOUR_US, **fields: Any) -> Ticket:
    start_us = NOW_US - age_us
    return Ticket("desk", start_us, episode=1, episode_us=start_us, clocks=list(clocks), **fields)


def waiting(reason: str, *clocks: Clock, **fields: Any) -> Ticket:
    return ticket(*clocks, status="waiting", shown="waiting", wait_reason=reason, **fields)


def ordered(order: WorkOrder = ORDER, **tickets: Ticket) -> list[str]:
    return sorted(tickets, key=lambda key: order.position(key, tickets[key]))


def codes(one: Ticket, order: WorkOrder = ORDER) -> list[str]:
    return [reason.code for reason in order.reasons(one)]


# ------------------------------------------------------------------------------------- standard order
def test_emergencies_come_first_then_what_is_due_then_vip_then_who_came_first() -> None:
    assert ["emergency", "past_due", "soon", "later", "vip", "old", "young"] == ordered(
        young=ticket(),
        old=ticket(age_us=2 * HOUR_US),
        vip=ticket(segment="VIP"),
        later=ticket(clock(3 * HOUR_US), segment="vip"),
        soon=ticket(clock(HOUR_US)),
        past_due=ticket(clock(-HOUR_US)),
        emergency=ticket(clock(5 * HOUR_US), priority="p1"),
    )


def test_the_tightest_running_clock_decides_and_a_paused_one_does_not_press() -> None:
    assert ["tight", "loose", "paused", "none"] == ordered(
        none=ticket(age_us=MINUTE_US),
        paused=ticket(clock(-HOUR_US, runs=False)),
        loose=ticket(clock(2 * HOUR_US)),
        tight=ticket(clock(9 * HOUR_US), clock(HOUR_US, name="next_response")),
    )
    assert ["no_deadline", "age"] == codes(ticket(clock(-HOUR_US, runs=False)))


def test_a_clock_whose_calendar_never_opens_has_no_deadline_to_press_with() -> None:
    never = clock(0)
    never.deadline_us = NEVER
    assert ["no_deadline", "age"] == codes(ticket(never))


def test_vip_goes_first_among_those_due_in_the_same_minute_only() -> None:
    assert ["vip", "other"] == ordered(
        other=ticket(clock(SECOND_US)), vip=ticket(clock(30 * SECOND_US), segment="vip")
    )
    assert ["other", "vip"] == ordered(
        other=ticket(clock(SECOND_US)), vip=ticket(clock(MINUTE_US), segment="vip")
    )


@pytest.mark.parametrize("reason", ["customer", "vendor", "scheduled"])
def test_whom_we_only_wait_for_comes_after_everything_we_can_work_on(reason: str) -> None:
    assert ["young", "waits"] == ordered(waits=waiting(reason, priority="p1"), young=ticket(age_us=0))
    assert "others_turn" == codes(waiting(reason, priority="p1"))[0]


def test_a_wait_that_is_our_own_or_answered_or_under_a_running_clock_is_our_turn() -> None:
    assert ["running", "internal", "answered", "young"] == ordered(
        young=ticket(age_us=0),
        internal=waiting("internal", age_us=3 * HOUR_US),
        answered=waiting("customer", age_us=2 * HOUR_US, disputed=True),
        running=waiting("vendor", clock(HOUR_US)),
    )


def test_age_counts_from_the_last_reopening_if_ages_do() -> None:
    reopened = ticket(age_us=9 * HOUR_US)
    reopened.episode_us = NOW_US
    by_episode = WorkOrder(NOW_US, AgeVersion(from_episode=True))
    assert ["reopened", "other"] == ordered(reopened=reopened, other=ticket())
    assert ["other", "reopened"] == ordered(by_episode, reopened=reopened, other=ticket())


# --------------------------------------------------------------------------------------------- MoSCoW
def project(*tags: str, **fields: Any) -> Ticket:
    return ticket(kind="project", tags=tags, **fields)


def test_planned_work_comes_behind_requests_and_in_the_order_of_its_tags() -> None:
    assert ["request", "must", "should", "could", "untagged", "wont"] == ordered(
        wont=project("wont", age_us=DAY_US),
        untagged=project(age_us=2 * DAY_US),
        could=project("Could"),
        should=project("moscow:Should"),
        must=project("could", "MUST", age_us=0),
        request=ticket(clock(5 * DAY_US)),
    )


def test_planned_work_with_one_tag_is_ordered_like_all_the_rest() -> None:
    assert ["due", "vip", "old", "young"] == ordered(
        young=project("must"),
        old=project("must", age_us=DAY_US),
        vip=project("must", segment="vip"),
        due=ticket(clock(DAY_US), kind="project", tags=("must",)),
    )


def test_an_emergency_is_one_in_planned_work_too() -> None:
    assert ["emergency", "request"] == ordered(request=ticket(clock(0)), emergency=project(priority="p1"))


def test_without_moscow_planned_work_stands_among_the_rest() -> None:
    plain = WorkOrder(NOW_US, AgeVersion(), moscow=False)
    tickets = {"wont": project("wont", age_us=DAY_US), "request": ticket()}
    assert ["wont", "request"] == ordered(plain, **tickets)
    assert ["no_deadline", "age"] == codes(tickets["wont"], plain)


# ---------------------------------------------------------------------------------------------- score
def test_weights_make_one_score_of_all_reasons() -> None:
    order = WorkOrder(NOW_US, AgeVersion(), Weights(emergency=10, past_sla=20, time_left=8, vip=5, age=4))
    late = ticket(clock(-HOUR_US), priority="p1", segment="vip", age_us=36 * HOUR_US)
    assert -45.0 == order.position("late", late).score
    assert [("emergency", 10), ("past_due", 28), ("vip", 5), ("age", 2)] == [
        (reason.code, reason.points) for reason in order.reasons(late)
    ]
    assert -4.0 == order.position("half", ticket(clock(12 * HOUR_US), age_us=0)).score


def test_with_weights_an_emergency_is_as_urgent_as_it_weighs() -> None:
    order = WorkOrder(NOW_US, AgeVersion(), Weights(emergency=1, vip=2))
    assert ["vip", "emergency", "soon", "later", "waits"] == ordered(
        order,
        waits=waiting("customer", segment="vip", priority="p1"),
        later=ticket(clock(2 * HOUR_US)),
        soon=ticket(clock(HOUR_US)),
        emergency=ticket(priority="p1"),
        vip=ticket(segment="vip"),
    )


# -------------------------------------------------------------------------------------------- reasons
def test_the_reasons_are_told_in_words() -> None:
    one = ticket(clock(90 * MINUTE_US), priority="p1", segment="vip", age_us=76 * HOUR_US)
    assert ["p1: an emergency", "resolution is due in 1h 30m", "VIP", "open for 3d 4h"] == [
        reason.text for reason in ORDER.reasons(one)
    ]
    assert "next_response was due 10m ago" in [
        reason.text for reason in ORDER.reasons(ticket(clock(-10 * MINUTE_US, name="next_response")))
    ]
    assert "planned work: must" == ORDER.reasons(project("must"))[0].text


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"),
        (59, "59s"),
        (3_600, "1h"),
        (3_661, "1h 1m"),
        (86_400 + 61, "1d"),
        (3 * 86_400 + 7_200, "3d 2h"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(seconds: int, expected: str) -> None:
    assert expected == span(seconds * SECOND_US)


TICKETS: Final = st.builds(
    ticket,
    st.builds(clock, st.sampled_from([-DAY_US, 0, 1, SECOND_US, DAY_US]), runs=st.booleans()),
    age_us=st.sampled_from([0, HOUR_US, 80 * HOUR_US]),
    priority=st.sampled_from(["", "p1", "p2"]),
    segment=st.sampled_from(["", "vip"]),
    kind=st.sampled_from(["", "project"]),
    tags=st.sampled_from([(), ("must",), ("wont",)]),
)


@given(st.lists(TICKETS, max_size=12), st.booleans(), st.sampled_from([None, Weights(1, 2, 3, 4, 5)]))
def test_the_order_is_total_and_depends_on_nothing_but_the_tickets_and_the_instant(
    tickets: list[Ticket], moscow: bool, weights: Weights | None
) -> None:
    order = WorkOrder(NOW_US, AgeVersion(), weights, moscow=moscow)
    positions = [order.position(str(number), one) for number, one in enumerate(tickets)]
    again = [order.position(str(number), one) for number, one in enumerate(tickets)]
    assert len(positions) == len(set(positions))
    assert again == positions
