"""A desk asked directly: the adapter of ports.Fetch for tests of the worker (tests/contract/test_fetch.py)."""

from __future__ import annotations

from collections.abc import Mapping

from services.intake.core.pull.port import Answer, Request, Unreached
from shared.clock import Clock
from shared.contracts.instants import from_us
from tests.servers.desks.desk import Desk
from tests.unit.intake.pull.driving import ask


class DeskFetch:
    """Asks one desk without a network."""

    def __init__(self, desk: Desk, credentials: Mapping[str, str], clock: Clock) -> None:
        self._desk, self._credentials, self._clock = desk, dict(credentials), clock

    async def get(self, request: Request) -> Answer | Unreached:
        """See `ports.Fetch.get`."""
        return ask(self._desk, request, self._credentials, from_us(self._clock.now_us()))
