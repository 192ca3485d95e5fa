"""`POST /v1/emails`, asked over HTTP: what a mail is taken for, and to which ticket it belongs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from services.intake.adapters.threads import SqlThreads, open_threads
from shared.configuration.models import Configuration
from shared.contracts.tickets import Activity, Actor, Channel, Observation, Visibility
from tests.api.intake_world import KEYS, NOW, World, digest, world
from tests.unit.intake.mail.letters import letter

pytestmark = pytest.mark.asyncio

DESK = Configuration.model_validate(
    {
        "tenants": [
            {
                "name": "default",
                "keys": [
                    {"name": "tenant", "sha256": digest(KEYS["tenant"]), "scopes": ["publish"]},
                    {"name": "reader", "sha256": digest(KEYS["reader"]), "scopes": ["read"]},
                ],
            }
        ],
        "sources": [
            {
                "name": "desk",
                "email": {
                    "agents": ["@Help.example", "boss@example.org"],
                    "addresses": ["support@example.org", "billing@example.org"],
                    "queues": {"billing@example.org": "billing"},
                },
            },
            {"name": "tracker"},
        ],
    }
)


@pytest_asyncio.fixture
async def threads(tmp_path: Path) -> AsyncIterator[SqlThreads]:
    async with open_threads(f"sqlite+aiosqlite:///{tmp_path}/intake.db", kept_days=30) as threads:
        yield threads


@pytest_asyncio.fixture
async def desk(tmp_path: Path, threads: SqlThreads) -> AsyncIterator[World]:
    async with world(tmp_path / "log", DESK, threads=threads) as running:
        yield running


@pytest.fixture
def real_mails(shared_data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(shared_data.glob("emails/*/*"))}


async def post(
    running: World,
    mail: bytes,
    *,
    source: str = "desk",
    key: str = "tenant",
    content_type: str = "message/rfc822",
) -> httpx2.Response:
    headers = {"authorization": f"Bearer {KEYS[key]}", "content-type": content_type}
    return await running.http.post(f"/v1/emails?source={source}", content=mail, headers=headers)


async def taken(running: World, mail: bytes) -> dict[str, Any]:
    response = await post(running, mail)
    assert 202 == response.status_code, response.text
    return response.json()  # type: ignore[no-any-return]


async def shown(running: World) -> Observation:
    return (await running.observations())[-1]


async def test_a_first_mail_opens_a_ticket_at_the_instant_of_its_receipt(desk: World) -> None:
    mail = letter(sender="Ann <Ann@Customer.example>", to="billing@example.org", subject="Printer on fire")
    answer = await taken(desk, mail)
    observation = await shown(desk)
    assert ("accepted", "created", "customer") == (answer["status"], answer["activity"], answer["actor"])
    assert answer["ticket"].startswith("desk:mail-")
    assert (answer["ticket"], answer["event_id"]) == (observation.ticket, observation.id)
    fields = observation.fields
    assert ("Printer on fire", "ann@customer.example", Channel.EMAIL, "billing") == (
        fields.subject, fields.requester, fields.channel, fields.queue,
    )  # fmt: skip
    assert (NOW, NOW, True) == (observation.time, observation.received_at, observation.dated_by_receipt)


async def test_answers_of_both_sides_belong_to_the_ticket_they_answer(desk: World) -> None:
    opened = await taken(desk, letter(id="m1@customer.example"))
    answered = await taken(
        desk, letter(id="m2@help.example", sender="amy@help.example", to="ann@customer.example", answers="m1@customer.example")
    )  # fmt: skip
    told = await shown(desk)
    again = await taken(
        desk, letter(id="m3@customer.example", references="m1@customer.example m2@help.example")
    )
    assert [opened["ticket"]] * 2 == [answered["ticket"], again["ticket"]]
    assert ("agent_message", "customer_message") == (answered["activity"], again["activity"])
    assert (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC) == (
        told.activity,
        told.actor,
        told.visibility,
    )


async def test_a_mail_among_agents_is_an_internal_note(desk: World) -> None:
    opened = await taken(desk, letter(id="m1@customer.example"))
    mail = letter(
        sender="amy@help.example", to="boss@example.org, support@example.org", answers="m1@customer.example"
    )
    answer = await taken(desk, mail)
    assert (opened["ticket"], "internal_note", "agent") == (
        answer["ticket"],
        answer["activity"],
        answer["actor"],
    )


@pytest.mark.parametrize(
    "subject", ["Re: Printer [#SUP-42]", "AW: [desk:SUP-42] Printer", "=?utf-8?q?Re=3A_=5B=23SUP-42=5D?="]
)
async def test_a_tag_in_the_subject_names_the_ticket(desk: World, subject: str) -> None:
    answer = await taken(desk, letter(subject=subject))
    assert ("desk:SUP-42", "customer_message") == (answer["ticket"], answer["activity"])


async def test_a_tag_of_another_source_says_nothing(desk: World) -> None:
    assert "created" == (await taken(desk, letter(subject="[tracker:SUP-42] Printer")))["activity"]


async def test_an_answer_to_a_tagged_mail_needs_no_tag(desk: World) -> None:
    await taken(desk, letter(id="m1@customer.example", subject="[#SUP-42]"))
    answer = await taken(desk, letter(id="m2@customer.example", answers="m1@customer.example"))
    assert "desk:SUP-42" == answer["ticket"]


async def test_a_mail_delivered_twice_is_one_observation(desk: World) -> None:
    first = await taken(desk, letter(id="m1@customer.example"))
    desk.clock.set(desk.clock.now_us() + 3_600_000_000)
    second = await taken(desk, b"Received: from relay\r\n" + letter(id="m1@customer.example"))
    assert first == second
    one, other = await desk.observations()
    assert (one.id, one.fields, one.dated_by_receipt) == (other.id, other.fields, other.dated_by_receipt)


async def test_a_mail_that_comes_after_its_answer_joins_it(desk: World) -> None:
    answer = await taken(
        desk, letter(id="m2@help.example", sender="amy@help.example", answers="m1@customer.example")
    )
    late = await taken(desk, letter(id="m1@customer.example"))
    assert (answer["ticket"], "customer_message") == (late["ticket"], late["activity"])


async def test_an_answer_to_a_ticket_that_was_deleted_meanwhile_opens_one_of_its_own(desk: World) -> None:
    opened = await taken(desk, letter(id="m1@customer.example"))
    deletion = {"id": opened["ticket"].removeprefix("desk:"), "activity": "deleted"}
    headers = {"authorization": f"Bearer {KEYS['tenant']}"}
    deleted = await desk.http.post("/v1/events?source=desk", json=deletion, headers=headers)
    assert 202 == deleted.status_code, deleted.text

    answer = await taken(desk, letter(id="m2@customer.example", answers="m1@customer.example"))

    assert "created" == answer["activity"]
    assert opened["ticket"] != answer["ticket"]


async def test_two_people_who_answer_a_mail_that_never_came_open_two_tickets(desk: World) -> None:
    """A newsletter is answered by many; they have nothing to do with each other."""
    one = await taken(desk, letter(id="a@customer.example", answers="news@example.org"))
    other = await taken(desk, letter(id="b@customer.example", answers="news@example.org"))
    assert one["ticket"] != other["ticket"]


async def test_threads_of_one_source_are_none_of_another(desk: World) -> None:
    await taken(desk, letter(id="m1@customer.example"))
    response = await post(
        desk, letter(id="m2@customer.example", answers="m1@customer.example"), source="tracker"
    )
    assert "created" == response.json()["activity"]


async def test_an_automatic_mail_is_acknowledged_and_counted_and_shows_nothing(desk: World) -> None:
    await taken(desk, letter(id="m1@customer.example"))
    away = letter(answers="m1@customer.example", more="Auto-Submitted: auto-replied\r\n")
    assert {"status": "ignored", "reason": "vacation"} == await taken(desk, away)
    assert (1, 1.0) == (len(await desk.observations()), desk.counted("ignored"))


async def test_bytes_that_are_no_mail_are_refused_and_kept_whole(desk: World) -> None:
    response = await post(desk, b"\x00\xff nothing")
    assert (422, "unreadable") == (response.status_code, response.json()["reason"])
    [kept] = await desk.rejected()
    assert (b"\x00\xff nothing", "message/rfc822", response.json()["rejected_id"]) == (
        kept.body, kept.content_type, kept.id,
    )  # fmt: skip


async def test_a_mail_waits_at_its_sender_while_the_bus_is_away(desk: World) -> None:
    desk.bus.away = True
    response = await post(desk, letter(id="m1@customer.example"))
    assert (503, "2") == (response.status_code, response.headers["retry-after"])
    desk.bus.away = False
    assert "created" == (await taken(desk, letter(id="m1@customer.example")))["activity"]


async def test_without_a_database_mails_wait_at_their_senders(tmp_path: Path) -> None:
    async with world(tmp_path, DESK) as running:
        response = await post(running, letter())
        assert 503 == response.status_code
        assert "BAROMETER_DATABASE" in response.json()["detail"]


@pytest.mark.parametrize(
    ("key", "source", "content_type", "status"),
    [
        ("reader", "desk", "message/rfc822", 403),
        ("other", "desk", "message/rfc822", 401),
        ("tenant", "nobody", "message/rfc822", 404),
        ("tenant", "desk", "application/json", 415),
    ],
)
async def test_a_request_that_may_not_be_is_refused(
    desk: World, key: str, source: str, content_type: str, status: int
) -> None:
    response = await post(desk, letter(), key=key, source=source, content_type=content_type)
    assert (status, "application/problem+json") == (response.status_code, response.headers["content-type"])


async def test_a_mail_may_be_larger_than_an_event_and_not_without_bound(
    tmp_path: Path, threads: SqlThreads
) -> None:
    limits = {"body_bytes_max": 100, "email_bytes_max": 2_000}
    async with world(tmp_path / "log", DESK, limits, threads=threads) as running:
        assert 202 == (await post(running, letter(text="x" * 1_000))).status_code
        assert 413 == (await post(running, letter(text="x" * 2_000))).status_code


async def test_every_real_mail_is_accepted_or_ignored(desk: World, real_mails: Mapping[str, bytes]) -> None:
    for name, mail in real_mails.items():
        assert (await taken(desk, mail))["status"] in {"accepted", "ignored"}, name
