"""The stock of a past instant, as it truly was: by all that is known now, late news included.

Most open tickets have not changed since yesterday, and what has not changed since the instant was then
what it is now. Only the others are folded again from their timelines, so the price follows what
happened since, not the size of the backlog.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Final, NamedTuple

from starlette.concurrency import run_in_threadpool

from services.aging.api.asking import DIMENSIONS
from services.aging.api.figures import Count, Counts
from services.aging.api.present import present
from services.aging.api.surface import AsOf, Surface
from services.aging.core.age import AgeVersion
from services.aging.core.attention import flags_of
from services.aging.core.mark import decode_mark
from services.aging.core.merges import decode_register, heard
from services.aging.core.rewind import flags_then
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket
from services.aging.ports import MarkRow, RegisterRow, TicketFilter, TicketId, TicketRow

STANDING_TICKETS_MAX: Final = 200_000
"""Tickets looked at for one past instant: 1.5 s and 100 MB, several times as long with their promises."""
CHANGED_TICKETS_MAX: Final = 20_000
"""Of these, tickets folded again from their timelines: 2 s with ten observations each."""
FOLDED_AT_ONCE: Final = 500


class Standing(NamedTuple):
    """An open ticket as it was: its dimensions, the instant its age counts from, and its flags if they were asked for."""

    values: tuple[str, ...]
    start_us: int
    flags: int | None = None


class TooMany(NamedTuple):
    """The instant is too much work; `detail` says what to ask instead."""

    detail: str


async def stock_at(
    surface: Surface, tenant: str, at_us: int, *, flagged: bool = False
) -> list[Standing] | TooMany:
    """Return the tickets of `tenant` that were open at `at_us`; `flagged`: with their promises and signals."""
    async with surface.turn:
        found: list[Standing] = []
        changed: dict[TicketId, int] = {}
        terms: Mapping[int, Terms] | None = None
        async with aclosing(surface.queries.alive_at(TicketFilter(tenant), at_us)) as chunks:
            async for chunk in chunks:
                if flagged and terms is None:
                    terms = await surface.terms()
                await run_in_threadpool(_part, chunk, at_us, terms, surface.clock.now_us(), found, changed)
                if (refusal := _refusal(len(found), len(changed))) is not None:
                    return refusal
        # After the snapshot is given back: nobody holds one connection while waiting for another.
        ids, fold = list(changed), _Fold(at_us, surface.as_of, surface.age(), terms, changed)
        for begin in range(0, len(ids), FOLDED_AT_ONCE):
            some = ids[begin : begin + FOLDED_AT_ONCE]
            marks = await surface.queries.load_marks(some)
            registers = await surface.queries.load_registers(some) if flagged else {}
            found += await run_in_threadpool(fold.standing, marks, registers)
        return found


def _part(
    rows: Iterable[TicketRow], at_us: int, terms: Mapping[int, Terms] | None, now_us: int, found: list[Standing],
    changed: dict[TicketId, int],
) -> None:  # fmt: skip
    for row in rows:
        flags = None
        stands = row.open and row.updated_us <= at_us
        if stands and terms is not None:
            ticket = present(row.tenant, row.body, row.partition, terms, now_us)
            flags = flags_then(ticket, terms[row.partition].of(row.tenant), at_us)
            stands = flags is not None
        if stands:
            found.append(Standing(_values(row), row.aged_from_us, flags))
        else:
            changed[row.tenant, row.ticket] = row.partition


def _refusal(unchanged: int, changed: int) -> TooMany | None:
    if unchanged + changed > STANDING_TICKETS_MAX:
        return TooMany(f"more than {STANDING_TICKETS_MAX} tickets were open then or left since")
    if changed > CHANGED_TICKETS_MAX:
        return TooMany(f"more than {CHANGED_TICKETS_MAX} tickets changed since then: ask for a later instant")
    return None


class _Fold(NamedTuple):
    """How timelines are folded up to an instant; without `terms` no promises are asked for."""

    at_us: int
    as_of: AsOf
    age: AgeVersion
    terms: Mapping[int, Terms] | None
    partitions: Mapping[TicketId, int]

    def standing(
        self, marks: Mapping[TicketId, Sequence[MarkRow]], registers: Mapping[TicketId, Sequence[RegisterRow]]
    ) -> list[Standing]:
        """Return those of the tickets with these timelines that were open."""
        found: list[Standing] = []
        for id_, rows in marks.items():
            timeline = [decode_mark(row.body) for row in rows]
            if self.terms is None:
                ticket = self.as_of(timeline, self.at_us)
            else:
                messages = heard(decode_register(row.body) for row in registers.get(id_, ()))
                terms = self.terms[self.partitions[id_]].of(id_[0])
                ticket = self.as_of(timeline, self.at_us, terms=terms, messages=messages)
            if ticket is not None and ticket.open:
                start_us = self.age.start_us(ticket.created_us, ticket.episode_us)
                found.append(
                    Standing(_values(ticket), start_us, None if self.terms is None else flags_of(ticket))
                )
        return found


def _values(ticket: Ticket | TicketRow) -> tuple[str, ...]:
    return tuple([getattr(ticket, name) for name in DIMENSIONS])


def counted(
    stock: Iterable[Standing], wanted: TicketFilter, by: Sequence[str], age: AgeVersion, at_us: int
) -> Counts:
    """Return the tickets of `stock` that `wanted` asks for, counted by the dimensions `by`."""
    places = [DIMENSIONS.index(name) for name in by]
    accepted = [(DIMENSIONS.index(name), frozenset(values)) for name, values in wanted.dimensions]
    status, assignee = DIMENSIONS.index("status"), DIMENSIONS.index("assignee")
    counts: Counts = {}
    for values, start_us, flags in stock:
        if all(values[place] in allowed for place, allowed in accepted):
            key = tuple([values[place] for place in places])
            count = counts.get(key)
            if count is None:
                count = counts[key] = Count(len(age.edges_seconds))
            count.add_ticket(
                start_us, age.passed(start_us, at_us), values[status], flags, unowned=not values[assignee]
            )
    return counts
