"""The groups of tickets as the worker stores them: functions of what was seen, whatever order it came in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
import pytest

from services.aging.core.groups import groups_of
from services.aging.core.ticket import decode_ticket
from shared.contracts.tickets import Activity, Observation, Status
from tests.unit.aging.observations import END_US, TENANT, seen
from tests.unit.aging.worker import Kill, run_began, run_ended, worker_at

KIM: Final = "kim@shop.example"
KEYS: Final = [f"desk:{number}" for number in range(1, 8)]
# Six hours behind START_US it is four in the morning, UTC.
SEEN: Final = (
    # The same by mail, by the web form, and once more some hours later.
    seen("desk:1", 6, subject="VPN down", requester=KIM, queue="network"),
    seen("desk:2", 7, subject="Re: VPN down!", requester="KIM@shop.example", queue="web"),
    seen("desk:3", 9, subject="vpn DOWN", requester=KIM, queue="web"),
    seen("desk:3", 10, queue="network"),
    # Known late to be of the day before.
    seen("desk:4", 8, subject="VPN down", requester=KIM, queue="network"),
    seen("desk:4", 11, created_hours=-12),
    # Left: one absorbed, one void, one solved, opened again and asked something else meanwhile.
    seen("desk:5", 7, subject="VPN down", requester=KIM, queue="network"),
    seen("desk:5", 12, merged_into="desk:1"),
    seen("desk:6", 7, subject="VPN down", requester=KIM, queue="network"),
    seen("desk:6", 13, activity=Activity.DELETED),
    seen("desk:7", 7, subject="Password forgotten", queue="network"),
    seen("desk:7", 8, status=Status.SOLVED),
    seen("desk:7", 9, status=Status.NEW, subject="VPN down", requester="lee@shop.example"),
)
Stored = list[tuple[int | None, int | None]]


async def stored(
    empty: Path, sent: Sequence[Observation], *, restarts: bool = False, imports: bool = False
) -> Stored:
    with TemporaryDirectory() as directory:
        async with worker_at(Path(directory), empty) as worker:
            if imports:
                worker.append(END_US, run_began())
            for one in sent:
                worker.append(END_US, msgspec.structs.replace(one, run="run") if imports else one)
                if restarts:
                    await worker.step(kill=Kill.BEFORE_PUBLISH)
                    await worker.start()
            worker.append(END_US, run_ended())
            await worker.rest(END_US)
            rows = await worker.store.load_tickets([(TENANT, key) for key in KEYS])
            for row in rows.values():
                assert groups_of(TENANT, decode_ticket(row.body)) == (row.duplicate_group, row.job)
            return [
                (row.duplicate_group, row.job)
                for row in map(rows.__getitem__, [(TENANT, key) for key in KEYS])
            ]


def test_tickets_that_are_about_the_same_lie_in_one_group(empty_database: Path) -> None:
    one, two, three, four, five, six, seven = asyncio.run(stored(empty_database, SEEN))
    assert one == three
    assert one[0] == two[0]
    assert one[1] != two[1], "another queue"
    assert one[1] == four[1] == seven[1]
    assert 3 == len({one[0], four[0], seven[0]}), "another day, another requester"
    assert [(None, None)] * 2 == [five, six]


@pytest.mark.parametrize("seed", range(4))
def test_no_order_no_crash_and_no_import_gives_other_groups(empty_database: Path, seed: int) -> None:
    shuffled = Random(seed).sample(SEEN, len(SEEN))
    expected = asyncio.run(stored(empty_database, SEEN))
    found = asyncio.run(stored(empty_database, shuffled, restarts=seed % 2 == 0, imports=seed % 3 == 0))
    assert expected == found
