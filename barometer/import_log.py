"""`barometer import`: a historic log onto the bus, through intake's normaliser.

An import is a run: its begin and end are marked in every partition, so that tickets first seen in it
sleep until all of it is there, and nobody is paged for the past (docs/import.md). Rows are numbered
before they are shuffled or parted, so several imports, in any order, give the same tickets. The run is
ended whatever happens: a run left open would leave its tickets asleep.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from barometer.bus import append, opened_bus
from barometer.exits import Refused, complain, reported
from barometer.log import LogReader, LogStatistics
from barometer.mapping import load_mapping
from barometer.places import bus_address, configuration_path, environment
from barometer.progress import progress
from services.intake.core.arrival import Arrival
from services.intake.core.definition import SourceDefinition, index
from services.intake.settings import definitions_of, protection_of
from shared.bus.port import Bus, Outgoing
from shared.clock import SystemClock, monotonic_seconds
from shared.codec import to_every_partition, to_outgoing
from shared.configuration.loader import load
from shared.configuration.models import DEFAULT_TENANT, Configuration
from shared.contracts.event_id import derived_id
from shared.contracts.instants import from_us
from shared.contracts.tickets import TEXT_CHARACTERS_MAX, RunBegan, RunEnded
from shared.contracts.topics import EVENTS
from shared.runtime.process import Exit

BATCH_DEFAULT: Final = 1_000
BATCH_MAX: Final = 10_000
SHUFFLED_MAX: Final = 2_000_000
"""A shuffle holds the whole log, about a kilobyte an observation."""
RUN_CHARACTERS: Final = 16

_Flag = Annotated[bool, Parameter(negative="")]


@dataclass(frozen=True, slots=True)
class Part:
    """Which rows are ours: those whose number modulo `of` is `index`."""

    index: int
    of: int

    @classmethod
    def parse(cls, written: str | None) -> Part:
        """Return what `2/4` says; everything for None. Raises Refused."""
        if written is None:
            return cls(0, 1)
        own, slash, of = written.partition("/")
        if not (slash and own.isdecimal() and of.isdecimal() and 1 <= int(own) <= int(of)):
            raise Refused(f"--part {written}: write I/N with I from 1 to N, such as 2/4")
        return cls(int(own) - 1, int(of))


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    log: Path
    mapping: Path
    address: str
    config: Path | None
    tenant: str
    run: str
    batch: int
    shuffle: int | None
    part: Part
    quiet: bool


@dataclass(slots=True)
class Report:
    """What was done."""

    run: str
    statistics: LogStatistics
    sent: int
    tickets: int
    seconds: float

    def document(self) -> dict[str, Any]:
        """Return the report as JSON."""
        statistics = self.statistics
        return {
            "run": self.run,
            "rows": statistics.rows,
            "observations": statistics.observations,
            "sent": self.sent,
            "tickets": self.tickets,
            "repeats": statistics.repeats,
            "rejected": dict(statistics.rejected),
            "rejections": [one._asdict() for one in statistics.rejections],
            "unmapped": [
                {"field": member, "word": word, "rows": rows}
                for (member, word), rows in statistics.unmapped.most_common()
            ],
            "seconds": round(self.seconds, 3),
            "observations_per_second": round(self.sent / max(self.seconds, 1e-3)),
        }


def import_log(
    log: Path,
    /,
    *,
    mapping: Path,
    data: Path | None = None,
    bus: str | None = None,
    config: Path | None = None,
    tenant: str = DEFAULT_TENANT,
    run: str | None = None,
    batch: int = BATCH_DEFAULT,
    shuffle: int | None = None,
    part: str | None = None,
    strict: _Flag = False,
    json: _Flag = False,
) -> int:
    """Send a historic log (CSV, NDJSON, gzip or not) to the bus.

    Args:
        log: The log.
        mapping: What its columns mean.
        data: The data directory of `barometer serve` (it may be running).
        bus: Or the bus: kafka://host:port or embedded:DIR.
        config: The configuration, for the maps of the source.
        tenant: Whose tickets these are.
        run: The name of this import; by default one of log, mapping, tenant and part.
        batch: Observations in one append.
        shuffle: Send the rows in another order, drawn from this seed.
        part: Send only part I of N, such as 2/4; the other parts may come before, beside or later.
        strict: Fail if any row could not be used.
        json: Print the summary as JSON.
    """

    def options() -> Options:
        return Options(
            log=log,
            mapping=mapping,
            address=bus_address(data, bus),
            config=config,
            tenant=tenant,
            run=_run_name(run),
            batch=_batch(batch),
            shuffle=shuffle,
            part=Part.parse(part),
            quiet=json,
        )

    return reported(lambda: _finish(_run(options()), strict=strict, as_json=json))


def _run(options: Options) -> Report:
    return asyncio.run(_import(options, environment()))


def _run_name(run: str | None, *what: str) -> str:
    if run is None:
        # Of what is imported, not drawn: an import that was killed left its run open and its tickets asleep,
        # and the same command again ends that very run.
        return f"import-{derived_id(*what)[:RUN_CHARACTERS]}"
    if not 0 < len(run) <= TEXT_CHARACTERS_MAX or not run.isprintable():
        raise Refused(f"--run takes 1 to {TEXT_CHARACTERS_MAX} printable characters")
    return run


def _place(path: Path) -> str:
    return os.fsencode(path.resolve()).hex()  # whatever bytes a file's name has


def _batch(batch: int) -> int:
    if not 1 <= batch <= BATCH_MAX:
        raise Refused(f"--batch takes 1 to {BATCH_MAX}")
    return batch


def definition_for(configuration: Configuration, tenant: str, source: str) -> SourceDefinition:
    """Return the source as configured, or a plain one: a log may be of a source that is long gone."""
    if tenant not in {one.name for one in configuration.tenants}:
        raise Refused(f"the tenant `{tenant}` is not configured; add it to `tenants`, or name another")
    known = index(definitions_of(configuration, environment()))
    siblings = frozenset(name for owner, name in known if owner == tenant)
    return known.get((tenant, source)) or SourceDefinition(
        tenant, source, siblings=siblings, protection=protection_of(configuration, environment())
    )


async def _import(options: Options, known: Mapping[str, str]) -> Report:
    clock = SystemClock()
    mapping = load_mapping(options.mapping)
    configuration = load(configuration_path(options.config))
    arrival = Arrival.at(from_us(clock.now_us()))
    reader = LogReader(
        options.log,
        mapping,
        definition=definition_for(configuration, options.tenant, mapping.source),
        arrival_of=lambda _: arrival,
        run=options.run,
    )
    _cancel_on_sigterm()
    begin = monotonic_seconds()
    async with opened_bus(options.address, known) as bus:
        partitions = (await bus.identity(EVENTS)).partitions
        began = RunBegan(run=options.run, at=from_us(clock.now_us()))
        try:
            await append(bus, to_every_partition(began, partitions))
            sent, tickets = await _send(bus, reader, options)
        finally:
            ended = RunEnded(run=options.run, at=from_us(clock.now_us()))
            await append(bus, to_every_partition(ended, partitions))
    return Report(options.run, reader.statistics, sent, tickets, monotonic_seconds() - begin)


async def _send(bus: Bus, reader: LogReader, options: Options) -> tuple[int, int]:
    """Return the numbers of observations and tickets sent."""
    sent = 0
    tickets: set[bytes] = set()
    with progress("importing", "observations", quiet=options.quiet) as told:
        for records in _batches(_records(reader, options), options.batch):
            await append(bus, records)
            sent += len(records)
            tickets.update(record.key for record in records)
            told(reader.fraction, sent)
    return sent, len(tickets)


def _records(reader: LogReader, options: Options) -> Iterator[Outgoing]:
    own = (to_outgoing(one.observation) for one in reader if one.row % options.part.of == options.part.index)
    if options.shuffle is None:
        return own
    held = list(islice(own, SHUFFLED_MAX + 1))
    if len(held) > SHUFFLED_MAX:
        raise Refused(f"--shuffle holds at most {SHUFFLED_MAX} observations; use --part as well")
    random.Random(options.shuffle).shuffle(held)  # noqa: S311 - an order, no secret
    return iter(held)


def _batches(records: Iterator[Outgoing], size: int) -> Iterator[Sequence[Outgoing]]:
    while batch := list(islice(records, size)):
        yield batch


def _cancel_on_sigterm() -> None:
    """Make SIGTERM end the import as Ctrl-C does: with the end of the run marked."""
    task = asyncio.current_task()
    assert task is not None, "called within the import"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _finish(report: Report, *, strict: bool, as_json: bool) -> int:
    statistics = report.statistics
    rejected = statistics.rejected.total()
    if as_json:
        print(json.dumps(report.document(), indent=2))
    else:
        _tell(report, rejected)
    failed = rejected > 0 and (strict or statistics.observations == 0)
    return Exit.CRASH if failed else Exit.CLEAN


def _tell(report: Report, rejected: int) -> None:
    statistics = report.statistics
    for one in statistics.rejections:
        complain(f"line {one.line}: {one.reason}: {one.detail}")
    if rejected > len(statistics.rejections):
        complain(f"... and {rejected - len(statistics.rejections)} more rows that could not be used")
    for (member, word), rows in statistics.unmapped.most_common():
        complain(f"{member} `{word}` is in no map and has no default: not shown ({rows} rows)")
    rate = round(report.sent / max(report.seconds, 1e-3))
    print(
        f"{statistics.rows} rows, {report.sent} observations of {report.tickets} tickets sent, "
        f"{statistics.repeats} repeats, {rejected} rejected, {report.seconds:.1f} s ({rate}/s), "
        f"run {report.run}"
    )
