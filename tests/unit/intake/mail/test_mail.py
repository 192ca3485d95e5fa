"""What a mail is taken for: made-up mails with every trap that people and servers have set so far."""

from __future__ import annotations

import pytest

from services.intake.core.definition import SourceDefinition
from services.intake.core.mail.addresses import addresses_of
from services.intake.core.mail.automatic import automatic
from services.intake.core.mail.charsets import unfolded
from services.intake.core.mail.mailbox import Mailbox
from services.intake.core.mail.message import Envelope, Mail, Unread, read_mail
from services.intake.core.mail.shown import members_of, thread_of
from services.intake.core.rejected import retried
from services.intake.core.sources import Sources
from shared.configuration.checks import CHECKS
from shared.configuration.models import Configuration
from shared.contracts.instants import from_us
from shared.contracts.tickets import Activity, Rejected
from tests.unit.intake.mail.letters import letter


def read(raw: bytes, envelope: Envelope | None = None) -> Mail:
    mail = read_mail(raw, envelope)
    assert isinstance(mail, Mail)
    return mail


def why(raw: bytes, envelope: Envelope | None = None, *, takes_lists: bool = False) -> str:
    found = automatic(read(raw, envelope), takes_lists=takes_lists)
    return "" if found is None else found.value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"Printer", "Printer"),
        (b"=?utf-8?B?w6Q=?=", "ä"),
        (b"=?utf-8?b?w6Q?=", "ä"),
        (b"=?utf-8?b?w6Qx?= plain =?utf-8?q?=C3=B6?=", "ä1 plain ö"),
        (b"=?utf-8?b?ww==?=\r\n =?utf-8?b?pA==?=", "ä"),
        (b"=?iso-8859-1?q?=80_20?=", "€ 20"),
        (b"=?no-such-charset?q?=C3=A4?=", "ä"),
        (b"=?punycode?q?abc?=", "abc"),
        (b"=?utf-8*de?q?=C3=A4?=", "ä"),
        ("ä".encode(), "ä"),
        (b"\xe4", "ä"),
        (b"=?utf-8?b?!!!!?=", ""),
        (b"=?utf-8?q?open", "=?utf-8?q?open"),
        (b"=?ks_c_5601-1987?b?x9GxuQ==?=", "한국"),
        (b"=?iso-2022-jp?b?GyRCLSEbKEI=?=", "①"),
    ],
)
def test_a_header_is_read_whatever_its_charset_claims(value: bytes, text: str) -> None:
    assert text == unfolded(value)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("Ann@Example.org", ["ann@example.org"]),
        ("Ann <ann@example.org>, bob@example.org", ["ann@example.org", "bob@example.org"]),
        ('"boss@example.org" <thief@example.net>', ["thief@example.net"]),
        ("boss@example.org <thief@example.net>", ["thief@example.net", "boss@example.org"]),
        ("ann@example.org (boss@example.com)", ["ann@example.org"]),
        ('"Lee, \\"Ann\\" (x" <ann@example.org>', ["ann@example.org"]),
        ('"never closed <ann@example.org>', ["ann@example.org"]),
        ("undisclosed-recipients:;", []),
        ("team: ann@example.org, bob@example.org;", ["ann@example.org", "bob@example.org"]),
        ("foo", []),
        ("", []),
    ],
)
def test_addresses_are_found_and_names_are_not_believed(text: str, addresses: list[str]) -> None:
    assert addresses == addresses_of(text)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("", ""),
        ("Auto-Submitted: no\r\n", ""),
        ("X-Auto-Response-Suppress: All\r\n", ""),
        ("Precedence: first-class\r\n", ""),
        ("Auto-Submitted: auto-replied (vacation)\r\n", "vacation"),
        ("Auto-Submitted: auto-generated; x=y\r\n", "automatic"),
        ("X-Autoreply: yes\r\n", "vacation"),
        ("Precedence: auto_reply\r\n", "vacation"),
        ("Precedence: Bulk\r\n", "list"),
        ("List-Id: <users.example.org>\r\n", "list"),
        ("X-Barometer-Notice: alert\r\n", "own_notice"),
        ("Return-Path: <>\r\n", "bounce"),
        ("X-Failed-Recipients: ann@example.org\r\n", "bounce"),
        ('Content-Type: multipart/report; report-type=delivery-status; boundary="x"\r\n', "bounce"),
        ("In-Reply-To: <1@example.org>\r\n", ""),
    ],
)
def test_marks_of_machines_tell_a_mail_that_nobody_wrote(more: str, reason: str) -> None:
    assert reason == why(letter(more=more))


@pytest.mark.parametrize(
    ("sender", "subject", "more", "reason"),
    [
        ("MAILER-DAEMON@mx.example.org", "hello", "", "bounce"),
        ("Mail Delivery System <x@mx.example.org>", "hello", "", "bounce"),
        ("ndr@mx.example.org", "Mail delivery failed", "", "bounce"),
        ("ann@customer.example", "Mail delivery failed", "", ""),
        ("ann@customer.example", "Re: Undelivered Mail Returned to Sender", "", ""),
        ("ann@customer.example", "Automatic reply: Printer", "In-Reply-To: <1@example.org>\r\n", "vacation"),
        ("ann@customer.example", "Out of Office: Printer", "X-Auto-Response-Suppress: All\r\n", "vacation"),
        ("ann@customer.example", "Out of office hours, who helps?", "", ""),
    ],
)
def test_words_tell_a_bounce_or_a_vacation_only_with_another_sign(
    sender: str, subject: str, more: str, reason: str
) -> None:
    assert reason == why(letter(sender=sender, subject=subject, more=more))


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("news-bounces@lists.example.org", "bounce"),
        ("bounces+42-ann=customer.example@mail.example.org", "bounce"),
        ("bounce@example.org", "bounce"),
        ("bouncers@example.org", ""),
        ("trampoline.bounceshop@example.org", ""),
        ("support@bounces.example.org", ""),
    ],
)
def test_what_comes_to_an_address_for_bounces_is_one(to: str, reason: str) -> None:
    assert reason == why(letter(to=to, subject="RE: Your order (not delivered)"))


