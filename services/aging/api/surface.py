"""What the routes need, given to them once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from services.aging.api.terms import TermsOf
from services.aging.core.age import AgeVersion
from services.aging.core.mark import Mark
from services.aging.core.terms import Terms
from services.aging.core.ticket import Ticket
from services.aging.core.timeline import BARE
from services.aging.core.worklist import WorkOrder
from services.aging.ports import AgingQueries
from shared.clock import Clock
from shared.contracts.instants import from_us
from shared.contracts.tickets import MessageMark
from shared.http.keys import Keyring, Principal
from shared.http.problems import Problem

PAST_QUESTIONS_AT_ONCE: Final = 2
"""Counting a past instant again, or putting all tickets in order, is seconds of work on a large backlog; the
others wait their turn."""


class AsOf(Protocol):
    """The ticket as it truly was at an instant, by its whole timeline in order; None: not yet created."""

    def __call__(
        self, marks: Iterable[Mark], at_us: int, *, terms: Terms = BARE, messages: Sequence[MessageMark] = ()
    ) -> Ticket | None:
        """Return the ticket at `at_us`, its promises judged by `terms`; `messages` are those of absorbed tickets."""
        ...


Arrange = Callable[[int, AgeVersion], WorkOrder]
"""Gives the order of work at an instant, as the configuration wants it; the age edges say what is old."""


@dataclass(frozen=True, slots=True)
class Surface:
    """The read API's dependencies. `age` gives the edges and buckets in force, `terms` those of each partition."""

    queries: AgingQueries
    clock: Clock
    keyring: Keyring
    age: Callable[[], AgeVersion]
    as_of: AsOf
    terms: TermsOf
    arrange: Arrange = WorkOrder
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PAST_QUESTIONS_AT_ONCE))

    def tenant(self, principal: Principal, asked: str | None) -> str:
        """Return the tenant to answer for; a key sees its own only, the local user any."""
        if asked is None or asked == principal.tenant:
            return principal.tenant
        if self.keyring:
            raise Problem("forbidden", 403, "this key reads its own tenant only")
        return asked

    async def known_until(self) -> datetime | None:
        """Return up to where all partitions were taken in; None if nothing was ever read."""
        clocks = [clock_us for _, clock_us, _ in await self.queries.clocks()]
        return from_us(min(clocks)) if clocks else None
