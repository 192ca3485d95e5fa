"""How many deadlines a configuration would move, and how many promises it would break at once.

Every open ticket is looked at twice, by the terms that hold and by those that would: with no news from
anybody, what is its next deadline? It is counted in the process of the command, from aging's database, so
a dry run costs the running service a few reads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select

from barometer.db import migrations_of
from barometer.exits import Refused
from services.aging.adapters.sql import SqlAgingStore
from services.aging.core.batch import Dated
from services.aging.core.clock import Clock
from services.aging.core.fold import advance, turns_policies
from services.aging.core.mark import decode_mark
from services.aging.core.merges import decode_register
from services.aging.core.note import Note, decode_note
from services.aging.core.rederive import derive_again
from services.aging.core.terms import Terms, reaches_back_us
from services.aging.core.ticket import Ticket, copied, decode_ticket
from services.aging.ports import Cursor, TicketFilter, TicketId, TicketRow
from services.aging.settings import default_terms, terms_of
from shared.contracts.configuration import ConfigVersion
from shared.contracts.tickets import Absorbed
from shared.contracts.topics import EVENTS
from shared.sql.engine import opened, read
from shared.sql.journal import PARTITIONS
from shared.sql.migrate import check

ROWS_AT_ONCE: Final = 1_000


@dataclass(slots=True)
class Consequences:
    """Counts of promises (clocks) of open tickets; a ticket may have several."""

    open_tickets: int = 0
    moved: int = 0
    """Deadlines that become others."""
    broken_at_once: int = 0
    """Promises that are past their deadline by the new terms, and are not by the old."""
    excused: int = 0
    """The reverse: only hours that reach back do that."""
    begun: int = 0
    """Promises there were not."""
    ended: int = 0
    """Promises that there would be no more."""

    def __str__(self) -> str:
        counts = (
            (self.moved, "move"),
            (self.broken_at_once, "are broken at once"),
            (self.excused, "are no longer broken"),
            (self.begun, "begin"),
            (self.ended, "end"),
        )
        told = ", ".join(f"{count} {what}" for count, what in counts if count)
        return f"promises of {self.open_tickets} open tickets: {told or 'no deadline moves'}."

    def document(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)

    def count(self, was: Ticket, now: Ticket) -> None:
        """Add one ticket, as it would be by the old and by the new terms at one instant."""
        self.open_tickets += 1
        old, new = _by_instance(was), _by_instance(now)
        self.begun += len(new.keys() - old.keys())
        self.ended += len(old.keys() - new.keys())
        for key in new.keys() & old.keys():
            before, after = old[key], new[key]
            self.moved += (before.deadline_us, before.target_us) != (after.deadline_us, after.target_us)
            self.broken_at_once += after.breached > before.breached
            self.excused += before.breached > after.breached


def _by_instance(ticket: Ticket) -> dict[tuple[str, int], Clock]:
    return {(clock.name, clock.instance): clock for clock in ticket.clocks}


class _Change(NamedTuple):
    """The terms of one partition, and those that would follow at `at_us`."""

    former: Terms
    later: Terms
    at_us: int
    reaches_back: bool
    merges: bool
    """Tickets were merged here, so there are registers to ask for."""

    def wants_timeline(self, tenant: str, ticket: Ticket) -> bool:
        """Return whether only the whole timeline of `ticket` tells what the terms make of it."""
        return self.reaches_back or any(
            turns_policies(ticket, terms.of(tenant), self.at_us) for terms in (self.former, self.later)
        )


async def consequences(
    database: str,
    versions: Sequence[ConfigVersion],
    document: Mapping[str, Any],
    *,
    tenants: Sequence[str],
    at_us: int,
) -> Consequences:
    """Return what `document`, following `versions` at `at_us`, would do to open tickets of `tenants`.

    `database` is aging's. Raises StoreUnavailable, StoreMisconfigured, Refused.
    """
    found = Consequences()
    async with opened(database) as engine:
        await check(engine, migrations_of("aging"))
        partitions = await read(engine, _partitions)
        changes = {
            # As aging adopts it: never at an instant that it has passed already.
            partition: _change(decode_note(note), versions, document, max(at_us, clock_us + 1))
            for partition, clock_us, note in partitions
        }
        store = SqlAgingStore(engine)  # only read: nothing is prepared or upgraded
        for tenant in tenants:
            async for rows in _open_rows(store, tenant):
                await _count(found, store, rows, changes)
    return found


def _partitions(connection: Connection) -> list[tuple[int, int, bytes]]:
    p = PARTITIONS.c
    rows = connection.execute(select(p.partition, p.clock_us, p.note).where(p.topic == EVENTS.name))
    return [(row.partition, row.clock_us, row.note) for row in rows]


def _change(
    note: Note, versions: Sequence[ConfigVersion], document: Mapping[str, Any], at_us: int
) -> _Change:
    documents = {version.version: version.document for version in versions}
    former = default_terms()
    for number, since_us in note.configs:
        adopted = terms_of(documents[number], str(number))
        former = former.followed(adopted, since_us, generation=former.generation + 1)
    wanted = terms_of(document, str(max(documents, default=0) + 1))
    later = former.followed(wanted, at_us, generation=former.generation + 1)
    reaches_back = reaches_back_us(former, wanted, at_us) is not None
    return _Change(former, later, at_us, reaches_back, note.merges)


async def _open_rows(store: SqlAgingStore, tenant: str) -> AsyncIterator[Sequence[TicketRow]]:
    wanted, after = TicketFilter(tenant, open=True), None
    while rows := await store.find(wanted, after=after, newest_first=False, limit=ROWS_AT_ONCE):
        yield rows
        after = Cursor(rows[-1].aged_from_us, rows[-1].ticket)


async def _count(
    found: Consequences, store: SqlAgingStore, rows: Sequence[TicketRow], changes: Mapping[int, _Change]
) -> None:
    long: dict[TicketId, _Change] = {}
    for row in rows:
        ticket, change = decode_ticket(row.body), changes[row.partition]
        if ticket.generation > change.former.generation:
            raise Refused("another configuration came into force while promises were counted; ask again")
        if change.wants_timeline(row.tenant, ticket):
            long[row.tenant, row.ticket] = change
            continue
        was, now = ticket, copied(ticket)
        advance(was, [], change.former.of(row.tenant), until_us=change.at_us)
        advance(now, [], change.later.of(row.tenant), until_us=change.at_us)
        found.count(was, now)
    timelines = await store.load_marks(list(long))
    absorbed = await store.load_registers([id_ for id_, change in long.items() if change.merges])
    for id_, change in long.items():
        marks = [Dated(mark.order, decode_mark(mark.body)) for mark in timelines[id_]]
        registers = [decode_register(register.body) for register in absorbed.get(id_, ())]
        found.count(
            *(_derived(id_, marks, registers, terms, change.at_us) for terms in (change.former, change.later))
        )


def _derived(
    id_: TicketId, marks: Sequence[Dated], registers: Sequence[Absorbed], terms: Terms, at_us: int
) -> Ticket:
    """Return the ticket as its whole timeline makes it by `terms`."""
    derived = derive_again(
        id_, None, marks=marks, registers=registers, items=(), terms=terms.of(id_[0]), until_us=at_us
    )
    assert derived.ticket is not None, "an open ticket has marks"
    return derived.ticket
