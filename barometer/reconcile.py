"""`barometer reconcile SNAPSHOT`: the backlog held against a list of what is open at the source.

A webhook that was lost leaves a ghost, which stays the oldest ticket for ever, or a ticket that nobody sees.
What differs is published like anybody's event, as of the instant the list was taken: whatever the source said
after it still counts, so the command may run beside live traffic, and twice (docs/reconcile.md).
"""

from __future__ import annotations

import asyncio
import json as json_
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from cyclopts import Parameter

from barometer.bus import append, opened_bus
from barometer.config import aging_database
from barometer.db import migrations_of
from barometer.exits import Refused, reported
from barometer.import_log import definition_for
from barometer.instants import parse_instant
from barometer.mapping import LogMapping, load_mapping
from barometer.places import bus_address, configuration_path, environment
from barometer.progress import progress
from barometer.reconciled import Report, tell
from barometer.snapshot import Snapshot, mapping_by_names
from barometer.verdict import Verdict, missing, of_listed, of_unlisted, over
from services.aging.adapters.sql import SqlAgingStore
from services.aging.ports import Cursor, TicketFilter, TicketRow
from services.intake.core.corrections import Correction
from services.intake.core.explain import is_plain_text
from services.intake.core.rejection import Rejection
from shared.bus.port import Bus
from shared.clock import SystemClock
from shared.codec import to_outgoing
from shared.configuration.loader import load
from shared.configuration.models import DEFAULT_TENANT
from shared.contracts.instants import from_us, rfc3339, to_us
from shared.contracts.tickets import OPEN_STATUSES, SUBJECT_CHARACTERS_MAX, Observation
from shared.runtime.process import Exit
from shared.sql.engine import opened
from shared.sql.migrate import check

TICKETS_AT_ONCE: Final = 1_000
LISTED_MAX: Final = 5_000_000
"""Keys of the list are held, with a digest of each row about 250 bytes, to know who is not in it."""

_Flag = Annotated[bool, Parameter(negative="")]


class Asked(NamedTuple):
    """What was asked for."""

    snapshot: Path
    mapping: LogMapping
    source: str
    tenant: str
    as_of: datetime
    now: datetime
    correction: Correction
    reason: str
    address: str
    database: str
    config: Path | None
    dry_run: bool
    empty: bool
    quiet: bool


def reconcile(
    snapshot: Path,
    /,
    *,
    as_of: str,
    source: str | None = None,
    tenant: str = DEFAULT_TENANT,
    mapping: Path | None = None,
    reason: str | None = None,
    close: _Flag = False,
    void: _Flag = False,
    empty: _Flag = False,
    dry_run: _Flag = False,
    data: Path | None = None,
    bus: str | None = None,
    database: str | None = None,
    config: Path | None = None,
    json: _Flag = False,
) -> int:
    """Hold the backlog against a list of what is open at the source, and publish what differs.

    Args:
        snapshot: The list (CSV or NDJSON, gzip or not): a column `id`, and fields of a ticket.
        as_of: The instant the list was taken, such as 2026-01-01T00:00:00Z.
        source: Whose list it is; by default the mapping's source.
        tenant: Whose tickets these are.
        mapping: What its columns mean, as for `barometer import`; its times are not read.
        reason: Why; it stays with each ticket.
        close: Close what is open here and not in the list (the default).
        void: Or say that it was no ticket.
        empty: Nothing is open at the source: an empty list is no mistake.
        dry_run: Only say what would be done.
        data: The data directory of `barometer serve` (it may be running).
        bus: Or the bus: kafka://host:port or embedded:DIR.
        database: And aging's database, if the bus is Kafka; by default BAROMETER_DATABASE.
        config: The configuration, for the maps of the source.
        json: Print the report as JSON.
    """

    def done() -> int:
        address = bus_address(data, bus)
        instant, now = parse_instant("--as-of", as_of), from_us(SystemClock().now_us())
        if instant > now:
            raise Refused(f"--as-of {as_of} lies ahead: give the instant the list was taken")
        known = mapping_by_names(snapshot) if mapping is None else load_mapping(mapping)
        asked = Asked(
            snapshot,
            known,
            source or known.source,
            tenant,
            instant,
            now,
            _correction(close=close, void=void),
            _reason(reason, instant),
            address,
            _database(address, database),
            config,
            dry_run=dry_run,
            empty=empty,
            quiet=json,
        )
        return _finish(asyncio.run(_reconcile(asked)), as_json=json)

    return reported(done)


def _correction(*, close: bool, void: bool) -> Correction:
    if close and void:
        raise Refused("give either --close or --void, not both")
    return Correction.VOID if void else Correction.CLOSE


