"""The depth of a body, told without parsing it, against a plain count."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.codec.nesting import depth_exceeds

VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(['"[{', "\\", '\\"[', "]}", '""', "\\\\"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just('["{'), inner, max_size=4)
    ),
    max_leaves=30,
)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@settings(max_examples=500, deadline=None)
@given(value=VALUES, ascii_only=st.booleans())
def test_it_is_exact_for_json(value: object, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    depth = depth_of(value)

    assert not depth_exceeds(body, depth)
    assert depth == 0 or depth_exceeds(body, depth - 1)


@pytest.mark.parametrize(
    ("body", "limit", "exceeds"),
    [
        (b"[" * 1_000_000, 32, True),
        (b"[" * 500_000 + b"]" * 500_000, 32, True),
        (b'{"a":' * 33 + b"1" + b"}" * 33, 32, True),
        (b'{"a":' * 32 + b"1" + b"}" * 32, 32, False),
        (b"[]" * 500_000, 1, False),
        (b'["' + b"[" * 1_000 + b'"]', 1, False),
        (b'["\\"' + b"[" * 1_000 + b'"]', 1, False),
        (b'["\\\\",' + b"[" * 40 + b"]" * 40 + b"]", 32, True),
        (b"", 0, False),
        (b"[", 0, True),
        (b"]]]]", 0, False),
        (b"[[[[ \xff", 3, True),
    ],
)
def test_hostile_bodies(body: bytes, limit: int, exceeds: bool) -> None:
    assert exceeds == depth_exceeds(body, limit)
