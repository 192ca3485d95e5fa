"""`barometer config apply|diff`: what of the file changes facts, against what is in force."""

from __future__ import annotations

import asyncio
from pathlib import Path

from barometer.bus import opened_bus
from barometer.exits import Refused, reported
from barometer.instants import parse_instant
from barometer.places import bus_address, configuration_path, environment
from barometer.publication import differences, latest_version, publish
from shared.clock import SystemClock
from shared.configuration.facts import facts_document
from shared.configuration.loader import load
from shared.configuration.models import Configuration
from shared.contracts.instants import from_us, rfc3339, to_us


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
    return reported(lambda: asyncio.run(_apply(_given(config), bus_address(data, bus), effective_from)))


def diff(*, config: Path | None = None, data: Path | None = None, bus: str | None = None) -> int:
    """Show what the file would change of the configuration in force. Changes nothing.

    Args:
        config: The configuration.
        data: The data directory of `barometer serve`.
        bus: Or the bus: kafka://host:port or embedded:DIR.
    """
    return reported(lambda: asyncio.run(_diff(_given(config), bus_address(data, bus))))


def _given(config: Path | None) -> Configuration:
    path = configuration_path(config)
    if path is None:
        raise Refused("there is no barometer.yaml here; name the file with --config")
    return load(path)


async def _apply(configuration: Configuration, address: str, effective_from: str | None) -> int:
    now = from_us(SystemClock().now_us())
    effective = None if effective_from is None else parse_instant("--effective-from", effective_from)
    async with opened_bus(address, environment()) as bus:
        published = await publish(bus, facts_document(configuration), now=now, effective_from=effective)
    version = published.version
    if published.is_new:
        print(f"version {version.version} recorded, counts from {rfc3339(to_us(version.effective_from))}")
    else:
        print(f"nothing that changes facts differs from version {version.version}")
    return 0


async def _diff(configuration: Configuration, address: str) -> int:
    document = facts_document(configuration)
    async with opened_bus(address, environment()) as bus:
        newest = await latest_version(bus)
    if newest is None:
        print("no version was published yet; this file would be version 1")
        return 0
    lines = differences(newest.document, document)
    if not lines:
        print(f"nothing that changes facts differs from version {newest.version}")
    for line in lines:
        print(line)
    return 0
