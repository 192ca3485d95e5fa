"""How bugs are planted: where they are meant, for a while, and never by accident nowhere."""

from __future__ import annotations

import pytest

from tests.simulation.planted import Edit, planted

PLACE = f"{__name__}:greeting"


def greeting(name: str) -> str:
    whole = f"Hello, {name}"
    return whole + "!"


class Greeter:
    """Greets as well."""

    @property
    def politely(self) -> str:
        return greeting("you")


kept = greeting
"""Imported elsewhere long ago."""


def test_the_bug_stands_for_everybody_for_a_while() -> None:
    with planted([Edit(PLACE, '"!"', '"?"'), Edit(f"{__name__}:Greeter.politely", '"you"', '"thou"')]):
        assert "Hello, you?" == kept("you")
        assert "Hello, thou?" == Greeter().politely
    assert "Hello, you!" == kept("you") == Greeter().politely


def test_two_edits_of_one_function_stand_together() -> None:
    with planted([Edit(PLACE, '"!"', '"?"'), Edit(PLACE, "Hello", "Good-bye")]):
        assert "Good-bye, you?" == kept("you")
    assert "Hello, you!" == kept("you")


@pytest.mark.parametrize("text", ["absent", "whole"], ids=["not there", "there twice"])
def test_a_text_that_is_not_there_exactly_once_is_no_bug_but_an_error(text: str) -> None:
    with (
        pytest.raises(AssertionError, match="the text to replace is there"),
        planted([Edit(PLACE, text, "")]),
    ):
        pass
    assert "Hello, you!" == kept("you")


def test_the_bug_is_gone_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), planted([Edit(PLACE, 'f"Hello, {name}"', '"" + str(1 // 0)')]):
        kept("you")
    assert "Hello, you!" == kept("you")
