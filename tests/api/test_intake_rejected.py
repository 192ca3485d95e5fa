from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from services.intake.adapters.rejected_log import RejectedLog
from services.intake.core.definition import ShownStatus, SourceDefinition
from services.intake.core.rejected import KEPT_BYTES_MAX, Wanted
from services.intake.core.sources import Sources
from services.intake.settings import definitions_of
from shared.bus.port import RECORD_BYTES_MAX, record_bytes
from shared.codec.encoding import to_outgoing
from shared.contracts.instants import to_us
from shared.contracts.tickets import Observation, Rejected, Status
from tests.api.intake_world import GUARDED, NOW, World, world


@pytest_asyncio.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, GUARDED) as running:
        yield running


def log(running: World) -> RejectedLog:
    return RejectedLog(running.bus, Sources(definitions_of(GUARDED, {})), running.clock)


@pytest.mark.asyncio
async def test_rejected_input_is_listed_newest_first_by_what_is_wanted(guarded: World) -> None:
    for number, body in enumerate(('{"a": 1}', '{"id": 1', '{"b": 1}')):
        guarded.clock.set(to_us(NOW + timedelta(minutes=number)))
        await guarded.post(body.encode(), "desk")
    everything = await log(guarded).list(Wanted())
    unknown = await log(guarded).list(Wanted(reason="unknown_field"))
    newest = await log(guarded).list(Wanted(), listed_max=1)

    assert ['{"b": 1}', '{"id": 1', '{"a": 1}'] == [each.body.decode() for each in everything.found]
    assert (3, True) == (everything.scanned, everything.complete)
    assert ['{"b": 1}', '{"a": 1}'] == [each.body.decode() for each in unknown.found]
    assert (['{"b": 1}'], False) == ([each.body.decode() for each in newest.found], newest.complete)
    assert [] == list((await log(guarded).list(Wanted(tenant="acme"))).found)


@pytest.mark.asyncio
async def test_a_retry_keeps_receive_time_and_event_id_and_can_be_repeated(guarded: World) -> None:
    early = (NOW + timedelta(hours=1)).isoformat()
    refused = await guarded.post({"id": 1, "time": early}, "desk", idempotency_key="once")
    guarded.clock.set(to_us(NOW + timedelta(days=7)))
    wanted = Wanted(ids=frozenset({refused.json()["rejected_id"]}))
    first = await log(guarded).retry(wanted)
    await log(guarded).retry(wanted)
    observations = await guarded.observations()

    assert [("desk:1", None)] == [(each.ticket, each.rejection) for each in first]
    assert ("once", NOW, NOW + timedelta(hours=1)) == (
        observations[0].id, observations[0].received_at, observations[0].time,
    )  # fmt: skip
    assert observations[0] == observations[1]


@pytest.mark.asyncio
async def test_a_retry_of_a_cloudevent_knows_its_envelope(guarded: World) -> None:
    event = {
        "specversion": "1.0", "id": "ce-7", "source": "https://desk.example.com", "sequence": "12",
        "type": "barometer.ticket.observed.v1", "subject": "42", "time": "2026-03-02T11:00:00+00:00",
        "data": {"status": "new"},
    }  # fmt: skip
    body = msgspec.json.encode(event)
    refused = await guarded.post(body, "desk", content_type="application/cloudevents+json")
    guarded.clock.set(to_us(NOW + timedelta(hours=2)))
    (retried,) = await log(guarded).retry(Wanted())
    (observation,) = await guarded.observations()

    assert (422, None) == (refused.status_code, retried.rejection)
    assert ("ce-7", "desk:42", 12, datetime(2026, 3, 2, 11, tzinfo=UTC)) == (
        observation.id, observation.ticket, observation.sequence, observation.time,
    )  # fmt: skip


@pytest.mark.asyncio
async def test_what_still_cannot_be_used_says_so_and_stays(guarded: World) -> None:
    await guarded.post(b'{"id": 1', "desk")
    broken = msgspec.json.encode({"specversion": "1.0", "id": "x", "data": {"id": 1}})
    await guarded.post(broken, "desk", content_type="application/cloudevents+json")
    results = await log(guarded).retry(Wanted())

    assert ["malformed_json", "invalid_cloudevent"] == [
        each.rejection.reason.value for each in results if each.rejection
    ]
    assert [] == await guarded.observations()


@pytest.mark.asyncio
async def test_a_source_configured_since_is_known_to_the_retry(guarded: World) -> None:
    kept = Rejected(
        id="r1", tenant="acme", source="chat", stage="inbox", reason="unknown_source", detail="",
        received_at=NOW, rejected_at=NOW, content_type="application/json", body=b'{"status": "Offen"}',
        headers={"ce_id": "e1", "ce_type": "barometer.ticket.observed.v1", "ce_source": "/sources/acme/chat",
                 "ce_subject": "7"},
    )  # fmt: skip
    await guarded.bus.append([to_outgoing(kept)])
    (still,) = await log(guarded).retry(Wanted())
    chat = SourceDefinition(tenant="acme", name="chat", statuses={"Offen": ShownStatus(Status.NEW)})
    await RejectedLog(guarded.bus, Sources([chat]), guarded.clock).retry(Wanted())
    (observation,) = await guarded.observations()

    assert still.rejection is not None
    assert ("chat:7", Status.NEW) == (observation.ticket, observation.fields.status)


@pytest.mark.asyncio
async def test_what_aging_rejected_is_sent_again_as_it_was(guarded: World) -> None:
    observation = Observation(
        tenant="default", source="desk", ticket="desk:1", id="e1", time=NOW, received_at=NOW
    )
    kept = Rejected(
        id="r1", tenant="default", source="desk", stage="aging", reason="too_many_marks", detail="",
        received_at=NOW, rejected_at=NOW, content_type="application/json",
        body=msgspec.json.encode(observation),
    )  # fmt: skip
    await guarded.bus.append([to_outgoing(kept)])
    await log(guarded).retry(Wanted(stage="aging"))

    assert [observation] == await guarded.observations()


def test_the_largest_body_that_is_kept_fits_a_record_of_the_bus() -> None:
    kept = Rejected(
        id="r1", tenant="t" * 64, source="s" * 64, stage="intake", reason="malformed_json", detail="d" * 500,
        received_at=NOW, rejected_at=NOW, content_type="application/json", body=b"\xff" * KEPT_BYTES_MAX,
        headers={"ce_subject": "x" * 65_536},
    )  # fmt: skip

    assert record_bytes(to_outgoing(kept)) <= RECORD_BYTES_MAX
