"""The worker over a real store: what survives a crash, what is shown, what is kept of what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aging.core import fold, rederive
from services.aging.core.mark import Mark
from services.aging.core.merges import decode_register
from services.aging.worker import waiting
from services.aging.worker.logic import RUN_SILENCE_US_MAX
from shared.bus.port import Outgoing
from shared.codec import to_outgoing
from shared.contracts.backlog import Cause, Cell, FactType, Flow, PartitionClock, TicketState
from shared.contracts.instants import SECOND_US, from_us, to_us
from shared.contracts.tickets import Absorbed, Actor, MessageMark, Observation, Rejected, Status
from shared.contracts.topics import EVENTS
from tests.unit.aging.observations import (
    DAY_US,
    END_US,
    HOUR_US,
    KEYS,
    START_US,
    TENANT,
    Sending,
    at,
    observations,
    seen,
    sendings,
)
from tests.unit.aging.worker import Kill, Worker, run_began, run_ended, worker_at

IDS = [(TENANT, key) for key in KEYS]
MINUTE_US = 60 * SECOND_US


# ------------------------------------------------------------------------------------------- crashes
class Plan(msgspec.Struct, frozen=True):
    """When the process dies, step by step, and how many records a step reads."""

    steps: tuple[tuple[int, Kill | None], ...]


PLANS = st.builds(
    Plan,
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from([None, Kill.BEFORE_COMMIT, Kill.BEFORE_PUBLISH])),
        max_size=12,
    ).map(tuple),
)
NO_CRASH = Plan(())


@settings(max_examples=20)
@given(
    st.lists(sendings(observations(runs=True)), min_size=1, max_size=8),
    st.integers(0, 8),
    st.integers(0, 8),
    PLANS,
)
def test_a_crash_at_any_point_changes_nothing_in_the_end(
    empty_database: Path, sent: list[Sending], begins: int, ends: int, plan: Plan
) -> None:
    async def result(plan: Plan) -> object:
        with TemporaryDirectory() as directory:
            async with worker_at(Path(directory), empty_database) as worker:
                await carry_out(worker, sent, (begins, max(begins, ends)), plan)
                tickets = await worker.tickets(IDS)
                assert sum(ticket.open for ticket in tickets.values()) == worker.net()
                return tickets, worker.standing(), worker.cells()

    assert asyncio.run(result(NO_CRASH)) == asyncio.run(result(plan))


async def carry_out(worker: Worker, sent: Sequence[Sending], run: tuple[int, int], plan: Plan) -> None:
    clock_us = START_US - 300 * HOUR_US
    for number, sending in enumerate(sent):
        if number == run[0]:
            worker.append(clock_us, run_began())
        if number == run[1]:
            worker.append(clock_us, run_ended())
        clock_us = max(clock_us, to_us(sending.observation.time) - sending.ahead_us) + sending.lag_us
        worker.append(clock_us, sending.observation)
    worker.append(clock_us, run_ended())
    for records_max, kill in plan.steps:
        await worker.step(records_max=records_max, kill=kill)
        if kill is not None:
            await worker.start()
    await worker.rest()
    await worker.rest(END_US)
    await worker.rest(END_US + SECOND_US)
    assert not worker.all(Rejected)


@pytest.mark.asyncio
async def test_an_observation_ahead_of_the_clock_survives_a_crash_and_counts_at_its_time(
    worker: Worker,
) -> None:
    worker.append(START_US, seen(hours=0), seen(plus_us=2 * MINUTE_US, status=Status.SOLVED))
    await worker.step()
    await worker.start()
    await worker.rest(START_US + MINUTE_US)
    assert (await worker.tickets(IDS))[IDS[0]].open
    await worker.rest(START_US + 2 * MINUTE_US)
    assert START_US + 2 * MINUTE_US == (await worker.tickets(IDS))[IDS[0]].left_us
    await worker.start()
    assert [] == list(await worker.store.load_deferred(0))


@pytest.mark.asyncio
async def test_the_same_observation_twice_ahead_of_the_clock_waits_once(worker: Worker) -> None:
    first = seen(plus_us=2 * MINUTE_US)
    again = msgspec.structs.replace(first, received_at=from_us(START_US + 1))
    worker.append(START_US, first, again)
    await worker.step()
    worker.append(START_US, again)
    await worker.step()
    assert 1 == len(await worker.store.load_deferred(0))
    await worker.rest(START_US + HOUR_US)
    assert 1 == (await worker.tickets(IDS))[IDS[0]].marks


@pytest.mark.asyncio
@pytest.mark.parametrize("due_max", [1, 1_000])
async def test_messages_of_an_absorbed_ticket_ahead_of_the_clock_survive_a_crash_and_count_at_their_times(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, due_max: int
) -> None:
    """Also if more is due than a batch takes, so that something else moves the ticket beyond a message first."""
    monkeypatch.setattr(waiting, "DUE_MAX", due_max)
    spoken = [MessageMark(from_us(START_US + n * MINUTE_US), Actor.AGENT) for n in (1, 2)]
    told = Absorbed(
        tenant=TENANT, ticket="desk:9", survivor=KEYS[0], revision=1, at=from_us(START_US),
        messages=tuple(spoken),
    )  # fmt: skip
    worker.append(START_US, seen(hours=0), told, told, seen(plus_us=MINUTE_US - 1))
    await worker.step(kill=Kill.BEFORE_PUBLISH)
    await worker.start()
    assert [START_US + MINUTE_US - 1, START_US + MINUTE_US] == [
        row.due_us for row in await worker.store.load_deferred(0)
    ]
    await worker.step(START_US + MINUTE_US, kill=Kill.BEFORE_COMMIT)
    await worker.start()
    await worker.rest(START_US + MINUTE_US)
    assert START_US + MINUTE_US == (await worker.tickets(IDS))[IDS[0]].agent_us
    await worker.start()
    worker.append(START_US + 3 * MINUTE_US, seen(plus_us=3 * MINUTE_US))
    await worker.rest()
    assert START_US + 2 * MINUTE_US == (await worker.tickets(IDS))[IDS[0]].agent_us
    assert [] == list(await worker.store.load_deferred(0))
    assert {IDS[0]: [told]} == {
        id_: [decode_register(row.body) for row in rows]
        for id_, rows in (await worker.store.load_registers(IDS)).items()
    }


@pytest.mark.asyncio
async def test_an_end_that_was_heard_ahead_of_its_time_counts_before_a_timer_behind_it(
    worker: Worker,
) -> None:
    """After downtime one batch holds both the end that waited and the clock beyond the crossing."""
    worker.append(at(23.95), seen(hours=0), seen(plus_us=DAY_US - MINUTE_US + 1, status=Status.SOLVED))
    await worker.rest(at(30))
    assert [FactType.OPENED, FactType.SOLVED] == [fact.type for fact in worker.facts()]


@pytest.mark.asyncio
async def test_what_waited_is_taken_by_the_batch(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "DUE_MAX", 2)
    worker.append(START_US, *[seen(plus_us=n + 1, id=str(n)) for n in range(5)])
    await worker.step()
    assert (await worker.step(START_US + MINUTE_US)).more
    await worker.rest(START_US + MINUTE_US)
    assert 5 == (await worker.tickets(IDS))[IDS[0]].marks


@pytest.mark.asyncio
async def test_cells_and_flows_that_were_not_shown_yet_are_shown_after_a_crash(worker: Worker) -> None:
    worker.append(START_US, seen(hours=0))
    await worker.step()
    worker.append(START_US + 1, seen("desk:2", plus_us=1, queue="second"))
    await worker.step()
    assert {""} == {shown.queue for shown in worker.published if isinstance(shown, Cell | Flow)}
    await worker.start()
    await worker.step(START_US + SECOND_US)
    assert {"", "second"} == {cell.queue for cell in worker.all(Cell)}
    assert {"", "second"} == {flow.queue for flow in worker.all(Flow)}
    assert sorted((cell.epoch, cell.version) for cell in worker.all(Cell)) == [
        (cell.epoch, cell.version) for cell in worker.all(Cell)
    ]


@pytest.mark.asyncio
async def test_who_is_stopped_shows_the_cells_that_waited_first(worker: Worker) -> None:
    for number in range(3):
        worker.append(START_US + number, seen(f"desk:{number}", plus_us=number))
        await worker.step()
    assert [1] == [cell.open for cell in worker.all(Cell)]
    worker.logic.show()
    await worker.step()
    await worker.step()
    assert [1, 3] == [cell.open for cell in worker.all(Cell)]


@pytest.mark.asyncio
async def test_cells_are_shown_at_most_every_100_ms_and_before_the_clock_that_covers_them(
    worker: Worker,
) -> None:
    for number in range(30):
        worker.append(START_US + number * 10_000, seen(plus_us=number, id=str(number), queue=f"q{number}"))
        await worker.step(records_max=1)
    clocks = [to_us(clock.at) for clock in worker.all(PartitionClock)]
    assert [START_US, START_US + 100_000, START_US + 200_000] == clocks
    assert isinstance(worker.published[-1], TicketState)
    shown = [event for event in worker.published if isinstance(event, Cell | PartitionClock)]
    assert isinstance(shown[-1], PartitionClock)


# ---------------------------------------------------------------------------------------- import runs
@pytest.mark.asyncio
async def test_an_imported_ticket_sleeps_until_its_run_is_over_whatever_crashes(worker: Worker) -> None:
    worker.append(START_US, run_began(), seen(hours=-100, run="run"))
    await worker.rest(START_US + 1)
    await worker.start()
    worker.append(START_US + 2, seen(hours=-50, run="run", status=Status.SOLVED))
    await worker.rest(at(1 / 60))
    assert {} == await worker.tickets(IDS)
    assert [] == worker.facts()
    await worker.start()
    worker.append(at(1 / 60), run_ended())
    await worker.step()
    await worker.start()
    await worker.rest(at(1))
    assert [FactType.OPENED, FactType.AGE_CROSSED, FactType.AGE_CROSSED, FactType.SOLVED] == [
        fact.type for fact in worker.facts()
    ]
    assert {Cause.IMPORT} == {fact.cause for fact in worker.facts()}


@pytest.mark.asyncio
async def test_a_run_that_falls_silent_is_over(worker: Worker) -> None:
    worker.append(START_US, run_began(), seen(hours=-1, run="run"))
    await worker.rest(START_US + RUN_SILENCE_US_MAX)
    assert {} == await worker.tickets(IDS)
    await worker.rest(START_US + RUN_SILENCE_US_MAX + 1)
    assert [IDS[0]] == list(await worker.tickets(IDS))


@pytest.mark.asyncio
async def test_a_merge_heard_in_the_batch_that_ends_the_run_is_not_lost_on_the_sleeper(
    worker: Worker,
) -> None:
    worker.append(START_US, run_began(), seen("desk:1", -2, run="run", merged_into="desk:2"))
    worker.append(START_US, Absorbed(tenant=TENANT, ticket="desk:2", survivor="desk:1", revision=9, at=from_us(0),
                                     links={"desk:2": "desk:1"}))  # fmt: skip
    worker.append(START_US, Absorbed(tenant=TENANT, ticket="desk:2", survivor="desk:1", revision=8, at=from_us(0),
                                     withdrawn=True))  # fmt: skip
    await worker.step(records_max=2)
    worker.append(START_US, run_ended())
    await worker.rest(START_US + SECOND_US)
    assert (await worker.tickets(IDS))[IDS[0]].ignores_link


@pytest.mark.asyncio
async def test_a_sleeping_ticket_that_cannot_be_folded_is_quarantined_and_stops_nobody(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.append(START_US, run_began(), *[seen(key, -1, run="run") for key in KEYS])
    await worker.rest()
    poison(monkeypatch, lambda marks: marks[0].id.startswith("desk:1@"))
    worker.append(START_US, run_ended())
    await worker.rest(START_US + SECOND_US)
    assert set(IDS[1:]) == set(await worker.tickets(IDS))
    assert [IDS[0]] == [(row.tenant, row.ticket) for row in await worker.store.load_quarantined(0)]


# ------------------------------------------------------------------------------------------- refusals
def poison(monkeypatch: pytest.MonkeyPatch, bad: Callable[[Sequence[Mark]], bool]) -> None:
    """Let deriving a timeline for which `bad` holds raise."""
    derive = fold.derive

    def raising(marks: Sequence[Mark], *args: Any, **kwargs: Any) -> object:
        if bad(marks):
            raise ValueError("poison")
        return derive(marks, *args, **kwargs)

    monkeypatch.setattr(rederive, "derive", raising)


def body(rejected: Rejected) -> Observation:
    return msgspec.json.decode(rejected.body, type=Observation)


@pytest.mark.asyncio
async def test_what_comes_late_after_its_ticket_was_closed_in_the_same_batch_knows_all_that_was_before(
    worker: Worker,
) -> None:
    worker.append(at(0), seen(hours=0))
    await worker.step()
    worker.append(at(9), seen(hours=5, status=Status.SOLVED), seen(hours=2, status=Status.IN_PROGRESS))
    await worker.step()
    (ticket,) = (await worker.tickets(IDS)).values()
    assert (at(0), at(5), 3) == (ticket.created_us, ticket.left_us, ticket.marks)


@pytest.mark.asyncio
async def test_a_poisonous_record_is_kept_whole_and_its_neighbours_count(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, lambda marks: any(mark.id == "bad" for mark in marks))
    bad = seen(hours=1, id="bad", subject="poison")
    worker.append(at(3), seen(hours=0), bad, seen(hours=2), seen("desk:2", 1))
    await worker.rest()
    assert [("fold_failed", bad)] == [(one.reason, body(one)) for one in worker.all(Rejected)]
    assert {IDS[0]: 2, IDS[1]: 1} == {id_: one.marks for id_, one in (await worker.tickets(IDS)).items()}


@pytest.mark.asyncio
async def test_an_observation_that_waited_and_is_refused_then_is_kept_whole(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, lambda marks: any(mark.id == "bad" for mark in marks))
    bad = seen(plus_us=MINUTE_US, id="bad", subject="poison", status=Status.WAITING)
    worker.append(START_US, bad, seen("desk:2", plus_us=MINUTE_US, id="bad"))
    await worker.rest()
    assert [] == worker.all(Rejected)
    await worker.start()
    await worker.rest(START_US + HOUR_US)
    assert bad in [body(one) for one in worker.all(Rejected)]
    assert 2 == len({one.id for one in worker.all(Rejected)})
    assert [] == list(await worker.store.load_deferred(0))


@pytest.mark.asyncio
async def test_an_observation_too_far_ahead_of_the_clock_is_kept_whole(worker: Worker) -> None:
    far = seen(plus_us=5 * MINUTE_US + 1)
    worker.append(START_US, far, seen("desk:2", plus_us=5 * MINUTE_US))
    await worker.rest(at(1))
    assert [("future_time", far)] == [(one.reason, body(one)) for one in worker.all(Rejected)]
    assert [IDS[1]] == list(await worker.tickets(IDS))


@pytest.mark.asyncio
async def test_a_sequence_or_a_time_that_no_order_can_hold_is_refused_and_stops_nobody(
    worker: Worker,
) -> None:
    early = msgspec.structs.replace(seen(), time=from_us(-1))
    worker.append(at(1), seen(sequence=2**63), early, seen("desk:2"))
    await worker.rest()
    assert ["fold_failed", "fold_failed"] == [one.reason for one in worker.all(Rejected)]
    assert [IDS[1]] == list(await worker.tickets(IDS))


@pytest.mark.asyncio
async def test_a_record_that_says_nothing_we_can_read_is_kept_whole(worker: Worker) -> None:
    good = to_outgoing(seen())
    worker.append_raw(START_US, good._replace(value=b"{"))
    worker.append_raw(START_US, Outgoing(EVENTS.name, b"acme/desk:1", b"{}", (("ce_type", b"what.is.this"),)))
    worker.append_raw(START_US, good)
    await worker.rest()
    assert [b"{", b"{}"] == [one.body for one in worker.all(Rejected)]
    assert [IDS[0]] == list(await worker.tickets(IDS))


@pytest.mark.asyncio
async def test_a_merge_that_cannot_be_folded_is_kept_whole(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.append(START_US, seen())
    await worker.rest()
    poison(monkeypatch, lambda marks: True)
    absorbed = Absorbed(tenant=TENANT, ticket="mail:2", survivor="desk:1", revision=1, at=from_us(0))
    worker.append(START_US, absorbed)
    await worker.rest()
    assert [("mail", msgspec.json.encode(absorbed))] == [
        (one.source, one.body) for one in worker.all(Rejected)
    ]
