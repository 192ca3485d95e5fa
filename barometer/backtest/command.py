"""`barometer backtest`: a log, a mapping and a configuration; no bus, no database."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter
from rich.console import Console

from barometer.backtest.known import Noted, Replay
from barometer.backtest.report import Report, alerts_shown
from barometer.backtest.table import show
from barometer.backtest.true import Known, timelines, true_figures
from barometer.exits import Refused, complain, reported
from barometer.import_log import definition_for
from barometer.instants import parse_instant
from barometer.log import LogReader, LogStatistics
from barometer.mapping import LogMapping, load_mapping
from barometer.places import configuration_path
from barometer.progress import progress
from services.aging.core.mark import mark_of, order_of
from services.aging.core.terms import Terms
from services.aging.settings import terms_of
from services.alerting.settings import rules_of
from services.intake.core.arrival import Arrival
from shared.configuration.facts import facts_document
from shared.configuration.loader import load
from shared.configuration.models import DEFAULT_TENANT, Configuration
from shared.contracts.instants import LATEST, to_us
from shared.runtime.process import Exit

INSTANTS_MAX: Final = 10_000
BACKTESTED: Final = "backtest"
"""What labels of policies say of their version."""
_PROGRESS_EVERY: Final = 1_000
_PLAIN_WIDTH: Final = 160
"""Columns where there is no terminal: wide enough that nothing is cut."""
_Flag = Annotated[bool, Parameter(negative="")]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of which log."""

    log: Path
    mapping: LogMapping
    configuration: Configuration
    instants_us: tuple[int, ...]
    as_known: bool
    quiet: bool


def backtest(
    log: Path,
    /,
    *,
    mapping: Path,
    config: Path | None = None,
    at: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    as_known: _Flag = False,
    strict: _Flag = False,
    json: _Flag = False,
) -> int:
    """Run a log through the live cores in virtual time; print the figures and the alerts.

    Args:
        log: The log.
        mapping: What its columns mean.
        config: The configuration: age edges, calendars, SLA policies, rules, maps.
        at: Instants, such as 2016-04-01T00:00:00Z; by default the end of the log.
        as_known: Figures as they were known then, not as they turned out to be true.
        strict: Fail if any row could not be used.
        json: Print JSON.
    """
    return reported(
        lambda: _answer(
            Question(
                log=log,
                mapping=load_mapping(mapping),
                configuration=load(configuration_path(config)),
                instants_us=parse_instants(at or []),
                as_known=as_known,
                quiet=json,
            ),
            strict=strict,
            as_json=json,
        )
    )


def parse_instants(written: Sequence[str]) -> tuple[int, ...]:
    """Return the instants in microseconds, ascending, each once. Raises Refused."""
    if len(written) > INSTANTS_MAX:
        raise Refused(f"--at takes at most {INSTANTS_MAX} instants")
    return tuple(sorted({to_us(parse_instant("--at", text)) for text in written}))


def terms_for(configuration: Configuration) -> Terms:
    """Return all that `configuration` says of facts, from the beginning of time."""
    return terms_of(facts_document(configuration), BACKTESTED)


def _answer(question: Question, *, strict: bool, as_json: bool) -> int:
    with _without_collector():
        statistics, notes = read_notes(question)
        report = run(question, statistics, notes)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        show(report, Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH))
    rejected = statistics.rejected.total()
    for one in statistics.rejections:
        complain(f"line {one.line}: {one.reason}: {one.detail}")
    if rejected:
        complain(f"{rejected} of {statistics.rows} rows could not be used")
    for (member, word), rows in statistics.unmapped.most_common():
        complain(f"{member} `{word}` is in no map and has no default: not shown ({rows} rows)")
    return Exit.CRASH if rejected and (strict or not notes) else Exit.CLEAN


@contextmanager
def _without_collector() -> Iterator[None]:
    """Hold the garbage collector: all is kept to the end, and looking for cycles takes a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read_notes(question: Question) -> tuple[LogStatistics, list[Noted]]:
    """Return the observations of the log in the order in which they were known."""
    source = question.mapping.source
    reader = LogReader(
        question.log,
        question.mapping,
        definition=definition_for(question.configuration, DEFAULT_TENANT, source),
        arrival_of=lambda time: Arrival(time, LATEST),
    )
    notes: list[Noted] = []
    with progress("reading", "observations", quiet=question.quiet) as told:
        for row, one in reader:
            mark = mark_of(one)
            notes.append(Noted(order_of(mark), (one.tenant, one.ticket), mark))
            if row % _PROGRESS_EVERY == 0:
                told(reader.fraction, len(notes))
    notes.sort()
    return reader.statistics, notes


def run(question: Question, statistics: LogStatistics, notes: list[Noted]) -> Report:
    """Return the answer: figures as asked, alerts by what was known."""
    end_us = notes[-1].mark.time_us if notes else 0
    instants_us = question.instants_us or ((end_us,) if notes else ())
    terms = terms_for(question.configuration)
    replay = Replay(DEFAULT_TENANT, terms, rules_of(question.configuration))
    with progress("replaying", "observations", quiet=question.quiet) as told:
        replay.run(
            notes,
            instants_us if question.as_known else (),
            until_us=max(end_us, *instants_us) if instants_us else end_us,
            told=lambda done: told(done / len(notes), done) if done % _PROGRESS_EVERY == 0 else None,
        )
    for refused in replay.refused:
        complain(f"refused: {refused.reason.value}: {refused.detail}")
    marks = timelines(notes)
    known = Known(replay.final, replay.messages)
    true = [] if question.as_known else true_figures(marks, instants_us, terms, known)
    return Report(
        tickets=len(marks),
        observations=statistics.observations,
        instants=replay.figures if question.as_known else true,
        sla=replay.sla(),
        alerts=alerts_shown(replay.changes),
    )
