"""How long functions and modules may be, and which names say nothing: measured on the syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.architecture.tree import modules, parsed

FUNCTION_LINES_MAX: Final = 50
"""Without the docstring: a function fits on a screen."""
MODULE_LINES_MAX: Final = 400
EMPTY_NAMES: Final = frozenset(
    {"common", "handler", "handlers", "helper", "helpers", "impl", "info", "manager", "managers", "misc"}
    | {"util", "utilities", "utils"}
)
_CATCHERS: Final = ("shared/runtime/attempt.py", "shared/runtime/process.py")
"""The steps without effects whose failure refuses one record, and the end of a process."""
_BROAD: Final = ("Exception", "BaseException")


def violations(root: Path) -> list[str]:
    """Return what breaks the rules under `root`, one sentence each."""
    return [
        f"{module.relative_to(root).as_posix()}{found}"
        for module in modules(root)
        for found in _in_module(module, module.relative_to(root))
    ]


def _in_module(module: Path, place: Path) -> Iterator[str]:
    lines = len(module.read_text(encoding="utf-8").splitlines())
    if lines > MODULE_LINES_MAX:
        yield f": {lines} lines"
    for name in (module.stem, *place.parent.parts):
        if name in EMPTY_NAMES:
            yield f": a module named {name} says nothing"
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = _length(node)
            if length > FUNCTION_LINES_MAX:
                yield f":{node.lineno}: {node.name} has {length} lines"
        elif isinstance(node, ast.ExceptHandler) and place.as_posix() not in _CATCHERS and _swallows(node):
            yield f":{node.lineno}: catches everything, which is for {' and '.join(_CATCHERS)} alone"


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Tell whether `handler` catches everything and does not end by raising it on."""
    caught = handler.type
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    broad = any(kind is None or (isinstance(kind, ast.Name) and kind.id in _BROAD) for kind in kinds)
    last = handler.body[-1]
    return broad and not (isinstance(last, ast.Raise) and last.exc is None)
