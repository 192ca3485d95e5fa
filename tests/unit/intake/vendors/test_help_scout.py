from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.intake.core.vendors.help_scout import HelpScout
from services.intake.core.vendors.port import Unreadable, Verified
from shared.contracts.tickets import Activity, Actor, Channel, Status, Visibility, WaitReason
from tests.unit.intake.vendors.requests_of_desks import (
    OTHER,
    RECEIVED,
    SECRET,
    SIGNED_BODY,
    delivery,
    fields_of,
    ignored,
    members,
    observation,
    refusals,
)

HELP_SCOUT = HelpScout()
SIGNATURE = "x-helpscout-signature"
SIGNED = {SIGNATURE: "yvNZp7jc5/L0K6l/4EqLPH/zNjs="}
CLOSED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def convo(**more: Any) -> dict[str, Any]:
    shown = {
        "id": 900, "number": 42, "subject": "Printer on fire", "status": "active", "state": "published",
        "type": "email", "mailboxId": 1, "assignee": {"id": 8, "email": "b@example.com"},
        "primaryCustomer": {"id": 7, "email": "a@example.com"}, "tags": [{"id": 3, "tag": "hw"}],
        "createdAt": "2026-01-01T00:00:00Z", "userUpdatedAt": "2026-01-02T03:04:05Z", "closedAt": None,
        "source": {"type": "email", "via": "customer"},
        "_links": {"web": {"href": "https://secure.helpscout.net/conversation/900/42"}},
    }  # fmt: skip
    return shown | more


def on(event: str) -> dict[str, str]:
    return {"x-helpscout-event": f"convo.{event}"}


def test_the_published_signature_is_verified_by_either_secret() -> None:
    assert Verified("signature:help_scout") == HELP_SCOUT.verify(
        delivery(SIGNED_BODY, SIGNED), (OTHER, SECRET)
    )


def test_what_is_forged_truncated_or_re_encoded_is_refused() -> None:
    assert [] == refusals(HELP_SCOUT, SIGNED, SIGNATURE)


def test_an_event_shows_the_whole_conversation() -> None:
    found = observation(HELP_SCOUT, convo(), on("tags"))

    assert ("desk:900", Activity.UPDATED, None, CLOSED_AT) == (
        found.ticket, found.activity, found.actor, found.time
    )  # fmt: skip
    assert {
        "status": Status.IN_PROGRESS, "raw_status": "assigned", "queue": "1", "assignee": "b@example.com",
        "requester": "a@example.com", "channel": Channel.EMAIL, "subject": "Printer on fire", "tags": ("hw",),
        "url": "https://secure.helpscout.net/conversation/900/42", "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip


@pytest.mark.parametrize(
    ("more", "status", "reason"),
    [
        ({"assignee": None}, Status.NEW, None),
        ({}, Status.IN_PROGRESS, None),
        ({"status": "pending"}, Status.WAITING, WaitReason.CUSTOMER),
        ({"status": "closed"}, Status.CLOSED, None),
        ({"status": "odd"}, Status.IN_PROGRESS, None),
    ],
)
def test_each_status_has_a_meaning(more: dict[str, Any], status: Status, reason: WaitReason | None) -> None:
    found = fields_of(observation(HELP_SCOUT, convo(**more), on("status")))

    assert (status, reason) == (found["status"], found.get("wait_reason"))


def test_nobody_having_the_conversation_clears_the_assignee() -> None:
    assert None is fields_of(observation(HELP_SCOUT, convo(assignee=None), on("assigned")))["assignee"]


def test_spam_is_no_status() -> None:
    found = observation(HELP_SCOUT, convo(status="spam"), on("status"))

    assert (Activity.SPAM, False) == (found.activity, "status" in fields_of(found))


@pytest.mark.parametrize(
    ("event", "kind", "expected"),
    [
        (
            "customer.reply.created",
            "customer",
            (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC),
        ),
        ("agent.reply.created", "message", (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        ("note.created", "note", (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
    ],
)
def test_a_message_is_told_by_the_event_and_dated_by_its_thread(event: str, kind: str, expected: Any) -> None:
    threads = [
        {"type": kind, "createdAt": "2026-01-02T03:00:00Z"},
        {"type": kind, "createdAt": "2026-01-02T03:03:00Z"},
        {"type": "lineitem", "createdAt": "2026-01-02T03:04:00Z"},
    ]
    found = observation(HELP_SCOUT, convo(_embedded={"threads": threads}), on(event))

    assert expected == (found.activity, found.actor, found.visibility)
    assert datetime(2026, 1, 2, 3, 3, tzinfo=UTC) == found.time


def test_a_customers_reply_without_threads_is_dated_by_its_receipt() -> None:
    assert "time" not in members(HELP_SCOUT, convo(), on("customer.reply.created"))
    assert RECEIVED == observation(HELP_SCOUT, convo(), on("customer.reply.created")).time


def test_an_agents_reply_without_threads_is_dated_by_the_conversation() -> None:
    assert CLOSED_AT == observation(HELP_SCOUT, convo(), on("agent.reply.created")).time


@pytest.mark.parametrize(
    ("via", "actor"), [("customer", Actor.CUSTOMER), ("user", Actor.AGENT), ("api", None)]
)
def test_a_new_conversation_says_who_began_it(via: str, actor: Actor | None) -> None:
    found = observation(HELP_SCOUT, convo(source={"via": via}), on("created"))

    assert (Activity.CREATED, actor, datetime(2026, 1, 1, tzinfo=UTC)) == (
        found.activity,
        found.actor,
        found.time,
    )


def test_a_deletion_shows_the_id_alone() -> None:
    assert {"id": "900", "activity": Activity.DELETED} == members(HELP_SCOUT, {"id": 900}, on("deleted"))


@pytest.mark.parametrize(
    "event", ["customer.created", "satisfaction.ratings", "tag.deleted", "beacon.chat.created"]
)
def test_what_is_no_conversation_is_ignored(event: str) -> None:
    assert "no_ticket" == ignored(HELP_SCOUT, {"id": 5}, {"x-helpscout-event": event})


def test_a_conversation_without_the_header_is_read_as_an_update() -> None:
    assert Activity.UPDATED == observation(HELP_SCOUT, convo()).activity


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"uri": "https://api.helpscout.net/v2/conversations/900"}', b'{"id": 5}']
)
def test_a_body_without_a_conversation_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        HELP_SCOUT.read(delivery(body))
