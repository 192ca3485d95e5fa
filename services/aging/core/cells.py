"""Cells: the open tickets of a partition counted by what they share, kept up to date change by change.

A cell is summable: alerting adds the cells of all partitions up. So it holds counts, a sum and a
minimum, never an average or an age. At any time the cells equal a recount of the open tickets
(`recount`, compared in tests and by the property suite).

How a ticket is counted is not remembered for each ticket: it follows from the ticket as it was, which
whoever moves it knows. The minimum is the hard one, because tickets leave. Each cell keeps a heap of the
instants that came in and one of those that went out; where both have the same on top, it is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import accumulate
from sys import intern
from typing import Final, NamedTuple

from services.aging.core.age import AgeVersion
from services.aging.core.attention import BOUNCING, CLOSE_CANDIDATE, STALE, STUCK
from services.aging.core.ticket import Ticket
from shared.contracts.backlog import CellKind

TicketId = tuple[str, str]
"""(tenant, ticket key)."""

_GONE_MIN: Final = 64
"""A heap is cleaned once more than half of it, and more than this, is gone."""


class CellKey(NamedTuple):
    """The dimensions of a cell; side cells use tenant, queue and value."""

    kind: CellKind
    tenant: str
    source: str
    ticket_kind: str
    queue: str
    priority: str
    channel: str
    status: str
    wait_reason: str
    segment: str
    value: str


class Counted(NamedTuple):
    """What a ticket adds to each of its cells."""

    start_us: int
    """The instant its age counts from."""
    passed: int
    """How many age edges it is counted beyond."""
    unowned: bool
    past_sla: bool
    at_risk: bool
    signals: int
    """What asks for attention, one bit each."""
    no_policy: bool = False
    no_opening: bool = False


class CellSums:
    """The sums of one cell."""

    __slots__ = (
        "_gone", "_passed", "_starts", "at_risk", "bouncing", "close_candidates", "open", "past_sla", "stale",
        "start_sum_us", "stuck", "unowned",
    )  # fmt: skip

    def __init__(self, edges: int) -> None:
        self.open = 0
        self.unowned = 0
        self.past_sla = 0
        self.at_risk = 0
        self.stuck = 0
        self.stale = 0
        self.bouncing = 0
        self.close_candidates = 0
        self.start_sum_us = 0
        self._passed = [0] * (edges + 1)
        """How many tickets are beyond so many edges, and no more."""
        self._starts: list[int] = []
        self._gone: list[int] = []

    def add(self, counted: Counted) -> None:
        """Count a ticket in."""
        self.open += 1
        self.unowned += counted.unowned
        self.past_sla += counted.past_sla
        self.at_risk += counted.at_risk
        if counted.signals:
            self._signal(counted.signals, 1)
        self.start_sum_us += counted.start_us
        self._passed[counted.passed] += 1
        heappush(self._starts, counted.start_us)

    def remove(self, counted: Counted) -> None:
        """Count a ticket out."""
        self.open -= 1
        self.unowned -= counted.unowned
        self.past_sla -= counted.past_sla
        self.at_risk -= counted.at_risk
        if counted.signals:
            self._signal(counted.signals, -1)
        self.start_sum_us -= counted.start_us
        self._passed[counted.passed] -= 1
        assert self.open >= 0
        heappush(self._gone, counted.start_us)
        if len(self._gone) > self.open + _GONE_MIN:
            self._starts = list((Counter(self._starts) - Counter(self._gone)).elements())
            heapify(self._starts)
            self._gone.clear()

    def _signal(self, signals: int, number: int) -> None:
        self.stuck += number * bool(signals & STUCK)
        self.stale += number * bool(signals & STALE)
        self.bouncing += number * bool(signals & BOUNCING)
        self.close_candidates += number * bool(signals & CLOSE_CANDIDATE)

    @property
    def older(self) -> list[int]:
        """How many tickets are beyond each edge."""
        return list(accumulate(self._passed[:0:-1]))[::-1]

    def min_start_us(self) -> int | None:
        """Return the earliest instant an age counts from; None if nothing is counted."""
        starts, gone = self._starts, self._gone
        while gone and gone[0] == starts[0]:
            heappop(starts)
            heappop(gone)
        return starts[0] if starts else None


class CellBook:
    """The cells of one partition, and which of them changed."""

    def __init__(self, age: AgeVersion) -> None:
        self.age = age
        self.cells: dict[CellKey, CellSums] = {}
        self.unpublished: set[CellKey] = set()
        self.no_policy = 0
        """Open tickets that no SLA policy matches."""
        self.no_opening = 0
        """Open tickets with a clock whose calendar does not open again."""

    def move(self, tenant: str, was: Ticket | None, now: Ticket | None) -> None:
        """Count a ticket as it is `now` instead of as it `was` when it was counted last.

        None, or a closed ticket: not at all. Its age edges are those passed by advanced_us.
        """
        before, after = self._counted(was), self._counted(now)
        alike = before == after
        if alike and (was is None or now is None or _dimensions(was) == _dimensions(now)):
            return
        self._count_unclocked(before, -1)
        self._count_unclocked(after, 1)
        was_in = cell_keys(tenant, was) if was is not None and before is not None else ()
        now_in = cell_keys(tenant, now) if now is not None and after is not None else ()
        for key in was_in:
            if before is not None and not (alike and key in now_in):
                self.cells[key].remove(before)
                self.unpublished.add(key)
        for key in now_in:
            if after is not None and not (alike and key in was_in):
                self._cell(key).add(after)
                self.unpublished.add(key)

    def take(self, tenant: str, ticket: Ticket) -> None:
        """Count an open ticket that was counted like this when its cells were published."""
        counted = self._counted(ticket)
        assert counted is not None, ticket
        self._count_unclocked(counted, 1)
        for key in cell_keys(tenant, ticket):
            self._cell(key).add(counted)

    def min_start_us(self, key: CellKey) -> int | None:
        """Return the earliest instant an age in the cell counts from; None if the cell is empty."""
        sums = self.cells.get(key)
        return None if sums is None else sums.min_start_us()

    def forget_if_empty(self, key: CellKey) -> None:
        """Drop an emptied cell, after its zeros were published."""
        sums = self.cells.get(key)
        if sums is not None and not sums.open:
            del self.cells[key]

    def _count_unclocked(self, counted: Counted | None, number: int) -> None:
        if counted is not None:
            self.no_policy += number * counted.no_policy
            self.no_opening += number * counted.no_opening

    def _cell(self, key: CellKey) -> CellSums:
        sums = self.cells.get(key)
        if sums is None:
            key = CellKey(key.kind, *map(intern, key[1:]))
            sums = self.cells[key] = CellSums(len(self.age.edges_seconds))
        return sums

    def _counted(self, ticket: Ticket | None) -> Counted | None:
        if ticket is None or not ticket.open:
            return None
        start_us = self.age.start_us(ticket.created_us, ticket.episode_us)
        passed = self.age.passed(start_us, ticket.advanced_us)
        return Counted(
            start_us, passed, not ticket.assignee, ticket.past_sla, ticket.at_risk, ticket.signals,
            not ticket.policy, ticket.no_opening,
        )  # fmt: skip


def _dimensions(ticket: Ticket) -> tuple[str, ...]:
    return (
        ticket.source, ticket.kind, ticket.queue, ticket.priority, ticket.channel, ticket.status,
        ticket.wait_reason, ticket.segment, ticket.category, ticket.assignee,
    )  # fmt: skip


def cell_keys(tenant: str, ticket: Ticket) -> Sequence[CellKey]:
    """Return the cells that an open ticket is counted in."""
    queue = ticket.queue
    keys = [
        _key((
            CellKind.MAIN, tenant, ticket.source, ticket.kind, queue, ticket.priority, ticket.channel,
            ticket.status, ticket.wait_reason, ticket.segment, "",
        ))
    ]  # fmt: skip
    if category := ticket.category:
        keys.append(_key((CellKind.CATEGORY, tenant, "", "", queue, "", "", "", "", "", category)))
    if assignee := ticket.assignee:
        keys.append(_key((CellKind.ASSIGNEE, tenant, "", "", queue, "", "", "", "", "", assignee)))
    return keys


# Made by the name of its parts a key takes three times as long, three times for each observation.
_key: Final = partial(tuple.__new__, CellKey)


def recount(tickets: Mapping[TicketId, Ticket], age: AgeVersion) -> CellBook:
    """Return the cells of `tickets` counted from scratch."""
    book = CellBook(age)
    for id_, ticket in tickets.items():
        book.move(id_[0], None, ticket)
    return book
