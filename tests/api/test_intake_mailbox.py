"""A mailbox read by IMAP against a local server: what becomes of its mails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.intake.core.mail.collecting import PORTION_MAILS_MAX
from shared.contracts.tickets import Activity, Channel
from tests.api.intake_world import NOW
from tests.api.mailbox_world import reading
from tests.servers.imap import ImapServer, StoredFolder, Trouble
from tests.unit.intake.mail.letters import letter

pytestmark = pytest.mark.asyncio

RECEIVED = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SEEN = {"\\Seen"}


@pytest.fixture
def server() -> Iterator[ImapServer]:
    with ImapServer().running() as server:
        yield server


@pytest.fixture
def real_mails(shared_data: Path) -> list[bytes]:
    mails = [path.read_bytes() for path in sorted(shared_data.glob("emails/*/*"))]
    assert len(mails) > 100
    return mails


def mail(number: int, **more: str) -> bytes:
    return letter(id=f"m{number}@customer.example", subject=f"mail {number}", **more)


def large(number: int) -> bytes:
    return mail(number, text="line after line\r\n" * 10_000)


def names(numbers: range) -> list[str]:
    return [f"mail {number}" for number in numbers]


async def test_a_mail_opens_a_ticket_at_the_instant_the_server_got_it(
    tmp_path: Path, server: ImapServer
) -> None:
    server.deliver(mail(1), received_at=RECEIVED)
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        [seen] = await reader.world.observations()
    assert ("desk", Activity.CREATED, Channel.EMAIL, "mail 1", RECEIVED, RECEIVED) == (
        seen.source, seen.activity, seen.fields.channel, seen.fields.subject, seen.time, seen.received_at,
    )  # fmt: skip
    assert 1 == reader.mails("accepted")


async def test_a_mail_that_comes_later_is_told_by_the_server_at_once(
    tmp_path: Path, server: ImapServer
) -> None:
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        server.deliver(mail(1))
        await reader.until(lambda: reader.mails("accepted") == 1, "the mail")
    assert server.commands("IDLE")


@pytest.mark.parametrize("told", [{"idle": False}, {}])
async def test_a_server_that_tells_nothing_is_asked_again_and_again(
    tmp_path: Path, server: ImapServer, told: dict[str, Any]
) -> None:
    server.can.remove("IDLE")
    async with reading(tmp_path, server, poll_ms=60, **told) as reader:
        reader.start()
        await reader.until(lambda: reader.worker.complaint() is None, "the first look")
        server.deliver(mail(1))
        await reader.until(lambda: reader.mails("accepted") == 1, "the mail")
    assert [] == server.commands("IDLE")


async def test_mails_are_sorted_out_as_those_that_come_by_any_other_way(
    tmp_path: Path, server: ImapServer
) -> None:
    server.deliver(
        mail(1),
        letter(id="b@mx.example", sender="MAILER-DAEMON@mx.example", subject="Undelivered"),
        letter(id="a@help.example", sender="amy@help.example", answers="m1@customer.example"),
        b"no header at all",
    )
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        opened, answered = await reader.world.observations()
        [kept] = await reader.world.rejected()
    assert (opened.ticket, Activity.AGENT_MESSAGE) == (answered.ticket, answered.activity)
    assert (2, 1, 1) == tuple(reader.mails(outcome) for outcome in ("accepted", "ignored", "rejected"))
    assert ("unreadable", "imap", b"no header at all") == (kept.reason, kept.verified, kept.body)


async def test_what_was_read_is_not_read_again_after_a_restart(tmp_path: Path, server: ImapServer) -> None:
    server.deliver(mail(1), mail(2))
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
    server.heard.clear()
    server.deliver(mail(3))
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        assert names(range(1, 4)) == await reader.subjects()
    assert ["3"] == [command.split()[2] for command in server.commands("UID FETCH") if "BODY" in command]


async def test_mails_that_a_person_read_are_taken_all_the_same(tmp_path: Path, server: ImapServer) -> None:
    [read] = server.deliver(mail(1))
    read.flags = set(SEEN)
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        assert ["mail 1"] == await reader.subjects()


async def test_new_uids_mean_to_read_everything_again_under_the_same_ids(
    tmp_path: Path, server: ImapServer
) -> None:
    server.deliver(mail(1), mail(2), received_at=RECEIVED)
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        server.folders["INBOX"].renew()
        server.deliver(mail(3), received_at=RECEIVED)
        await reader.read()
        seen = await reader.world.observations()
    assert len(seen) >= 5
    assert 3 == len({(one.ticket, one.id, one.time) for one in seen})


async def test_by_default_nothing_in_the_mailbox_is_changed(tmp_path: Path, server: ImapServer) -> None:
    [left] = server.deliver(mail(1))
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
    assert set() == left.flags
    assert [] == [*server.commands("SELECT"), *server.commands("UID STORE"), *server.commands("UID MOVE")]


async def test_a_mail_is_marked_once_the_bus_has_it_and_not_before(
    tmp_path: Path, server: ImapServer
) -> None:
    [marked] = server.deliver(mail(1))
    async with reading(tmp_path, server, mark_seen=True) as reader:
        reader.world.bus.away = True
        reader.start()
        await reader.until(lambda: reader.failures("intake") >= 2, "it tried twice")
        assert (set(), "the bus did not acknowledge; send again") == (marked.flags, reader.worker.complaint())
        reader.world.bus.away = False
        await reader.read()
        assert ["mail 1"] == await reader.subjects()
    assert SEEN == marked.flags


async def test_taken_mails_are_moved_away_and_refused_ones_stay_for_somebody_to_look_at(
    tmp_path: Path, server: ImapServer
) -> None:
    server.deliver(mail(1), b"no header", mail(2))
    async with reading(tmp_path, server, move_to="Archive", mark_seen=True) as reader:
        await reader.start().read()
    assert [b"no header"] == [left.raw for left in server.folders["INBOX"].mails]
    assert [(mail(1), SEEN), (mail(2), SEEN)] == [
        (one.raw, one.flags) for one in server.folders["Archive"].mails
    ]


async def test_mails_from_before_a_day_are_passed_over(tmp_path: Path, server: ImapServer) -> None:
    server.deliver(mail(1), received_at=RECEIVED - timedelta(days=9))
    server.deliver(mail(2), received_at=datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC))
    server.deliver(mail(3), received_at=datetime(2026, 3, 1, tzinfo=UTC))
    async with reading(tmp_path, server, since=date(2026, 3, 1)) as reader:
        await reader.start().read()
        assert ["mail 3"] == await reader.subjects()
    assert (1, 1) == (reader.mails("passed_over"), reader.mails("accepted"))


async def test_a_server_whose_clock_is_ahead_starts_no_clock_in_the_future(
    tmp_path: Path, server: ImapServer
) -> None:
    server.deliver(mail(1), received_at=NOW + timedelta(days=2))
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        [seen] = await reader.world.observations()
    assert NOW <= seen.time < NOW + timedelta(minutes=1)


async def test_a_mail_that_is_too_large_is_read_by_its_header_and_holds_up_nobody(
    tmp_path: Path, server: ImapServer
) -> None:
    server.deliver(mail(1), large(2), mail(3))
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        assert names(range(1, 4)) == await reader.subjects()
    assert (3, 1) == (reader.mails("accepted"), reader.value("cut_mails_total"))
    assert ["2"] == [command.split()[2] for command in server.commands("UID FETCH") if "HEADER" in command]


@pytest.mark.parametrize("number", [1, 2])
async def test_a_mail_larger_than_the_server_says_is_cut_at_the_limit(
    tmp_path: Path, server: ImapServer, number: int
) -> None:
    for liar in server.deliver(*map(large, range(number))):
        liar.said_bytes = 100
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        assert names(range(number)) == await reader.subjects()
    assert number == reader.value("cut_mails_total")


@pytest.mark.parametrize("what", ["no", "bad", "drop", "half"])
async def test_a_mail_that_cannot_be_had_is_refused_on_record_and_holds_up_nobody(
    tmp_path: Path, server: ImapServer, what: str
) -> None:
    server.deliver(*map(mail, range(1, 5)))
    server.troubles.append(Trouble("BODY", what, times=1_000, uid=2))  # type: ignore[arg-type]
    async with reading(tmp_path, server, mark_seen=True) as reader:
        await reader.start().read()
        assert {"mail 1", "mail 3", "mail 4"} == set(await reader.subjects())
        [kept] = await reader.world.rejected()
    assert ("unreadable", b"", 1) == (kept.reason, kept.body, reader.mails("rejected"))
    assert "UID 2 of" in kept.detail
    assert "`INBOX`" in kept.detail
    assert [SEEN, set(), SEEN, SEEN] == [one.flags for one in server.folders["INBOX"].mails]


async def test_a_mail_whose_text_cannot_be_had_is_read_by_its_header(
    tmp_path: Path, server: ImapServer
) -> None:
    server.deliver(mail(1), mail(2))
    server.troubles.append(Trouble("BODY.PEEK[]", "no", times=1_000, uid=1))
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        assert names(range(1, 3)) == await reader.subjects()
    assert 1 == reader.value("cut_mails_total")


@pytest.mark.parametrize("what", ["no", "drop"])
async def test_a_mail_that_cannot_even_be_listed_hides_no_other(
    tmp_path: Path, server: ImapServer, what: str
) -> None:
    server.deliver(*map(mail, range(1, 4)))
    server.troubles.append(Trouble("RFC822.SIZE", what, times=1_000, uid=2))  # type: ignore[arg-type]
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        assert names(range(1, 4)) == await reader.subjects()


async def test_a_mail_that_somebody_deletes_meanwhile_is_nothing(tmp_path: Path, server: ImapServer) -> None:
    server.deliver(mail(1), mail(2))
    server.troubles.append(Trouble("BODY", "gone", uid=1))
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        assert ["mail 2"] == await reader.subjects()


async def test_a_large_mailbox_is_read_in_small_portions(tmp_path: Path, server: ImapServer) -> None:
    server.deliver(*map(mail, range(310)))
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        assert names(range(310)) == await reader.subjects()
    asked = [
        len(command.split()[2].split(",")) for command in server.commands("UID FETCH") if "BODY" in command
    ]
    assert (310, PORTION_MAILS_MAX) == (sum(asked), max(asked))


async def test_wide_gaps_between_uids_are_crossed_in_few_steps(tmp_path: Path, server: ImapServer) -> None:
    folder = server.folders["INBOX"]
    for uid in (7, 3_000_000_000, 4_294_967_290):
        folder.next_uid = uid
        server.deliver(mail(uid))
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        assert 3 == len(await reader.subjects())
    assert len(server.commands("UID SEARCH")) < 50


async def test_several_folders_are_read_and_the_first_is_listened_to(
    tmp_path: Path, server: ImapServer
) -> None:
    server.folders["Für uns"] = StoredFolder()
    server.folders["F&APw-r uns"] = server.folders["Für uns"]  # as IMAP writes it
    server.deliver(mail(1))
    server.deliver(mail(2), folder="Für uns")
    async with reading(tmp_path, server, folders=["INBOX", "Für uns"]) as reader:
        await reader.start().read()
        assert {"mail 1", "mail 2"} == set(await reader.subjects())
        server.deliver(mail(3))
        await reader.until(lambda: reader.mails("accepted") == 3, "the mail in the first folder")


async def test_one_process_reads_a_mailbox_and_another_one_takes_over(
    tmp_path: Path, server: ImapServer
) -> None:
    server.deliver(mail(1))
    async with reading(tmp_path, server) as reader:
        await reader.start().read()
        second = reader.beside("another").start()
        await reader.until(lambda: second.worker.complaint() is None, "the other one waits")
        logins = len(server.commands("LOGIN"))
        server.deliver(mail(2))
        await reader.read()
        assert logins == len(server.commands("LOGIN"))
        await reader.stop()
        server.deliver(mail(3))
        await second.read()
        assert names(range(1, 4)) == await reader.subjects()
        await second.stop()


async def test_real_mails_come_to_the_same_as_by_http(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, server: ImapServer, real_mails: list[bytes]
) -> None:
    server.deliver(*real_mails, received_at=NOW)
    async with reading(tmp_path, server, bytes_max=26_214_400) as reader:
        await reader.start().read()
        seen, kept = await reader.world.observations(), await reader.world.rejected()
        outcomes = {outcome: reader.mails(outcome) for outcome in ("accepted", "ignored", "rejected")}
    async with reading(tmp_path_factory.mktemp("http"), server) as other:
        posted = [await other.world.http.post(
            "/v1/emails?source=desk", content=mail, headers={"content-type": "message/rfc822"}
        ) for mail in real_mails]  # fmt: skip
        expected = await other.world.observations()
    assert expected == seen
    assert [] == kept
    statuses = [answer.json()["status"] for answer in posted]
    assert {
        "accepted": statuses.count("accepted"),
        "ignored": statuses.count("ignored"),
        "rejected": 0,
    } == outcomes
