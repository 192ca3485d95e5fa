"""`GET /v1/tickets?sort=worklist`: the order of work, page by page, each place with its reasons.

No index can hold this order: it depends on the clocks of each ticket and, with weights, on the moment. So
all tickets that are asked for are put in order for each page, off the event loop, by the instant of the
first page: what does not change meanwhile keeps its position, and comes exactly once.
"""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from services.aging.api.answers import Because, Place, TicketItem, TicketPage
from services.aging.api.asking import TicketsAsked, no_cursor
from services.aging.api.groups import GroupSizes, sizes_of, taken_along
from services.aging.api.ordering import positions
from services.aging.api.present import present
from services.aging.api.surface import Surface
from services.aging.api.tickets import item
from services.aging.core.terms import Terms
from services.aging.core.worklist import Position, WorkOrder
from services.aging.ports import TicketRow
from shared.contracts.instants import from_us

_Number = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class _Bookmark(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Where a page ended, and by which instant it was put in order."""

    now_us: _Number
    group: _Number
    moscow: _Number
    score: float
    due: _Number
    standing: _Number
    start_us: _Number
    key: str


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Bookmark)


async def worklist(surface: Surface, tenant: str, asked: TicketsAsked) -> TicketPage:
    """Answer `asked`. Raises Problem if it asks for others than open tickets, or for too many of them."""
    clock_us = surface.clock.now_us()
    end = None if asked.cursor is None else _read(asked.cursor, clock_us)
    now_us = clock_us if end is None else end.now_us
    order = surface.arrange(now_us, surface.age())
    found = await positions(surface, tenant, asked, now_us, order.position)
    begin = 0 if end is None else bisect_right(found, Position(*msgspec.structs.astuple(end)[1:]))
    page = found[begin : begin + asked.limit]
    rows = await surface.queries.load_tickets([(tenant, position.key) for position in page])
    sizes = await sizes_of(surface, tenant, list(rows.values()))
    terms = await surface.terms()
    tickets = [
        _item(row, terms, order, (position, number), sizes)
        for number, position in enumerate(page, begin + 1)
        if (row := rows.get((tenant, position.key))) is not None and row.open  # it may have left since
    ]
    more = begin + len(page) < len(found)
    return TicketPage(at=from_us(now_us), tickets=tickets, next=_written(now_us, page[-1]) if more else None)


def _item(
    row: TicketRow,
    terms: Mapping[int, Terms],
    order: WorkOrder,
    place: tuple[Position, int],
    sizes: GroupSizes,
) -> TicketItem:
    position, number = place
    ticket = present(row.tenant, row.body, row.partition, terms, order.now_us)
    because = [
        Because(
            code=reason.code,
            text=reason.text,
            clock=reason.clock,
            due=None if reason.due_us is None else from_us(reason.due_us),
            points=reason.points,
        )
        for reason in order.reasons(ticket)
    ]
    because += taken_along(row, sizes)
    shown = item(row, terms, order.age, order.now_us, sizes)
    score = None if order.weights is None else -position.score
    shown.place = Place(number=number, score=score, because=because)
    return shown


def _written(now_us: int, end: Position) -> str:
    return base64.urlsafe_b64encode(_encoder.encode(_Bookmark(now_us, *end))).decode().rstrip("=")


def _read(cursor: str, clock_us: int) -> _Bookmark:
    try:
        bookmark = _decoder.decode(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
    except ValueError:  # msgspec's errors are some, too
        bookmark = None
    if bookmark is None or not 0 <= bookmark.now_us <= clock_us:
        raise no_cursor()
    return bookmark
