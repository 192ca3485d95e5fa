"""A mailbox whose server, bus or process gives up at any moment: nothing is lost, and nothing is doubled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import pytest

from services.intake.adapters import imap as adapter
from services.intake.adapters.imap import ImapMailbox
from services.intake.worker.mailbox import MailboxWorker
from tests.api.mailbox_world import Reading, reading
from tests.servers.imap import PASSWORD, USER, ImapServer, Trouble, What
from tests.unit.intake.mail.letters import letter
from tests.unit.runtime.crashing import Countdown, Crash, Crashing

pytestmark = [pytest.mark.asyncio, pytest.mark.slow]

MAILS = 3
CRASHES_MAX = 200
EVERYWHERE = (
    "CAPABILITY", "LOGIN", "LIST", "SELECT", "UID SEARCH", "RFC822.SIZE", "BODY", "UID STORE", "UID MOVE", "IDLE",
)  # fmt: skip
AT_THE_BEGINNING = {"CAPABILITY", "LOGIN", "LIST"}


@pytest.fixture
def server() -> Iterator[ImapServer]:
    with ImapServer().running() as server:
        yield server


def mail(number: int) -> bytes:
    return letter(id=f"m{number}@customer.example", subject=f"mail {number}")


async def identities(reader: Reading) -> list[tuple[str, str]]:
    """Return tickets and ids on the bus, each once."""
    return sorted({(one.ticket, one.id) for one in await reader.world.observations()})


def took(reader: Reading, number: int) -> bool:
    return reader.mails("accepted") >= number


def moved(server: ImapServer) -> list[bytes]:
    assert [] == server.folders["INBOX"].mails
    return sorted(one.raw for one in server.folders["Archive"].mails)


@pytest.mark.parametrize("command", EVERYWHERE)
async def test_whatever_goes_wrong_at_any_command_each_mail_is_taken_and_moved_once(
    tmp_path: Path, server: ImapServer, command: str
) -> None:
    kinds = [what for what in get_args(What) if what not in {"silent", "gone"}]
    async with reading(tmp_path, server, mark_seen=True, move_to="Archive", poll_ms=100) as reader:
        reader.start()
        for number, what in enumerate(kinds):
            server.troubles = [Trouble(command, what)]
            server.deliver(mail(number))
            if command in AT_THE_BEGINNING:
                server.drop_all()
            await reader.until(lambda: server.troubles[0].times == 0, f"{command} with {what}")
            await reader.until(partial(took, reader, number + 1), "the mail")
        await reader.read()
        found = await identities(reader)
    assert len(kinds) == len(found)
    if command not in {"UID MOVE", "UID STORE"}:  # what the server refuses to move stays where it is
        assert sorted(map(mail, range(len(kinds)))) == moved(server)


async def test_a_server_that_says_nothing_is_given_up(
    tmp_path: Path, server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "ANSWER_S", 0.2)
    server.troubles.append(Trouble("UID SEARCH", "silent"))
    server.deliver(mail(1))
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        assert ["mail 1"] == await reader.subjects()
    assert 1 == reader.failures("connection")


async def test_a_connection_that_is_cut_while_nothing_happens_is_noticed_and_made_again(
    tmp_path: Path, server: ImapServer
) -> None:
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        server.drop_all()
        await reader.until(lambda: reader.failures("connection") == 1, "it is noticed")
        server.deliver(mail(1))
        await reader.read()
        assert ["mail 1"] == await reader.subjects()


async def test_a_server_that_is_not_there_is_tried_at_growing_intervals_and_said_so(
    tmp_path: Path, server: ImapServer
) -> None:
    async with reading(tmp_path, server) as reader:
        server.troubles.append(Trouble("CAPABILITY", "drop", times=7))
        reader.start()
        await reader.until(lambda: reader.failures("connection") >= 6, "six tries")
        assert reader.worker.complaint()
        await reader.read()
        assert None is reader.worker.complaint()
    slices = len(reader.waits)
    # 1, 2, 4, 8, 16, 30 and 30 seconds, in slices in which a stop is heard.
    assert slices >= 2 * (1 + 2 + 4 + 8 + 16 + 30 + 30)
    assert 500 == max(reader.waits)


async def test_a_refused_password_is_tried_rarely_and_taken_once_it_is_right(
    tmp_path: Path, server: ImapServer
) -> None:
    server.passwords[USER] = "another"
    server.deliver(mail(1))
    async with reading(tmp_path, server) as reader:
        reader.start()
        await reader.until(lambda: reader.failures("authentication") == 3, "three tries")
        assert "does not let `desk@example.org` in" in str(reader.worker.complaint())
        assert len(reader.waits) * 500 >= 60_000 + 120_000
        server.passwords[USER] = PASSWORD
        await reader.read()
        assert ["mail 1"] == await reader.subjects()
    assert PASSWORD not in str(reader.worker.complaint())


@pytest.mark.parametrize(
    ("imap", "change", "expected"),
    [
        ({"folders": ["Help"]}, None, "the folder `Help` cannot be opened"),
        ({"move_to": "Done"}, None, "there is no folder `Done` to move mails to"),
        ({"move_to": "Archive"}, "no move", "the server cannot move mails in one step (RFC 6851)"),
        ({"mark_seen": True}, "read-only", "the folder may only be read"),
    ],
)
async def test_what_a_person_has_to_mend_is_said_before_any_mail_is_taken(
    tmp_path: Path, server: ImapServer, imap: dict[str, Any], change: str | None, expected: str
) -> None:
    server.deliver(mail(1))
    if change == "no move":
        server.can.remove("MOVE")
    server.folders["INBOX"].is_read_only = change == "read-only"
    async with reading(tmp_path, server, **imap) as reader:
        reader.start()
        await reader.until(lambda: reader.failures("folder") == 1, "it is noticed")
        assert expected in str(reader.worker.complaint())
        assert [] == await reader.subjects()


async def test_mails_that_cannot_be_marked_are_taken_and_it_is_said(
    tmp_path: Path, server: ImapServer
) -> None:
    server.troubles.append(Trouble("UID STORE", "no", times=1))
    server.deliver(mail(1))
    async with reading(tmp_path, server, mark_seen=True) as reader:
        await reader.start().read()
        assert "were not marked" in str(reader.worker.complaint())
        server.deliver(mail(2))
        await reader.read()
        assert (["mail 1", "mail 2"], None) == (await reader.subjects(), reader.worker.complaint())
    assert 1 == reader.failures("mark")


async def test_a_reader_that_lost_its_mailbox_to_another_process_lets_go(
    tmp_path: Path, server: ImapServer
) -> None:
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        other = reader.beside("another")
        reader.world.clock.set(reader.world.clock.now_us() + 10 * 60 * 1_000_000)  # it slept too long
        other.start()
        await other.read()
        server.deliver(mail(1))
        await other.until(lambda: other.mails("accepted") + reader.mails("accepted") > 0, "the mail")
        await other.until(lambda: reader.value("read_timestamp_seconds") == 0, "the first one lets go")
        await other.stop()
        assert 1 == len(await identities(reader))


async def test_a_crash_before_or_after_any_call_loses_nothing_doubles_nothing_and_moves_once(
    tmp_path: Path, server: ImapServer
) -> None:
    async with reading(tmp_path, server, mark_seen=True, move_to="Archive") as reader:
        for left in range(CRASHES_MAX):
            server.deliver(*(mail(left * MAILS + number) for number in range(MAILS)))
            if not await crash(reader, left):
                break
        await reader.start().read()
        found = await identities(reader)
    assert 15 < left < CRASHES_MAX - 1
    assert (left + 1) * MAILS == len(found) == len({ticket for ticket, _ in found})
    assert sorted(mail(number) for number in range((left + 1) * MAILS)) == moved(server)


async def crash(reader: Reading, left: int) -> bool:
    """Run until the `left`-th point of any call of a port; return False if the mailbox was read before."""
    countdown = Countdown(left)
    collecting = reader.parts.collecting

    class Read(BaseException):
        """Nothing is left to do."""

    async def pause(_wait_ms: int) -> None:
        raise Read

    mailbox = ImapMailbox(reader.account)
    dying = replace(
        collecting, mailbox=Crashing(mailbox, countdown), mailroom=Crashing(collecting.mailroom, countdown)
    )
    cursors = Crashing(reader.parts.cursors, countdown)
    parts = replace(reader.parts, collecting=dying, cursors=cursors, pause=pause)
    worker = MailboxWorker(reader.account, parts)
    reader.server.poke()
    try:
        await worker.run()
    except Crash:
        return True
    except Read:
        return False
    finally:
        await mailbox.close()
    raise AssertionError("it ends by a crash or when there is nothing left")
