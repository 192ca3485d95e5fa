"""`barometer remap SOURCE`: what the source showed, read again after its maps were mended.

A word that no map knew said nothing, and one that was mapped wrongly said the wrong thing; the word itself is
kept with every mark. So nothing has to be sent again by the source: what today's maps make of the newest word
of each ticket is published where it differs (docs/remap.md).
"""

from __future__ import annotations

import asyncio
import json as json_
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from cyclopts import Parameter
from sqlalchemy import Connection, func, select

from barometer.bus import append, opened_bus
from barometer.config import aging_database
from barometer.db import migrations_of
from barometer.exits import Refused, reported
from barometer.import_log import definition_for
from barometer.places import bus_address, configuration_path, environment
from barometer.progress import progress
from barometer.remapped import Remapped, Remapper
from services.aging.adapters.sql import SqlAgingStore
from services.aging.adapters.tables import TICKETS
from services.aging.core.mark import decode_mark
from services.aging.core.ticket import decode_ticket
from services.aging.ports import BodyRow, TicketFilter
from services.intake.core.definition import SourceDefinition
from shared.bus.port import Bus
from shared.clock import SystemClock
from shared.codec import to_outgoing
from shared.configuration.loader import load
from shared.configuration.models import DEFAULT_TENANT
from shared.contracts.instants import from_us
from shared.sql.engine import opened, read
from shared.sql.migrate import check

SHOWN_MAX: Final = 10
"""Changes told one by one; all are counted."""

_Flag = Annotated[bool, Parameter(negative="")]


class _Report:
    """What was found and done."""

    def __init__(self, *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.tickets = 0
        self.changed = 0
        self.sent = 0
        self.first: list[str] = []

    def count(self, found: Sequence[Remapped]) -> None:
        """Count the changes of one ticket."""
        self.changed += bool(found)
        self.first += [one.told for one in found][: SHOWN_MAX - len(self.first)]

    def tell(self, *, as_json: bool) -> None:
        """Print the report."""
        if as_json:
            counts = {"tickets": self.tickets, "changed": self.changed, "sent": self.sent}
            print(json_.dumps({"dry_run": self.dry_run, **counts, "first": self.first}, indent=2))
            return
        for line in self.first:
            print(line)
        done = "nothing sent: a dry run" if self.dry_run else f"{self.sent} observations sent"
        print(f"{self.tickets} tickets, {self.changed} differ by the maps of now; {done}")


class _Asked(NamedTuple):
    """What was asked for."""

    definition: SourceDefinition
    database: str
    address: str
    now: datetime
    dry_run: bool
    quiet: bool


def remap(
    source: str,
    /,
    *,
    tenant: str = DEFAULT_TENANT,
    dry_run: _Flag = False,
    data: Path | None = None,
    bus: str | None = None,
    database: str | None = None,
    config: Path | None = None,
    json: _Flag = False,
) -> int:
    """Read the words of a source again by its mended maps, and publish what differs.

    Args:
        source: Whose maps were mended.
        tenant: Whose tickets these are.
        dry_run: Only say what would be done.
        data: The data directory of `barometer serve` (it may be running).
        bus: Or the bus: kafka://host:port or embedded:DIR.
        database: And aging's database, if the bus is Kafka; by default BAROMETER_DATABASE.
        config: The configuration with the mended maps.
        json: Print the report as JSON.
    """

    def done() -> int:
        address = bus_address(data, bus)
        url = aging_database(address, database)
        if url is None:
            raise Refused("aging has no database there yet; name it with --data or --database")
        definition = definition_for(load(configuration_path(config)), tenant, source)
        now = from_us(SystemClock().now_us())
        asked = _Asked(definition, url, address, now, dry_run=dry_run, quiet=json)
        asyncio.run(_remap(asked)).tell(as_json=json)
        return 0

    return reported(done)


async def _remap(asked: _Asked) -> _Report:
    report = _Report(dry_run=asked.dry_run)
    definition = asked.definition
    wanted = TicketFilter(definition.tenant, dimensions=(("source", (definition.name,)),))
    async with opened_bus(asked.address, environment()) as bus, opened(asked.database) as engine:
        await check(engine, migrations_of("aging"))
        store = SqlAgingStore(engine)  # only read: nothing is prepared or upgraded
        number = await read(engine, partial(_number, wanted=definition))
        with progress("remapping", "tickets", quiet=asked.quiet) as told:
            async with aclosing(store.bodies(wanted)) as chunks:
                async for rows in chunks:
                    await _read_again(rows, store, bus, asked, report)
                    told(min(1.0, report.tickets / max(number, 1)), report.tickets)
    return report


def _number(connection: Connection, *, wanted: SourceDefinition) -> int:
    """Return about how many tickets there are: some may come before they are walked through."""
    t = TICKETS.c
    own = (t.tenant == wanted.tenant, t.source == wanted.name)
    return connection.execute(select(func.count()).select_from(TICKETS).where(*own)).scalar_one()


async def _read_again(
    rows: Sequence[BodyRow], store: SqlAgingStore, bus: Bus, asked: _Asked, report: _Report
) -> None:
    remapper = Remapper(asked.definition, asked.now)
    tenant = asked.definition.tenant
    timelines = await store.load_marks([(tenant, row.ticket) for row in rows])
    found: list[Remapped] = []
    for row in rows:
        marks = [decode_mark(mark.body) for mark in timelines.get((tenant, row.ticket), ())]
        changes = remapper.changes(row.ticket, decode_ticket(row.body), marks)
        report.count(changes)
        found += changes
    report.tickets += len(rows)
    if found and not asked.dry_run:
        await append(bus, [to_outgoing(one.observation) for one in found])
        report.sent += len(found)
