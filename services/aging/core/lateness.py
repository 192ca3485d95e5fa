"""Which tickets of a batch have to be derived again from all their marks.

Folding in order costs a constant; deriving again costs a read of the whole timeline. The decision is taken
before anything is folded (the marks have to be loaded), so it must foresee what the records and timers
before a record will have made of its ticket: when in doubt, late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.aging.core.batch import Arrival, Item, Loaded, Register, TicketId
from services.aging.core.fold import extends
from services.aging.core.mark import may_end, shows_link
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket


class _Earlier(NamedTuple):
    """What a batch holds of a ticket before a record."""

    first_us: int
    last_us: int
    order: bytes
    may_end: bool
    """It may leave the ticket out of the stock."""


def is_ahead(item: Item) -> bool:
    """Return whether the item has to wait for its time."""
    return isinstance(item, Arrival) and item.mark.time_us > item.clock_us


def late_tickets(
    items: Sequence[Item], loaded: Loaded, in_stock: Mapping[TicketId, Ticket], terms: Terms
) -> set[TicketId]:
    """Return the tickets of `items` that cannot be folded by extending what is known of them."""
    late: set[TicketId] = set()
    met: dict[TicketId, _Earlier] = {}
    for item in items:
        id_ = item.id
        if id_ in late or is_ahead(item):
            continue
        stored = loaded.tickets.get(id_)
        if stored is not None and stored.asleep:
            continue
        ticket = in_stock.get(id_) or (stored.ticket if stored is not None else None)
        if ticket is None or isinstance(item, Register):
            late.add(id_)
            continue
        earlier = met.get(id_)
        if _is_late(ticket, item, earlier, terms.of(id_[0])):
            late.add(id_)
        met[id_] = _with(earlier, ticket, item)
    return late


def _is_late(ticket: Ticket, arrival: Arrival, earlier: _Earlier | None, terms: Terms) -> bool:
    mark = arrival.mark
    if (
        ticket.merged
        or shows_link(mark)
        or not extends(ticket, mark, arrival.order, terms, until_us=arrival.clock_us)
    ):
        return True
    if earlier is not None and _may_collide(arrival, earlier, terms):
        return True
    # A timer due by the record's clock fires before the record, whose time may be earlier.
    crossing_us = terms.age.next_us(ticket.created_us, ticket.episode_us, after_us=mark.time_us - 1)
    if crossing_us is not None and crossing_us <= arrival.clock_us:
        return True
    return bool(terms.policies) and ticket.due_us is not None and ticket.due_us <= arrival.clock_us


def _may_collide(arrival: Arrival, earlier: _Earlier, terms: Terms) -> bool:
    """Whether what comes before in the batch may keep the record from extending the ticket then."""
    return (
        arrival.order <= earlier.order
        or (earlier.may_end and arrival.mark.time_us == earlier.last_us)
        or terms.age.episode_may_cross(earlier.first_us, arrival.clock_us)
    )


def _with(earlier: _Earlier | None, ticket: Ticket, arrival: Arrival) -> _Earlier:
    time_us = arrival.mark.time_us
    if earlier is None:
        return _Earlier(time_us, time_us, arrival.order, may_end(arrival.mark) or not ticket.open)
    return _Earlier(earlier.first_us, time_us, arrival.order, earlier.may_end or may_end(arrival.mark))
