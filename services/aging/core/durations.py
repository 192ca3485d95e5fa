"""How long a ticket took when it was solved: in all, for its requester, and for those who worked on it.

Three figures, because one of them always excuses somebody: the whole span since creation; without the time
in which the requester was waited for, and without the time it was out of the stock; and without any wait.
Wall clock: hours of a calendar are a matter of promises.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from services.aging.core.clocks import Standing, why_it_stands
from services.aging.core.ticket import Ticket
from shared.contracts.tickets import WaitReason

_CUSTOMER: Final = WaitReason.CUSTOMER.value


class Durations(NamedTuple):
    """From creation to an instant, in microseconds."""

    total_us: int
    requester_wait_us: int
    """Without waits for the requester, and without the time between a solution and a reopening."""
    agent_work_us: int
    """Without any wait."""


def until(ticket: Ticket, was: Standing, at_us: int) -> Durations:
    """Return how long the ticket took until `at_us`; `was` is what was the case until then.

    One that is closed after it was solved took as long as until it was solved.
    """
    if not was.open and was.left_us is not None:
        at_us = was.left_us
    customer_us, others_us = ticket.waited_us, ticket.held_us
    if was.open and ticket.wait_us >= 0:
        if was.why == _CUSTOMER:
            customer_us += at_us - ticket.wait_us
        else:
            others_us += at_us - ticket.wait_us
    total_us = at_us - ticket.created_us
    requester_us = total_us - customer_us - ticket.out_us
    return Durations(total_us, requester_us, requester_us - others_us)


def follow(ticket: Ticket, at_us: int, was: Standing) -> None:
    """Count the wait or the absence that a mark at `at_us` ends."""
    if was.left_us is not None and ticket.open and not was.open:
        ticket.out_us += at_us - was.left_us
    if was.open and ticket.wait_us >= 0 and why_it_stands(ticket) != was.why:
        if was.why == _CUSTOMER:
            ticket.waited_us += at_us - ticket.wait_us
        else:
            ticket.held_us += at_us - ticket.wait_us
