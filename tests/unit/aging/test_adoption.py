"""New terms under open tickets: what moves, what is judged anew, what is told of it, whatever crashes."""

from __future__ import annotations

from typing import Any, Final

import pytest

from services.aging.core import adoption
from services.aging.core.terms import Terms
from services.aging.worker import AgingLogic, Placement, adopting
from shared.contracts.backlog import Cause, Fact, FactType, TermsAdopted
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.instants import from_us, rfc3339, to_us
from shared.contracts.tickets import Activity, Actor, Priority, Status, WaitReason
from shared.runtime.port import NotOwner
from tests.unit.aging.observations import HOUR_US, START_US, TENANT, at, seen
from tests.unit.aging.worker import Kill, Worker

pytestmark = pytest.mark.asyncio

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FAR: Final = 100 * 86_400
ROUND_THE_CLOCK: Final = {day: [["00:00", "24:00"]] for day in DAYS}


def hours(*, closed: list[str] | None = None, since_us: int | None = None, why: str | None = None) -> Any:
    """A calendar's version that is always open but for the dates `closed`."""
    return {
        "timezone": "UTC",
        "weekly": ROUND_THE_CLOCK,
        "holidays": closed or [],
        "overrides": {},
        "effective_from": None if since_us is None else rfc3339(since_us),
        "retroactive": why,
    }


def policies(*, apply: str = "new", calendar: str = "desk", **targets: int) -> Any:
    """A version with one policy: a target in hours for each clock, warned of at half of it."""
    clocks = {
        clock: {
            "targets": {"default": hours * 3_600},
            "warn": [{"share": 0.5}],
            "pauses": [],
            "business": True,
        }
        for clock, hours in targets.items()
    }
    policy = {"name": "all", "match": {}, "calendar": calendar, "reopen_window": 0, "min_notice": 900,
              "max_pause": None, "clocks": clocks}  # fmt: skip
    return {"effective_from": None, "apply": apply, "policies": [policy]}


def configure(
    worker: Worker,
    number: int,
    clock_us: int,
    *,
    calendar: list[Any],
    sla: Any,
    effective_us: int | None = None,
) -> None:
    worker.configurations.versions[number] = ConfigVersion(
        version=number,
        effective_from=from_us(clock_us if effective_us is None else effective_us),
        recorded_at=from_us(clock_us),
        digest=str(number),
        document={"calendars": {"desk": calendar}, "sla": {"versions": [sla]}},
    )
    worker.append(clock_us, ConfigApplied(version=number, at=from_us(clock_us)))


def said(worker: Worker, *kinds: FactType) -> list[tuple[str, str, float, int]]:
    """Return (ticket, type, hours after the start, turn) of what was stated of `kinds`."""
    return [
        (fact.ticket, fact.type.value, (to_us(fact.at) - START_US) / HOUR_US, fact.turn)
        for fact in worker.facts()
        if fact.type in kinds
    ]


def fact(worker: Worker, kind: FactType) -> Fact:
    (found,) = [one for one in worker.facts() if one.type is kind]
    return found


