"""Every vendor's requests, over HTTP, through to the bus: proved, forged, truncated, re-encoded, replayed."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio

from services.intake.adapters.rejected_log import RejectedLog
from services.intake.core.rejected import Wanted
from services.intake.core.sources import Sources
from services.intake.core.vendors import VENDORS
from services.intake.settings import definitions_of, hooks_of
from shared.configuration.models import Configuration
from shared.configuration.problems import ConfigurationInvalid
from shared.configuration.webhooks import SourceKind
from shared.contracts.instants import to_us
from shared.contracts.tickets import Observation, Priority, Status
from tests.api.intake_world import ENVIRONMENT, NOW, World, world
from tests.api.vendor_requests import SIGN_A_TIME, SIGN_NOTHING, SIGNERS, ticket_body
from tests.unit.intake.vendors.own_request import Signing

SECRET: Final = "topsecret"
NEXT: Final = "next secret"
URL: Final = "http://127.0.0.1:8080/v1/webhooks/"
PUBLIC: Final = "https://tickets.example.com/v1/webhooks/public"
BODY_BYTES_MAX: Final = 20_000
EVERY: Final = sorted(VENDORS)
SIGNED: Final = sorted(set(VENDORS) - SIGN_NOTHING)

_HOOK: Final = {"secret": {"env": "HOOK_SECRET"}}
CONFIGURATION: Final = Configuration.model_validate(
    {
        "sources": [
            *({"name": kind, "kind": kind, "webhook": _HOOK} for kind in EVERY),
            {"name": "rotating", "kind": "github",
             "webhook": {"secrets": [{"env": "HOOK_NEXT"}, {"env": "HOOK_SECRET"}]}},
            {"name": "basic", "kind": "github",
             "webhook": {"basic": {"user": "github", "password": {"env": "HOOK_SECRET"}}}},
            {"name": "both", "kind": "github",
             "webhook": {**_HOOK, "basic": {"user": "github", "password": {"env": "HOOK_NEXT"}}}},
            {"name": "open", "kind": "github", "webhook": {"unsigned": True}},
            {"name": "own", "kind": "github", "webhook": {"unsigned": True}, "channel": "web",
             "status": {"map": {"OPEN": "waiting/vendor"}}, "priority": {"map": {"high": "p4"}, "default": "p3"}},
        ]
    }
)  # fmt: skip


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, CONFIGURATION, {"body_bytes_max": BODY_BYTES_MAX}) as one:
        yield one


def proof(
    vendor: str, body: bytes, secret: str = SECRET, *, url: str = "", late_s: float = 0
) -> dict[str, str]:
    """Return the headers of a request that `vendor` sends `late_s` before NOW."""
    at = NOW - timedelta(seconds=late_s)
    headers = SIGNERS[vendor](Signing(body, secret, at, url or f"{URL}{vendor}"))
    return {"content-type": "application/json", **headers}


async def send(
    running: World, source: str, body: bytes, headers: Mapping[str, str], method: str = "POST"
) -> httpx2.Response:
    return await running.http.request(
        method, f"/v1/webhooks/{source}", content=body,
        headers=[(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    )  # fmt: skip


async def on_the_bus(running: World) -> tuple[int, int]:
    return len(await running.observations()), len(await running.rejected())


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert "application/problem+json" == answer.headers["content-type"]
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def test_every_vendor_can_be_configured_and_is_tried_here() -> None:
    assert {kind.value for kind in SourceKind} - {"generic"} == set(VENDORS), (
        "each adapter has its line in SourceKind (shared/configuration/webhooks.py), and each line its adapter"
    )
    assert set(SIGNERS) >= set(VENDORS), "tests/unit/intake/vendors/test_<kind>.py has a REQUEST"
    assert [] == [name for name, vendor in VENDORS.items() if vendor.name != name]


def test_a_secret_that_is_not_there_is_told_with_its_source_before_anything_starts() -> None:
    with pytest.raises(ConfigurationInvalid, match="source `rotating`: the environment variable HOOK_NEXT"):
        hooks_of(CONFIGURATION, {"HOOK_SECRET": SECRET})
    shown = [repr(hook) for hook in hooks_of(CONFIGURATION, ENVIRONMENT)]
    assert [] == [text for text in shown if SECRET in text]


@pytest.mark.parametrize("vendor", EVERY)
@pytest.mark.asyncio
async def test_what_a_vendor_signs_is_an_observation_once_it_is_answered(running: World, vendor: str) -> None:
    body = ticket_body(vendor, NOW)
    answer = await send(running, vendor, body, proof(vendor, body))
    observations = await running.observations()

    assert 202 == answer.status_code, answer.text
    assert (0, 0) == tuple(answer.json()[name] for name in ("ignored", "rejected"))
    assert 0 < len(observations) == answer.json()["accepted"] == running.counted("accepted")
    assert {vendor} == {each.ticket.partition(":")[0] for each in observations}
    assert NOW == observations[0].received_at


@pytest.mark.parametrize("vendor", EVERY)
@pytest.mark.asyncio
async def test_a_redelivery_is_the_same_observation(running: World, vendor: str) -> None:
    body = ticket_body(vendor, NOW)
    headers = proof(vendor, body)
    await send(running, vendor, body, headers)
    running.clock.set(to_us(NOW + timedelta(seconds=50)))
    await send(running, vendor, body, headers)
    observations = await running.observations()
    middle = len(observations) // 2

    for first, second in zip(observations[:middle], observations[middle:], strict=True):
        if vendor == "freshdesk":  # without an id or a time nobody can tell it from the same state once more
            assert first.id != second.id
        else:
            assert (first.id, _content(first)) == (second.id, _content(second))


def _content(observation: Observation) -> tuple[Any, ...]:
    time = None if observation.dated_by_receipt else observation.time
    return observation.ticket, time, observation.activity, observation.fields


@pytest.mark.parametrize("vendor", EVERY)
@pytest.mark.asyncio
async def test_what_is_forged_is_refused_and_not_kept(running: World, vendor: str) -> None:
    body = ticket_body(vendor, NOW)
    forged = [
        proof(vendor, body, "another secret"),
        {**proof(vendor, body), **dict.fromkeys(_proving(vendor, body), "")},
        {name: value for name, value in proof(vendor, body).items() if name not in _proving(vendor, body)},
        {**proof(vendor, body), **dict.fromkeys(_proving(vendor, body), "sha256=\u00fc")},
    ]
    answers = [await send(running, vendor, body, headers) for headers in forged]

    assert [(401, "invalid-signature")] * len(forged) == [problem(each) for each in answers]
    assert all(each.headers["www-authenticate"] for each in answers)
    assert (0, 0) == await on_the_bus(running)
    assert len(forged) == running.counted("unauthenticated")
    assert len(forged) == running.registry.get_sample_value(
        "barometer_webhooks_untrusted_total", {"source": vendor}
    )
    assert [] == [each.text for each in answers if SECRET in each.text]


def _proving(vendor: str, body: bytes) -> set[str]:
    """Return the names of the headers that hold a signature or a secret."""
    headers, others = proof(vendor, body), proof(vendor, body, "another secret")
    return {name for name, value in headers.items() if others[name] != value}


@pytest.mark.parametrize("vendor", SIGNED)
@pytest.mark.asyncio
async def test_what_is_truncated_re_encoded_or_changed_is_refused(running: World, vendor: str) -> None:
    body = ticket_body(vendor, NOW)
    headers = proof(vendor, body)
    changed = [body[:-1], b"", body + b"\n", json.dumps(json.loads(body), indent=1).encode(),
               body.replace(b"42", b"43", 1)]  # fmt: skip
    answers = [await send(running, vendor, one, headers) for one in changed]

    assert [(401, "invalid-signature")] * len(changed) == [problem(each) for each in answers]
    assert (0, 0) == await on_the_bus(running)


@pytest.mark.parametrize("vendor", sorted(SIGN_NOTHING & set(VENDORS)))
@pytest.mark.asyncio
async def test_what_is_truncated_with_a_bare_secret_is_kept(running: World, vendor: str) -> None:
    body = ticket_body(vendor, NOW)
    answer = await send(running, vendor, body[:-1], proof(vendor, body))

    assert (202, 1) == (answer.status_code, answer.json()["rejected"])
    assert (0, 1) == await on_the_bus(running)


@pytest.mark.parametrize("vendor", sorted(SIGN_A_TIME & set(VENDORS)))
@pytest.mark.parametrize("late_s", [301, -301, 86_400])
@pytest.mark.asyncio
async def test_what_is_replayed_is_refused_where_the_time_is_signed(
    running: World, vendor: str, late_s: float
) -> None:
    body = ticket_body(vendor, NOW - timedelta(seconds=late_s))
    answer = await send(running, vendor, body, proof(vendor, body, late_s=late_s))

    assert (401, "invalid-signature") == problem(answer)
    assert (0, 0) == await on_the_bus(running)


@pytest.mark.parametrize("vendor", sorted(SIGN_A_TIME & set(VENDORS)))
@pytest.mark.asyncio
async def test_another_time_needs_another_signature(running: World, vendor: str) -> None:
    old = ticket_body(vendor, NOW - timedelta(days=1))
    headers, fresh = proof(vendor, old, late_s=86_400), proof(vendor, old)
    stamps = {name for name, value in fresh.items() if headers[name] != value} - _proving(vendor, old)
    answer = await send(running, vendor, old, {**headers, **{name: fresh[name] for name in stamps}})

    assert (401, "invalid-signature") == problem(answer)


@pytest.mark.parametrize("vendor", EVERY)
@pytest.mark.asyncio
async def test_what_is_too_large_or_compressed_is_refused_before_anything_else(
    running: World, vendor: str
) -> None:
    body = b" " * (BODY_BYTES_MAX + 1)
    large = await send(running, vendor, body, proof(vendor, body))
    packed = await send(running, vendor, b"", {**proof(vendor, b""), "content-encoding": "gzip"})

    assert [(413, "too-large"), (415, "unsupported-media-type")] == [problem(large), problem(packed)]
    assert (0, 0) == await on_the_bus(running)


@pytest.mark.parametrize("vendor", sorted(set(VENDORS) - {"linear"}))  # its signed time is in the body
@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"null", b"[" * 5_000, b'"x"', b"1e999", b"{}" * 3])
@pytest.mark.asyncio
async def test_what_is_proved_and_unreadable_is_kept_whole_or_ignored_with_a_reason(
    running: World, vendor: str, raw: bytes
) -> None:
    answer = await send(running, vendor, raw, proof(vendor, raw))
    kept = await running.rejected()
    told = answer.json()

    assert 202 == answer.status_code, answer.text
    assert (0, 1) == (told["accepted"], told["ignored"] + told["rejected"])
    assert told["reasons"][0]
    assert [raw] * told["rejected"] == [each.body for each in kept]
    assert [told.get("rejected_id")] * told["rejected"] == [each.id for each in kept]


@pytest.mark.asyncio
async def test_what_could_not_be_used_is_retried_without_another_proof(running: World) -> None:
    late = json.loads(ticket_body("github", NOW))
    late["issue"]["updated_at"] = (NOW + timedelta(hours=1)).isoformat()
    body = json.dumps(late).encode()
    headers = {**proof("github", body), "x-github-delivery": "d-1", "authorization": "Bearer x", "x-api-key": "k",
               "x-own": f"it is {SECRET}"}  # fmt: skip
    answer = await send(running, "github", body, headers)
    (kept,) = await running.rejected()
    log = RejectedLog(running.bus, Sources(definitions_of(CONFIGURATION, {})), running.clock)
    (still,) = await log.retry(Wanted())
    running.clock.set(to_us(NOW + timedelta(hours=2)))
    (retried,) = await log.retry(Wanted(ids=frozenset({answer.json()["rejected_id"]})))
    (observation,) = await running.observations()

    assert ("webhook", "future_time", "signature:github", NOW) == (
        kept.stage, kept.reason, kept.verified, kept.received_at,
    )  # fmt: skip
    assert {"content-type", "x-github-event", "x-github-delivery"} == set(kept.headers)
    assert ("future_time", None) == (still.rejection and still.rejection.reason.value, retried.rejection)
    assert ("github:x/y#42", "d-1", NOW, NOW + timedelta(hours=1)) == (
        observation.ticket, observation.id, observation.received_at, observation.time,
    )  # fmt: skip


@pytest.mark.asyncio
async def test_one_ticket_of_several_that_cannot_be_used_does_not_hold_up_the_others(running: World) -> None:
    (event,) = json.loads(ticket_body("hubspot", NOW))
    late = {**event, "eventId": 2, "objectId": 43, "occurredAt": event["occurredAt"] + 86_400_000}
    body = json.dumps([event, late]).encode()
    answer = await send(running, "hubspot", body, proof("hubspot", body))
    running.clock.set(to_us(NOW + timedelta(days=2)))
    log = RejectedLog(running.bus, Sources(definitions_of(CONFIGURATION, {})), running.clock)
    (retried,) = await log.retry(Wanted())
    first, again, mended = await running.observations()

    assert (1, 1) == (answer.json()["accepted"], answer.json()["rejected"])
    assert [body] == [each.body for each in await running.rejected()]
    assert ("hubspot:42, hubspot:43", None) == (retried.ticket, retried.rejection)
    assert first == again
    assert ("hubspot:43", NOW) == (mended.ticket, mended.received_at)


@pytest.mark.asyncio
async def test_events_that_are_no_tickets_are_counted_with_their_reason(running: World) -> None:
    body = b'{"zen": "Keep it logically awesome.", "hook_id": 1}'
    headers = {**proof("github", body), "x-github-event": "ping"}
    answer = await send(running, "github", body, headers)

    assert {"accepted": 0, "ignored": 1, "rejected": 0, "reasons": ["ping"]} == answer.json()
    assert 1 == running.counted("ignored")
    assert 1 == running.registry.get_sample_value(
        "barometer_webhooks_ignored_total", {"source": "github", "reason": "ping"}
    )


@pytest.mark.asyncio
async def test_two_secrets_are_taken_while_one_is_rotated(running: World) -> None:
    body = ticket_body("github", NOW)
    codes = [
        (await send(running, "rotating", body, proof("github", body, secret))).status_code
        for secret in (SECRET, NEXT, "older")
    ]

    assert [202, 202, 401] == codes


@pytest.mark.parametrize(
    ("source", "secret", "user", "password", "code"),
    [
        ("basic", "", "github", SECRET, 202),
        ("basic", "", "github", NEXT, 401),
        ("basic", "", "other", SECRET, 401),
        ("basic", SECRET, "", "", 401),
        ("both", SECRET, "github", NEXT, 202),
        ("both", NEXT, "github", NEXT, 401),
        ("both", SECRET, "github", SECRET, 401),
        ("both", SECRET, "", "", 401),
        ("open", "", "", "", 202),
    ],
)
@pytest.mark.asyncio
async def test_basic_authentication_stands_for_a_signature_or_beside_it(
    running: World, source: str, secret: str, user: str, password: str, code: int
) -> None:
    body = ticket_body("github", NOW)
    headers = proof("github", body, secret) if secret else {"x-github-event": "issues"}
    if user:
        headers["authorization"] = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    answer = await send(running, source, body, headers)

    assert code == answer.status_code


@pytest.mark.asyncio
async def test_a_page_of_another_site_cannot_send_where_nothing_is_proved(running: World) -> None:
    body = ticket_body("github", NOW)
    answer = await send(running, "open", body, {"origin": "https://evil.example"})

    assert (403, "forbidden") == problem(answer)


@pytest.mark.asyncio
async def test_the_configuration_overrides_a_vendors_words_one_by_one(running: World) -> None:
    content = json.loads(ticket_body("github", NOW))
    content["issue"]["labels"] = [{"name": "priority: high"}]
    await send(running, "own", json.dumps(content).encode(), {"x-github-event": "issues"})
    content["issue"] |= {"state": "closed", "labels": [{"name": "priority: odd"}]}
    answer = await send(running, "own", json.dumps(content).encode(), {"x-github-event": "issues"})
    first, second = (each.fields for each in await running.observations())

    assert (Status.WAITING, "open", Priority.P4, "web") == (
        first.status, first.raw_status, first.priority, first.channel,
    )  # fmt: skip
    assert (Status.CLOSED, Priority.P3, "odd") == (second.status, second.priority, second.raw_priority)
    assert ["priority"] == answer.json()["unmapped"]
    assert 1 == running.counted("unmapped")


@pytest.mark.asyncio
async def test_handshakes_are_answered_before_there_is_a_secret(running: World) -> None:
    trello = await send(running, "trello", b"", {}, "HEAD")
    asana = await send(running, "asana", b"", {"x-hook-secret": "b537207f"})
    sync = b'{"type": "sync"}'
    front = await send(running, "front", sync, {"x-front-challenge": "c-1"})

    assert (200, b"") == (trello.status_code, trello.content)
    assert (200, "b537207f", b"") == (asana.status_code, asana.headers["x-hook-secret"], asana.content)
    assert (200, {"challenge": "c-1"}) == (front.status_code, front.json())
    assert 3 == running.counted("handshake")
    assert (0, 0) == await on_the_bus(running)


@pytest.mark.parametrize("source", ["default", "nobody", "%20", "a" * 5_000])
@pytest.mark.asyncio
async def test_a_source_that_takes_no_webhooks_is_not_there(running: World, source: str) -> None:
    assert (404, "unknown-source") == problem(await send(running, source, b"{}", {}))


@pytest.mark.parametrize("path", ["%ff", "%00", "..%2f", "github%2f..", "github?source=x", "{source}", "🎫"])
@pytest.mark.asyncio
async def test_odd_addresses_and_hosts_are_answered_like_any_other(running: World, path: str) -> None:
    for host in ("[", "a b", "tickets.example.com:99999", ""):
        answer = await send(running, path, b"{}", {"host": host})
        assert answer.status_code in {401, 404}


@pytest.mark.parametrize("source", ["github", "github/", "nobody/"])
@pytest.mark.parametrize("method", ["POST", "HEAD", "GET", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.asyncio
async def test_nobody_is_ever_redirected(running: World, source: str, method: str) -> None:
    answer = await send(running, source, b"", {}, method)

    assert answer.status_code in {401, 404, 405}


@pytest.mark.asyncio
async def test_while_the_bus_is_away_a_vendor_is_told_to_come_again(running: World) -> None:
    body = ticket_body("github", NOW)
    running.bus.away = True
    away = await send(running, "github", body, proof("github", body))
    kept = await send(running, "github", b"{", proof("github", b"{"))
    ready = await running.http.get("/readyz")
    running.bus.away = False
    back = await send(running, "github", body, proof("github", body))

    assert [(503, "unavailable")] * 2 == [problem(away), problem(kept)]
    assert "2" == away.headers["retry-after"]
    assert (503, 202) == (ready.status_code, back.status_code)


@pytest.mark.asyncio
async def test_more_than_can_be_worked_on_is_told_to_wait(tmp_path: Path) -> None:
    async with world(tmp_path, CONFIGURATION, {"in_flight_bytes_max": 100}) as small:
        body = ticket_body("github", NOW)
        answer = await send(small, "github", body, proof("github", body))

        assert (429, "too-many") == problem(answer)
        assert "2" == answer.headers["retry-after"]


@pytest.mark.asyncio
async def test_a_signed_address_is_the_one_the_vendor_calls(tmp_path: Path) -> None:
    for vendor in {"trello", "hubspot"} & set(VENDORS):
        hook = {**_HOOK, "url": PUBLIC}
        behind = Configuration.model_validate(
            {"sources": [{"name": "public", "kind": vendor, "webhook": hook}]}
        )
        async with world(tmp_path / vendor, behind) as one:
            body = ticket_body(vendor, NOW)
            public = await send(one, "public", body, proof(vendor, body, url=PUBLIC))
            inside = await send(one, "public", body, proof(vendor, body, url=f"{URL}public"))

            assert (202, 401) == (public.status_code, inside.status_code)


def broken(step: str) -> Any:
    """Return an adapter with a defect in one step, as a new one may have."""
    sound = VENDORS["github"]
    steps = {"verify": sound.verify, "shake": sound.shake, "read": sound.read, step: _fail}
    return SimpleNamespace(name=sound.name, vocabulary=sound.vocabulary, **steps)


def _fail(*_: object) -> None:
    raise IndexError("a defect")


@pytest.mark.parametrize(("step", "code"), [("verify", 401), ("shake", 202), ("read", 202)])
@pytest.mark.asyncio
async def test_a_defect_of_an_adapter_loses_nothing_and_is_no_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    body = ticket_body("github", NOW)
    with monkeypatch.context() as patched:
        patched.setattr("services.intake.settings.VENDORS", {**VENDORS, "github": broken(step)})
        async with world(tmp_path, CONFIGURATION) as running:
            answer = await send(running, "github", body, proof("github", body))
            kept = await running.rejected()
            log = RejectedLog(running.bus, Sources(definitions_of(CONFIGURATION, {})), running.clock)
            await log.retry(Wanted())

            assert code == answer.status_code
            assert ["adapter_failed"] * (step == "read") == [each.reason for each in kept]
            assert (0 if step == "verify" else 1) == len(await running.observations())
