"""`barometer serve` with a mailbox: a mail is a ticket within seconds, and once, whoever dies when."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.e2e.harness import Process
from tests.servers.child import wait_until
from tests.servers.imap import PASSWORD, USER, ImapServer, StoredMail
from tests.unit.intake.mail.letters import letter

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

MAILS = 400
KILLS = 3
WITHIN_S = 10.0
ALL_WITHIN_S = 120.0


def mail(number: int) -> bytes:
    return letter(id=f"m{number}@customer.example", subject=f"mail {number}")


def has(archive: list[StoredMail], enough: int) -> bool:
    return len(archive) >= enough


class Desk:
    """A Barometer that reads the mailbox of a server."""

    def __init__(self, directory: Path, server: ImapServer) -> None:
        self.server = server
        imap = {
            "host": "127.0.0.1", "port": server.port, "encryption": "none", "user": USER,
            "password": {"env": "MAILBOX_PASSWORD"}, "mark_seen": True, "move_to": "Archive",
        }  # fmt: skip
        config = directory / "barometer.yaml"
        config.write_text(yaml.safe_dump({"sources": [{"name": "desk", "email": {"imap": imap}}]}))
        self.process = Process(
            "serve", "serve", "--data", directory / "data", "--config", config,
            directory=directory, environment={"MAILBOX_PASSWORD": PASSWORD},
        )  # fmt: skip

    def ask(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = httpx2.get(f"{self.process.url}{path}", timeout=20).json()
        return answer

    def open(self) -> int:
        try:
            count: int = self.ask("/v1/backlog")["total"]["open"]
        except (httpx2.TransportError, KeyError):
            return -1  # not ready to answer
        return count

    def subjects(self) -> list[str]:
        found, cursor = list[str](), ""
        while True:
            page = self.ask(f"/v1/tickets?limit=200{cursor}")
            found += [ticket["subject"] for ticket in page["tickets"]]
            if not page.get("next"):
                return found
            cursor = f"&cursor={page['next']}"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with ImapServer().running() as server:
        desk = Desk(tmp_path, server)
        yield desk
        if desk.process.alive:
            desk.process.kill9()


def test_a_mail_is_in_the_backlog_within_seconds_and_a_stop_is_clean(desk: Desk) -> None:
    desk.process.start().wait_ready()
    wait_until(lambda: bool(desk.server.commands("IDLE")), "the reader listens", deadline_s=WITHIN_S)
    desk.server.deliver(mail(1))
    wait_until(lambda: desk.open() == 1, "the ticket", deadline_s=WITHIN_S)
    assert "[+] mailbox desk" in httpx2.get(f"{desk.process.url}/healthz").text
    assert 0 == desk.process.stop()
    assert ["LOGOUT"] == desk.server.heard[-1:]


def test_a_mailbox_is_read_once_however_often_the_process_is_killed(desk: Desk) -> None:
    desk.server.deliver(*map(mail, range(MAILS)))
    archive = desk.server.folders["Archive"].mails
    for kill in range(1, KILLS + 1):
        desk.process.start()
        enough = kill * MAILS // (KILLS + 1)
        wait_until(partial(has, archive, enough), "some mails", deadline_s=ALL_WITHIN_S)
        desk.process.kill9()
    assert 0 < len(archive) < MAILS
    desk.process.start().wait_ready()
    wait_until(lambda: desk.open() == MAILS, "every ticket", deadline_s=ALL_WITHIN_S)
    wait_until(lambda: len(archive) == MAILS, "every mail moved", deadline_s=ALL_WITHIN_S)
    assert sorted(f"mail {number}" for number in range(MAILS)) == sorted(desk.subjects())
    assert sorted(map(mail, range(MAILS))) == sorted(one.raw for one in archive)
    assert 0 == desk.process.stop()
