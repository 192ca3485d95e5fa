"""The laws of open time: each takes a question and two amounts, and fails if it does not hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hypothesis import strategies as st

from shared.calendars.hours import Hours, NoOpening
from tests.unit.calendars.calendars import HOUR_US, Question

Law = Callable[[Question, int, int], None]

AMOUNTS_US: Final = st.integers(1, 60 * HOUR_US) | st.integers(1, 60).map(lambda hours: hours * HOUR_US)


def due(hours: Hours, start_us: int, amount_us: int) -> int | None:
    try:
        return hours.add(start_us, amount_us)
    except NoOpening:
        return None


def elapsed_is_that_of_a_slow_reference(asked: Question, one_us: int, other_us: int) -> None:
    start_us, end_us = sorted((asked.start_us, asked.end_us))
    assert asked.slow_elapsed_us(start_us, end_us) == asked.hours().elapsed(start_us, end_us)


def elapsed_turns_its_sign_with_its_ends(asked: Question, one_us: int, other_us: int) -> None:
    hours = asked.hours()
    back_us = -hours.elapsed(asked.end_us, asked.start_us)
    assert back_us == hours.elapsed(asked.start_us, asked.end_us)


def elapsed_is_additive_over_splits(asked: Question, one_us: int, other_us: int) -> None:
    hours, middle_us = asked.hours(), asked.start_us + one_us
    parts_us = hours.elapsed(asked.start_us, middle_us) + hours.elapsed(middle_us, asked.end_us)
    assert hours.elapsed(asked.start_us, asked.end_us) == parts_us


def openings_sum_to_elapsed(asked: Question, one_us: int, other_us: int) -> None:
    start_us, end_us = sorted((asked.start_us, asked.end_us))
    hours = asked.hours()
    found = hours.openings(start_us, end_us)
    assert hours.elapsed(start_us, end_us) == sum(one.end_us - one.start_us for one in found)
    edges = [edge for one in found for edge in one]
    assert sorted(set(edges)) == edges, "in order, none empty, none touching the next"


def what_is_added_has_elapsed(asked: Question, one_us: int, other_us: int) -> None:
    hours = asked.hours()
    if (due_us := due(hours, asked.start_us, one_us)) is not None:
        assert one_us == hours.elapsed(asked.start_us, due_us)
        assert one_us - 1 == hours.elapsed(asked.start_us, due_us - 1), "the earliest such instant"


def what_is_taken_away_has_elapsed(asked: Question, one_us: int, other_us: int) -> None:
    hours = asked.hours()
    if (before_us := due(hours, asked.start_us, -one_us)) is not None:
        assert one_us == hours.elapsed(before_us, asked.start_us)
        assert one_us - 1 == hours.elapsed(before_us + 1, asked.start_us), "the latest such instant"


def adding_is_additive_over_splits(asked: Question, one_us: int, other_us: int) -> None:
    hours = asked.hours()
    if (whole_us := due(hours, asked.start_us, one_us + other_us)) is not None:
        assert whole_us == hours.add(hours.add(asked.start_us, one_us), other_us)


def due_grows_with_start_and_amount(asked: Question, one_us: int, other_us: int) -> None:
    hours = asked.hours()
    less_us, more_us = sorted((one_us, other_us))
    earlier_us, later_us = sorted((asked.start_us, asked.end_us))
    if (last_us := due(hours, later_us, more_us)) is not None:
        assert hours.add(earlier_us, less_us) <= hours.add(earlier_us, more_us) <= last_us
        assert hours.add(earlier_us, less_us) <= hours.add(later_us, less_us) <= last_us


def nothing_added_is_the_next_open_instant(asked: Question, one_us: int, other_us: int) -> None:
    hours = asked.hours()
    if (opens_us := due(hours, asked.start_us, 0)) is not None:
        assert asked.start_us <= opens_us
        assert 0 == hours.elapsed(asked.start_us, opens_us)
        assert 1 == hours.elapsed(opens_us, opens_us + 1), "it is open"


def what_was_asked_before_changes_no_answer(asked: Question, one_us: int, other_us: int) -> None:
    """The layout grows with questions, forwards and backwards; what is in it already stays as it was."""
    fresh, used = asked.hours(), asked.hours()
    years_us = 1_000 * 24 * HOUR_US
    used.elapsed(asked.start_us + years_us, asked.end_us)
    used.elapsed(asked.start_us, asked.end_us - years_us)
    assert fresh.elapsed(asked.start_us, asked.end_us) == used.elapsed(asked.start_us, asked.end_us)
    assert due(fresh, asked.start_us, one_us) == due(used, asked.start_us, one_us)
    assert due(fresh, asked.start_us, -one_us) == due(used, asked.start_us, -one_us)


LAWS: Final[tuple[Law, ...]] = (
    elapsed_is_that_of_a_slow_reference,
    elapsed_turns_its_sign_with_its_ends,
    elapsed_is_additive_over_splits,
    openings_sum_to_elapsed,
    what_is_added_has_elapsed,
    what_is_taken_away_has_elapsed,
    adding_is_additive_over_splits,
    due_grows_with_start_and_amount,
    nothing_added_is_the_next_open_instant,
    what_was_asked_before_changes_no_answer,
)
