"""The worker over a real store, with a retention: what is condensed when, and what a crash makes of it."""

from __future__ import annotations

import pytest

from services.aging.core.mark import decode_mark
from services.aging.worker import retention
from shared.contracts.instants import SECOND_US
from shared.contracts.tickets import Status
from shared.contracts.topics import TICKETS
from tests.unit.aging.observations import DAY_US, TENANT, at, seen
from tests.unit.aging.worker import Kill, Worker

pytestmark = pytest.mark.asyncio
KEPT_US = 10 * DAY_US
NEXT_WALK_US = retention.WALK_EVERY_US + SECOND_US
LEFT = (TENANT, "desk:1")


async def stocked(worker: Worker, kept_us: int | None = KEPT_US) -> None:
    """Let one ticket leave after two hours, another after nine days; a third stays."""
    worker.kept_us = kept_us
    await worker.start()
    for hours, ticket in ((0, "desk:1"), (0, "desk:2"), (0, "desk:3")):
        worker.append(at(hours), seen(ticket, hours, subject="My pension", requester="kim@shop.example"))
    worker.append(at(2), seen("desk:1", 2, status=Status.SOLVED))
    worker.append(at(9 * 24), seen("desk:2", 9 * 24, status=Status.SOLVED))
    await worker.rest(at(9 * 24))


async def condensed(worker: Worker) -> list[str]:
    rows = await worker.store.load_tickets([(TENANT, f"desk:{number}") for number in (1, 2, 3)])
    return sorted(row.ticket for row in rows.values() if not row.open and row.left_us is None)


async def test_what_left_longer_ago_than_it_is_kept_is_condensed_and_nothing_else(worker: Worker) -> None:
    await stocked(worker)
    assert [] == await condensed(worker)
    facts, net = worker.standing(), worker.net()

    await worker.rest(at(2) + KEPT_US + NEXT_WALK_US)

    assert ["desk:1"] == await condensed(worker)
    marks = (await worker.store.load_marks([LEFT]))[LEFT]
    assert [True] == [decode_mark(mark.body).condensed for mark in marks]
    assert facts <= worker.standing()
    assert net == worker.net()
    assert [(TICKETS.name, f"{TENANT}/desk:1")] == worker.gone
    assert 1 == worker.logic.output.condensed


async def test_without_a_retention_nothing_is_ever_condensed(worker: Worker) -> None:
    await stocked(worker, None)
    await worker.rest(at(0) + 100 * KEPT_US)
    assert [] == await condensed(worker)


@pytest.mark.parametrize("kill", list(Kill))
async def test_a_crash_in_the_middle_changes_nothing(worker: Worker, kill: Kill) -> None:
    await stocked(worker)
    later_us = at(2) + KEPT_US + NEXT_WALK_US
    await worker.step(later_us, kill=kill)
    await worker.start()

    await worker.rest(later_us + NEXT_WALK_US)

    assert ["desk:1"] == await condensed(worker)
    assert {(TICKETS.name, f"{TENANT}/desk:1")} == set(worker.gone)


async def test_many_go_in_slices_one_a_second(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SLICE_TICKETS_MAX", 1)
    await stocked(worker)
    later_us = at(9 * 24) + KEPT_US + NEXT_WALK_US
    found = []
    for second in range(3):
        await worker.step(later_us + second * SECOND_US)
        found.append(len(await condensed(worker)))
    assert [1, 2, 2] == found


async def test_news_in_the_very_batch_comes_before_it(worker: Worker) -> None:
    await stocked(worker)
    later_us = at(2) + KEPT_US + NEXT_WALK_US
    worker.append(later_us - 1, seen("desk:1", 10 * 24, status=Status.IN_PROGRESS))

    await worker.rest(later_us)

    assert [] == await condensed(worker)
    assert (await worker.tickets([LEFT]))[LEFT].open


async def test_a_condensed_ticket_that_comes_back_is_shown_again_and_an_old_repeat_is_not(
    worker: Worker,
) -> None:
    await stocked(worker)
    later_us = at(2) + KEPT_US + NEXT_WALK_US
    await worker.rest(later_us)
    states = len(worker.published)

    worker.append(later_us, seen("desk:1", 0, subject="My pension", requester="kim@shop.example"))
    await worker.rest(later_us)
    assert ["desk:1"] == await condensed(worker)
    worker.append(later_us, seen("desk:1", 10 * 24, status=Status.IN_PROGRESS))
    await worker.rest(at(11 * 24))

    assert [] == await condensed(worker)
    assert states < len(worker.published)
    ticket = (await worker.tickets([LEFT]))[LEFT]
    assert (True, 2, "") == (ticket.open, ticket.episode, ticket.subject)
