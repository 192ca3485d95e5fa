"""How long a solved ticket took, for whom."""

from __future__ import annotations

from typing import Any

from services.aging.core.mark import mark_of
from services.aging.core.terms import Terms
from shared.contracts.tickets import Activity, Observation, Status, WaitReason
from tests.unit.aging.observations import END_US, HOUR_US, seen
from tests.unit.aging.partitions import derived

WAITING: dict[str, Any] = {"status": Status.WAITING}


def spent(*all_seen: Observation) -> list[tuple[str, tuple[float, ...]]]:
    """Return (fact, hours in all, for the requester, of the agents) of each end."""
    _, drafts = derived([mark_of(one) for one in all_seen], Terms(), END_US)
    return [
        (draft.type.value, tuple(us / HOUR_US for us in draft.spent_us))
        for draft in drafts
        if draft.spent_us is not None
    ]


def test_waits_for_the_customer_are_not_the_requesters_and_other_waits_are_not_the_agents() -> None:
    assert [("ticket.solved", (10.0, 7.0, 5.0))] == spent(
        seen(hours=0, status=Status.NEW),
        seen(hours=1, **WAITING, wait_reason=WaitReason.CUSTOMER),
        seen(hours=4, status=Status.IN_PROGRESS),
        seen(hours=6, **WAITING, wait_reason=WaitReason.VENDOR),
        seen(hours=8, status=Status.IN_PROGRESS),
        seen(hours=10, status=Status.SOLVED),
    )


def test_a_wait_that_lasts_to_the_end_counts_and_a_disputed_one_ends_with_the_message() -> None:
    assert [("ticket.closed", (10.0, 8.0, 8.0))] == spent(
        seen(hours=0, status=Status.NEW),
        seen(hours=2, **WAITING, wait_reason=WaitReason.CUSTOMER),
        seen(hours=4, activity=Activity.CUSTOMER_MESSAGE),
        seen(hours=10, status=Status.CLOSED),
    )


def test_the_time_between_a_solution_and_its_reopening_is_nobodys() -> None:
    assert [("ticket.solved", (2.0, 2.0, 2.0)), ("ticket.solved", (10.0, 6.0, 6.0))] == spent(
        seen(hours=0, status=Status.NEW),
        seen(hours=2, status=Status.SOLVED),
        seen(hours=6, status=Status.IN_PROGRESS),
        seen(hours=10, status=Status.SOLVED),
    )


def test_a_ticket_that_is_closed_later_took_as_long_as_until_it_was_solved() -> None:
    assert [("ticket.solved", (2.0, 2.0, 2.0)), ("ticket.closed", (2.0, 2.0, 2.0))] == spent(
        seen(hours=0, status=Status.NEW),
        seen(hours=2, status=Status.SOLVED),
        seen(hours=50, status=Status.CLOSED),
    )
