"""The source tree as the house rules see it."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("barometer", "services", "shared")


def modules(root: Path) -> Iterator[Path]:
    """Yield the modules of the product under `root`, in order."""
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


def parsed(module: Path) -> ast.Module:
    """Return the syntax tree of `module`."""
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


def tracked_files() -> list[Path]:
    """Return the files that a commit of this tree would hold."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=30)
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return sorted(path for path in paths if path.is_file())
