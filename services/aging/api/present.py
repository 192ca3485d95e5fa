"""A stored ticket as it is at this moment.

A row says how a ticket was when something last happened to it. Since then time has passed, and its calendar may have
changed, which rewrites no row. So whoever shows a clock lets the time pass first, by the terms of the ticket's partition.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.aging.core.fold import advance, settle, turns_policies
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket, decode_ticket


def present(tenant: str, body: bytes, partition: int, terms: Mapping[int, Terms], now_us: int) -> Ticket:
    """Return the ticket of a row's `body` at `now_us`. Raises KeyError for a partition that never committed."""
    ticket = decode_ticket(body)
    mine = terms[partition].of(tenant)
    if turns_policies(ticket, mine, now_us):
        # Its owner is about to judge it anew by its whole timeline; until then it stands as last stated.
        settle(ticket, mine, until_us=ticket.advanced_us)
    else:
        advance(ticket, [], mine, until_us=max(now_us, ticket.advanced_us))
    return ticket
