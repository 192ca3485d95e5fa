"""The threads of e-mail in memory: which mail belongs to which ticket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from services.intake.core.mail.shown import Thread
from tests.simulation.point import Point
from tests.simulation.stores.session import Session
from tests.simulation.stores.tables import Database, Table

DAY_US: Final = 86_400_000_000


class ThreadRow(NamedTuple):
    """A mail that came, or (`awaited`) one that a mail before it named, and its ticket."""

    tenant: str
    source: str
    mail: str
    awaited: bool
    ticket: str
    at_us: int


class ThreadsDatabase(Database):
    """What a database of intake holds. Survives the processes that use it."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        super().__init__(now_ms)
        self.threads = Table(self, ThreadRow, key=("tenant", "source", "mail", "awaited"))

    def join(self, mailbox: tuple[str, str], thread: Thread, at_us: int) -> str:
        """Find the ticket of a mail and remember the mail as its, inside a transaction."""
        ticket = thread.tagged or self._found(mailbox, thread) or thread.fresh
        self.threads.put_missing(ThreadRow(*mailbox, thread.mail, False, ticket, at_us))
        for mail in thread.answers:
            if mail != thread.mail:
                self.threads.put_missing(ThreadRow(*mailbox, mail, True, ticket, at_us))
        return ticket

    def forget(self, before_us: int) -> None:
        """Delete what is older than `before_us`, inside a transaction."""
        for row in self.threads.rows():
            if row.at_us < before_us:
                self.threads.remove(*row[:4])

    def forget_ticket(self, tenant: str, source: str, ticket: str) -> None:
        """Delete the mails of a ticket, inside a transaction."""
        for row in self.threads.rows():
            if (row.tenant, row.source, row.ticket) == (tenant, source, ticket):
                self.threads.remove(*row[:4])

    def _found(self, mailbox: tuple[str, str], thread: Thread) -> str | None:
        asked = [(thread.mail, False), (thread.mail, True), *((mail, False) for mail in thread.answers)]
        for mail, awaited in asked:
            row = self.threads.get(*mailbox, mail, awaited)
            if row is not None:
                return row.ticket
        return None


class SimulatedThreads(Session):
    """Threads over a database in memory."""

    def __init__(self, database: ThreadsDatabase, point: Point, *, kept_days: int) -> None:
        """Forget a mail `kept_days` after it came."""
        super().__init__(database, point)
        self._db = database
        self._kept_us = kept_days * DAY_US

    async def join(self, tenant: str, source: str, thread: Thread, *, at_us: int) -> str:
        """Return the ticket that a mail belongs to, and remember the mail as its."""

        def joined() -> str:
            self._db.forget(at_us - self._kept_us)
            return self._db.join((tenant, source), thread, at_us)

        return await self._write("join", joined)

    async def forget(self, tenant: str, source: str, ticket: str) -> None:
        """Forget every mail of the ticket."""
        await self._write("forget", lambda: self._db.forget_ticket(tenant, source, ticket))