def _reason(given: str | None, as_of: datetime) -> str:
    why = f"not as in the list of {rfc3339(to_us(as_of))}" if given is None else given
    # Rows of the list carry it, too, and must not be the first to find it unfit.
    if not 0 < len(why) <= SUBJECT_CHARACTERS_MAX or not is_plain_text(why):
        raise Refused(f"--reason takes 1 to {SUBJECT_CHARACTERS_MAX} characters, no control characters")
    return why


def _database(address: str, named: str | None) -> str:
    url = aging_database(address, named)
    if url is None:
        raise Refused("aging has no database there yet; name it with --data or --database")
    return url


async def _reconcile(asked: Asked) -> Report:
    configuration = load(configuration_path(asked.config))
    snapshot = Snapshot(
        asked.snapshot,
        asked.mapping,
        definition=definition_for(configuration, asked.tenant, asked.source),
        as_of=asked.as_of,
        received_at=asked.now,
    )
    report = Report(asked.tenant, asked.source, asked.as_of, snapshot.statistics, dry_run=asked.dry_run)
    async with opened_bus(asked.address, environment()) as bus, opened(asked.database) as engine:
        await check(engine, migrations_of("aging"))
        work = _Work(asked, SqlAgingStore(engine), bus, report)  # the store is only read
        with progress("reconciling", "tickets", quiet=asked.quiet) as told:
            for seen in _chunks(snapshot):
                await work.listed(seen)
                told(snapshot.fraction, report.compared)
            await work.unlisted()
    return report


def _chunks(snapshot: Snapshot) -> Iterator[Sequence[Observation]]:
    rows = iter(snapshot)
    while chunk := list(islice(rows, TICKETS_AT_ONCE)):
        yield chunk


class _Work:
    """One run: first who is in the list, then who is not."""

    def __init__(self, asked: Asked, store: SqlAgingStore, bus: Bus, report: Report) -> None:
        self._asked = asked
        self._store = store
        self._bus = bus
        self._report = report
        self._listed: set[str] = set()
        self._as_of_us = to_us(asked.as_of)

    async def listed(self, seen: Sequence[Observation]) -> None:
        """Publish those of `seen`, rows of the list, that are not open here."""
        found: dict[str, Observation] = {}
        for one in seen:
            if one.fields.status in OPEN_STATUSES or not one.fields.status:
                found.setdefault(one.ticket, one)
            else:
                self._report.not_open += 1
        new = [key for key in found if key not in self._listed]
        self._listed.update(new)
        if len(self._listed) > LISTED_MAX:
            raise Refused(f"the list has more than {LISTED_MAX} tickets; take it by parts of the source")
        rows = await self._store.load_tickets([(self._asked.tenant, key) for key in new])
        sent: list[Observation] = []
        for key in new:
            verdict = of_listed(rows.get((self._asked.tenant, key)), self._as_of_us)
            self._report.count(verdict, key)
            if verdict.is_missing:
                sent.append(missing(found[key], verdict, why=self._asked.reason))
        await self._send(sent)

    async def unlisted(self) -> None:
        """End those that are open here and not in the list, if the list can be trusted to be whole."""
        if not (self._listed or self._report.statistics.rejected or self._asked.empty):
            raise Refused(
                "no open ticket is in the list, so all would be ended; if that is right, say --empty"
            )
        async for rows in self._open():
            ghosts = [row for row in rows if self._is_ghost(row)]
            if self._report.is_whole:
                await self._send([self._over(row) for row in ghosts])

    def _is_ghost(self, row: TicketRow) -> bool:
        if row.ticket in self._listed:
            return False
        verdict = of_unlisted(row, self._as_of_us)
        self._report.count(verdict, row.ticket)
        return verdict is Verdict.GHOST

    def _over(self, row: TicketRow) -> Observation:
        asked = self._asked
        outcome = over(asked.correction, row, why=asked.reason, as_of=asked.as_of, received_at=asked.now)
        if isinstance(outcome, Rejection):
            raise Refused(f"{row.ticket}: {outcome.detail}")
        return outcome

    async def _open(self) -> AsyncIterator[Sequence[TicketRow]]:
        asked = self._asked
        wanted = TicketFilter(asked.tenant, open=True, dimensions=(("source", (asked.source,)),))
        after: Cursor | None = None
        while rows := await self._store.find(wanted, after=after, newest_first=False, limit=TICKETS_AT_ONCE):
            yield rows
            after = Cursor(rows[-1].aged_from_us, rows[-1].ticket)

    async def _send(self, observations: Sequence[Observation]) -> None:
        if observations and not self._asked.dry_run:
            await append(self._bus, [to_outgoing(one) for one in observations])
            self._report.sent += len(observations)


def _finish(report: Report, *, as_json: bool) -> int:
    if as_json:
        print(json_.dumps(report.document(), indent=2))
    else:
        tell(report)
    return Exit.CLEAN if report.is_whole else Exit.CRASH
