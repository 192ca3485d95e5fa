"""The routes of the read API, and how they are documented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from starlette.concurrency import run_in_threadpool

from services.aging.api.answers import (
    Backlog,
    GroupList,
    Morning,
    Quarantine,
    QuarantinedTicket,
    TicketDetail,
    TicketPage,
)
from services.aging.api.asking import (
    KEY_CHARACTERS_MAX,
    BacklogAsked,
    GroupsAsked,
    Sort,
    TenantAsked,
    TicketsAsked,
    read_cursor,
    written,
)
from services.aging.api.backlog import backlog
from services.aging.api.explained import TicketExplained
from services.aging.api.explanation import explained
from services.aging.api.groups import largest, sizes_of
from services.aging.api.morning import morning
from services.aging.api.ordering import by_deadline, listed
from services.aging.api.preview import (
    BODY_BYTES_MAX,
    BoundedRoute,
    ClockShown,
    PolicyShown,
    PreviewAsked,
    preview,
)
from services.aging.api.surface import Arrange, AsOf, Surface
from services.aging.api.terms import TermsOf
from services.aging.api.tickets import detail
from services.aging.api.worklist import worklist
from services.aging.core.age import AgeVersion
from services.aging.core.worklist import WorkOrder
from services.aging.ports import AgingQueries, Cursor
from shared.clock import Clock
from shared.contracts.instants import from_us
from shared.http.keys import Keyring, Principal, Scope
from shared.http.problems import MEDIA_TYPE, TITLES, URN, Problem

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "enum": [URN + name for name in TITLES]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def _refusal(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}


_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    401: _refusal("No valid API key"),
    403: _refusal("The key may not read, or not this tenant"),
    422: _refusal("The question cannot be answered; `errors` say why"),
    503: _refusal("The database cannot be reached; ask again"),
}


def router(
    queries: AgingQueries,
    *,
    clock: Clock,
    keyring: Keyring,
    age: Callable[[], AgeVersion],
    as_of: AsOf,
    terms: TermsOf,
    arrange: Arrange = WorkOrder,
) -> APIRouter:
    """Return the routes. `age` gives the edges in force; `as_of` folds a timeline up to an instant.

    `terms` gives those that partitions judge their tickets by. `arrange` gives the order of work; without it the standard one holds.
    """
    surface = Surface(queries, clock, keyring, age, as_of, terms, arrange)
    routes = APIRouter(tags=["backlog"], responses=_REFUSALS)
    _add_explain(routes, surface)  # before tickets, whose keys may hold slashes
    _add_tickets(routes, surface)
    _add_figures(routes, surface)
    routes.include_router(_preview_routes(surface))
    return routes


def _add_tickets(routes: APIRouter, surface: Surface) -> None:
    reader = Depends(surface.keyring.require(Scope.READ))

    @routes.get("/v1/tickets", summary="Tickets, in the order asked for")
    async def tickets(asked: Annotated[TicketsAsked, Query()], principal: Principal = reader) -> TicketPage:
        """List tickets. Over all pages, a ticket that does not change meanwhile comes exactly once."""
        tenant = surface.tenant(principal, asked.tenant)
        if asked.sort is Sort.WORKLIST:
            return await worklist(surface, tenant, asked)
        if asked.sort is Sort.DUE:
            return await by_deadline(surface, tenant, asked)
        newest_first = asked.sort is Sort.NEWEST
        now_us = surface.clock.now_us()
        found = await surface.queries.find(
            asked.wanted(tenant, now_us),
            after=read_cursor(asked.cursor, newest_first=newest_first),
            newest_first=newest_first,
            limit=asked.limit + 1,
        )
        page = found[: asked.limit]
        following = None
        if len(found) > len(page):
            end = Cursor(page[-1].aged_from_us, page[-1].ticket)
            following = written(end, newest_first=newest_first)
        sizes = await sizes_of(surface, tenant, page) if asked.count_groups else None
        items = await listed(surface, page, now_us, sizes=sizes)
        return TicketPage(at=from_us(now_us), tickets=items, next=following)

    @routes.get(
        "/v1/tickets/{key:path}",
        summary="One ticket, with its story",
        responses={404: _refusal("No such ticket in this tenant")},
    )
    async def ticket(
        key: Annotated[str, Path(max_length=KEY_CHARACTERS_MAX)],
        asked: Annotated[TenantAsked, Query()],
        principal: Principal = reader,
    ) -> TicketDetail:
        """Show a ticket's state, every stay in the stock, and what its sources showed, in order."""
        tenant = surface.tenant(principal, asked.tenant)
        row = None if "\0" in key else await surface.queries.ticket(tenant, key)
        if row is None:
            raise Problem("not-found", 404, "there is no ticket with this key")
        marks = await surface.queries.marks(tenant, key)
        registers = await surface.queries.registers(tenant, key)
        sizes = await sizes_of(surface, tenant, [row])
        terms, now_us = await surface.terms(), surface.clock.now_us()
        return await run_in_threadpool(
            detail, row, marks, registers, terms, surface.age(), now_us, sizes=sizes
        )


