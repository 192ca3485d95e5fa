"""A partition's memory: the open tickets, their timers, and the cells and flows that count them.

And what keeps all of that right when the terms change under a million tickets: the age edges that cells
count by turn at their instant, deadlines are timed anew a slice at a time, and tickets whose past the new
terms judge otherwise wait for their timelines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.aging.core.adoption import TIMED_MAX, Adoption, deadlines
from services.aging.core.batch import TicketId
from services.aging.core.cells import CellBook
from services.aging.core.flows import FlowBook
from services.aging.core.fold import settle, turns_policies
from services.aging.core.stock import Stock
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket, copied, encode_ticket, glance
from services.aging.core.timers import Timers


class NewerTicket(Exception):
    """A ticket was timed by terms that this memory does not know: it was stored later than the note says."""


class Memory:
    """What a partition remembers. Not shared between threads; knows no clock but what it is told."""

    def __init__(self, terms: Terms, former: Sequence[Terms] = ()) -> None:
        """`former`: the terms before `terms`; what was stated was stated by one of them."""
        self.terms = terms
        self.adoption = Adoption()
        self._generations = {one.generation: one for one in (*former, terms)}
        self.open = Stock()
        self.timers = Timers(self.open.due_us)
        self.cells = CellBook(terms.age.versions[0])
        self.flows = FlowBook()
        self.quarantined: set[TicketId] = set()
        self._next_cells: CellBook | None = None
        """The cells by edges that came into force, while not all tickets are in them."""
        self._uncounted: dict[TicketId, None] = {}

    def restore(self, bodies: Iterable[tuple[TicketId, bytes]], *, clock_us: int, edges_us: int = -1) -> None:
        """Take in open tickets as committed by `clock_us`. What other terms timed is timed anew.

        `edges_us`: an instant at which the age edges held by which cells were shown last; -1: the clock.
        Raises NewerTicket if not all is of one commit.
        """
        if not self.open:
            self.cells = CellBook(self.terms.age.at(clock_us if edges_us < 0 else edges_us))
        edges_us = self.cells.age.effective_us
        for id_, body in bodies:
            ticket = glance(body)
            terms = self.terms.of(id_[0])
            if ticket.generation > terms.generation:
                raise NewerTicket(
                    f"{id_} follows terms {ticket.generation}, and known are {terms.generation}"
                )
            if ticket.generation == terms.generation and ticket.advanced_us >= edges_us:
                self._rest(id_, ticket, body)
                continue
            if self._asks_timeline(id_, ticket, clock_us):
                self.adoption.to_judge[id_] = None
            else:
                self._settle_again(id_, ticket, clock_us)
            self._rest(id_, ticket, encode_ticket(ticket))

    def _settle_again(self, id_: TicketId, ticket: Ticket, clock_us: int) -> None:
        terms = self.terms.of(id_[0])
        former = self._generations.get(terms.generation - 1)
        if not self.adoption.telling or former is None or ticket.generation == terms.generation:
            settle(ticket, terms, until_us=clock_us)
            return
        # The last owner may have fallen before it told of this one; what moved, moved from the former terms.
        settle(ticket, former.of(id_[0]), until_us=ticket.advanced_us)
        before = deadlines(ticket)
        settle(ticket, terms, until_us=clock_us)
        self.adoption.compare(id_, ticket, before)

    def adopt(self, terms: Terms, *, at_us: int) -> None:
        """Use `terms` from now on, which differ from those so far from `at_us` on, or judge the past anew.

        The tickets follow in slices with each fold, until `adoption.is_over`.
        """
        self.terms = terms
        self._generations[terms.generation] = terms
        self.adoption.begin(self.open, at_us)
        if not at_us:  # before any ticket came: no cell was ever counted by other edges, or will be
            self.cells = CellBook(terms.age.versions[0])

    def _turn_edges(self, clock_us: int) -> list[tuple[TicketId, Ticket]]:
        """Count by the age edges now in force, a slice of the tickets at a time.

        Until all are counted the former edges are shown. Return the tickets whose age begins elsewhere now:
        their rows say so.
        """
        age = self.terms.age.at(clock_us)
        if age != (self.cells if self._next_cells is None else self._next_cells).age:
            self._next_cells, self._uncounted = CellBook(age), dict.fromkeys(self.open)
        if self._next_cells is None:
            return []
        shifted = []
        for id_ in [id_ for id_, _ in zip(self._uncounted, range(TIMED_MAX), strict=False)]:
            was = self.open[id_]
            ticket = copied(was)
            if not self._asks_timeline(id_, was, clock_us):
                settle(ticket, self.terms.of(id_[0]), until_us=clock_us)
            self._store(id_, was, ticket)
            if ticket.episode > 1 and age.from_episode != self.cells.age.from_episode:
                shifted.append((id_, ticket))
        if not self._uncounted:
            former, self.cells, self._next_cells = self.cells, self._next_cells, None
            self.cells.unpublished = set(former.cells) | former.unpublished | set(self.cells.cells)
        return shifted

    @property
    def is_turning(self) -> bool:
        """Whether tickets are left to be counted by newer age edges."""
        return self._next_cells is not None

    def _retime(self, id_: TicketId, clock_us: int) -> None:
        ticket = glance(self.open.body(id_))
        if self._asks_timeline(id_, ticket, clock_us):
            self.adoption.to_judge[id_] = None
            return
        before, never_opened = deadlines(ticket), ticket.no_opening
        settle(ticket, self.terms.of(id_[0]), until_us=ticket.advanced_us)
        if ticket.no_opening != never_opened:
            self._recount(id_, self.open[id_], ticket)
        self._rearm(id_, ticket)
        self.adoption.compare(id_, ticket, before)

    def _asks_timeline(self, id_: TicketId, ticket: Ticket, clock_us: int) -> bool:
        """Return whether only the whole timeline tells what the terms of now make of the ticket."""
        terms = self.terms.of(id_[0])
        return ticket.generation < terms.judged or turns_policies(ticket, terms, clock_us)

    def _former(self, id_: TicketId, ticket: Ticket | None) -> Terms | None:
        """Return the terms by which a ticket was stated, if those of now judge the past otherwise."""
        if ticket is None or ticket.generation >= self.terms.judged:
            return None
        return self._generations[ticket.generation].of(id_[0])

    def _count(self) -> None:  # once a fold: nobody looks at the cells in between
        for moved in self.open.pack():
            self._recount(moved.id, moved.was, moved.now)

    def _recount(self, id_: TicketId, was: Ticket | None, now: Ticket | None) -> None:
        self.cells.move(id_[0], was, now)
        if self._next_cells is not None:
            counted = None if id_ in self._uncounted else was
            self._uncounted.pop(id_, None)
            self._next_cells.move(id_[0], counted, now)

    def _time(self, id_: TicketId, ticket: Ticket) -> None:
        known_us, due_us = self.open.due_us(id_), self._due_us(id_, ticket)
        id_ = self.open.put(id_, ticket, due_us=due_us)
        if due_us is not None and due_us != known_us:
            self.timers.arm(id_, due_us)

    def _store(self, id_: TicketId, was: Ticket | None, ticket: Ticket) -> None:
        """Count and arm a ticket that nothing happened to but that it is looked at anew."""
        self._rearm(id_, ticket)
        self._recount(id_, was, ticket)

    def _rearm(self, id_: TicketId, ticket: Ticket) -> None:
        known_us, due_us = self.open.due_us(id_), self._due_us(id_, ticket)
        id_ = self.open.store(id_, encode_ticket(ticket), due_us=due_us)
        if due_us is not None and due_us != known_us:
            self.timers.arm(id_, due_us)

    def _rest(self, id_: TicketId, ticket: Ticket, body: bytes) -> None:
        """Take in a ticket that was counted before memory was lost."""
        due_us = self._due_us(id_, ticket)
        id_ = self.open.store(id_, body, due_us=due_us)
        if due_us is not None:
            self.timers.arm(id_, due_us)
        self.cells.take(id_[0], ticket)

    def _due_us(self, id_: TicketId, ticket: Ticket) -> int | None:
        return None if id_ in self.quarantined or not ticket.open else ticket.due_us