def test_a_bounce_has_no_sender_in_its_envelope() -> None:
    assert "bounce" == why(letter(), Envelope("", ("support@example.org",)))
    assert "" == why(letter(), Envelope("ann@customer.example", ("support@example.org",)))


def test_a_group_marks_every_mail_as_a_lists_and_can_be_taken_all_the_same() -> None:
    mail = letter(more="Precedence: list\r\nList-ID: <support.example.org>\r\n")
    assert ("list", "") == (why(mail), why(mail, takes_lists=True))


def test_without_a_message_id_a_mail_is_the_same_whatever_servers_wrote_on_it() -> None:
    mail = letter()
    assert (
        read(mail).id == read(b"Received: from a by b\r\nReturn-Path: <ann@customer.example>\r\n" + mail).id
    )
    assert read(mail).id != read(letter(text="It still burns.")).id


def test_folded_and_crowded_ids_are_found_those_answered_first_then_the_newest() -> None:
    mail = letter(references="1@x.example 2@x.example 3@x.example", answers="2@x.example")
    [first, second, third] = [read(letter(id=f"{number}@x.example")).id for number in (1, 2, 3)]
    assert (second, third, first) == read(mail).answers


def test_many_references_keep_the_newest_and_the_first() -> None:
    mail = read(letter(references=" ".join(f"{number}@x.example" for number in range(200))))
    assert 50 == len(mail.answers)
    assert [read(letter(id=f"{number}@x.example")).id for number in (199, 0)] == [
        mail.answers[0],
        mail.answers[-1],
    ]


@pytest.mark.parametrize(
    ("subject", "ticket"),
    [
        ("Re: [#42]", "42"),
        ("[#SUP-42] Re: x", "SUP-42"),
        ("[desk:acme/web#7]", "acme/web#7"),
        ("[other:42]", None),
        ("[#]", None),
        ("issue #42", None),
        ("[eCookbook - Help board - msg2] Reply", None),
    ],
)
def test_a_tag_names_the_ticket(subject: str, ticket: str | None) -> None:
    assert ticket == thread_of(read(letter(subject=subject)), "desk").tagged


def test_a_mail_without_sender_subject_or_id_still_opens_a_ticket() -> None:
    mail = read(b"Content-Type: text/html\n\n<p>help")
    thread = thread_of(mail, "desk")
    members = members_of(mail, Mailbox(), thread, thread.fresh)
    assert ("created", "customer", None, False) == (
        members["activity"], members["actor"], members["subject"], "requester" in members,
    )  # fmt: skip


def test_what_an_agent_sends_first_opens_a_ticket_without_a_requester() -> None:
    mail = read(letter(sender="amy@help.example", to="ann@customer.example"))
    thread = thread_of(mail, "desk")
    members = members_of(mail, Mailbox(frozenset({"@help.example"})), thread, thread.fresh)
    assert ("created", "agent", False) == (members["activity"], members["actor"], "requester" in members)


def test_parts_are_counted_and_attached_mails_are_not_looked_into() -> None:
    parts = (
        b"--b\nContent-Type: text/plain\n\nhello\n--b\nContent-Type: image/png; name=x.png\n\nxx\n"
        b"--b\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\n--c\n--b"
    )
    mail = read(b'Content-Type: multipart/mixed; boundary="b"\n\npreamble --b\n' + parts)
    assert (2, ("multipart/mixed", "text/plain", "image/png", "message/rfc822")) == (
        mail.structure.attachments, mail.structure.types,
    )  # fmt: skip


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_every_end_of_line_is_one(end: str) -> None:
    mail = read(letter(subject="Printer\r\n\ton fire").replace(b"\r\n", end.encode()))
    assert ("Printer on fire", "ann@customer.example") == (mail.subject, mail.sender)


@pytest.mark.parametrize(
    "raw", [b"", b"\n\n", b"\x00", b"hello world", b"From ann Mon Jan  1\n\n", b":\n", b" x: y\n"]
)
def test_bytes_without_a_field_are_no_mail(raw: bytes) -> None:
    assert isinstance(read_mail(raw), Unread)


def test_a_mail_that_was_kept_is_read_again_with_the_time_of_its_receipt() -> None:
    received_at = from_us(1_800_000_000_000_000)
    kept = Rejected(
        id="r1", tenant="default", source="default", stage="intake", reason="adapter_failed", detail="",
        received_at=received_at, rejected_at=received_at, content_type="message/rfc822",
        body=letter(subject="[#42] Printer"),
    )  # fmt: skip
    [seen] = retried(kept, Sources([SourceDefinition()]), now=from_us(1_900_000_000_000_000)).observations
    assert ("default:42", Activity.CUSTOMER_MESSAGE, received_at) == (seen.ticket, seen.activity, seen.time)


def test_one_mailbox_belongs_to_one_source() -> None:
    both = [{"name": name, "email": {"addresses": ["Support@Example.org"]}} for name in ("desk", "shop")]
    found = [
        finding.what for check in CHECKS for finding in check(Configuration.model_validate({"sources": both}))
    ]
    assert ["the mailbox `support@example.org` is there twice"] == found
