"""Mails that services post: proved first, then read; bodies made up from what the services document."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
import pytest_asyncio

from services.intake.adapters.threads import open_threads
from services.intake.core.mail.inbound import MAILERS
from services.intake.core.vendors.port import Delivery, Untrusted, Verified
from shared.configuration.models import Configuration
from shared.contracts.instants import from_us, to_us
from tests.api.intake_world import ENVIRONMENT, NOW, World, world
from tests.unit.intake.mail.letters import letter

pytestmark = pytest.mark.asyncio

SECRET = ENVIRONMENT["HOOK_SECRET"]
BASIC = {"user": "hook", "password": {"env": "HOOK_SECRET"}}
SIGNED = {"service": "mailgun", "secrets": [{"env": "HOOK_SECRET"}]}
CONFIGURATION = Configuration.model_validate(
    {
        "sources": [
            {"name": "mailgun", "email": {"webhook": SIGNED}},
            *(
                {"name": name, "email": {"webhook": {"service": name, "basic": BASIC}}}
                for name in ("postmark", "sendgrid", "ses")
            ),
        ]
    }
)
AUTHORIZED = {"authorization": "Basic " + base64.b64encode(f"hook:{SECRET}".encode()).decode()}
FORM = {"content-type": "application/x-www-form-urlencoded"}
HEADERS = [
    ["From", "Ann <Ann@Customer.example>"],
    ["Subject", "Printer ä"],
    ["Message-Id", "<1@customer.example>"],
]


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[World]:
    async with (
        open_threads(f"sqlite+aiosqlite:///{tmp_path}/intake.db", kept_days=30) as threads,
        world(tmp_path / "log", CONFIGURATION, threads=threads) as running,
    ):
        yield running


async def post(desk: World, source: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
    return await desk.http.post(f"/v1/emails/{source}", content=body, headers=dict(headers))


def mailgun(fields: Mapping[str, str], *, token: str = "tok", at: int = to_us(NOW) // 1_000_000) -> bytes:
    signature = hmac.new(SECRET.encode(), f"{at}{token}".encode(), sha256).hexdigest()
    return urlencode({"timestamp": str(at), "token": token, "signature": signature, **fields}).encode()


def parts(**fields: bytes) -> tuple[bytes, dict[str, str]]:
    body = b"".join(
        b'--xyz\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in fields.items()
    )
    return body + b"--xyz--\r\n", {"content-type": "multipart/form-data; boundary=xyz"}


def sns(message: Mapping[str, Any], kind: str = "Notification", **more: str) -> bytes:
    return json.dumps({"Type": kind, "Message": json.dumps(message), **more}).encode()


REBUILT = "\r\n".join(f"{name}: {value}" for name, value in HEADERS).encode()
RECEIVED = {
    "notificationType": "Received",
    "mail": {
        "source": "ann@customer.example",
        "headers": [{"name": name, "value": value} for name, value in HEADERS],
    },
    "receipt": {"recipients": ["support@example.org"]},
}
POSTED: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "mailgun fields": (
        "mailgun", mailgun({"sender": "ann@customer.example", "message-headers": json.dumps(HEADERS)}), FORM,
    ),
    "mailgun mime": ("mailgun", mailgun({"body-mime": letter(subject="Printer ä").decode()}), FORM),
    "postmark fields": (
        "postmark",
        json.dumps({"From": "Ann@Customer.example", "Subject": "Printer ä", "MessageID": "theirs",
                    "Headers": [{"Name": "Message-ID", "Value": "<1@customer.example>"}]}).encode(),
        AUTHORIZED,
    ),
    "postmark raw": ("postmark", json.dumps({"RawEmail": letter(subject="Printer ä").decode()}).encode(), AUTHORIZED),
    "sendgrid headers": (
        "sendgrid", parts(headers=REBUILT, envelope=b'{"to":["support@example.org"],"from":"ann@customer.example"}')[0],
        {**parts()[1], **AUTHORIZED},
    ),
    "sendgrid raw": ("sendgrid", parts(email=letter(subject="Printer ä"))[0], {**parts()[1], **AUTHORIZED}),
    "ses headers": ("ses", sns(RECEIVED), AUTHORIZED),
    "ses content": ("ses", sns({**RECEIVED, "content": letter(subject="Printer ä").decode()}), AUTHORIZED),
}  # fmt: skip


@pytest.mark.parametrize("name", POSTED)
async def test_a_mail_of_a_service_opens_its_ticket(desk: World, name: str) -> None:
    source, body, headers = POSTED[name]
    response = await post(desk, source, body, headers)
    assert (202, "accepted", "created") == (
        response.status_code,
        *(response.json()[k] for k in ("status", "activity")),
    )
    [seen] = await desk.observations()
    assert (source, "Printer ä", "ann@customer.example", NOW) == (
        seen.source, seen.fields.subject, seen.fields.requester, seen.time,
    )  # fmt: skip


@pytest.mark.parametrize("name", POSTED)
async def test_what_proves_nothing_is_refused_and_counted(desk: World, name: str) -> None:
    source, body, headers = POSTED[name]
    forged = body.replace(b"signature=", b"signature=0")
    without = {each: value for each, value in headers.items() if each != "authorization"}
    response = await post(desk, source, forged, without)
    assert (401, []) == (response.status_code, await desk.observations())


async def test_an_old_signature_of_mailgun_is_a_replay(desk: World) -> None:
    old = mailgun({"body-mime": letter().decode()}, at=to_us(NOW) // 1_000_000 - 301)
    assert 401 == (await post(desk, "mailgun", old, FORM)).status_code


async def test_the_published_vector_of_mailgun_fits_and_a_changed_one_does_not() -> None:
    stamp, signature = "1767323045", "cfe1c294879668b39e816410302308f34ef941f7ad24219f7c93fbbf2e1e0ced"

    def proof(token: str) -> Verified | Untrusted:
        body = urlencode({"timestamp": stamp, "token": token, "signature": signature}).encode()
        delivery = Delivery("POST", "", FORM, body, from_us(int(stamp) * 1_000_000))
        return MAILERS["mailgun"].verify(delivery, ("topsecret",))

    assert Verified("signature:mailgun") == proof("tok")
    assert isinstance(proof("tik"), Untrusted)


async def test_a_value_cannot_smuggle_in_a_field(desk: World) -> None:
    smuggled = [["Subject", "x\r\nFrom: boss@help.example"], ["From", "ann@customer.example"]]
    await post(desk, "mailgun", mailgun({"message-headers": json.dumps(smuggled)}), FORM)
    assert ["ann@customer.example"] == [seen.fields.requester for seen in await desk.observations()]


async def test_a_bounce_that_a_service_posts_is_ignored(desk: World) -> None:
    bounced = [*HEADERS, ["Auto-Submitted", "auto-replied"]]
    response = await post(desk, "mailgun", mailgun({"message-headers": json.dumps(bounced)}), FORM)
    assert {"status": "ignored", "reason": "vacation"} == response.json()


async def test_a_subscription_of_sns_is_kept_for_a_person_with_the_address_to_open(desk: World) -> None:
    body = sns(
        {}, "SubscriptionConfirmation", SubscribeURL="https://sns.eu-west-1.amazonaws.com/?Action=Confirm"
    )
    response = await post(desk, "ses", body, AUTHORIZED)
    assert (202, "rejected") == (response.status_code, response.json()["status"])
    [kept] = await desk.rejected()
    assert (body, True) == (kept.body, "https://sns.eu-west-1.amazonaws.com/?Action=Confirm" in kept.detail)


@pytest.mark.parametrize("source", sorted(MAILERS))
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"[[[[", b'{"From": []}', b'{"mail": 1, "Message": "["}', b"\xff\x00", b"--xyz", b"a=b"]
)  # fmt: skip
async def test_whatever_a_proved_request_holds_is_never_an_error(
    desk: World, source: str, body: bytes
) -> None:
    headers = AUTHORIZED
    if source == "mailgun":
        body, headers = mailgun({"message-headers": body.decode("latin-1")}), FORM
    elif source == "sendgrid":
        headers = {**AUTHORIZED, **parts()[1]}
    response = await post(desk, source, body, headers)
    assert (202, True) == (
        response.status_code,
        response.json()["status"] in {"accepted", "ignored", "rejected"},
    )


async def test_a_source_without_a_service_takes_nothing(desk: World) -> None:
    assert 404 == (await post(desk, "default", b"", AUTHORIZED)).status_code
