"""Timers against the plainest model: a dict that is sorted each time."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from services.aging.core import timers as module
from services.aging.core.timers import TicketId, Timers

IDS = [("acme", f"desk:{number}") for number in range(4)]


class Arm(NamedTuple):
    id: TicketId
    due_us: int | None


class Due(NamedTuple):
    until_us: int
    limit: int


STEPS = st.one_of(
    st.builds(Arm, st.sampled_from(IDS), st.one_of(st.none(), st.integers(0, 9))),
    st.builds(Due, st.integers(0, 9), st.integers(0, 3)),
)


@given(st.lists(STEPS, max_size=40))
def test_timers_give_what_is_due_once_the_earliest_first(steps: list[Arm | Due]) -> None:
    timers, model = Timers(), dict[TicketId, int]()
    for step in steps:
        if isinstance(step, Arm):
            timers.arm(step.id, step.due_us)
            model.pop(step.id, None)
            if step.due_us is not None:
                model[step.id] = step.due_us
        else:
            expected = sorted((due, id_) for id_, due in model.items() if due <= step.until_us)[: step.limit]
            assert expected == list(timers.due(step.until_us, limit=step.limit))
            for _, id_ in expected:
                del model[id_]
        assert min(model.values(), default=None) == timers.next_us()
        assert len(model) == len(timers)


def test_a_ticket_whose_instant_moves_on_and_on_leaves_no_pile_behind() -> None:
    timers = Timers()
    for due_us in range(3 * module._STALE_ENTRIES_MIN):
        timers.arm(IDS[0], due_us)
    assert len(timers._heap) <= module._STALE_ENTRIES_MIN + 3
    assert 3 * module._STALE_ENTRIES_MIN - 1 == timers.next_us()