async def test_a_holiday_to_come_moves_running_deadlines_and_tells_so_once(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    worker.append(at(0), seen(hours=0), seen("desk:2", hours=0, status=Status.SOLVED))
    await worker.rest(at(1))
    # 2023-11-14 22:13:20 + 48 h is the 16th; the 15th is closed now.
    configure(worker, 2, at(1), calendar=[hours(closed=["2023-11-15"])], sla=policies(resolution=48))
    await worker.rest(at(2) - 1)
    moved = fact(worker, FactType.SLA_DEADLINE_CHANGED)
    assert ("desk:1", from_us(at(72)), Cause.CONFIGURATION) == (moved.ticket, moved.deadline, moved.cause)
    (notice,) = worker.all(TermsAdopted)
    assert (2, 1, 0, 0) == (notice.version, notice.moved, notice.breached, notice.excused)
    await worker.rest(at(80))
    assert [("desk:1", "sla.breached", 72.0, 0)] == said(worker, FactType.SLA_BREACHED)


async def test_only_the_clocks_that_move_are_told_with_what_they_had_used_by_then(worker: Worker) -> None:
    promised = policies(resolution=48, first_response=4)
    configure(worker, 1, at(0), calendar=[hours()], sla=promised)
    worker.append(at(0), seen(hours=0, activity=Activity.CREATED, actor=Actor.CUSTOMER))
    await worker.rest(at(1))
    # The first response is due at 02:13:20 of the 15th; only the 16th is closed now.
    configure(worker, 2, at(1), calendar=[hours(closed=["2023-11-16"])], sla=promised)
    await worker.rest(at(2) - 1)
    moved = fact(worker, FactType.SLA_DEADLINE_CHANGED)
    assert ("resolution", 3_600.000001) == (moved.clock, moved.used_seconds)


async def test_what_the_clock_used_before_an_edit_is_counted_by_the_former_hours(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    worker.append(at(0), seen(hours=0))
    await worker.rest(at(12))
    # Ten hours of the 15th are used already; from 10:13:20 on the rest of the day is closed.
    configure(worker, 2, at(12), calendar=[hours(closed=["2023-11-15"])], sla=policies(resolution=48))
    await worker.rest(at(100))
    left_of_day = 24 - 10 - 13 / 60 - 20 / 3_600
    assert pytest.approx(48 + left_of_day, abs=1e-9) == said(worker, FactType.SLA_BREACHED)[0][2]


async def test_a_policy_edit_reaches_only_promises_that_begin(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    worker.append(at(0), seen(hours=0))
    await worker.rest(at(1))
    configure(worker, 2, at(1), calendar=[hours()], sla=policies(resolution=4))
    worker.append(at(2), seen("desk:2", hours=2))
    await worker.rest(at(100))
    assert [("desk:2", "sla.breached", 6.0, 0), ("desk:1", "sla.breached", 48.0, 0)] == said(
        worker, FactType.SLA_BREACHED
    )


async def test_a_policy_announced_for_later_reaches_running_promises_when_it_comes_into_force(
    worker: Worker,
) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    worker.append(at(0), seen(hours=0))
    await worker.rest(at(1))
    running = policies(apply="running", resolution=8)
    configure(worker, 2, at(1), calendar=[hours()], sla=running, effective_us=at(10))
    await worker.rest(at(2))
    await worker.rest(at(11))
    assert [("desk:1", "sla.breached", 10.0, 0)] == said(worker, FactType.SLA_BREACHED)
    assert [1] == [notice.breached for notice in worker.all(TermsAdopted)]


async def test_a_policy_for_running_promises_keeps_what_is_used_and_pages_nobody(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    worker.append(at(0), seen(hours=0), seen("desk:2", hours=9))
    worker.append(at(9), seen("desk:2", hours=9))
    await worker.rest(at(10))
    running = policies(apply="running", resolution=8, first_response=12)
    configure(worker, 2, at(10), calendar=[hours()], sla=running)
    await worker.rest(at(11))
    broken = fact(worker, FactType.SLA_BREACHED)
    assert ("desk:1", at(10) + 1, Cause.CONFIGURATION) == (broken.ticket, to_us(broken.at), broken.cause)
    assert broken.notify_at == from_us(at(10) + 1 + HOUR_US // 4)
    (notice,) = worker.all(TermsAdopted)
    assert 1 == notice.breached
    await worker.rest(at(40))
    assert {("desk:1", "sla.breached", 12.0, 0), ("desk:2", "sla.breached", 17.0, 0)} <= set(
        said(worker, FactType.SLA_BREACHED)
    ), "the response that was not promised before counts from its own beginning"


async def test_a_holiday_of_the_past_excuses_with_its_reason_also_tickets_that_left(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=20))
    worker.append(at(0), seen(hours=0), seen("desk:2", hours=0), seen("desk:3", hours=40))
    worker.append(at(30), seen("desk:2", hours=30, status=Status.SOLVED))
    await worker.rest(at(35))
    assert {"desk:1", "desk:2"} == {one[0] for one in said(worker, FactType.SLA_BREACHED)}
    back = [hours(), hours(closed=["2023-11-15"], since_us=at(1), why="power cut")]
    configure(worker, 2, at(36), calendar=back, sla=policies(resolution=20))
    await worker.rest(at(37))
    withdrawn = {one for one in said(worker, FactType.SLA_BREACHED) if one[3] == 1}
    assert {("desk:1", "sla.breached", 20.0, 1), ("desk:2", "sla.breached", 20.0, 1)} == withdrawn
    assert {"desk:1", "desk:2"} == {one[0] for one in said(worker, FactType.SLA_RESTATED)}
    assert ("desk:2", "sla.met", 30.0, 0) in said(worker, FactType.SLA_MET)
    (notice,) = worker.all(TermsAdopted)
    assert 2 == notice.excused
    await worker.rest(at(60))
    assert ("desk:1", "sla.breached", 44.0, 0) in said(worker, FactType.SLA_BREACHED)


async def test_an_edit_that_reaches_back_less_far_leaves_nothing_of_the_one_before_unjudged(
    worker: Worker,
) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=20))
    worker.append(at(0), seen("desk:2", hours=0))
    worker.append(at(30), seen("desk:2", hours=30, status=Status.SOLVED))
    await worker.rest(at(200))
    back = [hours(), hours(closed=["2023-11-15"], since_us=at(1), why="power cut")]
    configure(worker, 2, at(200), calendar=back, sla=policies(resolution=20))
    back = [*back, hours(closed=["2023-11-15", "2023-11-21"], since_us=at(150), why="strike")]
    configure(worker, 3, at(200), calendar=back, sla=policies(resolution=20))
    await worker.rest(at(201))
    assert [("desk:2", "sla.breached", 20.0, 0), ("desk:2", "sla.breached", 20.0, 1)] == said(
        worker, FactType.SLA_BREACHED
    )
    assert [("desk:2", "sla.met", 30.0, 0)] == said(worker, FactType.SLA_MET)


async def test_a_breach_that_only_moves_is_neither_excused_nor_a_new_one(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=20))
    worker.append(at(0), seen(hours=0))
    await worker.rest(at(60))
    back = [hours(), hours(closed=["2023-11-15"], since_us=at(1), why="power cut")]
    configure(worker, 2, at(60), calendar=back, sla=policies(resolution=20))
    await worker.rest(at(61))
    breaches = [one[2:] for one in said(worker, FactType.SLA_BREACHED)]
    assert sorted([(20.0, 0), (20.0, 1), (44.0, 0)]) == sorted(breaches)
    (notice,) = worker.all(TermsAdopted)
    assert (0, 0) == (notice.breached, notice.excused)


async def test_a_policy_for_running_promises_counts_the_deadlines_that_it_moves(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    worker.append(at(0), seen(hours=0))
    await worker.rest(at(10))
    configure(worker, 2, at(10), calendar=[hours()], sla=policies(apply="running", resolution=20))
    await worker.rest(at(11))
    (notice,) = worker.all(TermsAdopted)
    assert (1, 0) == (notice.moved, notice.breached)


@pytest.mark.parametrize("kill", [None, Kill.BEFORE_COMMIT, Kill.BEFORE_PUBLISH])
async def test_an_adoption_goes_on_after_a_crash_at_any_slice(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, kill: Kill | None
) -> None:
    monkeypatch.setattr(adoption, "TIMED_MAX", 1)
    monkeypatch.setattr(adoption, "TOLD_MAX", 1)
    monkeypatch.setattr(adoption, "JUDGED_MAX", 1)
    monkeypatch.setattr(adopting, "JUDGED_MAX", 1)
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=20))
    keys = [f"desk:{number}" for number in range(4)]
    worker.append(at(0), *(seen(key, hours=0) for key in keys))
    worker.append(at(30), *(seen(key, hours=30, status=Status.SOLVED) for key in keys[:2]))
    await worker.rest(at(35))
    back = [hours(), hours(closed=["2023-11-15"], since_us=at(1), why="power cut")]
    configure(worker, 2, at(36), calendar=back, sla=policies(resolution=20))
    for _ in range(12):
        await worker.step(at(37), kill=kill)
        if kill is not None:
            await worker.start()
            await worker.step(at(37))
    await worker.rest(at(37))
    assert {(key, "sla.breached", 20.0, 1) for key in keys} == {
        one for one in said(worker, FactType.SLA_BREACHED) if one[3] == 1
    }
    assert set(keys) == {one[0] for one in said(worker, FactType.SLA_RESTATED)}
    assert {4} == {notice.excused for notice in worker.all(TermsAdopted)}
    await worker.rest(at(60))
    assert {"desk:2", "desk:3"} == {one[0] for one in said(worker, FactType.SLA_BREACHED) if one[2] == 44.0}


