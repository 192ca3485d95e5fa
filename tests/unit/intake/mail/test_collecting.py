"""How a mailbox is gone through: portions, poorer ways of having a mail, and how far it was read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.core.mail.collecting import (
    HEADER_BYTES_MAX,
    HEADER_TRIES_MAX,
    PORTION_MAILS_MAX,
    SMALL_BYTES_MAX,
    WHOLE_BYTES_MAX,
    WHOLE_TRIES_MAX,
    FolderCursor,
    How,
    Listed,
    MailboxCursor,
    Portion,
    bytes_asked,
    decode_cursor,
    encode_cursor,
    given_up,
    is_wanted,
    next_portion,
    receipt,
)

LIMIT = 10 * SMALL_BYTES_MAX
NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def listed(*sizes: int | None) -> list[Listed]:
    return [Listed(uid, size, NOW) for uid, size in enumerate(sizes, start=1)]


def portion(mails: list[Listed], failures: dict[int, int] | None = None) -> tuple[int, How]:
    found = next_portion(mails, failures or {}, bytes_max=LIMIT)
    return len(found.mails), found.how


def test_small_mails_come_together_up_to_a_limit() -> None:
    assert (3, How.WHOLE) == portion(listed(1, 2, 3))
    assert (PORTION_MAILS_MAX, How.WHOLE) == portion(listed(*[1] * 100))


@pytest.mark.parametrize("size", [SMALL_BYTES_MAX + 1, LIMIT, None])
def test_a_larger_one_and_one_of_unknown_size_come_alone(size: int | None) -> None:
    assert (1, How.WHOLE) == portion(listed(size, 1))
    assert (1, How.WHOLE) == portion(listed(1, size, 1))


def test_one_above_the_limit_comes_by_its_header() -> None:
    assert (1, How.HEADER) == portion(listed(LIMIT + 1, 1))


def test_a_limit_beyond_memory_does_not_count() -> None:
    [mail] = listed(WHOLE_BYTES_MAX + 1)
    assert How.HEADER is next_portion([mail], {}, bytes_max=10 * WHOLE_BYTES_MAX).how
    assert WHOLE_BYTES_MAX == bytes_asked(Portion((mail,), How.WHOLE), bytes_max=10 * WHOLE_BYTES_MAX)


def test_one_that_failed_comes_alone_and_in_a_poorer_way_each_time() -> None:
    ways = [portion(listed(1, 1), {1: failed}) for failed in range(1, HEADER_TRIES_MAX + 1)]
    whole = [(1, How.WHOLE)] * (WHOLE_TRIES_MAX - 1)
    header = [(1, How.HEADER)] * (HEADER_TRIES_MAX - WHOLE_TRIES_MAX)
    assert [*whole, *header, (1, How.NOT)] == ways
    assert (1, How.WHOLE) == portion(listed(1, 1, 1), {2: 1})


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 2 * LIMIT)), min_size=1, max_size=80),
    st.dictionaries(st.integers(1, 80), st.integers(1, 9)),
)
def test_portions_cover_every_mail_once_in_order_and_ask_for_bounded_memory(
    sizes: list[int | None], failures: dict[int, int]
) -> None:
    left, taken = listed(*sizes), list[int]()
    while left:
        found = next_portion(left, failures, bytes_max=LIMIT)
        taken += [mail.uid for mail in found.mails]
        asked = bytes_asked(found, bytes_max=LIMIT) * len(found.mails)
        assert asked <= max(LIMIT, 2 * SMALL_BYTES_MAX * PORTION_MAILS_MAX)
        left = left[len(found.mails) :]
    assert list(range(1, len(sizes) + 1)) == taken


def test_of_a_header_as_much_is_asked_for_as_is_looked_at() -> None:
    assert HEADER_BYTES_MAX == bytes_asked(Portion(tuple(listed(1)), How.HEADER), bytes_max=LIMIT)


def test_the_clock_starts_at_receipt_unless_that_cannot_be() -> None:
    east = datetime(2026, 3, 2, 10, 30, tzinfo=timezone(timedelta(hours=2)))
    assert datetime(2026, 3, 2, 8, 30, tzinfo=UTC) == receipt(Listed(1, 1, east), NOW)
    for impossible in (None, NOW + timedelta(seconds=1), datetime(1969, 12, 31, tzinfo=UTC)):
        assert NOW == receipt(Listed(1, 1, impossible), NOW)


def test_a_mail_is_wanted_from_midnight_of_the_day_on_and_if_its_day_is_unknown() -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    assert is_wanted(Listed(1, 1, midnight), date(2026, 3, 1))
    assert not is_wanted(Listed(1, 1, midnight - timedelta(seconds=1)), date(2026, 3, 1))
    assert is_wanted(Listed(1, 1, None), date(2026, 3, 1))
    assert is_wanted(Listed(1, 1, midnight), None)


def test_a_cursor_counts_only_under_the_validity_it_was_made_for() -> None:
    cursor = MailboxCursor().moved("INBOX", FolderCursor(7, 42)).moved("Help", FolderCursor(1, 3))
    again = decode_cursor(encode_cursor(cursor))
    assert (cursor, 42, 0, 0) == (
        again,
        again.after("INBOX", 7),
        again.after("INBOX", 8),
        again.after("Else", 1),
    )
    assert MailboxCursor() == decode_cursor(b"")


def test_a_refusal_says_where_the_mail_is() -> None:
    detail = given_up("INBOX", Listed(17, None, None)).detail
    assert "UID 17 of unknown size in the folder `INBOX`" in detail
