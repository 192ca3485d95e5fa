"""Real mails (../shared/data/emails): each is what its header says. Expected values were read from the mails."""

from __future__ import annotations

import random
from pathlib import Path
from time import process_time

import pytest

from services.intake.core.arrival import Arrival
from services.intake.core.definition import SourceDefinition
from services.intake.core.mail.reading import Ignored, Letter, observed, sorted_out
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.rejection import Rejection
from shared.contracts.instants import from_us
from shared.contracts.tickets import Activity, Actor

DESK = Normaliser(SourceDefinition(name="desk"))
ARRIVAL = Arrival.at(from_us(1_800_000_000_000_000))
LONG = "New ticket on a given project with a very long subject line which exceeds 255 chars"
JOHN = "jsmith@somenet.foo"
PLAIN = "New ticket on a given project"

WRITTEN = {
    "redmine/apple_mail_with_attachment.eml": (JOHN, "Test attaching images to tickets by HTML mail", 1),
    "redmine/different_contents_in_text_and_html.eml": (
        JOHN,
        "Different contents in text part and HTML part",
        0,
    ),
    "redmine/empty_text_part.eml": (JOHN, "Test with an empty text part", 0),
    "redmine/fullname_of_sender_in_parentheses.eml": ("jdoe@example.net", "Name in parentheses", 0),
    "redmine/gmail_with_attachment_iso-8859-1.eml": (JOHN, "test", 1),
    "redmine/invalid_utf8.eml": (JOHN, "This is a test", 0),
    "redmine/issue_update_with_multiple_quoted_reply_above.eml": (JOHN, "Re: update to issue 2", 0),
    "redmine/japanese_keywords_iso_2022_jp.eml": (JOHN, "Japanese Character pattern matching", 0),
    "redmine/message_reply_by_subject.eml": (
        JOHN,
        "Re: [eCookbook - Help board - msg2] Reply to the first post",
        0,
    ),
    "redmine/no_subject_header.eml": (JOHN, None, 1),
    "redmine/outlook_web_access_2010_html_only.eml": (JOHN, "Upgrade Redmine to 3.0.x", 0),
    "redmine/smime_signature.eml": (JOHN, "Self-Signed S/MIME signature", 2),
    "redmine/subject_japanese_1.eml": (JOHN, "テスト", 0),
    "redmine/subject_japanese_3.eml": (JOHN, "① 丸数字テスト", 0),
    "redmine/thunderbird_with_attachment_ja.eml": (JOHN, "test", 1),
    "redmine/ticket_by_unknown_user.eml": ("john.doe@somenet.foo", "Ticket by unknown user", 0),
    "redmine/ticket_html_only.eml": (JOHN, "HTML email", 0),
    "redmine/ticket_on_project_given_by_to_header.eml": (JOHN, PLAIN, 0),
    "redmine/ticket_reply_from_mail.eml": (JOHN, PLAIN, 0),
    "redmine/ticket_with_attachment.eml": (JOHN, "Ticket created by email with attachment", 1),
    "redmine/ticket_with_cc.eml": (JOHN, PLAIN, 0),
    "redmine/ticket_with_duplicate_keyword.eml": (JOHN, PLAIN, 0),
    "redmine/ticket_with_invalid_attributes.eml": (JOHN, PLAIN, 0),
    "redmine/ticket_with_localized_attributes.eml": (JOHN, PLAIN, 0),
    "redmine/ticket_with_long_subject.eml": (JOHN, LONG, 0),
    "redmine/ticket_with_text_attachment_iso-8859-2.eml": (JOHN, "issue #21742", 1),
    "rt/8859-15-message-series__msg2": ("pape@inf.fu-berlin.de", "test äöüßÄÖÜß€", 0),
    "rt/8859-15-message-series__msg4": ("pape@inf.fu-berlin.de", "test äöüßÄÖÜß€", 0),
    "rt/8859-15-message-series__msg6": ("pape@inf.fu-berlin.de", "test äöüßÄÖÜß€", 0),
    "rt/crashes-file-based-parser": ("drstas@d.example.com", "Fwd: scanning my ports", 3),
    "rt/email-file-attachment.eml": ("user1@example.com", "This is a test", 1),
    "rt/nested-rfc-822": ("jonas@example.com", "[Jonas Liljegren] Re: [Para] Nivåer?", 1),
    "rt/new-ticket-from-iso-8859-1": ("hw@nordkapp.net", "Re: rt-3.0.3pre1", 0),
    "rt/notes-uuencoded": ("mhenrion@example.com", "Test e-mail which exhibits problems with RT", 1),
    "rt/rt-send-cc": ("rt@example.com", "testing send-cc headers", 0),
    "rt/subject-with-folding-ws": ("foo@example.com", "test", 0),
    "rt/very-long-subject": ("foo@example.com", "0123456789" * 10, 0),
    "cpython/msg_01.txt": ("bbb@ddd.com", "This is a test message", 0),
    "cpython/msg_03.txt": ("bbb@ddd.com", "This is a test message", 0),
    "cpython/msg_07.txt": ("barry@digicool.com", "Here is your dingus fish", 1),
    "cpython/msg_09.txt": ("barry@python.org", "Lyrics", 0),
    "cpython/msg_11.txt": (None, "The enclosing message", 1),
    "cpython/msg_12a.txt": ("barry@python.org", "Lyrics", 0),
    "cpython/msg_14.txt": ("bbb@ddd.com", "This is a test message", 0),
    "cpython/msg_18.txt": (None, None, 0),
    "cpython/msg_20.txt": ("bbb@ddd.com", "This is a test message", 0),
    "cpython/msg_22.txt": ("b@example.com", None, 2),
    "cpython/msg_24.txt": ("bperson@dom.ain", "A subject", 0),
    "cpython/msg_26.txt": ("father.time@xcar.wooster.local", "IMAP file test", 1),
    "cpython/msg_28.txt": ("aperson@dom.ain", None, 2),
    "cpython/msg_30.txt": ("aperson@dom.ain", None, 2),
    "cpython/msg_34.txt": ("aperson@dom.ain", None, 1),
    "cpython/msg_36.txt": ("internet-drafts@ietf.org", "I-D ACTION:draft-ietf-mboned-mix-00.txt", 2),
    "cpython/msg_38.txt": (None, None, 0),
    "cpython/msg_40.txt": (None, None, 0),
    "cpython/msg_44.txt": ("barry@python.org", "a simple multipart", 2),
    "cpython/msg_46.txt": ("sender@example.net", "GroupwiseForwardingTest", 1),
}
"""Who asks for help, about what (the beginning of a long subject), and how many files are attached."""

