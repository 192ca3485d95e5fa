"""How the promises of a ticket stand, as lists and the ticket itself show them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from services.aging.core.clock import NEVER, Clock, used_us
from services.aging.core.stopwatch import seconds_of
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket
from shared.contracts.instants import from_us

Seconds = int | float
"""Whole ones as integers."""


class ClockItem(BaseModel):
    """One running promise of an open ticket."""

    clock: str = Field(description="first_response, next_response, update, resolution or team")
    instance: int = Field(description="Which run of it; each run is judged for itself")
    policy: str = Field(description="`name@version`, as in force for this instance", examples=["support@4"])
    state: str = Field(
        description="running; paused: it stands, without a deadline; no_opening: its calendar never opens long enough"
    )
    due: datetime | None = Field(description="Null while it stands. Of a broken one, the deadline it broke")
    target_seconds: Seconds
    remaining_seconds: Seconds = Field(
        description="Of the target, in the time it counts; negative once it is broken. The deadline second is met"
    )
    breached: bool


def clock_items(ticket: Ticket, terms: Terms, now_us: int) -> list[ClockItem]:
    """Return the promises of an open ticket as it is at `now_us`, the tightest first; none of another."""
    if not ticket.open:
        return []
    order = sorted(ticket.clocks, key=lambda clock: (clock.deadline_us < 0, clock.deadline_us, clock.name))
    return [_item(clock, terms, now_us) for clock in order]


def _item(clock: Clock, terms: Terms, now_us: int) -> ClockItem:
    _, hours = terms.promise(clock.policy, clock.name)
    stands = clock.since_us < 0
    return ClockItem(
        clock=clock.name,
        instance=clock.instance,
        policy=clock.policy,
        state="paused" if stands else "no_opening" if clock.deadline_us == NEVER else "running",
        due=from_us(clock.deadline_us) if clock.deadline_us >= 0 else None,
        target_seconds=seconds_of(clock.target_us),
        remaining_seconds=seconds_of(clock.target_us - used_us(clock, hours, max(now_us, clock.since_us))),
        breached=clock.breached,
    )
