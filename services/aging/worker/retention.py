"""Condensing what left the stock longer ago than it is to be kept (core/condensing.py), a slice at a time.

The owner of a partition does it, within the commit of a batch that has nothing else to hurry for. Where a walk has
come to is nowhere stored: the next owner walks again, and finds only what is left.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import structlog

from services.aging.core.backlog import Backlog
from services.aging.core.batch import Outcome, TicketId
from services.aging.core.ticket import decode_ticket
from services.aging.ports import AgingStore
from shared.contracts.instants import SECOND_US

SLICE_TICKETS_MAX: Final = 200
"""Condensed with one commit: some milliseconds."""
SLICE_EVERY_US: Final = SECOND_US
WALK_EVERY_US: Final = 3_600 * SECOND_US
"""From the end of one walk through a partition to the next."""

_log = structlog.get_logger(__name__)
_BEGIN: Final = ("", 0, "")


class Retention:
    """One partition's walk through what left long ago."""

    def __init__(self, store: AgingStore, partition: int, kept_us: int | None) -> None:
        """`kept_us`: how long a ticket is kept whole after it left; None for ever."""
        self._store = store
        self._partition = partition
        self._kept_us = kept_us
        self._due_us = 0
        self._after: tuple[str, int, str] = _BEGIN
        self._found = 0

    async def slice(self, backlog: Backlog, clock_us: int, touched: Collection[TicketId]) -> Outcome | None:
        """Condense the next few tickets; None if it is not time for that.

        `touched` changed in this very batch, so the store does not know them yet: the next walk finds them.
        """
        if self._kept_us is None or clock_us < self._due_us:
            return None
        rows = await self._store.load_gone(
            self._partition, before_us=clock_us - self._kept_us, after=self._after, limit=SLICE_TICKETS_MAX
        )
        outcome = backlog.condense(
            {
                (row.tenant, row.ticket): decode_ticket(row.body)
                for row in rows
                if (row.tenant, row.ticket) not in touched
            }
        )
        self._found += len(outcome.condensed)
        if len(rows) == SLICE_TICKETS_MAX:
            last = rows[-1]
            assert last.left_us is not None, "asked for by it"
            self._after, self._due_us = (last.tenant, last.left_us, last.ticket), clock_us + SLICE_EVERY_US
        else:
            self._end(clock_us)
        return outcome

    def _end(self, clock_us: int) -> None:
        if self._found:
            _log.info("tickets past retention condensed", partition=self._partition, tickets=self._found)
        self._after, self._found, self._due_us = _BEGIN, 0, clock_us + WALK_EVERY_US
