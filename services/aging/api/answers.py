"""What the read API answers, with each figure's definition: the OpenAPI document is made from this.

Missing text is null. Instants are UTC. Ages are wall clock seconds, whole ones rounded down, counted
from creation (from the last reopening with `age.from: episode`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from services.aging.api.promises import ClockItem

Bucket = Annotated[str, Field(examples=["24-72h"])]
KNOWN_UNTIL = Field(
    description="Up to where the events of every partition were taken in, by the clock of the slowest; "
    "null if nothing was ever read. Much earlier than now: the figures lag."
)


class Because(BaseModel):
    """One reason for a ticket's place in the order of work."""

    code: str = Field(
        description="others_turn, emergency, moscow, past_due, time_left, no_deadline, vip or age; then, without a say in "
        "the order, what to take along: duplicates, job",
        examples=["time_left"],
    )
    text: str = Field(description="The reason in words", examples=["resolution is due in 45m"])
    clock: str | None = Field(description="The clock that is due, for past_due and time_left")
    due: datetime | None = Field(description="When it is due")
    points: float | None = Field(description="What it adds to the score; null where no score decides")


class Place(BaseModel):
    """Where a ticket stands in the order of work, and why."""

    number: int = Field(description="1 is the ticket to take next, among all that the filters let through")
    score: float | None = Field(description="The sum of the points; null without `worklist.weights`")
    because: list[Because] = Field(description="What decides first comes first")


class TicketItem(BaseModel):
    """A ticket as lists show it."""

    key: str = Field(description="`<source>:<external id>`, unique within the tenant", examples=["desk:4711"])
    source: str
    subject: str | None
    open: bool = Field(description="new, in_progress or waiting")
    status: str = Field(description="new, in_progress, waiting, solved, closed, merged or void")
    wait_reason: str | None = Field(description="customer, vendor, internal or scheduled; only while waiting")
    kind: str | None = Field(description="operational, task or project")
    priority: str | None = Field(description="p1 (highest) to p4")
    channel: str | None
    queue: str | None
    assignee: str | None
    segment: str | None
    category: str | None
    age_seconds: int = Field(description="Age now; of a ticket that left the stock, its age when it left")
    age_bucket: Bucket = Field(
        description="The age bucket of `age_seconds`; an edge belongs to the older side"
    )
    created_at: datetime = Field(description="The earliest instant any source showed of it")
    updated_at: datetime = Field(description="Time of the newest observation")
    left_at: datetime | None = Field(description="When it last left the stock; null while open")
    due: datetime | None = Field(
        description="The tightest deadline of its promises, which may have passed; null while none runs"
    )
    past_sla: bool = Field(description="Open, with a promise that is broken and not finished")
    at_risk: bool = Field(description="Open, not past SLA, with a promise inside its warning window")
    clocks: list[ClockItem] = Field(
        description="Promises of an open ticket, the tightest first; how they came about: `…/explain`"
    )
    attention: list[str] = Field(
        description="What asks for attention: escalated, stuck, stale, bouncing, close_candidate; "
        "others may come"
    )
    duplicate_group: str | None = Field(
        description="Id that open tickets share which one requester wrote with the same words on one day (UTC), by whatever "
        "channel. Null: no requester, a subject that says nothing, or no longer open",
        examples=["9b1c04ef77a2d310"],
    )
    duplicates: int | None = Field(
        description="How many other open tickets are in its duplicate group. Null: not counted, see `count_groups`"
    )
    job: str | None = Field(
        description="Id that open tickets of one queue and category share whose subjects differ in numbers, dates, ids and "
        "addresses at most, to be handled together. Null: a subject that says nothing, or no longer open",
        examples=["41d07c9be2558fa6"],
    )
    together: int | None = Field(
        description="How many other open tickets are in its job. Null: not counted, see `count_groups`"
    )
    place: Place | None = Field(None, description="With `sort=worklist`: where it stands, and why")


class TicketPage(BaseModel):
    """A page of tickets."""

    at: datetime = Field(description="The instant ages are counted to")
    tickets: list[TicketItem]
    next: str | None = Field(description="Give it as `cursor` for the next page; null on the last one")


class Entry(BaseModel):
    """One observation of a ticket: what its source showed at an instant."""

    at: datetime = Field(description="When it happened at the source")
    received_at: datetime | None = Field(description="When Barometer received it")
    activity: str
    actor: str | None
    visibility: str | None
    source: str
    event_id: str = Field(description="The source's own id of the event")
    sequence: int | None = Field(description="The source's own order among events of one instant")
    import_run: str | None = Field(description="The import it came by, if it did")
    pulled: bool = Field(description="Whether it was read from the source's list of changes, not told by it")
    reason: str | None = Field(description="Why, for changes made by hand")
    shown: dict[str, Any] = Field(description="The fields it showed; null clears a field")


class Episode(BaseModel):
    """One stay in the stock."""

    number: int = Field(description="1 is the first; each reopening begins another")
    opened_at: datetime
    left_at: datetime | None = Field(description="Null while it lasts")
    outcome: str | None = Field(description="solved, closed, merged or void, as it stood in the end")


class AbsorbedTicket(BaseModel):
    """A ticket that was merged into this one."""

    key: str
    at: datetime


