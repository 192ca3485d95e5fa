"""Publishing the configuration that changes facts, as numbered versions (docs/decisions/0006).

Processes follow the log, never a file: a version is recorded on `config.v1`, then a control record in
every events partition says from where it counts. Publishing what is in force already changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from barometer.bus import append, read_all
from shared.bus.port import Bus
from shared.codec import decode, to_every_partition, to_outgoing
from shared.configuration.facts import facts_digest
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.topics import CONFIG, EVENTS


class Published(NamedTuple):
    """What is in force after publishing, and whether it is new."""

    version: ConfigVersion
    is_new: bool


async def latest_version(bus: Bus) -> ConfigVersion | None:
    """Return the newest recorded version, None if there is none. Raises BusError."""
    newest: ConfigVersion | None = None
    async for records in read_all(bus, CONFIG):
        for record in records:
            event = decode(record)
            if isinstance(event, ConfigVersion) and (newest is None or event.version > newest.version):
                newest = event
    return newest


async def publish(
    bus: Bus, document: dict[str, Any], *, now: datetime, effective_from: datetime | None = None
) -> Published:
    """Record `document` as the next version and apply it, unless it is the newest already.

    The newest is applied once more then: whoever recorded it may have died before that, and a version
    known to be applied is ignored. Raises BusError.
    """
    partitions = (await bus.identity(EVENTS)).partitions
    newest = await latest_version(bus)
    effective = effective_from or now
    digest = facts_digest(document)
    same = newest is not None and newest.digest == digest
    if newest is not None and same and effective_from in {None, newest.effective_from}:
        applied = ConfigApplied(version=newest.version, at=now)
        await append(bus, to_every_partition(applied, partitions))
        return Published(newest, is_new=False)
    version = ConfigVersion(
        version=newest.version + 1 if newest else 1,
        effective_from=effective,
        recorded_at=now,
        digest=digest,
        document=document,
    )
    applied = ConfigApplied(version=version.version, at=now)
    await append(bus, [to_outgoing(version), *to_every_partition(applied, partitions)])
    return Published(version, is_new=True)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return a line for each member that differs: `age.edges: [..] -> [..]`."""
    was, now = dict(_leaves((), old)), dict(_leaves((), new))
    lines = []
    for path in sorted({*was, *now}):
        before, after = was.get(path, _NOTHING), now.get(path, _NOTHING)
        if before != after:
            lines.append(f"{'.'.join(path)}: {before} -> {after}")
    return lines


_NOTHING = "(nothing)"


def _leaves(path: tuple[str, ...], value: Any) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        return [leaf for name, inner in value.items() for leaf in _leaves((*path, name), inner)]
    return [(path, value)]
