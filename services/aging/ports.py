"""What aging's worker and API ask of a store. One contract suite holds SQLite and Postgres to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from shared.contracts.configuration import ConfigVersion
from shared.runtime.port import PartitionStore


class TicketRow(NamedTuple):
    """A ticket as stored: what is asked for as columns, the fold itself as one encoded body.

    Times are microseconds since 1970 UTC; missing text is the empty string.
    """

    tenant: str
    ticket: str
    partition: int
    source: str
    open: bool
    asleep: bool
    """First seen in an import run that is not over: in no figure yet."""
    created_us: int
    """Instant of creation as now known."""
    aged_from_us: int
    """Instant age is counted from (creation, or the last reopening with `age.from: episode`)."""
    updated_us: int
    """Time of the newest observation."""
    left_us: int | None
    """When it last left the stock; None while open."""
    status: str
    wait_reason: str
    kind: str
    priority: str
    channel: str
    queue: str
    assignee: str
    segment: str
    category: str
    subject: str
    version: int
    """Counts the ticket's changes; the version of its published state."""
    body: bytes
    """The fold, encoded by services.aging.core.ticket."""
    flags: int = 0
    """What asks for attention and how its promises stand, one bit each: core/attention.py. For counting."""
    duplicate_group: int | None = None
    """Which open tickets probably say the same by the same requester: core/groups.py. None: no group."""
    job: int | None = None
    """Which open tickets can be handled together."""


class OpenRow(NamedTuple):
    """What memory is built from.

    The other columns say nothing that the body does not, and reading them would triple the time of a
    restart with a million open tickets.
    """

    tenant: str
    ticket: str
    body: bytes


class BodyRow(NamedTuple):
    """What an order of open tickets is made from."""

    partition: int
    ticket: str
    body: bytes


class MarkRow(NamedTuple):
    """One observation as kept: `order` sorts a ticket's marks as bytes and is unique within it."""

    tenant: str
    ticket: str
    order: bytes
    body: bytes


class DeferredRow(NamedTuple):
    """What is ahead of the clock, waiting for its time: an observation, or a register with messages to come."""

    partition: int
    due_us: int
    tenant: str
    ticket: str
    order: bytes
    body: bytes


class RegisterRow(NamedTuple):
    """What a survivor knows of one absorbed ticket; the highest revision wins, and of one the newest row."""

    tenant: str
    survivor: str
    ticket: str
    revision: int
    body: bytes


class FlowRow(NamedTuple):
    """Cumulative flow counters of one partition and set of dimensions."""

    partition: int
    key: str
    body: bytes


class QuarantineRow(NamedTuple):
    """A ticket whose timer failed: listed, counted, retried by command."""

    partition: int
    tenant: str
    ticket: str
    since_us: int
    error: str


@dataclass(slots=True)
class AgingChanges:
    """What one batch changes; upserts unless said otherwise. A key occurs at most once in each list."""

    tickets: list[TicketRow] = field(default_factory=list)
    marks: list[MarkRow] = field(default_factory=list)
    """Inserted; one that is there already is left alone."""
    rewritten: list[MarkRow] = field(default_factory=list)
    """Upserted: what they held before is gone."""
    condensed: list[MarkRow] = field(default_factory=list)
    """Each in place of all marks of its ticket, which are deleted; no other list has a mark of that ticket."""
    deferred: list[DeferredRow] = field(default_factory=list)
    deferred_done: list[DeferredRow] = field(default_factory=list)
    """Deleted."""
    registers: list[RegisterRow] = field(default_factory=list)
    flows: list[FlowRow] = field(default_factory=list)
    quarantined: list[QuarantineRow] = field(default_factory=list)
    released: list[tuple[str, str]] = field(default_factory=list)
    """(tenant, ticket) no longer in quarantine; deleted."""


TicketId = tuple[str, str]
"""(tenant, ticket key)."""


class AgingStore(PartitionStore[AgingChanges], Protocol):
    """The worker's side of the store: loads for the fold, and the commit of the partition loop."""

    def load_open(self, partition: int) -> AsyncIterator[Sequence[OpenRow]]:
        """Yield the partition's open, awake tickets in chunks."""
        ...

    async def load_flows(self, partition: int) -> Sequence[FlowRow]:
        """Return all flow counters of the partition."""
        ...

    async def load_deferred(self, partition: int) -> Sequence[DeferredRow]:
        """Return all waiting observations of the partition."""
        ...

    async def load_quarantined(self, partition: int) -> Sequence[QuarantineRow]:
        """Return the partition's quarantined tickets."""
        ...

    async def load_asleep(self, partition: int, *, limit: int) -> Sequence[TicketRow]:
        """Return up to `limit` sleeping tickets of the partition, by key."""
        ...

    async def load_gone(
        self, partition: int, *, before_us: int, after: tuple[str, int, str], limit: int
    ) -> Sequence[TicketRow]:
        """Return up to `limit` closed, awake tickets of the partition that left before `before_us`.

        By (tenant, left_us, ticket), those behind `after`; one without `left_us` was condensed.
        """
        ...

    async def load_tickets(self, ids: Sequence[TicketId]) -> Mapping[TicketId, TicketRow]:
        """Return those of `ids` that exist."""
        ...

    async def load_left(
        self, partition: int, *, since_us: int, after: TicketId, limit: int
    ) -> Sequence[TicketRow]:
        """Return up to `limit` awake tickets that left at `since_us` or later, by key, those behind `after`."""
        ...

    async def load_marks(self, ids: Sequence[TicketId]) -> Mapping[TicketId, Sequence[MarkRow]]:
        """Return the marks of `ids`, each in order; a ticket without marks is absent."""
        ...

    async def load_registers(self, ids: Sequence[TicketId]) -> Mapping[TicketId, Sequence[RegisterRow]]:
        """Return what each survivor of `ids` has absorbed, by absorbed ticket."""
        ...


