"""Ports that stop the world: a crash before or after the effect of any one call.

The adapters are the real ones; only the caller is killed. What a killed process holds in memory is gone,
what its bus and its database hold is not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

_OPENERS = {"open_reader", "open_writer"}


class Crash(BaseException):
    """The process ends here. No `except` of the code under test may catch it."""


class Countdown:
    """Crashes at the `left`-th point; each call of a port has one before and one after its effect."""

    def __init__(self, left: int) -> None:
        self.left = left

    def tick(self) -> None:
        if self.left == 0:
            raise Crash
        self.left -= 1


class Crashing:
    """Stands before a real adapter."""

    def __init__(self, adapter: Any, countdown: Countdown) -> None:
        self._adapter, self._countdown = adapter, countdown

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._adapter, name)
        if not inspect.iscoroutinefunction(found) or name == "close":
            return found
        return self._wrapped(found, opens=name in _OPENERS)

    def _wrapped(self, call: Callable[..., Any], *, opens: bool) -> Callable[..., Any]:
        async def counted(*args: Any, **kwargs: Any) -> Any:
            self._countdown.tick()
            result = await call(*args, **kwargs)
            self._countdown.tick()
            return Crashing(result, self._countdown) if opens else result

        return counted
