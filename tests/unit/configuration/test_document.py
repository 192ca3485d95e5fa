"""YAML by strangers: text stays text, lines are known, nothing explodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.configuration.document import FILE_BYTES_MAX, read_document
from shared.configuration.problems import ConfigurationInvalid


def message(content: bytes) -> str:
    """Return what is said about `content`."""
    with pytest.raises(ConfigurationInvalid) as caught:
        read_document(content, "x.yaml")
    return str(caught.value)


def test_words_that_yaml_takes_for_something_else_stay_text() -> None:
    document = read_document(b"{No: on, 12: 12:30, when: 2026-01-02, hex: 0x10, zero: 007, none: ~}", "x")
    expected = {"No": "on", "12": "12:30", "when": "2026-01-02", "hex": "0x10", "zero": "007", "none": None}
    assert expected == document.data


def test_numbers_and_truth_are_what_they_look_like() -> None:
    assert {"a": -3, "b": 0.5, "c": True, "d": "3"} == read_document(
        b"{a: -3, b: 0.5, c: true, d: '3'}", "x"
    ).data


def test_lines_are_those_of_keys_and_items_and_else_of_what_is_around() -> None:
    document = read_document(b"a:\n  - b: 1\n    c:\n      d\n  - 5\n", "x")
    assert [1, 2, 3, 5, 2] == [
        document.line(path) for path in (("a",), ("a", 0, "b"), ("a", 0, "c"), ("a", 1), ("a", 0, "nothing"))
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: 1\nb: 2\na: 3", "x.yaml:3: `a` is given twice (first on line 1); keep one of them"),
        (b"a: 1\n\tb: 2", ("x.yaml:2: this is no YAML: found character '\\t' that cannot start any token; "
         "indent with spaces, not with tabs")),
        (b"a: !!python/object:os.system x", ("x.yaml:1: the tag `tag:yaml.org,2002:python/object:os.system` is "
         "not known; write plain YAML without tags")),
        (b"a: \xff", "x.yaml:1: this is no UTF-8; save the file as UTF-8"),
        (b"<<: {a: 1}", "x.yaml:1: merge keys (`<<`) are not read; repeat the members"),
        (b"a: &a {b: *a}", "x.yaml:1: aliases expand to too much; write the values out, once each"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_its_line(content: bytes, expected: str) -> None:
    assert expected == message(content)


def test_aliases_that_would_expand_without_end_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "aliases expand to too much" in message("\n".join(lines).encode())


def test_deep_nesting_and_large_files_are_refused() -> None:
    assert "nested deeper than" in message(b"[" * 10_000)
    assert "bytes, more than" in message(b"#" * (FILE_BYTES_MAX + 1))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_words(content: bytes) -> None:
    problems: tuple[object, ...] = (content,)
    try:
        read_document(content, "x.yaml")
    except ConfigurationInvalid as error:
        problems = error.problems
    assert problems
