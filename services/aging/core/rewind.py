"""How a ticket stood at a past instant since which nothing happened to it but the passing of time.

Most open tickets are such, so counting yesterday's broken promises need not read their timelines: what time
brought about since then has an instant, and what came later is taken back.
"""

from __future__ import annotations

from copy import copy

from services.aging.core.attention import AT_RISK, BOUNCING, PAST_SLA, awaited
from services.aging.core.clock import Clock, instant, stages_of
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket


def flags_then(ticket: Ticket, terms: Terms, at_us: int) -> int | None:
    """Return the flags (attention.py) of an open ticket as they were at `at_us`; None: ask its whole timeline.

    `ticket` is as it is at some later instant. Nothing was observed of it after `at_us`.
    """
    if max(ticket.updated_us, ticket.customer_us, ticket.agent_us) > at_us:
        return None
    turn_us = terms.next_running_us(at_us)
    if turn_us is not None and turn_us <= ticket.advanced_us:
        return None
    later = _later(ticket, terms, at_us)
    if later & BOUNCING:
        return None  # it may have begun by earlier settings, before the newest observation
    flags = ticket.signals & ~later
    past = [_was_breached(clock, at_us) for clock in ticket.clocks]
    risk = [_was_at_risk(clock, terms, at_us) for clock in ticket.clocks]
    if None in past or None in risk:
        return None
    if any(past):
        return flags | PAST_SLA
    return flags | AT_RISK if any(risk) else flags


def _later(ticket: Ticket, terms: Terms, at_us: int) -> int:
    """Return the signals that stand and began after `at_us`."""
    unsignalled = copy(ticket)
    unsignalled.signals = 0
    return ticket.signals & sum(
        signal for begin_us, signal in awaited(unsignalled, terms) if begin_us > at_us
    )


def _was_breached(clock: Clock, at_us: int) -> bool | None:
    if not clock.breached or clock.deadline_us > at_us:
        return False
    # In the deadline's own second it was broken only if a change broke it.
    return True if clock.deadline_us < at_us else None


def _was_at_risk(clock: Clock, terms: Terms, at_us: int) -> bool | None:
    if not clock.stage or not 0 <= clock.since_us <= at_us:
        return False
    promise, hours = terms.promise(clock.policy, clock.name)
    amount_us = stages_of(promise, clock.target_us)[0][0]
    begin_us = instant(hours, clock.since_us, max(0, amount_us - clock.used_us))
    if amount_us <= clock.used_us and begin_us != clock.since_us:
        return (
            None  # it went on while it was closed: whether it was warned of before, only the timeline knows
        )
    return begin_us <= at_us
