"""Tickets that are probably one, and tickets to be handled together: how many, and the largest groups of them.

Which groups a ticket is in stands in its row. How many share one is counted when somebody asks, over all partitions, from
an index: 0.2 s for a page among a million open tickets. The order of work takes longer and always has the counts; other
lists have them on demand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.aging.api.answers import Because, GroupItem, GroupList
from services.aging.api.asking import GroupBy, GroupsAsked
from services.aging.api.figures import age_seconds
from services.aging.api.surface import Surface
from services.aging.core.groups import id_text
from services.aging.ports import TicketFilter, TicketGroup, TicketGroups, TicketRow
from shared.contracts.instants import from_us


class GroupSizes(NamedTuple):
    """How many open tickets share each id."""

    duplicate_groups: Mapping[int, int]
    jobs: Mapping[int, int]


async def sizes_of(surface: Surface, tenant: str, rows: Sequence[TicketRow]) -> GroupSizes:
    """Return the sizes of all groups that `rows` are in."""
    duplicate_groups = {row.duplicate_group for row in rows if row.duplicate_group is not None}
    jobs = {row.job for row in rows if row.job is not None}
    count = surface.queries.group_sizes
    return GroupSizes(
        await count(tenant, GroupBy.DUPLICATE_GROUP.value, sorted(duplicate_groups))
        if duplicate_groups
        else {},
        await count(tenant, GroupBy.JOB.value, sorted(jobs)) if jobs else {},
    )


def group_members(row: TicketRow, sizes: GroupSizes | None) -> dict[str, Any]:
    """Return the members of TicketItem; without `sizes` nobody counted."""
    return {
        "duplicate_group": None if row.duplicate_group is None else id_text(row.duplicate_group),
        "duplicates": None if sizes is None else _others(row.duplicate_group, sizes.duplicate_groups),
        "job": None if row.job is None else id_text(row.job),
        "together": None if sizes is None else _others(row.job, sizes.jobs),
    }


def _others(group: int | None, sizes: Mapping[int, int]) -> int:
    # The row was read before its group was counted; it may have left in between.
    return 0 if group is None else max(0, sizes.get(group, 0) - 1)


def taken_along(row: TicketRow, sizes: GroupSizes) -> list[Because]:
    """Return what to take along with a ticket, in words."""
    duplicates, together = _others(row.duplicate_group, sizes.duplicate_groups), _others(row.job, sizes.jobs)
    found = []
    if duplicates:
        number = "1 other ticket" if duplicates == 1 else f"{duplicates} other tickets"
        found.append(("duplicates", f"{number} of the same requester and day may be the same"))
    if together:
        number = "1 other" if together == 1 else f"{together} others"
        found.append(("job", f"can be handled together with {number}"))
    return [Because(code=code, text=text, clock=None, due=None, points=None) for code, text in found]


async def largest(surface: Surface, tenant: str, asked: GroupsAsked) -> GroupList:
    """Answer `asked`."""
    now_us = surface.clock.now_us()
    wanted = TicketFilter(tenant, open=True, dimensions=asked.dimensions())
    async with surface.turn:
        found = await surface.queries.largest_groups(
            wanted, asked.by.value, at_least=asked.min, limit=asked.limit
        )
    return GroupList(
        at=from_us(now_us),
        by=asked.by.value,
        groups=await _items(surface, tenant, found, now_us),
        groups_total=found.groups,
        tickets_total=found.tickets,
    )


async def largest_jobs(surface: Surface, tenant: str, limit: int, now_us: int) -> list[GroupItem]:
    """Return the largest jobs of at least two tickets."""
    wanted = TicketFilter(tenant, open=True)
    found = await surface.queries.largest_groups(wanted, GroupBy.JOB.value, at_least=2, limit=limit)
    return await _items(surface, tenant, found, now_us)


async def _items(surface: Surface, tenant: str, found: TicketGroups, now_us: int) -> list[GroupItem]:
    oldest = [(tenant, group.oldest) for group in found.largest if group.oldest]
    rows = await surface.queries.load_tickets(oldest)
    return [_item(group, rows.get((tenant, group.oldest)), now_us) for group in found.largest]


def _item(group: TicketGroup, oldest: TicketRow | None, now_us: int) -> GroupItem:
    return GroupItem(
        id=id_text(group.id),
        tickets=group.tickets,
        oldest_age_seconds=age_seconds(group.oldest_us, now_us),
        example=None if oldest is None else oldest.ticket,
        subject=None if oldest is None else oldest.subject or None,
        queue=None if oldest is None else oldest.queue or None,
        category=None if oldest is None else oldest.category or None,
    )
