from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from shared.contracts.tickets import Activity, Channel, Priority, Status, WaitReason
from tests.api.intake_world import GUARDED, NOW, World, world

OBSERVED = "barometer.ticket.observed.v1"
PROBLEM = "application/problem+json"


@pytest_asyncio.fixture
async def open_world(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, GUARDED) as running:
        yield running


@pytest.mark.asyncio
async def test_the_smallest_useful_ticket_is_on_the_bus_when_it_is_answered(open_world: World) -> None:
    answer = await open_world.post({"id": "42", "subject": "Printer"})
    (observation,) = await open_world.observations()

    assert answer.status_code == 202
    assert answer.json() == {"event_id": observation.id, "ticket": "default:42", "status": "accepted"}
    assert ("default", "default:42", "Printer") == (
        observation.tenant,
        observation.ticket,
        observation.fields.subject,
    )
    assert (NOW, NOW) == (observation.time, observation.received_at)
    assert open_world.counted("accepted") == 1


@pytest.mark.asyncio
async def test_an_observation_is_keyed_by_its_ticket(open_world: World) -> None:
    from shared.contracts.topics import EVENTS

    await open_world.post({"id": 42})

    assert [b"default/default:42"] == [record.key for record in await open_world.records(EVENTS)]


@pytest.mark.asyncio
async def test_the_idempotency_key_is_the_event_id_quoted_or_bare(open_world: World) -> None:
    await open_world.post({"id": "1"}, idempotency_key='"8e03978e"')
    await open_world.post({"id": "1"}, idempotency_key="8e03978e")
    await open_world.post([{"id": "1"}, {"id": "1", "event_id": "own"}], idempotency_key="8e03978e")

    assert ["8e03978e", "8e03978e", "8e03978e.0", "own"] == [
        each.id for each in await open_world.observations()
    ]


@pytest.mark.asyncio
async def test_words_go_through_the_sources_map_and_stay_beside_the_canonical_ones(guarded: World) -> None:
    answer = await guarded.post({"id": "1", "status": "Awaiting User Info", "priority": "Odd"}, "desk")
    (observation,) = await guarded.observations()
    fields = observation.fields

    assert answer.json()["unmapped"] == ["priority"]
    assert (Status.WAITING, WaitReason.CUSTOMER) == (fields.status, fields.wait_reason)
    assert ("Awaiting User Info", "Odd") == (fields.raw_status, fields.raw_priority)
    assert (Priority.P3, Channel.EMAIL) == (fields.priority, fields.channel)
    assert guarded.counted("unmapped") == 1


@pytest.mark.asyncio
async def test_one_bad_item_among_500_costs_only_itself(open_world: World) -> None:
    batch: list[dict[str, Any]] = [{"id": str(number), "status": "new"} for number in range(500)]
    batch[137]["time"] = "9999-01-01T00:00:00Z"
    answer = await open_world.post(batch)
    body = answer.json()
    problem = body["results"][137]["problem"]

    assert answer.status_code == 207
    assert (499, 1, 500) == (body["accepted"], body["rejected"], len(body["results"]))
    assert {"index": 136, "status": 202, "ticket": "default:136"}.items() <= body["results"][136].items()
    assert ("invalid_time", "/time") == (problem["reason"], problem["errors"][0]["pointer"])
    assert len(await open_world.observations()) == 499
    (kept,) = await open_world.rejected()
    assert (problem["rejected_id"], batch[137]) == (kept.id, json.loads(kept.body))


@pytest.mark.asyncio
async def test_a_batch_of_good_items_is_202_and_of_bad_ones_422(open_world: World) -> None:
    good = await open_world.post([{"id": "1"}, {"id": "2"}])
    bad = await open_world.post([{"idd": "1"}, 7])
    empty = await open_world.post([])

    assert (202, 422, 202) == (good.status_code, bad.status_code, empty.status_code)
    assert bad.headers["content-type"] == PROBLEM
    assert [422, 422] == [each["status"] for each in bad.json()["results"]]
    assert len(await open_world.rejected()) == 2


@pytest.mark.asyncio
async def test_ndjson_is_a_ticket_a_line(open_world: World) -> None:
    body = b'{"id":"1"}\n\n{"id":"2"\r\n{"id":"3"}\r\n'
    answer = await open_world.post(body, content_type="application/x-ndjson")

    assert answer.status_code == 207
    assert [202, 400, 202] == [each["status"] for each in answer.json()["results"]]
    assert ["default:1", "default:3"] == [each.ticket for each in await open_world.observations()]


