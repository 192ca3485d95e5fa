"""Which tickets are about the same: ids that every ticket gives by itself, in any order, whoever computes them."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aging.core.groups import DAY_US, Groups, groups_of, id_of, id_text
from services.aging.core.ticket import Ticket, decode_ticket, encode_ticket

NOON_US: Final = 20_000 * DAY_US + DAY_US // 2


def groups(*, tenant: str = "default", at_us: int = NOON_US, **fields: Any) -> Groups:
    """The groups of a ticket that Kim wrote at noon."""
    shown = {
        "subject": "VPN down",
        "requester": "kim@shop.example",
        "queue": "network",
        "category": "vpn",
        **fields,
    }
    return groups_of(tenant, Ticket("desk", at_us, **shown))


def test_the_same_by_mail_and_by_the_web_form_and_again_in_the_afternoon_is_probably_one() -> None:
    by_mail = groups(
        subject="Re: [#42] VPN down!", requester="Kim@Shop.example", channel="email", queue="inbox"
    )
    by_form = groups(channel="web")
    again = groups(subject="FW: vpn down", at_us=NOON_US + 5 * DAY_US // 24)
    assert by_mail.duplicate_group == by_form.duplicate_group == again.duplicate_group
    assert by_form.duplicate_group is not None


@pytest.mark.parametrize(
    "other",
    [
        {"tenant": "acme"},
        {"requester": "lee@shop.example"},
        {"subject": "VPN slow"},
        {"subject": "VPN down 2"},
        {"at_us": NOON_US + DAY_US},
        {"at_us": NOON_US - DAY_US // 2 - 1},
    ],
    ids=["tenant", "requester", "subject", "number", "next day", "a microsecond before midnight in UTC"],
)
def test_what_is_no_probable_duplicate(other: dict[str, Any]) -> None:
    assert groups().duplicate_group != groups(**other).duplicate_group


def test_a_flood_of_one_kind_is_one_job_whoever_wrote_and_whenever() -> None:
    one = groups(subject="VPN down on laptop 4711")
    other = groups(
        subject="AW: vpn down on Laptop 12", requester="lee@shop.example", at_us=NOON_US + 9 * DAY_US
    )
    assert one.job == other.job
    assert one.job is not None


@pytest.mark.parametrize(
    "other",
    [{"tenant": "acme"}, {"queue": "field"}, {"queue": ""}, {"category": "wifi"}, {"subject": "VPN slow"}],
    ids=["tenant", "queue", "no queue", "category", "subject"],
)
def test_what_is_another_job(other: dict[str, Any]) -> None:
    assert groups().job != groups(**other).job


def test_what_stands_in_one_field_is_not_taken_for_another() -> None:
    assert groups(queue="a", category="bc").job != groups(queue="ab", category="c").job


@pytest.mark.parametrize("subject", ["", "Help!", "Re:", "4711", "(no subject)"])
def test_a_subject_that_says_nothing_makes_no_group(subject: str) -> None:
    assert Groups() == groups(subject=subject)


@pytest.mark.parametrize("requester", ["", " ", "\u00a0"])
def test_without_a_requester_there_is_a_job_and_no_duplicate(requester: str) -> None:
    assert (None, groups().job) == groups(requester=requester)


@pytest.mark.parametrize("status", ["solved", "closed", "merged", "void"])
def test_a_ticket_that_left_the_stock_is_in_no_group(status: str) -> None:
    assert Groups() == groups(status=status)


@pytest.mark.parametrize("status", ["new", "in_progress", "waiting"])
def test_an_open_ticket_is_in_its_groups_whatever_its_status(status: str) -> None:
    assert groups() == groups(status=status)


def test_a_requester_who_is_kept_as_a_hash_is_one_requester() -> None:
    hashed = "hashed-0123456789abcdef0123456789abcdef"
    assert groups(requester=hashed) == groups(requester=hashed.upper())
    assert groups(requester=hashed).duplicate_group not in {None, groups().duplicate_group}


def test_the_ids_stay_what_they_were_when_they_were_stored() -> None:
    # Computed once by this code. Another id would tear tickets apart that lie in a database already.
    assert ("8b40990ec3f720c1", "b838d864f6d70361") == tuple(id_text(one or 0) for one in groups())


@given(
    subject=st.text(max_size=40),
    requester=st.text(max_size=10),
    queue=st.text(max_size=5),
    at_us=st.integers(0, 1 << 52),
)
def test_a_ticket_that_was_stored_is_in_the_groups_it_was_in(
    subject: str, requester: str, queue: str, at_us: int
) -> None:
    ticket = Ticket("desk", at_us, subject=subject, requester=requester, queue=queue)
    assert groups_of("default", ticket) == groups_of("default", decode_ticket(encode_ticket(ticket)))


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_id_is_told_in_sixteen_digits_and_read_again(group: int) -> None:
    text = id_text(group)
    assert 16 == len(text)
    assert group == id_of(text)
