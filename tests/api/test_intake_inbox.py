from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from services.intake.app import Service
from shared.clock import monotonic_seconds
from shared.contracts.records import Headers, Outgoing
from shared.contracts.topics import INBOX
from tests.api.intake_world import GUARDED, World, world

OBSERVED = b"barometer.ticket.observed.v1"
DEADLINE_S = 10.0


def headers(**attributes: str) -> Headers:
    shown = {"id": "e1", "source": "/sources/default/desk", "type": OBSERVED.decode(), "specversion": "1.0"}
    pairs = tuple((f"ce_{name}", value.encode()) for name, value in {**shown, **attributes}.items() if value)
    return (*pairs, ("content-type", b"application/json"))


def inbox(value: bytes | None, shown: Headers | None = None) -> Outgoing:
    return Outgoing(INBOX.name, b"any", value, headers() if shown is None else shown)


@asynccontextmanager
async def working(intake: Service) -> AsyncIterator[None]:
    worker = intake.workers["inbox"]
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await running


async def read_whole(running: World) -> None:
    """Return once everything in the inbox was brought where it belongs."""
    end = len(await running.records(INBOX))
    deadline = monotonic_seconds() + DEADLINE_S
    while running.counted("accepted") + running.counted("rejected") < end:
        assert monotonic_seconds() < deadline, "the inbox was not read"
        await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, GUARDED) as running:
        yield running


@pytest.mark.asyncio
async def test_a_cloudevent_in_the_inbox_becomes_an_observation_received_at_its_append_time(
    guarded: World,
) -> None:
    event = {"specversion": "1.0", "id": "e2", "source": "/sources/default/desk", "type": OBSERVED.decode(),
             "data": {"id": 2}}  # fmt: skip
    structured = (("content-type", b"application/cloudevents+json"),)
    await guarded.bus.append(
        [inbox(b'{"id": 1, "status": "Active"}'), inbox(msgspec.json.encode(event), structured)]
    )
    appended = guarded.clock.now_us()
    guarded.clock.set(appended + 60_000_000)
    async with working(guarded.intake):
        await read_whole(guarded)
    first, second = await guarded.observations()

    assert [("e1", "desk:1"), ("e2", "desk:2")] == [(each.id, each.ticket) for each in (first, second)]
    assert appended == int(first.received_at.timestamp() * 1e6)


@pytest.mark.parametrize(
    ("value", "shown", "reason", "source"),
    [
        (b'{"id": 1', headers(), "malformed_json", "desk"),
        (b'{"idd": 1}', headers(), "unknown_field", "desk"),
        (None, headers(), "invalid_cloudevent", "desk"),
        (b'{"id": 1}', headers(type="x.y"), "unknown_type", "desk"),
        (b'{"id": 1}', headers(source="/sources/default/tracker"), "forbidden_source", "tracker"),
        (b'{"id": 1}', headers(source="/sources/default/nowhere"), "unknown_source", "nowhere"),
        (b'{"id": 1}', headers(source="https://desk.example.com"), "unknown_source", "inbox"),
        (b'{"id": 1}', headers(id=""), "invalid_cloudevent", "inbox"),
        (b'{"id": 1}', (), "invalid_cloudevent", "inbox"),
        (b"\x00\x00\x00\x00\x07{}", (("content-type", b"application/cloudevents+json"),), "invalid_cloudevent", "inbox"),
        (b"\xff", headers(), "invalid_utf8", "desk"),
    ],
)  # fmt: skip
@pytest.mark.asyncio
async def test_what_cannot_be_used_is_kept_whole_with_its_origin(
    guarded: World, value: bytes | None, shown: Headers, reason: str, source: str
) -> None:
    await guarded.bus.append([inbox(value, shown), inbox(b'{"id": 2}', headers(id="good"))])
    async with working(guarded.intake):
        await read_whole(guarded)
    (kept,) = await guarded.rejected()

    assert (reason, source, "inbox", value or b"") == (kept.reason, kept.source, kept.stage, kept.body)
    assert f"{INBOX.name}/0@0" == kept.origin
    assert ["good"] == [each.id for each in await guarded.observations()]
    assert 1 == guarded.counted_rejected(reason)


@pytest.mark.asyncio
async def test_the_inbox_is_read_on_where_it_was_left(tmp_path: Path) -> None:
    async with world(tmp_path, GUARDED) as running:
        await running.bus.append([inbox(b'{"id": 1}')])
        async with working(running.intake):
            await read_whole(running)
    async with world(tmp_path, GUARDED) as running:
        await running.bus.append([inbox(b'{"id": 2}', headers(id="e2"))])
        async with working(running.intake):
            deadline = monotonic_seconds() + DEADLINE_S
            while len(await running.observations()) < 2:
                assert monotonic_seconds() < deadline
                await asyncio.sleep(0.01)

        assert ["e1", "e2"] == [each.id for each in await running.observations()]


@pytest.mark.asyncio
async def test_nothing_is_lost_while_the_bus_refuses_and_the_offset_waits(guarded: World) -> None:
    await guarded.bus.append([inbox(b'{"id": 1}')])
    guarded.bus.away = True
    async with working(guarded.intake):
        deadline = monotonic_seconds() + DEADLINE_S
        while "out of reach" not in str(guarded.intake.checks()[1].complaint):
            assert monotonic_seconds() < deadline
            await asyncio.sleep(0.01)
        guarded.bus.away = False
        await read_whole(guarded)

    assert ["e1"] == [each.id for each in await guarded.observations()]
