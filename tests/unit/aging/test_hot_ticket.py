"""A ticket that somebody's loop writes to without end: it costs what it costs, and its neighbours nothing."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest

from services.aging.core import backlog, rederive
from services.aging.core.mark import mark_of
from services.aging.core.terms import Terms
from services.aging.core.ticket import decode_ticket
from shared.contracts.instants import SECOND_US, to_us
from shared.contracts.tickets import Activity, Actor, Observation, Rejected, Status
from tests.unit.aging.observations import START_US, TENANT, seen
from tests.unit.aging.partitions import bare, derived
from tests.unit.aging.worker import Worker

MANY: Final = 100_000
HOT, CALM = "desk:hot", "desk:calm"
_WHO: Final = ((Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER), (Activity.AGENT_MESSAGE, Actor.AGENT),
               (Activity.UPDATED, None))  # fmt: skip
_STATUSES: Final = (Status.NEW, Status.IN_PROGRESS, Status.WAITING, Status.SOLVED)


def written(number: int) -> Observation:
    activity, actor = _WHO[number % 3]
    status = _STATUSES[number // 50 % 4]
    return seen(
        HOT, plus_us=number * SECOND_US, id=f"e{number}", activity=activity, actor=actor, status=status
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.asyncio
async def test_a_hundred_thousand_observations_of_one_ticket_come_to_the_ticket_they_derive(
    worker: Worker,
) -> None:
    stream = [written(number) for number in range(MANY)]
    for event in stream:
        worker.append(to_us(event.time), event)
    after_us = START_US + (MANY + 10) * SECOND_US
    worker.append(after_us, seen(CALM, plus_us=SECOND_US))
    late = msgspec.structs.replace(written(MANY // 2), id="late")
    worker.append(after_us, late)
    while worker.behind:
        await worker.step()

    tickets = await worker.tickets([(TENANT, HOT), (TENANT, CALM)])

    ticket, _ = derived([mark_of(event) for event in (*stream, late)], Terms(), worker.clock_us)
    assert bare(ticket) == tickets[TENANT, HOT]
    assert tickets[TENANT, CALM].open
    assert [] == worker.all(Rejected)


@pytest.mark.asyncio
async def test_a_mark_beyond_the_limit_is_kept_whole_as_rejected_and_its_neighbours_count(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (backlog, rederive):
        monkeypatch.setattr(module, "MARKS_MAX", 3)
    for number in range(5):
        worker.append(START_US + number * SECOND_US, written(number))
    worker.append(START_US + 6 * SECOND_US, seen(CALM, plus_us=SECOND_US))
    await worker.rest()

    assert ["too_many_marks"] * 2 == [each.reason for each in worker.all(Rejected)]
    rows = await worker.store.load_tickets([(TENANT, HOT), (TENANT, CALM)])
    assert {3, 1} == {decode_ticket(row.body).marks for row in rows.values()}
