"""What a mailbox promises, by IMAP against a local server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.intake.adapters.imap import ImapMailbox
from services.intake.adapters.imap_idle import Idle
from services.intake.core.mail.account import Account, Encryption
from services.intake.core.mail.collecting import Listed
from services.intake.ports import MailboxDenied, MailboxLost, MailboxRefused
from tests.servers.imap import PASSWORD, USER, ImapServer, StoredFolder, Trouble, certificate, context_of

pytestmark = pytest.mark.asyncio

RECEIVED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LONG_MS = 20_000
SHORT_MS = 30


@pytest.fixture
def server() -> Iterator[ImapServer]:
    with ImapServer().running() as server:
        yield server


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("certificate"))


def account(server: ImapServer, **more: Any) -> Account:
    told: dict[str, Any] = {
        "tenant": "default", "source": "desk", "host": "127.0.0.1", "port": server.port, "encryption": Encryption.NONE,
        "ca_file": None, "user": USER, "secret": lambda: PASSWORD, "is_token": False, "folders": ("INBOX",),
        "poll_ms": 60_000, "idle": True, "mark_seen": True, "move_to": "Archive", "since": None,
    }  # fmt: skip
    return Account(**told | more)


@asynccontextmanager
async def connected(server: ImapServer, **more: Any) -> AsyncIterator[ImapMailbox]:
    mailbox = ImapMailbox(account(server, **more))
    try:
        await mailbox.connect()
        yield mailbox
    finally:
        await mailbox.close()


@asynccontextmanager
async def opened(server: ImapServer, **more: Any) -> AsyncIterator[ImapMailbox]:
    async with connected(server, **more) as mailbox:
        await mailbox.open_folder("INBOX")
        yield mailbox


async def uids(mailbox: ImapMailbox, after: int = 0, *, limit: int = 10) -> list[int]:
    page = await mailbox.mails_after(after, limit=limit, since=None, bare=False)
    return [mail.uid for mail in page.mails]


async def test_mails_are_listed_in_order_with_their_sizes_and_receipts(server: ImapServer) -> None:
    server.deliver(b"a: b\r\n\r\n", b"c: d\r\n\r\ntext", received_at=RECEIVED)
    async with opened(server) as mailbox:
        page = await mailbox.mails_after(0, limit=10, since=None, bare=False)
    assert ([Listed(1, 8, RECEIVED), Listed(2, 12, RECEIVED)], 2, True) == (
        list(page.mails),
        page.through,
        page.at_end,
    )


async def test_a_page_has_no_more_than_asked_for_and_the_next_one_goes_on(server: ImapServer) -> None:
    server.deliver(*[b"a: b\r\n\r\n"] * 5)
    async with opened(server) as mailbox:
        page = await mailbox.mails_after(0, limit=3, since=None, bare=False)
        assert (3, False) == (page.through, page.at_end)
        assert ([4, 5], []) == (await uids(mailbox, 3), await uids(mailbox, 5))


async def test_a_mail_comes_byte_for_byte_and_unmarked(server: ImapServer) -> None:
    raw = b"Subject: \xe4\xf6\r\n\r\n" + bytes(range(256)) + b")\r\n* BYE {5}\r\n"
    [stored] = server.deliver(raw)
    async with opened(server) as mailbox:
        assert {1: raw} == await mailbox.fetch([1], header_only=False, bytes_max=1_000)
    assert set() == stored.flags


async def test_no_more_of_a_mail_comes_than_asked_for(server: ImapServer) -> None:
    server.deliver(b"a: b\r\n\r\n" + b"x" * 1_000, b"c: d\r\n\r\n")
    async with opened(server) as mailbox:
        found = await mailbox.fetch([1, 2], header_only=False, bytes_max=10)
        assert {1: b"a: b\r\n\r\nxx", 2: b"c: d\r\n\r\n"} == found
        assert {1: b"a: b\r\n\r\n"} == await mailbox.fetch([1], header_only=True, bytes_max=10)


async def test_mails_that_are_gone_are_missing_and_an_empty_one_is_empty(server: ImapServer) -> None:
    server.deliver(b"", b"a: b\r\n\r\n")
    del server.folders["INBOX"].mails[1]
    async with opened(server) as mailbox:
        assert {1: b""} == await mailbox.fetch([1, 2, 9], header_only=False, bytes_max=10)


async def test_a_server_of_other_ways_is_understood(server: ImapServer) -> None:
    server.deliver(b"a: b\r\n\r\n")
    for command in ("SELECT", "SEARCH", "SIZE", "BODY"):
        server.troubles.append(Trouble(command, "disordered"))
    async with opened(server) as mailbox:
        assert [1] == await uids(mailbox)
        assert {1: b"a: b\r\n\r\n"} == await mailbox.fetch([1], header_only=False, bytes_max=100)


async def test_marking_and_moving_twice_is_harmless(server: ImapServer) -> None:
    server.deliver(b"a: b\r\n\r\n")
    async with opened(server) as mailbox:
        for _ in range(2):
            await mailbox.mark_seen([1])
        for _ in range(2):
            await mailbox.move([1])
    assert [{"\\Seen"}] == [mail.flags for mail in server.folders["Archive"].mails]


async def test_a_new_mail_ends_the_waiting_and_silence_does_after_its_time(server: ImapServer) -> None:
    async with opened(server) as mailbox:
        assert not await mailbox.wait(wait_ms=SHORT_MS)
        waiting = asyncio.ensure_future(mailbox.wait(wait_ms=LONG_MS))
        await asyncio.sleep(0)
        server.deliver(b"a: b\r\n\r\n")
        assert await waiting
        assert [1] == await uids(mailbox)
        assert not await mailbox.wait(wait_ms=SHORT_MS)


async def test_a_mail_that_came_between_looking_and_waiting_is_told(server: ImapServer) -> None:
    async with opened(server) as mailbox:
        server.deliver(b"a: b\r\n\r\n")  # told together with the server's word to begin
        assert await mailbox.wait(wait_ms=LONG_MS)


async def test_a_connection_that_ends_while_waiting_is_lost(server: ImapServer) -> None:
    async with opened(server) as mailbox:
        assert not await mailbox.wait(wait_ms=SHORT_MS)
        server.drop_all()
        with pytest.raises(MailboxLost):
            await mailbox.wait(wait_ms=LONG_MS)


async def test_idle_is_begun_anew_before_a_server_would_end_it(server: ImapServer) -> None:
    async with opened(server) as mailbox:
        connection = mailbox._opened
        assert connection is not None
        idle = Idle(connection._client, 5.0, renew_s=0.05)
        connection._idle = idle
        for _ in range(6):
            await mailbox.wait(wait_ms=SHORT_MS)
    assert 2 <= len(server.commands("IDLE")) <= 4


async def test_folders_have_names_of_any_letters(server: ImapServer) -> None:
    server.folders["Gel&APY-scht"] = StoredFolder(validity=77)
    async with connected(server) as mailbox:
        assert 77 == await mailbox.open_folder("Gelöscht")


@pytest.mark.parametrize("password", ["plain", 'with "quotes" and \\', "pässwörd"])
async def test_passwords_have_any_letters(server: ImapServer, password: str) -> None:
    server.passwords[USER] = password
    async with connected(server, secret=lambda: password) as mailbox:
        assert 1 == await mailbox.open_folder("INBOX")


async def test_a_password_with_a_line_end_never_reaches_the_server(server: ImapServer) -> None:
    with pytest.raises(MailboxDenied, match="control characters"):
        async with connected(server, secret=lambda: "x\r\nA1 DELETE INBOX"):
            pass
    assert [] == server.heard


async def test_a_token_opens_a_mailbox_and_a_stale_one_does_not(server: ImapServer) -> None:
    server.tokens[USER] = "ya29.token"
    async with connected(server, secret=lambda: "ya29.token", is_token=True) as mailbox:
        assert 1 == await mailbox.open_folder("INBOX")
    with pytest.raises(MailboxDenied, match="Invalid credentials"):
        async with connected(server, secret=lambda: "stale", is_token=True):
            pass


async def test_a_refusal_that_passes_by_itself_is_no_wrong_password(server: ImapServer) -> None:
    server.troubles.append(Trouble("LOGIN", "no", said="[UNAVAILABLE] later"))
    with pytest.raises(MailboxLost, match="later"):
        async with connected(server):
            pass


def by_tls(context: Any) -> ImapServer:
    return ImapServer(context=context)


def by_starttls(context: Any) -> ImapServer:
    return ImapServer(context=context, starttls=True)


@pytest.mark.parametrize(
    ("make", "encryption"), [(by_tls, Encryption.TLS), (by_starttls, Encryption.STARTTLS)]
)
async def test_an_encrypted_mailbox_is_read_if_the_server_proves_who_it_is(
    proof: Path, make: Callable[[Any], ImapServer], encryption: Encryption
) -> None:
    with make(context_of(proof)).running() as server:
        told: dict[str, Any] = {"host": "localhost", "encryption": encryption}
        async with opened(server, **told, ca_file=str(proof)) as mailbox:
            server.deliver(b"a: b\r\n\r\n" + b"x" * 100_000)
            assert await mailbox.wait(wait_ms=LONG_MS)
            assert 100_008 == len((await mailbox.fetch([1], header_only=False, bytes_max=200_000))[1])
        with pytest.raises(MailboxLost, match="certificate verify failed"):
            async with connected(server, **told):
                pass
        told["host"] = "127.0.0.1"  # which the certificate does not name
        with pytest.raises(MailboxLost, match="certificate verify failed"):
            async with connected(server, **told, ca_file=str(proof)):
                pass
        assert 1 == len(server.commands("LOGIN"))


async def test_a_server_that_wants_encryption_never_sees_the_password(proof: Path) -> None:
    with by_starttls(context_of(proof)).running() as server:
        with pytest.raises(MailboxDenied, match="encryption"):
            async with connected(server):
                pass
        assert [] == server.commands("LOGIN")


async def test_a_server_without_starttls_never_sees_the_password(server: ImapServer) -> None:
    with pytest.raises(MailboxLost, match="TLS"):
        async with connected(server, encryption=Encryption.STARTTLS):
            pass
    assert [] == server.commands("LOGIN")


@pytest.mark.parametrize("what", ["drop", "half", "garbage", "bye"])
@pytest.mark.parametrize("command", ["CAPABILITY", "SELECT", "SEARCH", "SIZE", "BODY", "STORE", "MOVE"])
async def test_a_connection_that_breaks_says_so_and_another_one_is_good(
    server: ImapServer, command: str, what: str
) -> None:
    server.deliver(b"a: b\r\n\r\n")
    server.troubles.append(Trouble(command, what))  # type: ignore[arg-type]
    mailbox = ImapMailbox(account(server))

    async def everything() -> None:
        await mailbox.connect()
        await mailbox.open_folder("INBOX")
        await mailbox.fetch(await uids(mailbox), header_only=False, bytes_max=100)
        await mailbox.mark_seen([1])
        await mailbox.move([1])

    with pytest.raises(MailboxLost):
        await everything()
    await mailbox.connect()
    assert 1 == await mailbox.open_folder("INBOX")
    await mailbox.close()


@pytest.mark.parametrize("command", ["SELECT", "SEARCH", "BODY", "STORE", "MOVE"])
async def test_a_refusal_leaves_the_connection_good(server: ImapServer, command: str) -> None:
    server.deliver(b"a: b\r\n\r\n")
    async with opened(server) as mailbox:
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "SELECT": lambda: mailbox.open_folder("INBOX"),
            "SEARCH": lambda: uids(mailbox),
            "BODY": lambda: mailbox.fetch([1], header_only=False, bytes_max=9),
            "STORE": lambda: mailbox.mark_seen([1]),
            "MOVE": lambda: mailbox.move([1]),
        }
        server.troubles.append(Trouble(command, "no", said="[CANNOT] no"))
        with pytest.raises(MailboxRefused, match=r"\[CANNOT\] no"):
            await calls[command]()
        await calls["SELECT"]()
        await calls[command]()


async def test_nobody_there_is_a_connection_lost(free_port: int) -> None:
    server = ImapServer()
    server.port = free_port
    with pytest.raises(MailboxLost):
        async with connected(server):
            pass


async def test_nothing_is_ever_expunged_or_deleted(server: ImapServer) -> None:
    server.deliver(b"a: b\r\n\r\n")
    async with opened(server) as mailbox:
        await mailbox.mark_seen([1])
        await mailbox.move([1])
    assert [] == [
        command
        for command in server.heard
        if "EXPUNGE" in command or "DELETE" in command or "CLOSE" in command
    ]