class TicketFilter(NamedTuple):
    """Which tickets to list; an empty tuple means any."""

    tenant: str
    open: bool | None = None
    dimensions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(column, accepted values): source, kind, queue, priority, channel, status, wait_reason, segment,
    category, assignee."""
    created_before_us: int | None = None
    """Age at least: aged_from_us at or before this instant."""
    created_after_us: int | None = None
    groups: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """(column, accepted ids): duplicate_group, job."""


class Cursor(NamedTuple):
    """Where the next page begins: strictly after this (sort value, key)."""

    value_us: int
    ticket: str


class Group(NamedTuple):
    """Open tickets that share the values of the asked dimensions."""

    values: tuple[str, ...]
    open: int
    unowned: int
    created_sum_us: int
    created_min_us: int
    older: tuple[int, ...]
    """Counts of tickets at least as old as each asked edge."""
    flagged: tuple[int, ...] = ()
    """Counts of tickets with each of the flags that are COUNTED."""


class TicketGroup(NamedTuple):
    """Open tickets that share one duplicate group or job."""

    id: int
    tickets: int
    oldest_us: int
    """The earliest instant an age in it counts from."""
    oldest: str
    """Key of the ticket of that age, the smallest of several; empty if it left while we looked."""


class TicketGroups(NamedTuple):
    """The largest groups, and what all of them come to."""

    largest: Sequence[TicketGroup]
    groups: int
    tickets: int


class Moved(NamedTuple):
    """Tickets that share queue and status as they are now: how many came and left since an instant."""

    queue: str
    status: str
    arrived: int
    """Created since."""
    left: int
    """Not open now, and last left the stock since."""


class Configurations(Protocol):
    """Where published configuration versions are read; `shared.runtime.configurations` is one."""

    async def version(self, number: int) -> ConfigVersion:
        """Return version `number`, which was recorded before it was applied. Raises BusUnavailable."""
        ...


class AgingQueries(Protocol):
    """The API's side: any process answers for all partitions."""

    async def find(
        self, wanted: TicketFilter, *, after: Cursor | None, newest_first: bool, limit: int
    ) -> Sequence[TicketRow]:
        """Return awake tickets in order of (aged_from_us, ticket), but for those that retention condensed."""
        ...

    def bodies(self, wanted: TicketFilter) -> AsyncGenerator[Sequence[BodyRow], None]:
        """Yield awake tickets in chunks, in no order, from one snapshot.

        Holds a connection until its end, or `aclose`.
        """
        ...

    async def load_tickets(self, ids: Sequence[TicketId]) -> Mapping[TicketId, TicketRow]:
        """Return those of `ids` that exist."""
        ...

    async def ticket(self, tenant: str, ticket: str) -> TicketRow | None:
        """Return one ticket, asleep or not."""
        ...

    async def marks(self, tenant: str, ticket: str) -> Sequence[MarkRow]:
        """Return a ticket's marks in order."""
        ...

    async def registers(self, tenant: str, ticket: str) -> Sequence[RegisterRow]:
        """Return what a ticket has absorbed."""
        ...

    async def group(
        self, wanted: TicketFilter, by: Sequence[str], *, edges_us: Sequence[int], now_us: int
    ) -> Sequence[Group]:
        """Return the open, awake tickets counted by `by` (columns), each with its ages at `now_us`."""
        ...

    async def group_sizes(self, tenant: str, by: str, ids: Sequence[int]) -> Mapping[int, int]:
        """Return how many open, awake tickets have each of `ids` in the column `by`; none of them: absent."""
        ...

    async def largest_groups(
        self, wanted: TicketFilter, by: str, *, at_least: int, limit: int
    ) -> TicketGroups:
        """Return up to `limit` groups, by the column `by`, of at least so many open, awake tickets.

        The largest come first, of equal ones the one with the oldest ticket, then the smaller id.
        """
        ...

    def alive_at(self, wanted: TicketFilter, at_us: int) -> AsyncGenerator[Sequence[TicketRow], None]:
        """Yield, in chunks, awake tickets created by `at_us` that were or may have been open then.

        Holds a connection until its end, or `aclose`.

        Only `tenant` of `wanted` is applied: other fields may have had other values at `at_us`.
        """
        ...

    async def moved(self, tenant: str, *, since_us: int) -> Sequence[Moved]:
        """Return the awake tickets of `tenant` created or gone after `since_us`, counted."""
        ...

    async def load_marks(self, ids: Sequence[TicketId]) -> Mapping[TicketId, Sequence[MarkRow]]:
        """Return the marks of `ids`, each in order; a ticket without marks is absent."""
        ...

    async def load_registers(self, ids: Sequence[TicketId]) -> Mapping[TicketId, Sequence[RegisterRow]]:
        """Return what each survivor of `ids` has absorbed, by absorbed ticket."""
        ...

    async def clocks(self) -> Sequence[tuple[int, int, int]]:
        """Return (partition, clock_us, position) of every partition as last committed."""
        ...

    async def notes(self) -> Mapping[int, bytes]:
        """Return the note of every partition as last committed: which terms it follows."""
        ...

    async def flows(self) -> Sequence[FlowRow]:
        """Return all flow counters."""
        ...

    async def quarantined(self, tenant: str) -> Sequence[QuarantineRow]:
        """Return quarantined tickets of a tenant."""
        ...
