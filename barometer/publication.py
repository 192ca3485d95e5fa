"""Publishing the configuration that changes facts, as numbered versions (docs/decisions/0006).

Processes follow the log, never a file: a version is recorded on `config.v1`, then a control record in
every events partition says from where it counts. Publishing what is in force already changes nothing.

Two people may publish at once. Numbers must not be given twice, so whoever publishes first becomes the
only writer of this name, and only then reads which number is next: somebody who comes later fences it,
its records are refused, and it looks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from barometer.bus import read_all
from shared.bus.port import Bus, BusUnavailable, Fenced, Outgoing
from shared.clock import monotonic_seconds
from shared.codec import decode, to_every_partition, to_outgoing
from shared.configuration.facts import facts_digest
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.topics import CONFIG, EVENTS

WRITER: Final = "barometer/config.v1"
_EPOCH: Final = 1
"""Always the same: of one epoch, who opens the writer last owns it."""

PUBLISH_TRIES_SECONDS: Final = 60.0
"""A broker's restart or another's publishing is over by then."""
_WAIT_SECONDS: Final = 0.2


class Published(NamedTuple):
    """What is in force after publishing."""

    version: ConfigVersion
    is_new: bool
    after: ConfigVersion | None = None
    """The version that somebody else published while this one was being published; None: nobody did."""


async def recorded_versions(bus: Bus) -> list[ConfigVersion]:
    """Return all recorded versions, ascending. Raises BusError."""
    found: dict[int, ConfigVersion] = {}
    async for records in read_all(bus, CONFIG):
        for record in records:
            event = decode(record)
            if isinstance(event, ConfigVersion):
                found[event.version] = event
    return [found[number] for number in sorted(found)]


async def _newest(bus: Bus) -> ConfigVersion | None:
    return next(reversed(await recorded_versions(bus)), None)


async def publish(
    bus: Bus, document: dict[str, Any], *, now: datetime, effective_from: datetime | None = None
) -> Published:
    """Record `document` as the next version and apply it, unless it is the newest already.

    The newest is applied once more then: whoever recorded it may have died before that, and a version
    known to be applied is ignored. Raises BusError.
    """
    partitions = (await bus.identity(EVENTS)).partitions
    wanted = ConfigVersion(
        version=0,
        effective_from=effective_from or now,
        recorded_at=now,
        digest=facts_digest(document),
        document=document,
    )
    first = await _newest(bus)
    give_up = monotonic_seconds() + PUBLISH_TRIES_SECONDS
    while True:
        try:
            return await _try(bus, wanted, first, partitions, is_dated=effective_from is not None)
        except (Fenced, BusUnavailable):
            if monotonic_seconds() + _WAIT_SECONDS > give_up:
                raise
            await asyncio.sleep(_WAIT_SECONDS)


async def _try(
    bus: Bus, wanted: ConfigVersion, first: ConfigVersion | None, partitions: int, *, is_dated: bool
) -> Published:
    writer = await bus.open_writer(WRITER, _EPOCH, blocks_in_flight_max=1)
    try:
        newest = await _newest(bus)
        version = _next(newest, wanted, is_dated=is_dated)
        applied = ConfigApplied(version=version.version, at=wanted.recorded_at)
        records: Sequence[Outgoing] = to_every_partition(applied, partitions)
        if version is not newest:
            records = [to_outgoing(version), *records]
        await writer.publish(0, records)
        await writer.flush()
    finally:
        await writer.close()
    others = (
        newest is not None and newest is not version and (first is None or newest.version > first.version)
    )
    is_ours = version is not newest or version.recorded_at == wanted.recorded_at
    return Published(version, is_new=is_ours, after=newest if others else None)


def _next(newest: ConfigVersion | None, wanted: ConfigVersion, *, is_dated: bool) -> ConfigVersion:
    """Return `newest` if it says what is wanted, else `wanted` with the next number."""
    if newest is None:
        return msgspec.structs.replace(wanted, version=1)
    if newest.digest == wanted.digest and (not is_dated or newest.effective_from == wanted.effective_from):
        return newest
    return msgspec.structs.replace(wanted, version=newest.version + 1)