@pytest.mark.parametrize("kill", [None, Kill.BEFORE_COMMIT, Kill.BEFORE_PUBLISH])
@pytest.mark.parametrize("steps", range(1, 12))
async def test_every_deadline_that_moved_is_told_whenever_its_owner_falls(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, kill: Kill | None, steps: int
) -> None:
    monkeypatch.setattr(adoption, "TIMED_MAX", 1)
    monkeypatch.setattr(adoption, "TOLD_MAX", 1)
    keys = {f"desk:{number}" for number in range(4)}
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    worker.append(at(0), *(seen(key, hours=0) for key in sorted(keys)))
    await worker.rest(at(1))
    configure(worker, 2, at(1), calendar=[hours(closed=["2023-11-16"])], sla=policies(resolution=48))
    for _ in range(steps):
        await worker.step(at(1))
    await worker.step(at(1), kill=kill)
    await worker.start()
    await worker.rest(at(2) - 1)
    told = {one.ticket: one.deadline for one in worker.facts() if one.type is FactType.SLA_DEADLINE_CHANGED}
    assert dict.fromkeys(keys, from_us(at(72))) == told
    assert {4} == {notice.moved for notice in worker.all(TermsAdopted)}


async def test_a_crash_tells_nothing_of_what_an_earlier_edit_moved(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    worker.append(at(0), seen(hours=0))
    await worker.rest(at(1))
    configure(worker, 2, at(1), calendar=[hours(closed=["2023-11-16"])], sla=policies(resolution=48))
    await worker.rest(at(2))
    far = [hours(closed=["2023-11-16", "2023-12-24"])]
    configure(worker, 3, at(2), calendar=far, sla=policies(resolution=48))
    await worker.step(at(2))
    await worker.start()
    await worker.rest(at(3))
    assert [1.0] == [round(one[2], 3) for one in said(worker, FactType.SLA_DEADLINE_CHANGED)]


async def test_an_answer_between_an_edit_and_its_slice_is_judged_by_the_new_terms(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "JUDGED_MAX", 0)
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    worker.append(at(0), seen(hours=0))
    await worker.rest(at(10))
    running = policies(apply="running", first_response=12)
    configure(worker, 2, at(10), calendar=[hours()], sla=running)
    answer = seen(hours=11, activity=Activity.AGENT_MESSAGE, actor=Actor.AGENT, priority=Priority.P1)
    worker.append(at(11), answer)
    await worker.step(at(11))
    met = fact(worker, FactType.SLA_MET)
    assert ("first_response", 11 * 3_600.0, from_us(at(12))) == (met.clock, met.used_seconds, met.deadline)
    assert [("desk:1", "sla.superseded", 10 + 1 / HOUR_US, 0)] == said(worker, FactType.SLA_SUPERSEDED)


async def test_what_comes_in_one_batch_with_an_edit_counts_when_its_ticket_is_judged(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    worker.append(at(0), seen(hours=0))
    await worker.rest(at(1))
    worker.append(at(3), seen(hours=2, status=Status.SOLVED), seen(hours=3, status=Status.IN_PROGRESS))
    configure(worker, 2, at(3), calendar=[hours()], sla=policies(apply="running", resolution=4))
    await worker.rest(at(80))
    crossed = said(worker, FactType.AGE_CROSSED)
    assert [24.0, 48.0, 72.0] == [hours_ for _, _, hours_, turn in crossed if turn == 0]
    assert {2} == {one.instance for one in worker.facts() if one.type is FactType.AGE_CROSSED}


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("hour", [0.5, 36])
async def test_what_comes_with_an_edit_of_the_past_does_not_spare_its_ticket_the_judgement(
    worker: Worker, *, left: bool, hour: float
) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=20))
    worker.append(at(0), seen(hours=0))
    if left:
        worker.append(at(30), seen(hours=30, status=Status.SOLVED))
    await worker.rest(at(35))
    back = [hours(), hours(closed=["2023-11-15"], since_us=at(1), why="power cut")]
    configure(worker, 2, at(36), calendar=back, sla=policies(resolution=20))
    worker.append(at(36), seen(hours=hour, queue="first"))
    await worker.rest(at(37))
    excused = [(one.turn, one.cause) for one in worker.facts() if one.type is FactType.SLA_BREACHED]
    assert [(0, Cause.TIME), (1, Cause.CONFIGURATION)] == excused
    assert [("desk:1", "sla.met", 30.0, 0)] * left == said(worker, FactType.SLA_MET)
    assert [from_us(at(37))] == [one.at for one in worker.facts() if one.type is FactType.SLA_RESTATED]
    assert [1] == [notice.excused for notice in worker.all(TermsAdopted)]


