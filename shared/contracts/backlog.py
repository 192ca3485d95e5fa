"""What aging states about the backlog: facts, ticket states, cells, flows and its own clock.

Facts are statements that can be withdrawn: `turn` counts the flips, an even turn asserts, an odd one
withdraws, the highest turn stands. Cells, flows and states are the latest value of something and
carry (partition, epoch, version); a reader ignores what is not newer.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from shared.contracts.instants import Instant
from shared.contracts.tickets import Status, WaitReason


class FactType(str, Enum):
    """What a fact says. The event type on the bus is `barometer.<noun>.<verb>.v1`."""

    OPENED = "ticket.opened"
    SOLVED = "ticket.solved"
    CLOSED = "ticket.closed"
    REOPENED = "ticket.reopened"
    MERGED = "ticket.merged"
    VOIDED = "ticket.voided"
    ESCALATED = "ticket.escalated"
    """It is in the oldest bucket, for the first time in this episode."""
    STUCK = "ticket.stuck"
    """Too long in one wait; `reason` says which."""
    STALE = "ticket.stale"
    """Nothing was observed for too long."""
    BOUNCING = "ticket.bouncing"
    """Reassigned or reopened too often."""
    CLOSE_CANDIDATE = "ticket.close_candidate"
    """It may be closed; `reason` says why. The reasons may become more."""
    RELIEVED = "ticket.relieved"
    """A signal of the kind named in `clock` is over, and the ticket still open."""
    AGE_CROSSED = "age.crossed"
    SLA_STARTED = "sla.started"
    SLA_PAUSED = "sla.paused"
    SLA_RESUMED = "sla.resumed"
    SLA_WARNED = "sla.warned"
    SLA_MET = "sla.met"
    SLA_BREACHED = "sla.breached"
    SLA_FINISHED = "sla.finished"
    """A breached instance was stopped."""
    SLA_SUPERSEDED = "sla.superseded"
    """It ended without a verdict: another policy, a merge, a void."""
    SLA_DEADLINE_CHANGED = "sla.deadline_changed"
    SLA_RESTATED = "sla.restated"
    """The verdict of a finished instance turned out otherwise."""


class Cause(str, Enum):
    """Why a fact is stated now."""

    OBSERVED = "observed"
    TIME = "time"
    IMPORT = "import"
    LATE = "late"
    CONFIGURATION = "configuration"
    MERGE = "merge"
    PRIORITY_RAISED = "priority_raised"
    POLICY_CHANGE = "policy_change"


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement about a ticket at an exact instant.

    `id` is derived from what it says (tenant, ticket, type, clock, instance, at) and is the same for
    every turn; the event's id on the bus is `<id>.<turn>`. Two tell of what changed besides: `sla.restated`
    (its id holds the ticket's version too) and `sla.deadline_changed` by a calendar (its reason). `late_seconds` is how long after `at` the
    fact could first be known; `cause` decides whether anyone is notified (imports never page).
    """

    id: str
    turn: int
    type: FactType
    tenant: str
    ticket: str
    at: Instant
    instance: int = 0
    """The episode; for facts about a clock, its instance."""
    clock: str = ""
    """`age.<edge>` for crossings; the SLA clock's name for clock facts; what is over for `ticket.relieved`."""
    stated_at: Instant
    cause: Cause = Cause.OBSERVED
    late_seconds: float = 0.0
    source: str = ""
    queue: str = ""
    priority: str = ""
    channel: str = ""
    status: str = ""
    policy: str = ""
    """`name@version` of the SLA policy, in facts about clocks."""
    target_seconds: float | None = None
    used_seconds: float | None = None
    """Of the target, by `at`, in the policy's hours; what is above the target is late."""
    deadline: Instant | None = None
    """In force at `at`; none while the clock stands."""
    reason: str = ""
    """What brought it about: a wait reason, an outcome, a change, the customer's silence."""
    priority_flag: bool = False
    """The ticket is to be treated with priority from now on: it is escalated."""
    stage: str = ""
    """The warning stage: a share of the target, or the time left."""
    notify_at: Instant | None = None
    """Nobody should be paged for it before."""
    total_seconds: float | None = None
    """Of a ticket that is solved or closed: since its creation, wall clock."""
    requester_wait_seconds: float | None = None
    """The same without waits for the customer, and without the time out of the stock before reopenings."""
    agent_work_seconds: float | None = None
    """The same without any wait."""

    @property
    def stands(self) -> bool:
        """An even turn asserts, an odd one withdraws."""
        return self.turn % 2 == 0


class TermsAdopted(msgspec.Struct, frozen=True, kw_only=True):
    """`barometer.terms.adopted.v1`: a partition follows a configuration version, with all its tickets.

    The one notice for what it changed; the facts beside it are for whoever wants each.
    """

    id: str
    """The same from whoever states it."""
    tenant: str
    partition: int
    version: int
    """Of the configuration."""
    at: Instant
    """From when on it holds."""
    stated_at: Instant
    moved: int
    """Tickets with a deadline that moved."""
    breached: int
    """Clock instances breached by the new terms, not by anybody's delay."""
    excused: int
    """Breaches that are none by the new terms."""