@pytest.mark.asyncio
async def test_a_binary_cloudevent_lends_its_id_time_and_subject(open_world: World) -> None:
    answer = await open_world.post(
        {"activity": "customer_message"}, ce_specversion="1.0", ce_id="evt-1", ce_type=OBSERVED,
        ce_source="https://desk.example.com", ce_subject="default:42", ce_time="2026-03-01T10:00:00+01:00",
        ce_sequence="0007", ce_traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )  # fmt: skip
    (observation,) = await open_world.observations()

    assert answer.status_code == 202
    assert ("evt-1", "default:42", 7) == (observation.id, observation.ticket, observation.sequence)
    assert datetime(2026, 3, 1, 9, tzinfo=UTC) == observation.time
    assert Activity.CUSTOMER_MESSAGE == observation.activity


def event(**members: Any) -> dict[str, Any]:
    base = {"specversion": "1.0", "id": "e1", "source": "/sources/default/desk", "type": OBSERVED}
    return {**base, "subject": "42", "data": {"status": "solved"}, **members}


@pytest.mark.asyncio
async def test_structured_and_batched_cloudevents_are_taken(guarded: World) -> None:
    one = await guarded.post(
        msgspec.json.encode(event()), "tenant", content_type="application/cloudevents+json"
    )
    batch = [event(id="e2"), event(id="e3", source="/sources/default/tracker"), event(id="e4", type="x.y")]
    many = await guarded.post(
        msgspec.json.encode(batch), "tenant", content_type="application/cloudevents-batch+json"
    )

    assert (202, 207) == (one.status_code, many.status_code)
    assert [("e1", "desk:42"), ("e2", "desk:42"), ("e3", "tracker:42")] == [
        (each.id, each.ticket) for each in await guarded.observations()
    ]
    assert "unknown_type" == many.json()["results"][2]["problem"]["reason"]


@pytest.mark.asyncio
async def test_a_ticket_in_a_cloudevent_may_not_be_missing(open_world: World) -> None:
    no_data = event(source="x")
    del no_data["data"]
    for broken, reason in (
        (no_data, "invalid_cloudevent"),
        (event(source="x", time="yesterday"), "invalid_cloudevent"),
        (event(source="x", specversion="0.3"), "invalid_cloudevent"),
        (event(source="x", data={"statuss": "new"}), "unknown_field"),
    ):
        answer = await open_world.post(
            msgspec.json.encode(broken), content_type="application/cloudevents+json; charset=utf-8"
        )
        assert (422, reason) == (answer.status_code, answer.json()["reason"])
    assert len(await open_world.rejected()) == 4


@pytest.mark.asyncio
async def test_the_key_decides_for_which_source_one_publishes(guarded: World) -> None:
    async def post(key: str | None, query: str = "") -> int:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        answer = await guarded.http.post(f"/v1/events{query}", json={"id": "1"}, headers=headers)
        return answer.status_code

    assert await post("bk_desk") == 202
    assert await post("bk_desk", "?source=desk") == 202
    assert await post("bk_desk", "?source=tracker") == 403
    assert await post("bk_tenant", "?source=tracker") == 202
    assert await post("bk_tenant", "?source=nowhere") == 404
    assert await post("bk_reader") == 403
    assert await post("bk_wrong") == 401
    assert await post(None) == 401
    assert await post("bk_other") == 404  # the tenant acme has no source
    assert ["desk", "desk", "tracker"] == [each.source for each in await guarded.observations()]
    assert [] == await guarded.rejected()
    assert (2, 2) == (guarded.counted("unauthenticated"), guarded.counted("forbidden"))


@pytest.mark.asyncio
async def test_an_event_of_another_source_or_tenant_than_the_keys_is_forbidden(guarded: World) -> None:
    kind = "application/cloudevents+json"
    other_source = event(source="/sources/default/tracker")
    other_tenant = event(source="/sources/acme/desk")

    for named in (other_source, other_tenant):
        answer = await guarded.post(msgspec.json.encode(named), "desk", content_type=kind)
        assert answer.status_code == 403
    assert [] == await guarded.observations()


@pytest.mark.asyncio
async def test_health_metrics_and_the_document_are_served(open_world: World) -> None:
    live = await open_world.http.get("/livez")
    metrics = await open_world.http.get("/metrics")
    document = (await open_world.http.get("/openapi.json")).json()
    operation = document["paths"]["/v1/events"]["post"]

    assert live.status_code == 200
    assert 'barometer_events_total{outcome="accepted",service="intake"} 0.0' in metrics.text
    assert 'barometer_rejected_total{reason="future_time"} 0.0' in metrics.text
    assert {"id": "42", "subject": "Printer"} == operation["requestBody"]["content"]["application/json"][
        "examples"
    ]["smallest"]["value"]
    assert {"202", "207", "400", "401", "413", "415", "422", "429", "503"} <= operation["responses"].keys()
