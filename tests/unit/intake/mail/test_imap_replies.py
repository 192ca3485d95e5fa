"""What mail servers answer to FETCH and SEARCH, in the shapes in which imaplib gives it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.adapters.imap_replies import Data, listed_in, mails_in, uids_in
from services.intake.core.mail.collecting import Listed

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "reply",
    [
        b'1 (UID 5 RFC822.SIZE 44 INTERNALDATE "01-Mar-2026 09:30:00 +0000")',
        b'1 (INTERNALDATE " 1-Mar-2026 09:30:00 +0000" RFC822.SIZE 44 UID 5)',
        b'1 (FLAGS (\\Seen $label) UID 5 MODSEQ (9) RFC822.SIZE 44 INTERNALDATE "01-Mar-2026 11:30:00 +0200")',
    ],
)
def test_sizes_and_receipts_are_found_in_any_order(reply: bytes) -> None:
    assert [Listed(5, 44, AT)] == listed_in([reply])


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"1 (UID 5)", [Listed(5, None, None)]),
        (b'1 (UID 5 INTERNALDATE "99-Foo-2026")', [Listed(5, None, None)]),
        (b"1 (FLAGS (\\Seen))", []),
        (None, []),
    ],
)
def test_what_a_server_does_not_say_is_unknown(reply: bytes | None, expected: list[Listed]) -> None:
    assert expected == listed_in([reply])


@pytest.mark.parametrize(
    "data",
    [
        [(b"1 (UID 5 BODY[] {4}", b"mail"), b")"],
        [(b"1 (BODY[]<0> {4}", b"mail"), b" UID 5 FLAGS (\\Recent))"],
        [b"3 (FLAGS (\\Seen))", (b"1 (UID 5 BODY[HEADER]<0> {4}", b"mail"), b")", b"4 (UID 9 FLAGS ())"],
    ],
)
def test_a_mail_is_found_whatever_stands_around_it(data: Data) -> None:
    assert {5: b"mail"} == mails_in(data)


def test_what_a_mail_holds_is_never_taken_for_an_answer() -> None:
    evil = b"2 (UID 6 BODY[] {3}\r\nbad)"
    assert {5: evil, 7: b"x"} == mails_in(
        [(b"1 (UID 5 BODY[] {25}", evil), b")", (b"2 (UID 7 BODY[] {1}", b"x"), b")"]
    )


def test_an_empty_mail_comes_without_a_literal() -> None:
    assert {5: b"", 6: b""} == mails_in([b'1 (UID 5 BODY[] "")', b"2 (UID 6 BODY[] NIL)"])


def test_uids_are_found_in_one_answer_or_several() -> None:
    assert [1, 5, 9] == uids_in([b"9 1", b"5", None, b""])


@given(st.lists(st.one_of(st.none(), st.binary(), st.tuples(st.binary(), st.binary()))))
def test_no_answer_is_ever_an_error(data: Data) -> None:
    listed_in(data)
    mails_in(data)
    uids_in(data)


def test_receipts_keep_their_offset() -> None:
    [mail] = listed_in([b'1 (UID 5 INTERNALDATE "01-Mar-2026 09:30:00 -0330")'])
    assert datetime(2026, 3, 1, 9, 30, tzinfo=timezone(-timedelta(hours=3, minutes=30))) == mail.received_at
