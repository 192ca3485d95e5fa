from __future__ import annotations

from typing import Any

import pytest

from services.intake.core.vendors.body import Node
from services.intake.core.vendors.fields import fields, sequence, tags

PATHS = {"subject": "title", "assignee": "owner.login"}


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"title": "x", "owner": {"login": "b"}}, {"subject": "x", "assignee": "b"}),
        ({"title": 7, "owner": {"login": 8}}, {"subject": "7", "assignee": "8"}),
        ({}, {}),
        ({"title": None, "owner": None}, {"subject": None, "assignee": None}),
        ({"title": "", "owner": {"login": None}}, {"subject": None, "assignee": None}),
        ({"title": ["x"], "owner": "b"}, {}),
        ({"title": True, "owner": {"login": {}}}, {}),
        ([], {}),
    ],
)
def test_null_clears_and_what_is_absent_or_strange_says_nothing(shown: Any, expected: dict[str, Any]) -> None:
    assert expected == fields(Node(shown), PATHS)


def test_a_text_is_cut_to_what_its_field_holds() -> None:
    found = fields(Node({"title": "x" * 2_000, "owner": {"login": "b" * 2_000}}), PATHS)

    assert (1_000, 512) == (len(found["subject"]), len(found["assignee"]))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"labels": ["a", "b"]}, {"tags": ["a", "b"]}),
        ({"labels": []}, {"tags": []}),
        ({"labels": None}, {"tags": None}),
        ({"labels": "a"}, {}),
        ({}, {}),
    ],
)
def test_tags_are_a_list_or_say_nothing(shown: Any, expected: dict[str, Any]) -> None:
    assert expected == tags(Node(shown), "labels")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("3", 3),
        (3, 3),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        ("9" * 19, None),
        (-(2**63), None),
        (3.5, None),
    ],
)
def test_a_revision_that_a_ticket_cannot_hold_says_nothing(shown: Any, expected: int | None) -> None:
    assert expected == sequence(Node(shown))
