"""A stored ticket as it is at this moment.

A row says how a ticket was when something last happened to it. Since then time has passed, and its calendar may have
changed, which rewrites no row. So whoever shows a clock lets the time pass first, by the terms of the ticket's partition.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.aging.core.fold import advance, settle, turns_policies
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket, decode_ticket
from shared.runtime.attempt import attempt


def present(tenant: str, body: bytes, partition: int, terms: Mapping[int, Terms], now_us: int) -> Ticket:
    """Return the ticket of a row's `body` at `now_us`. Raises KeyError for a partition that never committed.

    A ticket whose timer fails is in quarantine; here it stands as last stated, so that the others can be shown.
    """
    mine = terms[partition].of(tenant)
    return attempt(lambda: _moved(body, mine, now_us), lambda _error: decode_ticket(body))


def _moved(body: bytes, terms: Terms, now_us: int) -> Ticket:
    ticket = decode_ticket(body)
    if turns_policies(ticket, terms, now_us):
        # Its owner is about to judge it anew by its whole timeline; until then it stands as last stated.
        settle(ticket, terms, until_us=ticket.advanced_us)
    else:
        advance(ticket, [], terms, until_us=max(now_us, ticket.advanced_us))
    return ticket
