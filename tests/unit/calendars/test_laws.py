"""What holds for all hours, in every zone, above all beside clock changes (tests/stateful asks for longer)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.unit.calendars.calendars import Question, questions
from tests.unit.calendars.laws import AMOUNTS_US, LAWS, Law

EXAMPLES = 15


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@given(questions(), AMOUNTS_US, AMOUNTS_US)
@settings(max_examples=EXAMPLES)
def test_it_holds_for_a_calendar_that(law: Law, asked: Question, one_us: int, other_us: int) -> None:
    law(asked, one_us, other_us)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@given(questions(versions=3), AMOUNTS_US, AMOUNTS_US)
@settings(max_examples=EXAMPLES)
def test_it_holds_for_hours_in_versions_that(law: Law, asked: Question, one_us: int, other_us: int) -> None:
    law(asked, one_us, other_us)