def _add_explain(routes: APIRouter, surface: Surface) -> None:
    reader = Depends(surface.keyring.require(Scope.READ))

    @routes.get(
        "/v1/tickets/{key:path}/explain",
        summary="Why a ticket is as old as it is, and due when it is",
        responses={404: _refusal("No such ticket in this tenant")},
    )
    async def explain(
        key: Annotated[str, Path(max_length=KEY_CHARACTERS_MAX)],
        asked: Annotated[TenantAsked, Query()],
        principal: Principal = reader,
    ) -> TicketExplained:
        """Tell the intervals that every age and deadline is made of, what began and ended each, and every fact."""
        tenant = surface.tenant(principal, asked.tenant)
        found = await explained(surface.queries, surface.terms, tenant, key, surface.clock.now_us())
        if found is None:
            raise Problem("not-found", 404, "there is no ticket with this key")
        return found


def _add_figures(routes: APIRouter, surface: Surface) -> None:
    reader = Depends(surface.keyring.require(Scope.READ))

    @routes.get("/v1/quarantine", summary="Tickets whose timer failed")
    async def quarantine(asked: Annotated[TenantAsked, Query()], principal: Principal = reader) -> Quarantine:
        """List what to look at; it is counted in `barometer_quarantined_tickets`."""
        rows = await surface.queries.quarantined(surface.tenant(principal, asked.tenant))
        return Quarantine(
            tickets=[
                QuarantinedTicket(key=row.ticket, since=from_us(row.since_us), error=row.error)
                for row in rows
            ]
        )

    @routes.get("/v1/backlog/morning", summary="The morning's numbers")
    async def the_morning(asked: Annotated[TenantAsked, Query()], principal: Principal = reader) -> Morning:
        """Tell how much is open, how old, who owns and begins it, and whether it grows."""
        return await morning(surface, surface.tenant(principal, asked.tenant))

    @routes.get("/v1/backlog/groups", summary="Tickets that are probably one, or to be handled together")
    async def the_groups(asked: Annotated[GroupsAsked, Query()], principal: Principal = reader) -> GroupList:
        """List the largest groups of open tickets. A group id is a function of its ticket alone, and never changes with others."""
        return await largest(surface, surface.tenant(principal, asked.tenant), asked)

    @routes.get("/v1/backlog", summary="The figures of the backlog, now or at a past instant")
    async def the_backlog(asked: Annotated[BacklogAsked, Query()], principal: Principal = reader) -> Backlog:
        """Count open tickets. With `at`, those that truly were open then, by all that is known now."""
        return await backlog(surface, surface.tenant(principal, asked.tenant), asked)


def _preview_routes(surface: Surface) -> APIRouter:
    reader = Depends(surface.keyring.require(Scope.READ))
    routes = APIRouter(route_class=BoundedRoute)

    @routes.post(
        "/v1/sla/preview",
        summary="What would be promised, and when would it be due?",
        responses={
            400: _refusal("The body is no JSON"),
            413: _refusal(f"The body is longer than {BODY_BYTES_MAX} bytes"),
        },
        response_model_exclude_unset=True,
    )
    async def the_preview(asked: PreviewAsked, principal: Principal = reader) -> ClockShown | PolicyShown:
        """Read a clock after some events, or find the policy of a ticket's fields; no ticket is touched."""
        return await preview(surface, surface.tenant(principal, asked.tenant), asked)

    return routes
