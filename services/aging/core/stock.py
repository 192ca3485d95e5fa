"""The stock: every open ticket of a partition, each as few bytes as it takes.

A million tickets as objects are two kilobytes each, nearly all of it the same words and numbers boxed one
by one. So a ticket rests packed, as the very body that its row has, and is unpacked when something happens
to it. Within a fold it may be touched many times: it stays unpacked until `pack`, which encodes it once
and tells what it was before, so that nobody has to remember how it was counted.

Beside the body lies what timers look at without unpacking: the instant the ticket is armed for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from sys import intern
from typing import NamedTuple

import msgspec

from services.aging.core.ticket import Ticket, decode_ticket, encode_ticket

TicketId = tuple[str, str]
"""(tenant, ticket key)."""


class _Held(msgspec.Struct, gc=False, eq=False):
    """A ticket at rest. `id` is the one object that everybody shares who remembers the ticket."""

    id: TicketId
    body: bytes = b""
    due_us: int | None = None


class Moved(NamedTuple):
    """What became of a ticket since the last `pack`; None: not in the stock."""

    id: TicketId
    was: Ticket | None
    now: Ticket | None


class Stock(Mapping[TicketId, Ticket]):
    """The open tickets by id. What it gives must not be changed; a changed copy is put back."""

    def __init__(self) -> None:
        self._held: dict[TicketId, _Held] = {}
        self._was: dict[TicketId, Ticket | None] = {}
        """Tickets looked at since the last `pack`, as they were then."""
        self._now: dict[TicketId, Ticket | None] = {}
        """Those that were put since, as they are."""

    def __len__(self) -> int:
        """Return how many tickets are open."""
        return len(self._held)

    def __contains__(self, id_: object) -> bool:
        """Return whether the ticket is open."""
        return id_ in self._held

    def __iter__(self) -> Iterator[TicketId]:
        """Yield the ids. Putting tickets that are there already does not disturb it."""
        return iter(self._held)

    def __getitem__(self, id_: TicketId) -> Ticket:
        """Return a ticket, unpacked for this once: for going through all of them."""
        found = self._now.get(id_)
        return decode_ticket(self._held[id_].body) if found is None else found

    def look(self, id_: TicketId) -> Ticket | None:
        """Return a ticket that something happens to; it stays unpacked until `pack`."""
        return self._now[id_] if id_ in self._now else self._before(id_)

    def put(self, id_: TicketId, ticket: Ticket, *, due_us: int | None) -> TicketId:
        """Take a ticket as it is now, armed for `due_us`; out if it is closed. Return its shared id."""
        self._before(id_)
        if not ticket.open:
            self._now[id_] = None
            self._held.pop(id_, None)
            return id_
        self._now[id_] = ticket
        held = self._hold(id_)
        held.due_us = due_us
        return held.id

    def store(self, id_: TicketId, body: bytes, *, due_us: int | None) -> TicketId:
        """Take an open ticket that is packed already: for the whole stock, one after the other."""
        assert id_ not in self._now, id_
        self._was.pop(id_, None)
        held = self._hold(id_)
        held.body, held.due_us = body, due_us
        return held.id

    def pack(self) -> list[Moved]:
        """Pack what was put since the last time; return what became of it."""
        was, now = self._was, self._now
        moved = [Moved(id_, was[id_], ticket) for id_, ticket in now.items()]
        for id_, ticket in now.items():
            if ticket is not None:
                self._held[id_].body = encode_ticket(ticket)
        self._was, self._now = {}, {}
        return moved

    def body(self, id_: TicketId) -> bytes:
        """Return a packed ticket as its row has it."""
        assert id_ not in self._now, id_
        return self._held[id_].body

    def due_us(self, id_: TicketId) -> int | None:
        """Return the instant a ticket is armed for; None if it is not."""
        held = self._held.get(id_)
        return None if held is None else held.due_us

    def disarm(self, id_: TicketId) -> None:
        """Forget the instant a ticket is armed for."""
        self._held[id_].due_us = None

    def _hold(self, id_: TicketId) -> _Held:
        held = self._held.get(id_)
        if held is None:
            id_ = (intern(id_[0]), id_[1])
            held = self._held[id_] = _Held(id_)
        return held

    def _before(self, id_: TicketId) -> Ticket | None:
        if id_ in self._was:
            return self._was[id_]
        held = self._held.get(id_)
        found = self._was[id_] = None if held is None else decode_ticket(held.body)
        return found
