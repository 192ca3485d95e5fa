"""The cursors of mailboxes and help desks on SQL: how far each was read, held by one reader at a time.

Without a holder two processes would read a mailbox side by side, and the slower one would set the cursor
back. The row's epoch fences it as a partition's does (shared/sql/journal.py): taking the cursor raises it, a
save names it. Until when it is held is the holder's wall clock; if clocks differ, two may read for as long,
which is harmless.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, or_, select, update

from services.intake.adapters.tables import CURSORS
from services.intake.ports import CursorKey, HeldCursor
from shared.sql.engine import Engine, read, transaction
from shared.sql.port import NotOwner
from shared.sql.upsert import insert_missing

_c = CURSORS.c
_FRESH: Final = (b"", 0, 0, "", 0)
"""Body, at_us, epoch, holder, held_until_us of a cursor that nobody ever took."""


class SqlCursors:
    """`ports.Cursors` on SQLite and Postgres."""

    def __init__(self, engine: Engine) -> None:
        """Use the database of `engine`, whose schema is up to date."""
        self._engine = engine

    async def take(self, key: CursorKey, *, holder: str, now_us: int, until_us: int) -> HeldCursor | None:
        """See `ports.Cursors.take`."""
        free = or_(_c.held_until_us <= now_us, _c.holder == holder)
        taking = (
            update(CURSORS)
            .where(*_row(key), free)
            .values(epoch=_c.epoch + 1, holder=holder, held_until_us=until_us)
            .returning(_c.epoch, _c.body)
        )

        def work(connection: Connection) -> HeldCursor | None:
            insert_missing(connection, CURSORS, [(*key, *_FRESH)])
            taken = connection.execute(taking).one_or_none()
            return None if taken is None else HeldCursor(taken.epoch, taken.body)

        return await transaction(self._engine, work)

    async def save(self, key: CursorKey, body: bytes, *, epoch: int, at_us: int, until_us: int) -> None:
        """See `ports.Cursors.save`."""
        saving = (
            update(CURSORS)
            .where(*_row(key), _c.epoch == epoch)
            .values(body=body, at_us=at_us, held_until_us=until_us)
            .returning(_c.epoch)
        )

        def work(connection: Connection) -> None:
            if connection.execute(saving).one_or_none() is None:
                raise NotOwner(f"the cursor of {'/'.join(key)} was taken by another process")

        await transaction(self._engine, work)

    async def release(self, key: CursorKey, *, epoch: int) -> None:
        """See `ports.Cursors.release`."""
        releasing = update(CURSORS).where(*_row(key), _c.epoch == epoch).values(held_until_us=0)
        await transaction(self._engine, lambda connection: connection.execute(releasing).close())

    async def load(self, key: CursorKey) -> bytes:
        """See `ports.Cursors.load`."""
        body = select(_c.body).where(*_row(key))
        found = await read(self._engine, lambda connection: connection.scalar(body))
        return found or b""


def _row(key: CursorKey) -> tuple[Any, ...]:
    return (_c.tenant == key.tenant, _c.source == key.source, _c.kind == key.kind)
