"""Mails by SMTP and LMTP, spoken by Python's own clients over loopback: 250 only for what the bus has."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from services.intake.adapters.smtp import MailListener
from services.intake.adapters.threads import open_threads
from services.intake.settings import MailPorts
from shared.configuration.models import Configuration
from shared.contracts.tickets import Activity, Channel
from shared.runtime.environment import SettingsInvalid
from tests.api.intake_world import World, world
from tests.unit.intake.mail.letters import letter

pytestmark = pytest.mark.asyncio

T = TypeVar("T")

SUPPORT, SALES = "support@example.org", "sales@example.org"
DESK = Configuration.model_validate(
    {
        "sources": [
            {"name": "desk", "email": {"addresses": [SUPPORT, "@desk.example"]}},
            {"name": "shop", "email": {"addresses": [SALES]}},
        ]
    }
)
CUSTOMER = "ann@customer.example"


@dataclass(frozen=True)
class Post:
    """A listening intake, and how to speak to it."""

    world: World
    port: int
    is_lmtp: bool

    async def speak(self, words: Callable[[smtplib.SMTP], T]) -> T:
        def spoken() -> T:
            client = smtplib.LMTP if self.is_lmtp else smtplib.SMTP
            with client("127.0.0.1", self.port) as server:
                return words(server)

        return await asyncio.to_thread(spoken)

    async def send(self, mail: bytes, *to: str, sender: str = CUSTOMER) -> list[tuple[int, bytes]]:
        def words(server: smtplib.SMTP) -> list[tuple[int, bytes]]:
            server.ehlo_or_helo_if_needed()
            server.mail(sender)
            answers = [server.rcpt(one) for one in to]
            answers.append(server.data(mail))
            if self.is_lmtp:
                answers += [server.getreply() for _ in to[1:]]
            return answers

        return await self.speak(words)


@asynccontextmanager
async def listening(tmp_path: Path, port: int, *, is_lmtp: bool = False) -> AsyncIterator[Post]:
    ports = MailPorts(lmtp=port) if is_lmtp else MailPorts(smtp=port)
    async with (
        open_threads(f"sqlite+aiosqlite:///{tmp_path}/intake.db", kept_days=30) as threads,
        world(tmp_path / "log", DESK, {"email_bytes_max": 5_000}, threads=threads, mail=ports) as running,
    ):
        worker = running.intake.workers["lmtp" if is_lmtp else "smtp"]
        assert isinstance(worker, MailListener)
        task = asyncio.create_task(worker.run())
        yield Post(running, worker.port, is_lmtp)
        worker.stop()
        await task


@pytest_asyncio.fixture
async def smtp(tmp_path: Path, free_port: int) -> AsyncIterator[Post]:
    async with listening(tmp_path, free_port) as post:
        yield post


@pytest_asyncio.fixture
async def lmtp(tmp_path: Path, free_port: int) -> AsyncIterator[Post]:
    async with listening(tmp_path, free_port, is_lmtp=True) as post:
        yield post


async def test_a_mail_is_on_the_bus_when_it_is_answered_250(smtp: Post) -> None:
    assert [250, 250] == [code for code, _ in await smtp.send(letter(), SUPPORT)]
    [seen] = await smtp.world.observations()
    assert ("desk", Activity.CREATED, Channel.EMAIL, "Printer") == (
        seen.source, seen.activity, seen.fields.channel, seen.fields.subject,
    )  # fmt: skip


async def test_a_mail_is_for_the_sources_that_have_its_recipients(smtp: Post) -> None:
    await smtp.send(letter(), "Support@Example.org", SALES, "anybody@desk.example")
    assert ["desk", "shop"] == [seen.source for seen in await smtp.world.observations()]


async def test_a_recipient_of_no_source_is_refused_and_nothing_is_relayed(smtp: Post) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        await smtp.speak(lambda server: server.sendmail(CUSTOMER, ["a@elsewhere.example"], letter()))
    assert (550, []) == (refused.value.recipients["a@elsewhere.example"][0], await smtp.world.observations())


async def test_the_server_keeps_a_mail_while_the_bus_is_away(smtp: Post) -> None:
    smtp.world.bus.away = True
    assert 451 == (await smtp.send(letter(), SUPPORT))[-1][0]
    smtp.world.bus.away = False
    assert 250 == (await smtp.send(letter(), SUPPORT))[-1][0]


async def test_a_mail_above_the_limit_is_refused_for_good(smtp: Post) -> None:
    assert 552 == (await smtp.send(letter(text="long line\r\n" * 1_000), SUPPORT))[-1][0]


async def test_a_mail_from_nobody_is_a_bounce(smtp: Post) -> None:
    assert 250 == (await smtp.send(letter(), SUPPORT, sender=""))[-1][0]
    assert (0, 1.0) == (len(await smtp.world.observations()), smtp.world.counted("ignored"))


async def test_what_is_no_mail_is_kept(smtp: Post) -> None:
    assert 250 == (await smtp.send(b"no field here\r\n", SUPPORT))[-1][0]
    assert ["unreadable"] == [kept.reason for kept in await smtp.world.rejected()]


async def test_bytes_of_any_kind_pass_unchanged(smtp: Post) -> None:
    mail = letter(subject="x").replace(b"Subject: x", b"Subject: \xe4\xf6") + b"\xff" * 2_000
    assert 250 == (await smtp.send(mail, SUPPORT))[-1][0]
    assert ["äö"] == [seen.fields.subject for seen in await smtp.world.observations()]


async def test_lmtp_answers_for_each_recipient(lmtp: Post) -> None:
    answers = await lmtp.send(letter(), SUPPORT, SALES)
    assert [250, 250, 250, 250] == [code for code, _ in answers]
    assert ["desk", "shop"] == [seen.source for seen in await lmtp.world.observations()]


async def test_a_connection_that_breaks_in_the_middle_leaves_nothing(smtp: Post) -> None:
    def words(server: smtplib.SMTP) -> None:
        server.ehlo()
        server.mail(CUSTOMER)
        server.rcpt(SUPPORT)
        server.docmd("DATA")
        server.send(b"Subject: cut off\r\n\r\nhal")
        assert isinstance(server.sock, socket.socket)
        server.sock.shutdown(socket.SHUT_RDWR)
        server.close()

    await smtp.speak(words)
    await smtp.send(letter(), SUPPORT)
    assert ["Printer"] == [seen.fields.subject for seen in await smtp.world.observations()]


async def test_an_address_beyond_loopback_has_to_be_wanted_aloud() -> None:
    with pytest.raises(SettingsInvalid, match="BAROMETER_MAIL_EXPOSED"):
        MailPorts.from_environment({"BAROMETER_MAIL_HOST": "0.0.0.0"})
    wanted = {"BAROMETER_MAIL_HOST": "0.0.0.0", "BAROMETER_MAIL_EXPOSED": "true"}
    assert "0.0.0.0" == MailPorts.from_environment(wanted).host
