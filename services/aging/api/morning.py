"""The morning's numbers: what a support lead wants to know before the first meeting.

How much is open and how old; what nobody has begun, and what nobody owns; for whom we wait; the five
oldest by name; what many say alike; and whether it grows: what came and what left in the last 24 hours, whole and by queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.concurrency import run_in_threadpool

from services.aging.api.answers import Flow, Leavings, Morning, QueueMorning
from services.aging.api.backlog import counts_now
from services.aging.api.figures import Count, Counts, age_seconds, bucket_counts, kept, shown, together
from services.aging.api.groups import largest_jobs
from services.aging.api.ordering import listed
from services.aging.api.past import TooMany, counted, stock_at
from services.aging.api.surface import Surface
from services.aging.core.age import AgeVersion
from services.aging.ports import Moved, TicketFilter
from shared.contracts.instants import SECOND_US, from_us
from shared.contracts.tickets import Priority, Status, WaitReason

WINDOW_US: Final = 86_400 * SECOND_US
"""The same time yesterday."""
OLDEST_TICKETS: Final = 5
JOBS: Final = 5
_BY: Final = ["queue", "priority", "wait_reason"]
_QUEUE, _PRIORITY, _REASON = range(3)


async def morning(surface: Surface, tenant: str) -> Morning:
    """Return the numbers at this moment."""
    now_us, age = surface.clock.now_us(), surface.age()
    since_us = now_us - WINDOW_US
    wanted = TicketFilter(tenant, open=True)
    counts = await counts_now(surface, wanted, _BY, age, now_us)
    oldest = await surface.queries.find(wanted, after=None, newest_first=False, limit=OLDEST_TICKETS)
    moved = await surface.queries.moved(tenant, since_us=since_us)
    stock = await stock_at(surface, tenant, since_us)
    then: Counts | None = None
    if not isinstance(stock, TooMany):
        then = await run_in_threadpool(counted, stock, wanted, ["queue"], age, since_us)
    edges = len(age.edges_seconds)
    total = together(counts.values(), edges)
    return Morning(
        at=from_us(now_us),
        known_until=await surface.known_until(),
        now=shown(total, age, now_us),
        waiting_by_reason=_waiting(counts),
        by_priority=_priorities(kept(counts, [_PRIORITY], edges)),
        oldest=await listed(surface, oldest, now_us),
        jobs=await largest_jobs(surface, tenant, JOBS, now_us),
        last_24h=_flow(total.open, then, moved, since_us),
        queues=_queues(kept(counts, [_QUEUE], edges), then, moved, age, now_us),
    )


def _waiting(counts: Counts) -> dict[str, int]:
    reasons = dict.fromkeys((reason.value for reason in WaitReason), 0)
    for values, count in counts.items():
        waiting = count.statuses.get(Status.WAITING.value, 0)
        if waiting:
            # Waiting for nobody in particular is waiting for ourselves, as everywhere.
            reasons[values[_REASON] or WaitReason.INTERNAL.value] += waiting
    return reasons


def _priorities(counts: Counts) -> dict[str, int]:
    numbers = {priority.value: 0 for priority in Priority} | {"none": 0}
    for (priority,), count in counts.items():
        numbers[priority or "none"] += count.open
    return numbers


def _flow(open_now: int, then: Counts | None, moved: Sequence[Moved], since_us: int) -> Flow:
    arrived, left = sum(each.arrived for each in moved), _leavings(moved)
    open_then = None if then is None else sum(count.open for count in then.values())
    growth = None if open_then is None else open_now - open_then
    return Flow(
        since=from_us(since_us),
        arrived=arrived,
        left=left,
        open_then=open_then,
        growth=growth,
        growth_ratio=growth / open_then if growth is not None and open_then else None,
        # The questions are asked one after the other, so a ticket may move in between.
        reopened=None if growth is None else max(0, growth - arrived + left.total),
    )


def _leavings(moved: Sequence[Moved]) -> Leavings:
    def left(status: Status) -> int:
        return sum(each.left for each in moved if each.status == status.value)

    return Leavings(
        solved=left(Status.SOLVED),
        closed=left(Status.CLOSED),
        merged=left(Status.MERGED),
        void=left(Status.VOID),
        total=sum(each.left for each in moved),
    )


def _queues(
    counts: Counts, then: Counts | None, moved: Sequence[Moved], age: AgeVersion, now_us: int
) -> list[QueueMorning]:
    names = {key[0] for key in counts} | {each.queue for each in moved} | {key[0] for key in then or {}}
    nothing = Count(len(age.edges_seconds))
    lines = []
    for name in sorted(names):
        count = counts.get((name,), nothing)
        before = None if then is None else then.get((name,), nothing).open
        lines.append(
            QueueMorning(
                queue=name or None,
                open=count.open,
                not_started=count.statuses.get(Status.NEW.value, 0),
                waiting=count.statuses.get(Status.WAITING.value, 0),
                unowned=count.unowned,
                oldest_age_seconds=None
                if count.start_min_us is None
                else age_seconds(count.start_min_us, now_us),
                by_bucket=bucket_counts(count.open, count.older, age),
                arrived=sum(each.arrived for each in moved if each.queue == name),
                left=sum(each.left for each in moved if each.queue == name),
                growth=None if before is None else count.open - before,
            )
        )
    return sorted(lines, key=lambda line: -line.open)
