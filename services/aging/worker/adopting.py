"""Following published configurations: from when each holds here, and what it asks of tickets.

A version holds from the instant it names, but never before what was already stated, unless one of its
calendars says that it judges the past anew. Memory follows in slices (core/memory.py); timelines are read
a few with each batch: of open tickets, and of closed ones that left when the new terms hold already. How
far that came is kept in the note, so that a crash only repeats a slice.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import structlog

from services.aging.core.adoption import JUDGED_MAX
from services.aging.core.backlog import AHEAD_US_MAX, Backlog
from services.aging.core.batch import Loaded, Outcome, Stored, TicketId
from services.aging.core.note import Note
from services.aging.core.terms import Terms, reaches_back_us
from services.aging.core.ticket import decode_ticket
from services.aging.ports import AgingStore, Configurations
from services.aging.settings import generations, terms_of
from services.aging.worker.stored import StoredTickets
from shared.contracts.instants import to_us

_log: Final = structlog.get_logger(__name__)


class Adopting:
    """One partition's way from one configuration to the next."""

    def __init__(
        self, store: AgingStore, configurations: Configurations, partition: int, defaults: Terms
    ) -> None:
        """`defaults` hold before any configuration was published."""
        self._store = store
        self._stored = StoredTickets(store)
        self._configurations = configurations
        self._partition = partition
        self._defaults = defaults

    async def generations(self, note: Note) -> list[Terms]:
        """Return all terms this partition used one after the other; the last are those of now."""
        adopted = [(await self._configurations.version(number), at_us) for number, at_us in note.configs]
        return generations(self._defaults, adopted)

    async def adopt(self, backlog: Backlog, note: Note, number: int, clock_us: int) -> None:
        """Follow configuration version `number` from here on."""
        version = await self._configurations.version(number)
        note.config = number
        former = backlog.terms
        later = terms_of(version.document, str(number))
        effective_us = to_us(version.effective_from)
        if not note.read and effective_us <= clock_us + AHEAD_US_MAX:
            at_us = 0  # nothing was stated by other terms: these always held
        else:
            at_us = max(effective_us, clock_us + 1)
        terms = former.followed(later, at_us, generation=former.generation + 1)
        if terms.says_the_same(former):
            return  # other sections changed
        note.configs.append((number, at_us))
        since_us = reaches_back_us(former, later, at_us)
        if since_us is not None and note.read:
            if note.judging is not None:  # what the version before reached back to is not all judged yet
                since_us = min(since_us, note.judging[0])
            note.judging = (since_us, "", "")
        backlog.adopt(terms, at_us=at_us)
        note.adoption = backlog.adoption.kept()
        _log.info("configuration adopted", partition=self._partition, version=number, open=len(backlog.open))

    async def judge(
        self, backlog: Backlog, note: Note, clock_us: int, touched: Collection[TicketId]
    ) -> Outcome | None:
        """Judge a slice of tickets anew, if any are left; open ones first, then those that left.

        `touched` changed in this very batch, and the store does not know yet what it added to them: open ones
        wait for the next batch, and those that left were judged by this one.
        """
        ids = backlog.adoption.next_to_judge()
        if ids:
            backlog.adoption.to_judge.update((id_, None) for id_ in ids if id_ in touched)
            ids = [id_ for id_ in ids if id_ not in touched]
            loaded = Loaded()
            await self._stored.add_timelines(loaded, ids, merges=note.merges)
            return backlog.judge(ids, loaded, clock_us=clock_us)
        if note.judging is None:
            return None
        since_us, *after = note.judging
        rows = await self._store.load_left(
            self._partition, since_us=since_us, after=(after[0], after[1]), limit=JUDGED_MAX
        )
        if not rows:
            note.judging = None
            return None
        note.judging = (since_us, rows[-1].tenant, rows[-1].ticket)
        left = [(row.tenant, row.ticket) for row in rows]
        loaded = Loaded(
            {id_: Stored(decode_ticket(row.body), asleep=False) for id_, row in zip(left, rows, strict=True)}
        )
        await self._stored.add_timelines(loaded, left, merges=note.merges)
        closed = [id_ for id_ in left if id_ not in backlog.open and id_ not in touched]
        return backlog.judge(closed, loaded, clock_us=clock_us)
