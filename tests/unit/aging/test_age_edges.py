"""Age edges that a configuration brings: from when they count, and that they reach every cell and row."""

from __future__ import annotations

from typing import Any, Final

import pytest

from services.aging.core import memory
from shared.contracts.backlog import Cell, FactType
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.instants import SECOND_US, from_us, to_us
from shared.contracts.tickets import Status
from tests.unit.aging.observations import HOUR_US, KEYS, START_US, TENANT, at, seen
from tests.unit.aging.worker import Worker

pytestmark = pytest.mark.asyncio

IDS: Final = [(TENANT, key) for key in KEYS]
FAR_S: Final = 100 * 86_400


def configure(
    worker: Worker, number: int, clock_us: int, *, effective_us: int | None = None, **age: Any
) -> None:
    worker.configurations.versions[number] = ConfigVersion(
        version=number,
        effective_from=from_us(clock_us if effective_us is None else effective_us),
        recorded_at=from_us(clock_us),
        digest=str(number),
        document={"age": age},
    )
    worker.append(clock_us, ConfigApplied(version=number, at=from_us(clock_us)))


def crossings(worker: Worker) -> list[tuple[str, float]]:
    return [
        (fact.clock, (to_us(fact.at) - START_US) / HOUR_US)
        for fact in worker.facts()
        if fact.type is FactType.AGE_CROSSED
    ]


async def test_the_first_configuration_holds_for_all_that_was_not_read_yet(worker: Worker) -> None:
    configure(worker, 1, at(100), edges=[43_200], buckets=[])
    worker.append(at(100), seen(hours=0))
    await worker.rest()
    assert [("age.43200", 12.0)] == crossings(worker)


async def test_new_edges_count_from_when_they_were_applied_whatever_crashes(worker: Worker) -> None:
    worker.append(START_US, seen(hours=0))
    await worker.rest(at(10))
    configure(worker, 1, at(10), edges=[3_600, 43_200], buckets=[3_600])
    await worker.step()
    await worker.start()
    await worker.rest(at(11))
    assert {(1, 0)} == {older for _, older, *_ in worker.cells().values()}
    await worker.rest(at(30))
    assert [("age.43200", 12.0)] == crossings(worker)
    assert {(1, 1)} == {older for _, older, *_ in worker.cells().values()}


async def test_edges_that_count_later_change_the_cells_only_then(worker: Worker) -> None:
    worker.append(START_US, seen(hours=0))
    configure(worker, 1, START_US, effective_us=at(30), edges=[3_600, 126_000], buckets=[3_600])
    await worker.rest(at(29))
    await worker.start()
    await worker.step(at(29) + SECOND_US)
    assert {(1, 0, 0, 0, 0)} == {older for _, older, *_ in worker.cells().values()}
    await worker.rest(at(31))
    assert {(1, 0)} == {older for _, older, *_ in worker.cells().values()}
    await worker.rest(at(100))
    assert [("age.86400", 24.0), ("age.126000", 35.0)] == crossings(worker)


async def test_rows_say_from_when_a_reopened_ticket_ages_once_that_is_configured_otherwise(
    worker: Worker,
) -> None:
    worker.append(
        at(9), seen(hours=0, status=Status.SOLVED, created_hours=-5), seen(hours=8, status=Status.NEW)
    )
    await worker.rest()
    from_episode: dict[str, Any] = {"from": "episode"}
    configure(worker, 1, at(9), **from_episode)
    await worker.rest(at(10))
    rows = await worker.store.load_tickets(IDS)
    assert at(8) == rows[IDS[0]].aged_from_us


@pytest.mark.parametrize("is_first", [True, False], ids=["always held", "edited"])
@pytest.mark.parametrize("steps", range(1, 5))
async def test_edges_reach_every_cell_whenever_its_owner_falls(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, steps: int, *, is_first: bool
) -> None:
    monkeypatch.setattr(memory, "TIMED_MAX", 1)
    four = [seen(f"desk:{number}", hours=0, queue=f"{number}") for number in range(4)]
    if not is_first:
        worker.append(at(0), *four)
        await worker.rest(at(1))
    configure(worker, 1, at(1), edges=[FAR_S], buckets=[FAR_S])
    if is_first:
        worker.append(at(1), *four)
    for _ in range(steps):
        await worker.step(at(2))
    await worker.start()
    await worker.rest(at(3))
    await worker.rest(at(4))
    newest = {cell.queue: cell.edges_seconds for cell in worker.all(Cell)}
    assert dict.fromkeys("0123", (FAR_S,)) == newest