NOBODYS = {
    "rt/8859-15-message-series__dir": "list",
    "rt/multipart-report": "bounce",
    "cpython/msg_05.txt": "bounce",
    "cpython/msg_16.txt": "bounce",
    "cpython/msg_32.txt": "list",
    "cpython/msg_42.txt": "bounce",
    "flufl-bounce/microsoft_03.txt": "list",
    "flufl-bounce/qmail_08.txt": "vacation",
}
"""The other mails in flufl-bounce are bounces. microsoft_03 is marked by its list alone."""


def mails(shared_data: Path) -> dict[str, bytes]:
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in shared_data.glob("emails/*/*")}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_mail_that_somebody_wrote_opens_the_ticket_that_its_header_says(
    shared_data: Path, name: str
) -> None:
    letter = sorted_out(DESK, (shared_data / "emails" / name).read_bytes())
    assert isinstance(letter, Letter)
    outcome = observed(DESK, letter, letter.thread.fresh, ARRIVAL)
    assert isinstance(outcome, Normalised)
    seen, (requester, subject, attachments) = outcome.observation, WRITTEN[name]
    shown = seen.fields.subject if subject is None else (seen.fields.subject or "")[: len(subject)]
    assert (subject, attachments) == (shown, letter.mail.structure.attachments)
    assert (requester or "") == (seen.fields.requester or "")
    assert (Activity.CREATED, Actor.CUSTOMER, ARRIVAL.received_at) == (seen.activity, seen.actor, seen.time)


