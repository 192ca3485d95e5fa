"""Which tickets of a batch have to be derived again from all their marks.

Folding in order costs a constant; deriving again costs a read of the whole timeline. What is known before
anything is folded is told at once (`late_tickets`), so that one read brings all timelines. What only turns
out on the way, because of what came before in the same batch, is left over by the fold and finished after a
second read (`Backlog.finish`).

What is ahead of the clock is the other half of the question: it waits (`is_ahead`, `heard_by`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from services.aging.core.batch import Arrival, Item, Loaded, Register, TicketId
from services.aging.core.fold import extends
from services.aging.core.mark import shows_link
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket
from shared.contracts.instants import to_us


def is_ahead(item: Item) -> bool:
    """Return whether the item has to wait for its time."""
    return isinstance(item, Arrival) and item.mark.time_us > item.clock_us


def heard_by(items: Sequence[Item], until_us: int) -> tuple[list[Item], list[Item]]:
    """Return `items` with registers told as far as `until_us`, and the registers that have more to tell.

    The partition of an absorbed ticket may be ahead by its clock. A message that is kept before its time would
    count whenever its survivor happens to be derived next, and as if it always had.
    """
    heard: list[Item] = []
    waiting: list[Item] = []
    for item in items:
        messages = item.absorbed.messages if isinstance(item, Register) else ()
        ahead_us = [at_us for message in messages if (at_us := to_us(message.time)) > until_us]
        if not isinstance(item, Register) or not ahead_us:
            heard.append(item)
            continue
        known = tuple(message for message in messages if to_us(message.time) <= until_us)
        heard.append(item._replace(absorbed=replace(item.absorbed, messages=known)))
        waiting.append(item._replace(due_us=min(ahead_us)))
    return heard, waiting


def late_tickets(
    items: Sequence[Item], loaded: Loaded, in_stock: Mapping[TicketId, Ticket], terms: Terms
) -> set[TicketId]:
    """Return the tickets of `items` that cannot be folded by extending what is known of them."""
    late: set[TicketId] = set()
    met: set[TicketId] = set()
    for item in items:
        id_ = item.id
        if id_ in late or is_ahead(item):
            continue
        stored = loaded.tickets.get(id_)
        if stored is not None and stored.asleep:
            continue
        if isinstance(item, Register) or shows_link(item.mark):
            late.add(id_)
        elif id_ not in met:
            ticket = in_stock.get(id_) or (stored.ticket if stored is not None else None)
            if ticket is None or is_late(ticket, item, terms.of(id_[0])):
                late.add(id_)
            met.add(id_)
    return late


def is_late(ticket: Ticket, arrival: Arrival, terms: Terms) -> bool:
    """Return whether `arrival` cannot extend `ticket` as it stands."""
    if ticket.merged or shows_link(arrival.mark):
        return True
    if ticket.generation < terms.judged:  # its past is to be judged anew first, and who moves it forgets that
        return True
    # A timer due by the record's clock fires before the record, whose time may be earlier.
    due_us = ticket.due_us
    if due_us is not None and arrival.mark.time_us <= due_us <= arrival.clock_us:
        return True
    return not extends(ticket, arrival.mark, arrival.order, terms, until_us=arrival.clock_us)