class TicketState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`barometer.ticket.state.v1`: the latest state of one ticket (compacted)."""

    tenant: str
    ticket: str
    source: str
    partition: int
    epoch: int
    version: int
    status: Status
    open: bool
    created_at: Instant
    updated_at: Instant
    wait_reason: WaitReason | None = None
    kind: str = ""
    priority: str = ""
    channel: str = ""
    queue: str = ""
    assignee: str = ""
    segment: str = ""
    category: str = ""
    subject: str = ""
    url: str = ""
    episode: int = 1
    reopened_at: Instant | None = None
    left_at: Instant | None = None
    merged_into: str = ""
    deleted: bool = False


class CellKind(str, Enum):
    """Which dimensions a cell has beside tenant and queue."""

    MAIN = "main"
    CATEGORY = "category"
    ASSIGNEE = "assignee"


class Cell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`barometer.backlog.cell.v1`: summable counts of the open tickets that share the dimensions.

    A missing dimension is the empty string. `older[i]` counts tickets whose age is at least
    `edges_seconds[i]` at `at`, the partition's clock. An emptied cell is written with `open` = 0.
    """

    kind: CellKind = CellKind.MAIN
    partition: int
    epoch: int
    version: int
    at: Instant
    tenant: str
    source: str = ""
    ticket_kind: str = ""
    queue: str = ""
    priority: str = ""
    channel: str = ""
    status: str = ""
    wait_reason: str = ""
    segment: str = ""
    value: str = ""
    """The category or the assignee, in side cells."""
    open: int = 0
    edges_seconds: tuple[int, ...] = ()
    older: tuple[int, ...] = ()
    past_sla: int = 0
    at_risk: int = 0
    unowned: int = 0
    stuck: int = 0
    stale: int = 0
    bouncing: int = 0
    close_candidates: int = 0
    created_sum_us: int = 0
    """Sum of the instants age is counted from, microseconds since 1970 (age sum = open * now - this)."""
    created_min_us: int | None = None


_DAY_SECONDS: Final = 86_400
DURATION_BOUNDS_SECONDS: Final = {
    "first_response": (60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, _DAY_SECONDS, 3 * _DAY_SECONDS),
    "resolution": (
        900, 3_600, 14_400, 28_800, _DAY_SECONDS, 2 * _DAY_SECONDS, 3 * _DAY_SECONDS, 7 * _DAY_SECONDS,
        14 * _DAY_SECONDS, 30 * _DAY_SECONDS,
    ),
}  # fmt: skip
"""Clocks whose durations are counted, with the buckets' upper bounds. Fixed: counts by other bounds cannot be
added to those that are there."""


class ClockFlow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Cumulative counters of one SLA clock, within a flow. None ever goes back.

    A verdict that is withdrawn is not subtracted but counted as corrected, and counted again if it is
    stated again. Imports count nothing.
    """

    met: int = 0
    breached: int = 0
    met_corrected: int = 0
    breached_corrected: int = 0
    durations: tuple[int, ...] = ()
    """How many instances took at most each of DURATION_BOUNDS_SECONDS and more than the one before; last,
    how many took longer. Empty for other clocks, and before the first."""
    duration_sum_us: int = 0
    """Sum of their durations, microseconds of wall clock from the start of an instance to its stop."""


class Flow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`barometer.backlog.flow.v1`: cumulative counters of what entered and left the stock.

    Counters never go back. open = opened + reopened + corrected_in + imported_in
    - solved - closed - merged - void - corrected_out - imported_out, summed over a tenant.
    """

    partition: int
    epoch: int
    version: int
    at: Instant
    tenant: str
    source: str = ""
    queue: str = ""
    priority: str = ""
    channel: str = ""
    opened: int = 0
    reopened: int = 0
    solved: int = 0
    closed: int = 0
    merged: int = 0
    void: int = 0
    corrected_in: int = 0
    corrected_out: int = 0
    imported_in: int = 0
    imported_out: int = 0
    clocks: dict[str, ClockFlow] = {}
    """By the name of the SLA clock, those that ever ran for one of these tickets."""


class PartitionClock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`barometer.backlog.clock.v1`: how far an aging partition has come, once a second.

    Written to every partition of the cells topic, after the cells it covers. `partitions` is the number
    of aging partitions, so that a reader knows when it has heard of all of them.
    """

    partition: int
    partitions: int
    epoch: int
    version: int
    at: Instant
    position: int
    """Next offset of the events partition."""
    at_end: bool = True
    """The partition was read to its end, so `at` follows the wall clock."""
    timer_lateness_seconds: float = 0.0
    open: int = 0
