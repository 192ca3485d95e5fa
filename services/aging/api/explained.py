"""What an explanation says, figure by figure: the OpenAPI document is made from this.

Seconds are exact: whole ones are integers, parts of a second decimals. Instants are UTC.
"""

from __future__ import annotations

import datetime as dt
from datetime import datetime

from pydantic import BaseModel, Field

from services.aging.api.promises import Seconds


class Because(BaseModel):
    """What caused something."""

    by: str = Field(
        description="observation; absorbed: said in a ticket merged into this one; time; configuration"
    )
    at: datetime | None = Field(default=None, description="When it happened at the source")
    event_id: str | None = Field(default=None, description="The source's own id of the event")
    source: str | None = None
    activity: str | None = None
    actor: str | None = None
    reason: str | None = Field(default=None, description="Why, for changes made by hand")
    version: str | None = Field(
        default=None, description="The version of the configuration that came into force"
    )


class SpecialDate(BaseModel):
    """A date that is no ordinary one in the calendar."""

    date: dt.date = Field(description="In the calendar's zone")
    kind: str = Field(description="holiday, or override: hours of its own")


class IntervalExplained(BaseModel):
    """A span of time. `wall_seconds` is all of it; `closed_seconds` of it lay outside the hours."""

    kind: str = Field(
        description="running; paused:customer, :vendor, :internal or :scheduled; solved, closed, merged or void",
        examples=["paused:customer"],
    )
    since: datetime
    until: datetime = Field(description="Its end, or the instant of the answer")
    counted_seconds: Seconds = Field(description="What it adds to the figure; 0 where the clock stood")
    wall_seconds: Seconds
    closed_seconds: Seconds
    policy: str | None = Field(description="The policy version whose hours count; null for the age")
    began: Because
    ended: Because | None = Field(description="Null while it lasts")
    special_dates: list[SpecialDate] = Field(description="Holidays and exceptional dates that lie in it")


class Left(BaseModel):
    """Intervals before those shown, added up."""

    intervals: int
    counted_seconds: Seconds


class AgeExplained(BaseModel):
    """The age and what it is made of: `counted_seconds` of all intervals and of `earlier` add up to it."""

    counted_from: str = Field(description="created, or episode: the last reopening (`age.from`)")
    since: datetime
    until: datetime = Field(description="Now, or when the ticket left the stock")
    age_seconds: Seconds = Field(description="Exact; lists show whole seconds, rounded down")
    age_bucket: str
    next_edge: str | None = Field(description="The age edge it crosses next; null for none", examples=["72h"])
    next_edge_at: datetime | None
    intervals: list[IntervalExplained]
    earlier: Left


class HoursUsed(BaseModel):
    """A version of the calendar."""

    version: str = Field(description="The version of the configuration that brought it")
    effective_from: datetime | None = Field(description="Null: from the beginning of time")
    retroactive: str | None = Field(description="Why it counts for the past as well; null: it does not")


class FactExplained(BaseModel):
    """A fact about the ticket, and whether it stands."""

    id: str
    type: str = Field(examples=["sla.breached"])
    clock: str | None
    instance: int
    at: datetime = Field(description="The exact instant it speaks of")
    turn: int = Field(description="0: stated once. Each withdrawal and new statement adds one")
    stands: bool = Field(description="Whether it is true; an odd turn withdrew it")
    reason: str | None
    stage: str | None = Field(description="Of a warning: which")
    deadline: datetime | None = Field(description="The deadline it speaks of")
    because: Because | None = Field(description="Null of a withdrawn one")


class ClockExplained(BaseModel):
    """One instance of a promise. used + remaining = target; `counted_seconds` of all intervals add up to used."""

    clock: str = Field(description="first_response, next_response, update, resolution or team")
    instance: int
    policy: str = Field(description="`name@version`", examples=["support@4"])
    calendar: str = Field(description="Whose open time counts; 24x7: every second")
    hours: list[HoursUsed] = Field(description="The calendar's versions while it lasted, the oldest first")
    state: str = Field(
        description="running, paused, no_opening (the calendar never opens long enough); ended: met, breached or superseded"
    )
    breached: bool
    at_risk: bool = Field(description="It runs, inside its warning window")
    started_at: datetime
    ended_at: datetime | None
    target_seconds: Seconds
    used_seconds: Seconds
    remaining_seconds: Seconds = Field(description="Negative: late by so much")
    due: datetime | None = Field(
        description="The deadline in force, at the end of an ended one; of a broken one, the deadline it broke"
    )
    due_if_resumed: datetime | None = Field(description="While it stands: the deadline if it went on now")
    warn_at: datetime | None = Field(description="When the next warning comes")
    intervals: list[IntervalExplained]
    earlier: Left
    facts: list[FactExplained] = Field(description="What was stated of it, in order of time")


class NoClock(BaseModel):
    """Why an open ticket has no running clock of this name."""

    clock: str
    reason: str = Field(
        description="no_policy: none matches; not_promised by its policy; no_target for its priority; not_begun: nobody "
        "waits for it; ended"
    )


class ConditionTried(BaseModel):
    """What a policy asks of a field."""

    field: str
    accepted: list[str]
    shown: list[str] = Field(description="What the ticket has; empty: nothing")
    holds: bool


class PolicyTried(BaseModel):
    """A policy in force, and whether the ticket has what it asks for."""

    policy: str
    matches: bool
    conditions: list[ConditionTried]


class TicketExplained(BaseModel):
    """Why a ticket is as old as it is, and why each promise is due when it is."""

    key: str
    at: datetime = Field(description="The instant of the answer, to the second")
    subject: str | None
    status: str
    wait_reason: str | None
    priority: str | None
    open: bool
    asleep: bool = Field(description="First seen in an import that still runs: nothing is stated yet")
    past_sla: bool
    at_risk: bool
    policy: str | None = Field(description="The policy the ticket has; null: none matched")
    age: AgeExplained
    clocks: list[ClockExplained] = Field(description="Those that go on, then those that ended")
    clocks_omitted: int = Field(description="How many older ended instances are not shown")
    no_clock: list[NoClock]
    policies: list[PolicyTried] = Field(
        description="The policies in force now, in their order, up to the first that matches"
    )
    facts: list[FactExplained] = Field(description="All facts of the ticket, those withdrawn too, by time")
    facts_omitted: int = Field(description="How many older facts are not shown")
