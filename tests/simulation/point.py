"""Where a simulated port call can be interrupted: once before its effect, and once after it.

A crash, a revocation or an error hurts only between two awaits, and our workers await ports and nothing
else. So each simulated adapter awaits its `Point` twice in each call, and whoever schedules decides there what
happens next: go on, run somebody else first, raise the port's operating error without the effect (before) or
in spite of it (after), or never return. Under a contract suite nothing happens.
"""

from __future__ import annotations

from typing import Protocol


class Point(Protocol):
    """Lets a scheduler in. Given to each simulated adapter when it is made."""

    async def __call__(self, call: str, *, done: bool) -> None:
        """Return when the call may go on.

        `call` names port and method, such as `store.commit` or `bus.append`; `done` says whether its effect
        is there. Raises what the port may raise (StoreUnavailable, BusUnavailable, ...), by the name's first
        part.
        """
        ...


async def go_on(call: str, *, done: bool) -> None:
    """Let every call go on at once: the point of a contract suite."""
