"""`barometer rejected list|retry`: input that could not be used is kept whole, and can be tried again.

A retry reads it by today's maps and keeps its receive time and its id, so retrying twice does no harm
and a week's delay changes nothing about the ticket (docs/tickets.md).
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from barometer.bus import append, opened_bus, read_all
from barometer.exits import Refused, complain, reported
from barometer.instants import parse_instant
from barometer.places import bus_address, configuration_path, environment
from services.intake.core.rejected import Wanted, not_retried, retried
from services.intake.core.sources import Sources
from services.intake.settings import definitions_of
from shared.bus.port import Bus
from shared.clock import SystemClock
from shared.codec import CodecError, decode, to_outgoing
from shared.configuration.loader import load
from shared.contracts.instants import from_us, rfc3339, to_us
from shared.contracts.records import Outgoing
from shared.contracts.tickets import Rejected
from shared.contracts.topics import REJECTED
from shared.runtime.attempt import attempt
from shared.runtime.process import Exit

LIST_DEFAULT: Final = 50
LIST_MAX: Final = 10_000
RETRIED_AT_ONCE: Final = 500
BODY_SHOWN_CHARACTERS: Final = 120

_Flag = Annotated[bool, Parameter(negative="")]


def list_(
    *,
    data: Path | None = None,
    bus: str | None = None,
    tenant: str | None = None,
    source: str | None = None,
    reason: str | None = None,
    since: str | None = None,
    limit: int = LIST_DEFAULT,
    json: _Flag = False,
) -> int:
    """List rejected input, newest last.

    Args:
        data: The data directory of `barometer serve`.
        bus: Or the bus: kafka://host:port or embedded:DIR.
        tenant: Only this tenant's.
        source: Only this source's.
        reason: Only this reason, such as unknown_field.
        since: Only what was rejected from this instant on.
        limit: The newest so many.
        json: One JSON object a line, with the whole body (base64).
    """
    return reported(
        lambda: asyncio.run(
            _list(
                bus_address(data, bus),
                _wanted((), tenant, source, reason, since),
                limit=min(max(limit, 1), LIST_MAX),
                as_json=json,
            )
        )
    )


def retry(
    *ids: str,
    data: Path | None = None,
    bus: str | None = None,
    config: Path | None = None,
    tenant: str | None = None,
    source: str | None = None,
    reason: str | None = None,
    since: str | None = None,
    all: _Flag = False,
) -> int:
    """Send rejected input again, read by today's maps; what still cannot be used is told.

    Args:
        ids: Which ones, by id (`barometer rejected list`).
        data: The data directory of `barometer serve`.
        bus: Or the bus: kafka://host:port or embedded:DIR.
        config: The configuration with the mended maps.
        tenant: Only this tenant's.
        source: Only this source's.
        reason: Only this reason.
        since: Only what was rejected from this instant on.
        all: Everything that is kept.
    """
    return reported(
        lambda: asyncio.run(
            _retry(
                bus_address(data, bus),
                _selected(_wanted(ids, tenant, source, reason, since), everything=all),
                configuration_path(config),
            )
        )
    )


def _wanted(
    ids: tuple[str, ...], tenant: str | None, source: str | None, reason: str | None, since: str | None
) -> Wanted:
    instant = None if since is None else parse_instant("--since", since)
    return Wanted(frozenset(ids), tenant=tenant, source=source, reason=reason, since=instant)


def _selected(wanted: Wanted, *, everything: bool) -> Wanted:
    if wanted == Wanted() and not everything:
        raise Refused("say which: ids, --source, --reason, --since, or --all")
    return wanted


async def _kept(bus: Bus, wanted: Wanted) -> AsyncIterator[Rejected]:
    async for records in read_all(bus, REJECTED):
        for record in records:
            try:
                event = decode(record)
            except CodecError as error:
                complain(f"{REJECTED.name}@{record.offset}: {error}")
                continue
            if isinstance(event, Rejected) and wanted.matches(event):
                yield event


async def _list(address: str, wanted: Wanted, *, limit: int, as_json: bool) -> int:
    newest: deque[Rejected] = deque(maxlen=limit)
    found = 0
    async with opened_bus(address, environment()) as bus:
        async for one in _kept(bus, wanted):
            newest.append(one)
            found += 1
    for one in newest:
        print(json.dumps(_document(one)) if as_json else _line(one))
    if found > len(newest):
        complain(f"... the newest {len(newest)} of {found}; --limit shows more")
    elif not found:
        complain("nothing was rejected")
    return 0


def _document(one: Rejected) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(one)
    return document


def _line(one: Rejected) -> str:
    body = one.body.decode("utf-8", "replace").replace("\n", " ")[:BODY_SHOWN_CHARACTERS]
    at = rfc3339(to_us(one.rejected_at))
    return f"{one.id}  {at}  {one.tenant}/{one.source}  {one.reason}: {one.detail}\n    {body!a}"


async def _retry(address: str, wanted: Wanted, config: Path | None) -> int:
    sources = Sources(definitions_of(load(config), environment()))
    outcomes: Counter[str] = Counter()
    now = from_us(SystemClock().now_us())
    waiting: list[Outgoing] = []
    async with opened_bus(address, environment()) as bus:
        async for one in _kept(bus, wanted):
            outcome = attempt(partial(retried, one, sources, now=now), not_retried)
            waiting += map(to_outgoing, outcome.observations)
            if outcome.rejection is None:
                outcomes[""] += 1
            else:
                outcomes[outcome.rejection.reason.value] += 1
                complain(f"{one.id}: still {outcome.rejection.reason.value}: {outcome.rejection.detail}")
            if len(waiting) >= RETRIED_AT_ONCE:
                await append(bus, waiting)
                waiting = []
        if waiting:
            await append(bus, waiting)
    sent = outcomes.pop("", 0)
    print(f"{sent} sent again, {outcomes.total()} still cannot be used")
    return Exit.CRASH if outcomes and not sent else Exit.CLEAN