async def test_what_an_edit_brings_about_before_the_next_observation_is_stated_by_it(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    worker.append(at(0), seen(hours=0))
    await worker.rest(at(30))
    # In one batch: from 30 hours on the oldest bucket begins at 2 hours, and an hour later it is solved.
    configure(worker, 2, at(30), calendar=[hours()], sla=policies(resolution=48))
    document = worker.configurations.versions[2].document
    document["age"] = {"edges": [7_200], "buckets": [7_200], "from": "created"}
    worker.append(at(31), seen(hours=31, status=Status.SOLVED))
    await worker.rest(at(40))
    assert [("desk:1", "ticket.escalated", at(30) + 1)] == [
        (one.ticket, one.type.value, to_us(one.at))
        for one in worker.facts()
        if one.type is FactType.ESCALATED
    ]


async def test_what_only_later_policies_look_at_changes_nothing_of_the_past(worker: Worker) -> None:
    former = policies(resolution=48)
    configure(worker, 1, at(0), calendar=[hours()], sla=former)
    worker.append(at(0), seen(hours=0))
    await worker.rest(at(1))
    renamed = policies(resolution=24)
    renamed["policies"][0]["name"] = "other"
    configure(worker, 2, at(1), calendar=[hours()], sla=renamed)
    worker.append(at(2), seen(hours=2, queue="first"))
    await worker.rest(at(3))
    by_queue = policies(resolution=12)
    by_queue["policies"][0]["match"] = {"queue": ["second"]}
    configure(worker, 3, at(3), calendar=[hours()], sla=by_queue)
    await worker.rest(at(4))
    worker.append(at(5), seen(hours=1.5, id="late"))
    await worker.rest(at(6))
    ticket = (await worker.tickets([(TENANT, "desk:1")]))[TENANT, "desk:1"]
    assert ("all@1", ["all@1"]) == (ticket.policy, [clock.policy for clock in ticket.clocks])


async def test_a_load_that_sees_what_a_later_owner_wrote_ends_as_lost(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    taken = await worker.start()
    worker.append(at(0), seen(hours=0))
    await worker.rest(at(1))
    configure(worker, 2, at(1), calendar=[hours()], sla=policies(resolution=24))
    worker.append(at(2), seen(hours=2, queue="first"))
    await worker.rest(at(3))
    with pytest.raises(NotOwner):
        await AgingLogic(worker.store, worker.configurations, Placement(0, 1, 1), Terms()).load(taken)


async def test_a_batch_that_meets_what_a_later_owner_wrote_ends_as_lost(worker: Worker) -> None:
    configure(worker, 1, at(0), calendar=[hours()], sla=policies(resolution=48))
    await worker.rest(at(0))
    taken = await worker.start()
    sleeper = AgingLogic(worker.store, worker.configurations, Placement(0, 1, 1), Terms())
    await sleeper.load(taken)
    configure(worker, 2, at(1), calendar=[hours()], sla=policies(resolution=24))
    worker.append(at(2), seen(hours=2))
    await worker.rest(at(3))
    with pytest.raises(NotOwner):
        await sleeper.fold(worker.log[-1:], from_us=taken.clock_us, until_us=at(3))


async def test_hours_that_change_during_a_pause_change_when_it_has_lasted_too_long(worker: Worker) -> None:
    promised = policies(resolution=48)
    promised["policies"][0]["max_pause"] = 2 * 3_600
    promised["policies"][0]["clocks"]["resolution"]["pauses"] = ["customer"]
    configure(worker, 1, at(0), calendar=[hours(closed=["2023-11-15"])], sla=promised)
    worker.append(at(0), seen(hours=0))
    # 00:13:20 on the 15th, which is closed: the two hours would be over at 2 o'clock on the 16th.
    worker.append(at(2), seen(hours=2, status=Status.WAITING, wait_reason=WaitReason.CUSTOMER))
    await worker.rest(at(3))
    configure(worker, 2, at(3), calendar=[hours()], sla=promised)
    await worker.rest(at(4))
    await worker.rest(at(6))
    resumed = fact(worker, FactType.SLA_RESUMED)
    assert ("max_pause", at(5) + 1) == (resumed.reason, to_us(resumed.at))
