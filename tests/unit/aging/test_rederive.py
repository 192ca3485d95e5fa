"""Deriving again: what was stated before against what the timeline says now."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.aging.core import rederive
from services.aging.core.batch import Arrival, Dated, Item, Register
from services.aging.core.rederive import Derived, derive_again
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket
from shared.contracts.backlog import FactType
from shared.contracts.instants import from_us
from shared.contracts.tickets import Absorbed, Observation, Status
from tests.unit.aging.observations import TENANT, at, seen
from tests.unit.aging.partitions import arrival, derived

ID = (TENANT, "desk:1")


def again(
    known: Sequence[Observation], *items: Item, was: Ticket | None = None, registers: Sequence[Absorbed] = ()
) -> Derived:
    marks = sorted((Dated(a.order, a.mark) for a in map(arrived, known)), key=lambda dated: dated.order)
    if known and was is None:
        was, _ = derived([dated.mark for dated in marks], Terms(), at(100))
    return derive_again(
        ID, was, marks=marks, registers=registers, items=items, terms=Terms(), until_us=at(100)
    )


def arrived(observation: Observation) -> Arrival:
    return arrival(observation, at(100))


def said(found: Derived) -> list[tuple[FactType, float, int]]:
    return [(draft.type, (draft.at_us - at(0)) / 3_600_000_000, turn) for draft, turn in found.statements]


def test_first_sight_states_all_that_the_timeline_says() -> None:
    found = again([], arrived(seen(hours=80)))
    assert ([(FactType.OPENED, 80, 0)], 1) == (said(found), len(found.added))


def test_a_late_end_withdraws_the_crossings_behind_it() -> None:
    found = again([seen(hours=0)], arrived(seen(hours=30, status=Status.SOLVED)))
    assert [
        (FactType.AGE_CROSSED, 48, 1), (FactType.AGE_CROSSED, 72, 1), (FactType.ESCALATED, 72, 1),
        (FactType.SOLVED, 30, 0),
    ] == said(found)  # fmt: skip
    assert found.ticket is not None
    assert {1} == set((found.ticket.turns or {}).values())


def test_an_earlier_creation_moves_every_crossing() -> None:
    found = again([seen(hours=0)], arrived(seen(hours=1, created_hours=-1)))
    assert 5 == len([one for one in said(found) if one[2] == 1])
    assert (FactType.OPENED, 0, 1) in said(found)
    assert (FactType.OPENED, -1, 0) in said(found)


def test_a_repeat_changes_nothing() -> None:
    found = again([seen(hours=0)], arrived(seen(hours=0)), arrived(seen(hours=0)))
    assert (None, (), 2) == (found.ticket, found.statements, found.repeated)


def test_the_same_new_observation_twice_in_a_batch_is_one() -> None:
    found = again([seen(hours=0)], arrived(seen(hours=1)), arrived(seen(hours=1)))
    assert (1, 1) == (len(found.added), found.repeated)


def test_what_goes_beyond_the_most_marks_is_refused_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rederive, "MARKS_MAX", 3)
    known = [seen(hours=0), seen(hours=1)]
    late = [arrived(seen(hours=hours)) for hours in (1, 0.5, 0.6, 0.5, 0.7)]
    found = again(known, *late)
    assert [late[2], late[4]] == list(found.too_many)
    assert (1, 2) == (len(found.added), found.repeated)
    full = again([*known, seen(hours=2)], late[1])
    assert (None, [late[1]]) == (full.ticket, list(full.too_many))


def test_a_full_timeline_still_takes_a_register(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rederive, "MARKS_MAX", 1)
    told = Absorbed(tenant=TENANT, ticket="desk:2", survivor="desk:1", revision=1, at=from_us(0))
    found = again([seen(hours=0)], Register(at(100), told, 0), arrived(seen(hours=1)))
    assert ((told,), 1) == (found.registers, len(found.too_many))


def test_waking_derives_though_nothing_arrived_and_states_everything() -> None:
    marks = [Dated(a.order, a.mark) for a in [arrival(seen(hours=0), 0)]]
    found = derive_again(ID, None, marks=marks, registers=(), items=(), terms=Terms(), until_us=at(30))
    assert [(FactType.OPENED, 0, 0), (FactType.AGE_CROSSED, 24, 0)] == said(found)
    assert () == found.added


def received(hours: float, status: Status, id: str = "e1") -> Observation:
    return seen(hours=hours, id=id, status=status, dated_by_receipt=True)


def test_an_event_sent_again_without_a_time_says_nothing_new() -> None:
    known = [received(0, Status.NEW), received(2, Status.IN_PROGRESS, id="e2")]
    found = again(known, arrived(received(5, Status.NEW)))

    assert (None, (), 1) == (found.ticket, found.added, found.repeated)


def test_of_an_event_that_came_twice_without_a_time_the_earlier_counts_whichever_is_read_first() -> None:
    known = [received(5, Status.NEW), received(2, Status.IN_PROGRESS, id="e2")]
    found = again(known, arrived(received(0, Status.NEW)))
    assert found.ticket is not None

    assert ("in_progress", 2) == (found.ticket.status, found.ticket.marks)
    assert at(0) == found.ticket.created_us


def test_other_content_under_the_same_id_is_another_observation() -> None:
    found = again([received(0, Status.NEW)], arrived(received(5, Status.SOLVED)))
    assert found.ticket is not None

    assert ("solved", 2) == (found.ticket.status, found.ticket.marks)
