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
from services.aging.api.surface import AsOf, Surface
from services.aging.core.age import AgeVersion
from services.aging.core.mark import decode_mark
from services.aging.core.ticket import Ticket
from services.aging.ports import MarkRow, TicketFilter, TicketId, TicketRow

STANDING_TICKETS_MAX: Final = 200_000
"""Tickets looked at for one past instant: 1.5 s and 100 MB."""
CHANGED_TICKETS_MAX: Final = 20_000
"""Of these, tickets folded again from their timelines: 2 s with ten observations each."""
FOLDED_AT_ONCE: Final = 500


class Standing(NamedTuple):
    """An open ticket as it was: its dimensions, and the instant its age counts from."""

    values: tuple[str, ...]
    start_us: int


class TooMany(NamedTuple):
    """The instant is too much work; `detail` says what to ask instead."""

    detail: str


async def stock_at(surface: Surface, tenant: str, at_us: int) -> list[Standing] | TooMany:
    """Return the tickets of `tenant` that were open at `at_us`."""
    async with surface.turn:
        found: list[Standing] = []
        changed: list[TicketId] = []
        async with aclosing(surface.queries.alive_at(TicketFilter(tenant), at_us)) as chunks:
            async for chunk in chunks:
                _part(chunk, at_us, found, changed)
                if (refusal := _refusal(len(found), len(changed))) is not None:
                    return refusal
        # After the snapshot is given back: nobody holds one connection while waiting for another.
        age = surface.age()
        for begin in range(0, len(changed), FOLDED_AT_ONCE):
            marks = await surface.queries.load_marks(changed[begin : begin + FOLDED_AT_ONCE])
            found += await run_in_threadpool(_folded, marks, at_us, surface.as_of, age)
        return found


def _part(rows: Iterable[TicketRow], at_us: int, found: list[Standing], changed: list[TicketId]) -> None:
    for row in rows:
        if row.open and row.updated_us <= at_us:
            found.append(Standing(_values(row), row.aged_from_us))
        else:
            changed.append((row.tenant, row.ticket))


def _refusal(unchanged: int, changed: int) -> TooMany | None:
    if unchanged + changed > STANDING_TICKETS_MAX:
        return TooMany(f"more than {STANDING_TICKETS_MAX} tickets were open then or left since")
    if changed > CHANGED_TICKETS_MAX:
        return TooMany(f"more than {CHANGED_TICKETS_MAX} tickets changed since then: ask for a later instant")
    return None


def _folded(
    marks: Mapping[TicketId, Sequence[MarkRow]], at_us: int, as_of: AsOf, age: AgeVersion
) -> list[Standing]:
    found: list[Standing] = []
    for rows in marks.values():
        ticket = as_of((decode_mark(row.body) for row in rows), at_us)
        if ticket is not None and ticket.open:
            start_us = age.start_us(ticket.created_us, ticket.episode_us)
            found.append(Standing(_values(ticket), start_us))
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
    for values, start_us in stock:
        if all(values[place] in allowed for place, allowed in accepted):
            key = tuple([values[place] for place in places])
            count = counts.get(key)
            if count is None:
                count = counts[key] = Count(len(age.edges_seconds))
            count.add_ticket(
                start_us, age.passed(start_us, at_us), values[status], unowned=not values[assignee]
            )
    return counts
