"""The threads of e-mail on SQL: which mail belongs to which ticket, for as long as replies are expected.

One transaction finds the ticket and remembers the mail, so of two mails of one thread that come at once the
second finds the first. Old rows go with new ones coming, so no job is needed and the table stays bounded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, delete, select

from services.intake.adapters.tables import THREADS
from services.intake.core.mail.shown import Thread
from shared.sql.engine import Engine, opened, transaction
from shared.sql.migrate import prepare
from shared.sql.upsert import delete_by_keys, insert_missing, select_by_keys

MIGRATIONS: Final = Path(__file__).parent.parent / "migrations"
FORGOTTEN_AT_ONCE_MAX: Final = 500
"""Rows deleted with one mail, more than it can add (REFERENCES_MAX): the table shrinks faster than it grows."""
DAY_US: Final = 86_400_000_000

_KEY: Final = ("tenant", "source", "mail", "awaited")
_t = THREADS.c


class SqlThreads:
    """`ports.Threads` on SQLite and Postgres."""

    def __init__(self, engine: Engine, *, kept_days: int) -> None:
        """Forget a mail `kept_days` after it came."""
        self._engine = engine
        self._kept_us = kept_days * DAY_US

    async def prepare(self) -> None:
        """Bring the schema up to date (SQLite) or check it (Postgres). Raises StoreMisconfigured."""
        await prepare(self._engine, MIGRATIONS)

    async def join(self, tenant: str, source: str, thread: Thread, *, at_us: int) -> str:
        """See `ports.Threads.join`."""
        return await transaction(
            self._engine,
            lambda connection: _join(connection, (tenant, source), thread, at_us, self._kept_us),
        )

    async def forget(self, tenant: str, source: str, ticket: str) -> None:
        """See `ports.Threads.forget`."""
        await transaction(self._engine, lambda connection: _forget_ticket(connection, tenant, source, ticket))


@asynccontextmanager
async def open_threads(url: str, *, kept_days: int) -> AsyncIterator[SqlThreads]:
    """Give the store at `url`, with its schema checked, and close it. Raises StoreError."""
    async with opened(url) as engine:
        threads = SqlThreads(engine, kept_days=kept_days)
        await threads.prepare()
        yield threads


def _forget_ticket(connection: Connection, tenant: str, source: str, ticket: str) -> None:
    # No index is worth its price for this: it looks through the mails of one source, seldom.
    connection.execute(delete(THREADS).where(_t.tenant == tenant, _t.source == source, _t.ticket == ticket))


def _join(connection: Connection, mailbox: tuple[str, str], thread: Thread, at_us: int, kept_us: int) -> str:
    _forget(connection, at_us - kept_us)
    ticket = thread.tagged or _found(connection, mailbox, thread) or thread.fresh
    rows = [(*mailbox, thread.mail, False, ticket, at_us)]
    rows += [(*mailbox, mail, True, ticket, at_us) for mail in thread.answers if mail != thread.mail]
    insert_missing(connection, THREADS, rows)
    if thread.tagged is not None:
        return thread.tagged
    # On Postgres another process may have remembered this very mail meanwhile; the first one counts.
    return _known(connection, mailbox, [thread.mail])[thread.mail, False]


def _found(connection: Connection, mailbox: tuple[str, str], thread: Thread) -> str | None:
    known = _known(connection, mailbox, [thread.mail, *thread.answers])
    wanted = [(thread.mail, False), (thread.mail, True), *((mail, False) for mail in thread.answers)]
    return next((known[one] for one in wanted if one in known), None)


def _known(connection: Connection, mailbox: tuple[str, str], mails: list[str]) -> dict[tuple[str, bool], str]:
    keys = [(*mailbox, mail) for mail in dict.fromkeys(mails)]
    rows = select_by_keys(connection, THREADS, keys, by=("tenant", "source", "mail"))
    return {(mail, awaited): ticket for _, _, mail, awaited, ticket, _ in rows}


def _forget(connection: Connection, before_us: int) -> None:
    oldest = select(*(_t[name] for name in _KEY)).where(_t.at_us < before_us).order_by(_t.at_us)
    keys = [tuple(row) for row in connection.execute(oldest.limit(FORGOTTEN_AT_ONCE_MAX))]
    if keys:
        delete_by_keys(connection, THREADS, keys)
