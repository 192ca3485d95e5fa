"""A stock of open tickets in aging's database, made in bulk: what a partition finds when it starts.

A million tickets folded one by one would take longer than all that is to be measured. So some thousand
are really folded (three observations each, over the last three weeks), and each of them is written under
as many keys as it takes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain, cycle, islice
from typing import Any, Final

import asyncpg
import msgspec
from sqlalchemy.engine import make_url

from bench.aging_log import SPAN_US, made_up
from services.aging.adapters.sql import MIGRATIONS, SqlAgingStore
from services.aging.adapters.tables import TICKETS
from services.aging.core.note import Note, encode_note
from services.aging.core.terms import Terms
from services.aging.ports import AgingChanges, TicketRow
from services.aging.settings import default_terms
from services.aging.worker import AgingLogic, Placement
from shared.bus.port import LogIdentity, Record
from shared.clock import SystemClock
from shared.codec import to_outgoing
from shared.contracts.configuration import ConfigVersion
from shared.contracts.instants import SECOND_US, from_us, to_us
from shared.contracts.tickets import Observation, Priority, TicketFields
from shared.contracts.topics import EVENTS
from shared.runtime.port import Commit
from shared.sql.engine import opened
from shared.sql.migrate import upgrade

FOLDED: Final = 20_000
OBSERVATIONS_OF_A_TICKET: Final = 3
DAY_US: Final = 86_400 * SECOND_US
AGES_US: Final = 21 * DAY_US
CROSSING: Final = "crossing"
"""The source of the tickets whose crossings are watched."""
PLACEMENT: Final = Placement(partition=0, events_partitions=1, cells_partitions=1)
LOG: Final = LogIdentity(cluster="bench", topic=EVENTS.name, topic_id="1", partitions=1)


class NoConfigurations:
    """Of a log without configuration records."""

    async def version(self, number: int) -> ConfigVersion:
        """Nobody asks."""
        raise AssertionError(number)


async def fill_stock(
    url: str,
    tickets: int,
    *,
    log: LogIdentity = LOG,
    crossings_us: Sequence[int] = (),
    terms: Terms | None = None,
) -> None:
    """Create the schema at `url` and write `tickets` open tickets to partition 0, as committed just now.

    Beside them one for each of `crossings_us`, which is a day old then. `terms` are those that ship if None.
    """
    now_us = SystemClock().now_us()
    async with opened(url) as engine:
        await upgrade(engine, MIGRATIONS)
    async with SqlAgingStore.open(url) as store:
        taken = await store.take_over(log, 0, owner="bench", known=None)
        logic = AgingLogic(store, NoConfigurations(), PLACEMENT, terms or default_terms())
        await logic.load(taken)
        records = [*_records(now_us), *_crossing(crossings_us, now_us)]
        folded = await logic.fold(records, from_us=0, until_us=now_us)
        some = [row for row in folded.changes.tickets if row.open]
        crossing = [row for row in some if row.source == CROSSING]
        rows = chain(crossing, _under_many_keys([row for row in some if row.source != CROSSING], tickets))
        if url.startswith("sqlite"):
            _write_sqlite(make_url(url).database or "", rows)
        else:
            await _write_postgres(url, rows)
        await store.commit(
            Commit(
                topic=log.topic, partition=0, epoch=taken.epoch, position=0, clock_us=now_us, note=encode_note(Note(read=True)),
                confirmed=-1, block=None, changes=AgingChanges(),
            )
        )  # fmt: skip


def _records(now_us: int) -> Iterator[Record]:
    # Made up within an hour; here each hour's fraction is that fraction of three weeks.
    for offset, one in enumerate(made_up(FOLDED * OBSERVATIONS_OF_A_TICKET, FOLDED)):
        ago_us = min(now_us - to_us(one.time), SPAN_US) * (AGES_US // SPAN_US)
        time = from_us(now_us - ago_us)
        out = to_outgoing(msgspec.structs.replace(one, time=time, received_at=time))
        yield Record(out.topic, 0, offset, now_us, out.key, out.value, out.headers)


def _crossing(crossings_us: Sequence[int], now_us: int) -> Iterator[Record]:
    for number, at_us in enumerate(crossings_us):
        time = from_us(at_us - DAY_US)
        out = to_outgoing(
            Observation(
                tenant="default", source=CROSSING, ticket=f"{CROSSING}:{number}", id=f"{number}", time=time,
                received_at=time, fields=TicketFields(queue="tier1-1", priority=Priority.P4),
            )
        )  # fmt: skip
        yield Record(out.topic, 0, number, now_us, out.key, out.value, out.headers)


def _under_many_keys(rows: list[TicketRow], tickets: int) -> Iterator[tuple[Any, ...]]:
    for number, row in enumerate(islice(cycle(rows), tickets)):
        yield row._replace(ticket=f"servicenow:INC{number:07}")


def _write_sqlite(path: str, rows: Iterator[tuple[Any, ...]]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    places = ", ".join("?" for _ in TICKETS.columns)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(f"INSERT INTO tickets VALUES ({places})", rows)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _write_postgres(url: str, rows: Iterator[tuple[Any, ...]]) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.copy_records_to_table("tickets", records=rows)
    await connection.execute("VACUUM ANALYZE tickets")
    await connection.close()
