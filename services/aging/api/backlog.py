"""The figures of the backlog, now or at a past instant, by any dimensions."""

from __future__ import annotations

from typing import Final

from starlette.concurrency import run_in_threadpool

from services.aging.api.answers import Backlog, BacklogGroup
from services.aging.api.asking import BacklogAsked, past_us
from services.aging.api.figures import Counts, by_status, figures, shown, together
from services.aging.api.past import TooMany, counted, stock_at
from services.aging.api.surface import Surface
from services.aging.core.age import AgeVersion
from services.aging.ports import TicketFilter
from shared.contracts.instants import SECOND_US, from_us
from shared.http.problems import Fault, Problem

GROUPS_MAX: Final = 2_000
"""Groups of one answer, about a megabyte; more of them nobody reads."""


async def backlog(surface: Surface, tenant: str, asked: BacklogAsked) -> Backlog:
    """Answer `asked`. Raises Problem if the instant or the groups are too much for one answer."""
    now_us = surface.clock.now_us()
    past = past_us(asked.at, now_us)
    at_us = now_us if past is None else past
    age = surface.age()
    by = list(dict.fromkeys(each.value for each in asked.by))
    wanted = TicketFilter(tenant, open=True, dimensions=asked.dimensions())
    if past is None:
        counts = await counts_now(surface, wanted, by, age, now_us)
    else:
        counts = await _counts_then(surface, wanted, by, age, past)
    if len(counts) > GROUPS_MAX:
        detail = f"{len(counts)} groups, more than {GROUPS_MAX}: name fewer dimensions, or filter"
        raise Problem("invalid-request", 422, faults=[Fault(detail, parameter="by")])
    total = together(counts.values(), len(age.edges_seconds))
    return Backlog(
        at=from_us(at_us),
        known_until=await surface.known_until(),
        total=shown(total, age, at_us),
        by=by,
        groups=_groups(counts, by, age, at_us) if by else [],
    )


async def counts_now(
    surface: Surface, wanted: TicketFilter, by: list[str], age: AgeVersion, now_us: int
) -> Counts:
    """Return the open tickets counted by the database."""
    edges_us = [edge * SECOND_US for edge in age.edges_seconds]
    groups = await surface.queries.group(wanted, [*by, "status"], edges_us=edges_us, now_us=now_us)
    return by_status(groups, len(age.edges_seconds))


async def _counts_then(
    surface: Surface, wanted: TicketFilter, by: list[str], age: AgeVersion, at_us: int
) -> Counts:
    stock = await stock_at(surface, wanted.tenant, at_us, flagged=True)
    if isinstance(stock, TooMany):
        raise Problem("invalid-request", 422, faults=[Fault(stock.detail, parameter="at")])
    return await run_in_threadpool(counted, stock, wanted, by, age, at_us)


def _groups(counts: Counts, by: list[str], age: AgeVersion, at_us: int) -> list[BacklogGroup]:
    fullest_first = sorted(counts.items(), key=lambda each: (-each[1].open, each[0]))
    return [
        BacklogGroup(
            values={name: value or None for name, value in zip(by, values, strict=True)},
            **figures(count, age, at_us),
        )
        for values, count in fullest_first
    ]
