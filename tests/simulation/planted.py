"""Bugs planted on purpose, to measure whether the simulation would notice them.

A simulator that finds nothing may have nothing to find, or may not look. So bugs that such services really
have are planted one at a time into the code as it is, and each has to be found within a number of seeds.

A bug is an edit of one function's text. The text it replaces must be there exactly once, so a bug cannot
silently become none when the code around it changes. The edited code takes the place of the function's own
for as long as the bug stands, for everybody who has imported it.
"""

from __future__ import annotations
import __future__

import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from textwrap import dedent
from types import CodeType, FunctionType
from typing import NamedTuple


class Edit(NamedTuple):
    """Text within a function and what stands there instead; indented as if the function began its line."""

    of: str
    """`package.module:function` or `package.module:Class.method`."""
    text: str
    becomes: str


@contextmanager
def planted(edits: Sequence[Edit]) -> Iterator[None]:
    """Let `edits` stand for a while."""
    with ExitStack() as stack:
        for of in dict.fromkeys(edit.of for edit in edits):
            stack.enter_context(_planted(_function(of), [edit for edit in edits if edit.of == of]))
        yield


@contextmanager
def _planted(function: FunctionType, edits: Sequence[Edit]) -> Iterator[None]:
    sound = function.__code__
    function.__code__ = _edited(function, edits)
    try:
        yield
    finally:
        function.__code__ = sound


def _function(path: str) -> FunctionType:
    module, _, name = path.partition(":")
    found: object = import_module(module)
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    if isinstance(found, property):
        found = found.fget
    if isinstance(found, classmethod | staticmethod):
        found = found.__func__
    assert callable(found), path
    found = inspect.unwrap(found)
    assert isinstance(found, FunctionType), path
    return found


def _edited(function: FunctionType, edits: Sequence[Edit]) -> CodeType:
    lines, first = inspect.getsourcelines(function)
    source = dedent("".join(lines))
    for of, text, becomes in edits:
        count = source.count(text)
        assert count == 1, f"{of}: the text to replace is there {count} times:\n{text}\n\nin\n{source}"
        source = source.replace(text, becomes)
    module = compile(
        "\n" * (first - 1) + source,
        function.__code__.co_filename,
        "exec",
        flags=__future__.annotations.compiler_flag,
        dont_inherit=True,
    )
    name = function.__name__
    [code] = [each for each in module.co_consts if isinstance(each, CodeType) and each.co_name == name]
    assert code.co_freevars == function.__code__.co_freevars, f"{name} is closed over something"
    return code
