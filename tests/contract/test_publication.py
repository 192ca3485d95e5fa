"""Publishing a configuration gives no number twice, on every bus; the broker is one's own, as topics are real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from barometer.bus import opened_bus
from barometer.publication import Published, publish, recorded_versions
from shared.configuration.facts import facts_document
from shared.configuration.loader import read
from shared.contracts.configuration import ConfigVersion

pytestmark = pytest.mark.asyncio(loop_scope="function")

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest_asyncio.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "kafka":
        yield f"kafka://{request.getfixturevalue('kafka_server').bootstrap}"
    else:
        yield f"embedded:{tmp_path / 'data'}"


async def published(address: str, hours: int, *, at: datetime = NOW) -> Published:
    """Publish from a connection of its own, as another process would."""
    document = facts_document(read(f"age: {{edges: [{hours}h], buckets: [{hours}h]}}"))
    async with opened_bus(address, {}) as bus:
        return await publish(bus, document, now=at + timedelta(hours=hours))


async def recorded(address: str) -> list[ConfigVersion]:
    async with opened_bus(address, {}) as bus:
        return await recorded_versions(bus)


async def test_several_that_publish_at_once_each_get_a_number_of_their_own(address: str) -> None:
    await published(address, 1)
    found = await asyncio.gather(*(published(address, hours) for hours in (2, 3, 4)))
    versions = await recorded(address)
    assert [1, 2, 3, 4] == [version.version for version in versions]
    assert {2, 3, 4} == {one.version.version for one in found}
    assert {one.version.version: one.version.digest for one in found} == {
        version.version: version.digest for version in versions[1:]
    }


async def test_what_is_published_already_is_no_new_version(address: str) -> None:
    assert (await published(address, 1)).is_new
    assert not (await published(address, 1, at=NOW + timedelta(days=1))).is_new
    assert [1] == [version.version for version in await recorded(address)]