class TicketDetail(TicketItem):
    """A ticket with its story."""

    requester: str | None
    url: str | None
    tags: list[str]
    merged_into: str | None = Field(description="Key of the surviving ticket")
    asleep: bool = Field(description="First seen in an import that still runs: in no figure yet")
    erased: bool = Field(
        description="It was deleted once: nothing of its content is kept, and none that comes"
    )
    condensed: bool = Field(description="Past its retention: its last state is all that is kept of it")
    version: int = Field(description="Counts the ticket's changes")
    episodes: list[Episode]
    absorbed: list[AbsorbedTicket]
    timeline: list[Entry] = Field(description="The newest observations, in order of time")
    timeline_omitted: int = Field(description="How many older observations are not shown")


class QuarantinedTicket(BaseModel):
    """A ticket whose timer failed; it stays in the stock, but no time passes for it."""

    key: str
    since: datetime
    error: str = Field(description="What failed, for who mends it")


class Quarantine(BaseModel):
    """Tickets to be looked at; once mended, `barometer ticket retry KEY` takes one out."""

    tickets: list[QuarantinedTicket] = Field(description="The longest first")


class Figures(BaseModel):
    """Counts of open tickets. Sleeping tickets (of an import that still runs) are in none."""

    open: int = Field(description="new, in_progress or waiting")
    not_started: int = Field(description="Status new: the backlog in the strict sense")
    in_progress: int
    waiting: int = Field(description="Blocked, whatever it waits for")
    unowned: int = Field(description="Open tickets without an assignee, in any status")
    by_bucket: dict[str, int] = Field(
        description="By age bucket; the sum is `open`", examples=[{"0-24h": 3, "24-72h": 1, "72h+": 0}]
    )
    older_than: dict[str, int] = Field(description="Open tickets at least so old, by age edge")
    oldest_age_seconds: int | None = Field(description="Null if nothing is open")
    average_age_seconds: float | None = Field(description="Null if nothing is open")
    past_sla: int = Field(description="With a promise that is broken and not finished")
    at_risk: int = Field(description="Not past SLA, with a promise inside its warning window")
    stuck: int = Field(description="Too long in one wait")
    stale: int = Field(description="Without any observation for too long")
    bouncing: int = Field(description="Reassigned or reopened too often")
    close_candidates: int = Field(description="Waiting for a customer who has been silent for too long")


class BacklogGroup(Figures):
    """The figures of the tickets that share these values."""

    values: dict[str, str | None] = Field(description="Dimension to value; null: the ticket has none")


class Backlog(BaseModel):
    """The backlog at an instant."""

    at: datetime
    known_until: datetime | None = KNOWN_UNTIL
    total: Figures
    by: list[str]
    groups: list[BacklogGroup] = Field(description="The most open tickets first; empty without `by`")


class GroupItem(BaseModel):
    """Open tickets that are probably one, or can be handled together; `GET /v1/tickets?job=ID` lists them."""

    id: str = Field(description="For the filters `duplicate_group` and `job`", examples=["41d07c9be2558fa6"])
    tickets: int = Field(description="How many are open")
    oldest_age_seconds: int
    example: str | None = Field(
        description="Key of the oldest; null if it left the stock while the answer was made"
    )
    subject: str | None = Field(description="That ticket's")
    queue: str | None = Field(description="That ticket's; all of a job share it")
    category: str | None = Field(description="That ticket's; all of a job share it")


class GroupList(BaseModel):
    """The largest groups of open tickets."""

    at: datetime
    by: str
    groups: list[GroupItem] = Field(
        description="The most tickets first, of equal ones the one with the oldest ticket"
    )
    groups_total: int = Field(description="How many groups of at least `min` tickets there are, shown or not")
    tickets_total: int = Field(description="How many tickets are in them")


class Leavings(BaseModel):
    """Tickets that left the stock, by what became of them as known now."""

    solved: int
    closed: int
    merged: int
    void: int
    total: int


class Flow(BaseModel):
    """What came and went in the window. open now = open then + arrived + reopened - left."""

    since: datetime
    arrived: int = Field(description="Tickets created in the window, whatever became of them since")
    left: Leavings = Field(description="Tickets that are not open now and last left the stock in the window")
    open_then: int | None = Field(
        description="Open tickets at the window's begin, as it truly was, by all that is known now. Null if more "
        "tickets changed since than can be counted again for one answer"
    )
    growth: int | None = Field(description="open now - open_then: positive means the backlog grows")
    growth_ratio: float | None = Field(description="growth / open_then; null if nothing was open then")
    reopened: int | None = Field(
        description="Tickets not open at the window's begin, created before it, that were open again since"
    )


class QueueMorning(BaseModel):
    """One line of the morning's table."""

    queue: str | None
    open: int
    not_started: int
    waiting: int
    unowned: int
    oldest_age_seconds: int | None
    by_bucket: dict[str, int]
    arrived: int = Field(description="Created in the window, by the queue they are in now")
    left: int = Field(description="Left in the window, by the queue they are in now")
    growth: int | None = Field(description="open now - open then in this queue; moved tickets count too")


class Morning(BaseModel):
    """What a support lead looks at first: how much, how old, who waits for whom, and which way it goes."""

    at: datetime
    known_until: datetime | None = KNOWN_UNTIL
    now: Figures
    waiting_by_reason: dict[str, int] = Field(
        description="Waiting tickets by what they wait for; only customer, vendor and scheduled are others' turn"
    )
    by_priority: dict[str, int] = Field(description="Open tickets by priority; `none` has none")
    oldest: list[TicketItem] = Field(description="The five oldest open tickets, the oldest first")
    jobs: list[GroupItem] = Field(
        description="The five largest jobs of at least two tickets, to be handled together"
    )
    last_24h: Flow
    queues: list[QueueMorning] = Field(
        description="Every queue with open tickets or movement; the fullest first"
    )
