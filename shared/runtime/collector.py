"""How often Python looks for cycles of garbage, in processes that handle events by the thousand.

A batch makes tens of thousands of small tuples that reference counting frees when it is done. CPython's
collector looks through the young ones at every 700th, and found nothing in a quarter of a batch's time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

YOUNG_OBJECTS_MAX: Final = 50_000
"""New objects before the collector looks through them, in 2-3 ms. What waits for it is some megabytes."""


def tune() -> None:
    """Let the collector of this process look rarely. Call once, at start."""
    gc.set_threshold(YOUNG_OBJECTS_MAX)


@contextmanager
def resting() -> Iterator[None]:
    """Hold the collector while much is loaded that stays: it would look through all of it, again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def spare() -> None:
    """Let the collector never look at what there is now.

    What becomes unused is still freed by its count of references; only cycles in it would stay for ever.
    """
    gc.freeze()
