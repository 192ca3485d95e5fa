"""`barometer config apply|diff`: what of the file changes facts, against what is in force."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from barometer.bus import opened_bus
from barometer.consequences import Consequences, consequences
from barometer.db import database_file, sqlite_url
from barometer.exits import Refused, reported
from barometer.foresight import Foresight, foresee
from barometer.instants import parse_instant
from barometer.places import bus_address, configuration_path, environment
from barometer.publication import Published, publish, recorded_versions
from shared.bus.connect import EMBEDDED
from shared.clock import SystemClock
from shared.configuration.facts import facts_document
from shared.configuration.loader import load
from shared.configuration.models import Configuration
from shared.contracts.instants import from_us, rfc3339, to_us

DIFFERENT = 1
"""Exit code of `config diff --exit-code` if the file would change something."""


def apply(
    *,
    config: Path | None = None,
    data: Path | None = None,
    bus: str | None = None,
    effective_from: str | None = None,
) -> int:
    """Publish the file as a new version, if it changes facts. Running processes take it up at once.

    Args:
        config: The configuration.
        data: The data directory of `barometer serve`.
        bus: Or the bus: kafka://host:port or embedded:DIR.
        effective_from: From when it counts, such as 2026-01-01T00:00:00Z; by default from now.
    """
    return reported(lambda: asyncio.run(_apply(config, bus_address(data, bus), effective_from)))


def diff(
    *,
    config: Path | None = None,
    data: Path | None = None,
    bus: str | None = None,
    effective_from: str | None = None,
    database: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    exit_code: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Show what the file would change of the configuration in force, and from when. Changes nothing.

    Args:
        config: The configuration.
        data: The data directory of `barometer serve`.
        bus: Or the bus: kafka://host:port or embedded:DIR.
        effective_from: As `config apply` would be told.
        database: Aging's database, where promises are counted; by default that of the data directory, or
            BAROMETER_DATABASE.
        as_json: Print one JSON document.
        exit_code: End with 1 if something would change.
    """
    asked = _Asked(config, bus_address(data, bus), effective_from, database)
    return reported(lambda: asyncio.run(_diff(asked, as_json=as_json, exit_code=exit_code)))


class _Asked(NamedTuple):
    """What a dry run is about."""

    config: Path | None
    address: str
    effective_from: str | None
    database: str | None


def _given(config: Path | None, now: datetime) -> Configuration:
    path = configuration_path(config)
    if path is None:
        raise Refused("there is no barometer.yaml here; name the file with --config")
    return load(path, now=now)


def _instant(effective_from: str | None) -> datetime | None:
    return None if effective_from is None else parse_instant("--effective-from", effective_from)


async def _apply(config: Path | None, address: str, effective_from: str | None) -> int:
    now = from_us(SystemClock().now_us())
    document, effective = facts_document(_given(config, now)), _instant(effective_from)
    async with opened_bus(address, environment()) as bus:
        published = await publish(bus, document, now=now, effective_from=effective)
    for line in told(published):
        print(line)
    return 0


def told(published: Published) -> list[str]:
    """Return what `config apply` says of what it did."""
    version = published.version
    if not published.is_new:
        return [f"nothing that changes facts differs from version {version.version}"]
    since = rfc3339(to_us(max(version.effective_from, version.recorded_at)))
    lines = [f"version {version.version} recorded, counts from {since}"]
    if published.after is not None:
        lines.append(
            f"version {published.after.version} was published by somebody else at the same time; this one "
            "replaces it"
        )
    return lines


async def _diff(asked: _Asked, *, as_json: bool, exit_code: bool) -> int:
    now = from_us(SystemClock().now_us())
    configuration, effective = _given(asked.config, now), _instant(asked.effective_from)
    document = facts_document(configuration)
    async with opened_bus(asked.address, environment()) as bus:
        versions = await recorded_versions(bus)
    newest = versions[-1] if versions else None
    found = foresee(newest, document, now=now, effective_from=effective)
    counted: Consequences | None = None
    database = aging_database(asked.address, asked.database)
    if database is not None and found.moves_deadlines:
        counted = await consequences(
            database,
            versions,
            document,
            tenants=[tenant.name for tenant in configuration.tenants],
            at_us=to_us(max(effective or now, now)),
        )
    if as_json:
        print(json.dumps({**found.document(), "promises": counted and counted.document()}, indent=2))
    else:
        for line in _lines(found, counted):
            print(line)
    return DIFFERENT if exit_code and (newest is None or found.changes) else 0


def aging_database(address: str, named: str | None) -> str | None:
    """Return where aging keeps its tickets, beside the bus at `address`; None if nobody said so, or it has none yet."""
    if named is not None:
        return named
    kind, _, place = address.partition(":")
    if kind != EMBEDDED.rstrip(":"):
        return environment().get("BAROMETER_DATABASE")
    file = database_file(Path(place), "aging")
    return sqlite_url(file) if file.exists() else None


def _lines(found: Foresight, counted: Consequences | None) -> list[str]:
    if found.version is None:
        return ["no version was published yet; this file would be version 1"]
    if not found.changes:
        return [f"nothing that changes facts differs from version {found.version}"]
    lines = [*map(str, found.changes), "", *found.notes]
    if counted is not None:
        lines.append(str(counted))
    elif found.moves_deadlines:
        lines.append("promises were not counted: aging has no database yet, or name it with --database")
    return lines
