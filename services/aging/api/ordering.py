"""Lists in an order that no index can hold, because it depends on the clocks of each ticket.

All tickets that are asked for are put in order for each page, off the event loop. A position is a tuple whose last
member is the key, so no two are the same, and a page goes on right behind the last one of the page before.
"""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Final, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool

from services.aging.api.answers import TicketItem, TicketPage
from services.aging.api.asking import TicketsAsked, no_cursor
from services.aging.api.groups import GroupSizes, sizes_of
from services.aging.api.present import present
from services.aging.api.surface import Surface
from services.aging.api.tickets import item
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket
from services.aging.ports import BodyRow, TicketRow
from shared.contracts.instants import from_us
from shared.http.problems import Fault, Problem

ORDERED_TICKETS_MAX: Final = 100_000
"""Tickets put in order for one page: a second, and 30 MB. Nobody works on more; filters make them fewer."""
NO_DEADLINE_US: Final = 1 << 62
_INT64: Final = 1 << 63

P = TypeVar("P", bound=tuple[Any, ...])


async def positions(
    surface: Surface, tenant: str, asked: TicketsAsked, now_us: int, place: Callable[[str, Ticket], P]
) -> list[P]:
    """Return the positions of all open tickets that are asked for, in order, each as it is at `now_us`.

    Raises Problem if others than open tickets are asked for, or too many of them.
    """
    wanted = asked.wanted(tenant, now_us)
    if not wanted.open:
        raise _refused(
            f"sort={asked.sort.value} is an order of open tickets: leave out open=false and outcomes"
        )
    found: list[P] = []
    terms: Mapping[int, Terms] | None = None
    async with surface.turn, aclosing(surface.queries.bodies(wanted)) as chunks:
        async for chunk in chunks:
            terms = terms or await surface.terms()
            found += await run_in_threadpool(_placed, tenant, chunk, terms, now_us, place)
            if len(found) > ORDERED_TICKETS_MAX:
                raise _refused(
                    f"more than {ORDERED_TICKETS_MAX} tickets to put in order: filter, by queue for one"
                )
    return await run_in_threadpool(sorted, found)


def _placed(
    tenant: str, chunk: Sequence[BodyRow], terms: Mapping[int, Terms], now_us: int, place: Callable[[str, Ticket], P]
) -> list[P]:  # fmt: skip
    return [place(row.ticket, present(tenant, row.body, row.partition, terms, now_us)) for row in chunk]


def _refused(detail: str) -> Problem:
    return Problem("invalid-request", 422, faults=[Fault(detail, parameter="sort")])


async def listed(
    surface: Surface, rows: Sequence[TicketRow], now_us: int, *, sizes: GroupSizes | None = None
) -> list[TicketItem]:
    """Return `rows`, read just now, as lists show them, each with its clocks at `now_us`."""
    terms = await surface.terms()
    age = surface.age()
    return await run_in_threadpool(lambda: [item(row, terms, age, now_us, sizes) for row in rows])


# By deadline.


class _Due(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Where a page ended."""

    due_us: Annotated[int, msgspec.Meta(ge=-_INT64, le=_INT64 - 1)]
    key: str


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Due)


async def by_deadline(surface: Surface, tenant: str, asked: TicketsAsked) -> TicketPage:
    """Answer `asked`: the tightest deadline first, so broken ones lead; tickets without one come last."""
    end = None if asked.cursor is None else _read(asked.cursor)
    now_us = surface.clock.now_us()
    found = await positions(surface, tenant, asked, now_us, _due)
    begin = 0 if end is None else bisect_right(found, (end.due_us, end.key))
    page = found[begin : begin + asked.limit]
    rows = await surface.queries.load_tickets([(tenant, key) for _, key in page])
    still = [row for _, key in page if (row := rows.get((tenant, key))) is not None and row.open]
    more = begin + len(page) < len(found)
    sizes = await sizes_of(surface, tenant, still) if asked.count_groups else None
    return TicketPage(
        at=from_us(now_us),
        tickets=await listed(surface, still, now_us, sizes=sizes),
        next=_written(_Due(*page[-1])) if more else None,
    )


def _due(key: str, ticket: Ticket) -> tuple[int, str]:
    due_us = ticket.tightest_us
    return (NO_DEADLINE_US if due_us is None else due_us, key)


def _written(end: _Due) -> str:
    return base64.urlsafe_b64encode(_encoder.encode(end)).decode().rstrip("=")


def _read(cursor: str) -> _Due:
    try:
        return _decoder.decode(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
    except ValueError as error:  # msgspec's errors are some, too
        raise no_cursor() from error
