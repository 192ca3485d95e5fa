"""Turning what a pure step raises into a value, so that one bad record cannot stop a partition.

The one place beside process.py that catches everything. It is for steps without effects: what they
computed is thrown away with the exception, and the caller refuses the record whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

T = TypeVar("T")
F = TypeVar("F")

_log = structlog.get_logger(__name__)

ERROR_CHARACTERS_MAX = 500
"""Of an error kept beside a refused record."""


def attempt(step: Callable[[], T], failed: Callable[[str], F]) -> T | F:
    """Return what `step` returns, or `failed(error)` if it raised; `error` is for people."""
    try:
        return step()
    except Exception as error:  # noqa: BLE001 - a defect in one step must not stop the others
        _log.exception("a step failed and was refused")
        return failed(f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS_MAX])
