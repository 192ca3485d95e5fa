"""Spans as people write them, and the names of buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.durations import bucket_labels, duration_text, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("10m", 600), ("24h", 86_400), ("7d", 604_800), ("24", None), ("-1h", None), ("1w", None)],
)
def test_spans_are_a_number_and_a_unit(written: str, seconds: int | None) -> None:
    assert seconds == parse_duration(written)


@pytest.mark.parametrize(
    ("seconds", "text"), [(86_400, "24h"), (259_200, "72h"), (604_800, "7d"), (2_592_000, "30d"), (90, "90s")]
)
def test_spans_are_named_as_support_people_say_them(seconds: int, text: str) -> None:
    assert text == duration_text(seconds)


@given(st.integers(0, 10**9 - 1))
def test_a_name_means_its_span(seconds: int) -> None:
    assert seconds == parse_duration(duration_text(seconds))


def test_buckets_are_named_by_their_ends() -> None:
    assert ("0-24h", "24-72h", "72h+") == bucket_labels((86_400, 259_200))
    assert ("0-30m", "30m-72h", "72h-7d", "7d+") == bucket_labels((1_800, 259_200, 604_800))
