"""What a process has open on a database: each call lets the scheduler in before and after its effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tests.simulation.point import Point
from tests.simulation.stores.tables import Database

Result = TypeVar("Result")


class Session:
    """Base of the stores. Dies with its process, while the database stays."""

    def __init__(self, database: Database, point: Point) -> None:
        self._database = database
        self._point = point

    async def _read(self, call: str, effect: Callable[[], Result]) -> Result:
        await self._point(f"store.{call}", done=False)
        result = effect()
        await self._point(f"store.{call}", done=True)
        return result

    async def _write(self, call: str, effect: Callable[[], Result]) -> Result:
        """As `_read`, but all of `effect` is there afterwards or nothing, also if it raises."""
        await self._point(f"store.{call}", done=False)
        with self._database.transaction():
            result = effect()
        await self._point(f"store.{call}", done=True)
        return result
