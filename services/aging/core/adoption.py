"""What is left to do after the terms changed: a million tickets, a slice at a time.

A calendar that changes moves deadlines: each open ticket is timed anew in memory, and what moved is told
at a bounded rate. A policy that reaches running instances, or a calendar that changes the past, needs the
whole timeline: such tickets are judged anew, a few with each batch. When all is done one notice says how
much it was, so that nobody has to count the facts.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from services.aging.core.clock import ClockDetail, used_us
from services.aging.core.facts import CALENDAR_CHANGE, Statement
from services.aging.core.terms import Terms
from services.aging.core.ticket import Draft, Ticket
from shared.contracts.backlog import FactType

TicketId = tuple[str, str]
Instances = frozenset[tuple[str, int]]
"""Clocks of a ticket, each with the number of its instance."""

TIMED_MAX: Final = 1_500
"""Tickets timed anew with each fold: some 30 ms."""
TOLD_MAX: Final = 300
"""Tickets whose moved deadlines are told with each fold."""
JUDGED_MAX: Final = 200
"""Tickets judged anew with each batch; each is a timeline to read."""


class AdoptionNote(msgspec.Struct, array_like=True, frozen=True):
    """What a crash must not lose of an adoption."""

    telling: bool = False
    """Not all tickets followed yet, or the notice was not given."""
    at_us: int = 0
    tallies: dict[str, tuple[int, int, int]] = {}


@dataclass(slots=True)
class Tally:
    """What new terms did to the tickets of a tenant."""

    timed: int = 0
    """Tickets timed anew with a deadline that moved; whoever loads them counts again."""
    rejudged: int = 0
    """Tickets judged anew with a deadline that moved."""
    breached: int = 0
    """Instances breached by the terms, not by anybody's delay."""
    excused: int = 0
    """Breaches that are none by the terms."""

    @property
    def moved(self) -> int:
        """Return how many tickets have a deadline that moved."""
        return self.timed + self.rejudged


@dataclass(slots=True)
class Adoption:
    """The queues. Tickets may leave the stock, or be timed by something else, before their turn comes."""

    at_us: int = 0
    """From when on the newest terms hold."""
    telling: bool = False
    """Some tickets may not have been told of it."""
    to_time: deque[TicketId] = field(default_factory=deque)
    to_tell: deque[tuple[TicketId, Instances]] = field(default_factory=deque)
    to_judge: dict[TicketId, None] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.to_time or self.to_tell or self.to_judge)

    def begin(self, ids: Iterable[TicketId], at_us: int) -> None:
        """New terms hold from `at_us` on; `ids` are all tickets in memory."""
        self.at_us, self.telling = at_us, True
        self.to_time = deque(ids)

    def restore(self, note: AdoptionNote) -> None:
        """Go on where the last owner was; its tickets are timed when they are loaded.

        Nobody noted which of them were told: all that move are counted and told again, with the same ids.
        """
        self.at_us, self.telling = note.at_us, note.telling
        self.tallies = {tenant: Tally(0, *counts) for tenant, counts in note.tallies.items()}

    def kept(self) -> AdoptionNote:
        """Return what to keep while it lasts."""
        counts = {tenant: (one.rejudged, one.breached, one.excused) for tenant, one in self.tallies.items()}
        return AdoptionNote(telling=True, at_us=self.at_us, tallies=counts)

    def ended(self) -> AdoptionNote:
        """Begin anew, after the notice."""
        self.tallies, self.telling = {}, False
        return AdoptionNote()

    def next_to_time(self) -> list[TicketId]:
        """Take a slice of those to time anew."""
        return [self.to_time.popleft() for _ in range(min(TIMED_MAX, len(self.to_time)))]

    def next_to_tell(self) -> list[tuple[TicketId, Instances]]:
        """Take a slice of those whose deadlines moved."""
        return [self.to_tell.popleft() for _ in range(min(TOLD_MAX, len(self.to_tell)))]

    def next_to_judge(self) -> list[TicketId]:
        """Take a slice of those to judge anew."""
        ids = [id_ for id_, _ in zip(self.to_judge, range(JUDGED_MAX), strict=False)]
        for id_ in ids:
            del self.to_judge[id_]
        return ids

    def compare(self, id_: TicketId, ticket: Ticket, before: list[tuple[str, int, int]]) -> None:
        """Tell later which deadlines of a ticket that was timed anew are not those of `before`."""
        moved = frozenset(one[:2] for one in set(deadlines(ticket)).difference(before))
        if moved:
            self.to_tell.append((id_, moved))
            self.tally(id_[0]).timed += 1

    def judged(self, tenant: str, statements: Iterable[Statement]) -> None:
        """A ticket was judged anew. A breach that only moved to another instant is neither one nor excused."""
        turned: Counter[tuple[str, int]] = Counter()
        moved = False
        for statement in statements:
            draft = statement.draft
            if draft.type is FactType.SLA_BREACHED:
                turned[draft.clock, draft.instance] += -1 if statement.turn % 2 else 1
            elif draft.type is FactType.SLA_DEADLINE_CHANGED:
                moved = True
        tally = self.tally(tenant)
        tally.breached += sum(net > 0 for net in turned.values())
        tally.excused += sum(net < 0 for net in turned.values())
        tally.rejudged += moved

    def tally(self, tenant: str) -> Tally:
        """Return the counts of a tenant."""
        return self.tallies.setdefault(tenant, Tally())


def moves(ticket: Ticket, instances: Instances, terms: Terms, at_us: int) -> list[Draft]:
    """Return what to tell of a ticket some of whose deadlines moved at `at_us`: where they are now.

    `terms` are those of its tenant. A clock that began to run only since then tells what it had used when it did.
    """
    return [
        Draft(
            FactType.SLA_DEADLINE_CHANGED, at_us, clock.instance, clock.name, 0,
            ClockDetail(
                clock.policy,
                clock.target_us,
                used_us(clock, terms.promise(clock.policy, clock.name)[1], max(at_us, clock.since_us)),
                clock.deadline_us,
                CALENDAR_CHANGE,
            ),
        )
        for clock in ticket.clocks
        if clock.since_us >= 0 and not clock.breached and (clock.name, clock.instance) in instances
    ]  # fmt: skip


def deadlines(ticket: Ticket) -> list[tuple[str, int, int]]:
    """Return (clock, instance, deadline) of the clocks that run and are not breached."""
    return [
        (clock.name, clock.instance, clock.deadline_us)
        for clock in ticket.clocks
        if clock.since_us >= 0 and not clock.breached
    ]
