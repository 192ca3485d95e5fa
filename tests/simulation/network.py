"""What lies between an adapter and the log: time passes there, and messages travel or get lost.

The simulated bus knows no event loop. Under a contract suite asyncio lets its time pass
(tests/contract/simulated_bus.py), in a simulation the world's scheduler does (scheduler.py).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol


class Loss(Enum):
    """What becomes of a block on its way to the log."""

    NONE = "none"
    BEFORE = "before"
    """It does not arrive, and its writer hears of an error."""
    AFTER = "after"
    """It arrives, and its writer hears of an error all the same."""


class Network(Protocol):
    """Time and chance, as the simulated bus needs them."""

    async def until(self, happened: Callable[[], bool], wait_ms: int) -> None:
        """Return once `happened()`, or after `wait_ms`."""
        ...

    def later(self, step: Callable[[], None], wait_ms: int | None = None) -> None:
        """Call `step` after `wait_ms`; None: after as long as a message takes."""
        ...

    def loss(self) -> Loss:
        """Return what becomes of the next block."""
        ...

    def some(self, count: int) -> int:
        """Return how many of `count` blocks on the way still arrive when their writer dies or is fenced."""
        ...
