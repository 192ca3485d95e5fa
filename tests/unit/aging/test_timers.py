"""Timers against the plainest model: a dict that is sorted each time."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aging.core import timers as module
from services.aging.core.timers import TicketId, Timers

IDS = [("acme", f"desk:{number}") for number in range(4)]
# Some within a slot, some in slots apart from each other.
INSTANTS = st.builds(lambda slot, more: slot * module.SLOT_US + more, st.integers(0, 3), st.integers(0, 3))


class Arm(NamedTuple):
    id: TicketId
    due_us: int | None


class Due(NamedTuple):
    until_us: int
    limit: int


STEPS = st.one_of(
    st.builds(Arm, st.sampled_from(IDS), st.one_of(st.none(), INSTANTS)),
    st.builds(Due, INSTANTS, st.integers(0, 3)),
)


@given(st.lists(STEPS, max_size=40))
def test_timers_give_what_is_due_once_the_earliest_first(steps: list[Arm | Due]) -> None:
    model = dict[TicketId, int]()
    timers = Timers(model.get)
    for step in steps:
        if isinstance(step, Arm):
            known_us = model.pop(step.id, None)
            if step.due_us is not None:
                model[step.id] = step.due_us
                if step.due_us != known_us:
                    timers.arm(step.id, step.due_us)
        else:
            expected = sorted((due, id_) for id_, due in model.items() if due <= step.until_us)[: step.limit]
            assert expected == list(timers.due(step.until_us, limit=step.limit))
            for _, id_ in expected:
                del model[id_]
        assert min(model.values(), default=None) == timers.next_us()


@given(st.integers(1, 5), st.sampled_from([1, module.SLOT_US // 2, 3 * module.SLOT_US]), st.booleans())
def test_tickets_whose_instants_move_on_and_on_leave_no_pile_behind(
    tickets: int, step_us: int, looks: bool
) -> None:
    model = dict[TicketId, int]()
    timers = Timers(model.get)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_STALE_NOTES_MIN", 50)
        for number in range(2_000):
            id_ = ("acme", f"desk:{number % tickets}")
            model[id_] = number * step_us
            timers.arm(id_, model[id_])
            assert not looks or min(model.values()) == timers.next_us()
    assert min(model.values()) == timers.next_us()
    assert _noted(timers) == timers._notes < 250


def _noted(timers: Timers) -> int:
    return len(timers._near) + sum(len(ids) for ids in timers._far.values())