def test_every_other_mail_is_ignored_with_its_reason(shared_data: Path) -> None:
    others = {name: raw for name, raw in mails(shared_data).items() if name not in WRITTEN}
    expected = {name: Ignored(NOBODYS.get(name, "bounce")) for name in others}
    assert 59 + 6 == len(others)
    assert expected == {name: sorted_out(DESK, raw) for name, raw in others.items()}


def test_series_of_one_sender_with_ids_of_their_own_are_tickets_of_their_own(shared_data: Path) -> None:
    series = [sorted_out(DESK, raw) for name, raw in mails(shared_data).items() if "series__msg" in name]
    assert 3 == len({one.thread.fresh for one in series if isinstance(one, Letter)})


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """Return `raw` with pieces lost, doubled, replaced by noise or by what parsers fear."""
    fears = [b'"', b"(", b"=?utf-8?b?", b"=?x?q?", b"\x00", b"\r", b"\n\n", b"<", b"@", b"--", b"\xff\xfe", b"\x1b$B",
             b"boundary=", b"; ", b"\nSubject: ", b"\nReferences: <a@b>", b"\nFrom: ", b"Content-Type: multipart/mixed"]  # fmt: skip
    found = bytearray(raw)
    for _ in range(chance.randint(1, 12)):
        at = chance.randint(0, min(len(found), 3_000))
        match chance.randint(0, 3):
            case 0:
                del found[at : at + chance.randint(1, 200)]
            case 1:
                found[at:at] = chance.choice(fears) * chance.choice([1, 2, 50, 3_000])
            case 2:
                found[at : at + 8] = chance.randbytes(8)
            case _:
                found[at:at] = found[: chance.randint(0, 500)]
    return bytes(found)


@pytest.mark.parametrize("seed", range(8))
def test_no_mutation_of_a_real_mail_is_ever_an_error(shared_data: Path, seed: int) -> None:
    chance = random.Random(seed)
    for name, raw in sorted(mails(shared_data).items()):
        for _ in range(6):
            mail = mutated(raw[:20_000], chance)
            found = sorted_out(DESK, mail)
            if isinstance(found, Letter):
                outcome = observed(DESK, found, found.thread.tagged or found.thread.fresh, ARRIVAL)
                assert isinstance(outcome, Normalised), (name, outcome)
            else:
                assert isinstance(found, Ignored | Rejection)


@pytest.mark.parametrize(
    "raw",
    [
        b"From: " + b'"\\' * 2_000_000,
        b"From: " + b"(" * 4_000_000 + b"\n\n",
        b"Subject: " + b"=?utf-8?q?a?= " * 300_000,
        b"References: " + b"<a@b>" * 800_000,
        b"x: y\n" * 800_000,
        b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n" * 1_000_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(60_000)),
        b"To: " + b"<a@b.example>," * 300_000,
        b"\n" * 4_000_000,
        b"a" * 4_000_000,
        b"Content-Type: a/b" + b"; x=" * 1_000_000,
        b"Content-Type: text/plain\n\n" + b"\nbegin 644 x\n" * 300_000,
    ],
    ids=[
        "quotes",
        "comments",
        "words",
        "references",
        "fields",
        "parts",
        "depth",
        "recipients",
        "blank",
        "one line",
        "parameters",
        "uuencode",
    ],
)
def test_a_mail_made_to_take_long_takes_a_moment(raw: bytes) -> None:
    began = process_time()
    sorted_out(DESK, raw)
    assert process_time() - began < 2
