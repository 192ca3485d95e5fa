"""Reading from the store what the core asks for: tickets that are not in memory, and whole timelines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.aging.core.backlog import Backlog
from services.aging.core.batch import Dated, Item, Loaded, Stored, TicketId
from services.aging.core.mark import decode_mark
from services.aging.core.merges import decode_register
from services.aging.core.ticket import decode_ticket
from services.aging.ports import AgingStore
from shared.runtime.port import NotOwner


class StoredTickets:
    """One partition's tickets as last committed."""

    def __init__(self, store: AgingStore) -> None:
        self._store = store
        self._strangers: frozenset[TicketId] = frozenset()
        """Tickets of the newest batch that nobody knew before it, so nothing is stored of them."""

    async def of(self, backlog: Backlog, items: Sequence[Item]) -> Loaded:
        """Return the tickets of `items` that exist and are not in memory.

        Raises NotOwner for one that follows terms which this partition has not heard of: a later owner wrote it.
        """
        unknown = backlog.unknown(items)
        rows = await self._store.load_tickets(unknown) if unknown else {}
        self._strangers = frozenset(id_ for id_ in unknown if id_ not in rows)
        tickets = {
            id_: Stored(None if row.asleep else decode_ticket(row.body), row.asleep)
            for id_, row in rows.items()
        }
        for id_, stored in tickets.items():
            known = backlog.terms.of(id_[0]).generation
            if stored.ticket is not None and stored.ticket.generation > known:
                raise NotOwner(f"{id_} follows terms {stored.ticket.generation}, and known are {known}")
        return Loaded(tickets)

    async def add_timelines(self, loaded: Loaded, ids: Iterable[TicketId], *, merges: bool) -> None:
        """Add the marks of `ids` to `loaded`, and their registers if there were ever `merges`."""
        wanted = sorted(ids)
        # Memory does not tell who was known: a ticket may have been closed by this very batch.
        known = [id_ for id_ in wanted if id_ not in self._strangers]
        marks = await self._store.load_marks(known) if known else {}
        loaded.marks = {
            id_: [Dated(row.order, decode_mark(row.body)) for row in rows] for id_, rows in marks.items()
        }
        if wanted and merges:
            registers = await self._store.load_registers(wanted)
            loaded.registers = {
                id_: [decode_register(row.body) for row in rows] for id_, rows in registers.items()
            }
