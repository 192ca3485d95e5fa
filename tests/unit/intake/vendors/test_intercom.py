from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.intercom import Intercom
from services.intake.core.vendors.port import Shaken, Unreadable, Verified
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason
from tests.unit.intake.vendors.requests_of_desks import (
    OTHER,
    SECRET,
    SIGNED_BODY,
    delivery,
    fields_of,
    ignored,
    members,
    observation,
    observed,
    real,
    refusals,
)

INTERCOM = Intercom()
SIGNATURE = "x-hub-signature"
SIGNED = {SIGNATURE: "sha1=caf359a7b8dce7f2f42ba97fe04a8b3c7ff3363b"}
UPDATED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def notice(topic: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "notification_event", "id": "notif_1", "topic": topic, "app_id": "x1", "created_at": 1767323046,
            "delivery_attempts": 1, "data": {"type": "notification_event_data", "item": item}}  # fmt: skip


def ticket(**more: Any) -> dict[str, Any]:
    shown = {
        "type": "ticket", "id": "900", "ticket_id": "42", "ticket_type": {"name": "Incident"},
        "ticket_attributes": {"_default_title_": "Printer on fire"}, "admin_assignee_id": "0",
        "ticket_state": {"category": "in_progress", "internal_label": "In progress"}, "team_assignee_id": "3",
        "contacts": {"contacts": [{"id": "c1", "external_id": "u-7"}]}, "open": True, "channel": "email",
        "created_at": 1767225600, "updated_at": 1767323045,
    }  # fmt: skip
    return shown | more


def talk(**more: Any) -> dict[str, Any]:
    shown = {
        "type": "conversation", "id": "777", "title": None, "state": "open", "open": True, "priority": "not_priority",
        "admin_assignee_id": 8, "team_assignee_id": None, "tags": {"tags": [{"id": "1", "name": "hw"}]},
        "source": {"type": "whatsapp", "subject": "Printer on fire", "author": {"type": "user", "email": "a@example.com"}},
        "created_at": 1767225600, "updated_at": 1767323045,
    }  # fmt: skip
    return shown | more


def parts(*authors: str) -> dict[str, Any]:
    shown = [
        {"type": "conversation_part", "part_type": "comment", "body": "<p>smoke</p>", "created_at": 1767323040 + at,
         "author": {"type": author, "id": "1"}}
        for at, author in enumerate(authors)
    ]  # fmt: skip
    return {"conversation_parts": {"conversation_parts": shown}}


def beside(part_type: str, author: str) -> dict[str, Any]:
    part = {"type": "ticket_part", "part_type": part_type, "body": "<p>smoke</p>", "created_at": 1767323030,
            "author": {"type": author, "id": "1"}}  # fmt: skip
    return {"type": "ticket_ticket_part", "ticket": ticket(), "ticket_part": part}


def test_the_published_signature_is_verified_by_either_secret() -> None:
    assert Verified("signature:intercom") == INTERCOM.verify(delivery(SIGNED_BODY, SIGNED), (OTHER, SECRET))


def test_what_is_forged_truncated_or_re_encoded_is_refused() -> None:
    assert [] == refusals(INTERCOM, SIGNED, SIGNATURE)


def test_head_is_answered() -> None:
    assert Shaken(200) == INTERCOM.shake(delivery(b"")._replace(method="HEAD"), ())
    assert None is INTERCOM.shake(delivery(notice("ping", {})), ())


def test_a_ticket_is_shown_by_its_number() -> None:
    found = observation(INTERCOM, notice("ticket.state.updated", ticket()))

    assert ("desk:42", "notif_1", Activity.UPDATED, None, UPDATED_AT) == (
        found.ticket, found.id, found.activity, found.actor, found.time
    )  # fmt: skip
    assert {
        "status": Status.IN_PROGRESS, "raw_status": "In progress", "queue": "3", "assignee": None,
        "requester": "u-7", "category": "Incident", "subject": "Printer on fire", "channel": Channel.EMAIL,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        ({"category": "submitted", "internal_label": "Eingang"}, Status.NEW, None),
        ({"category": "in_progress", "internal_label": "Bei uns"}, Status.IN_PROGRESS, None),
        (
            {"category": "waiting_on_customer", "internal_label": "Beim Kunden"},
            Status.WAITING,
            WaitReason.CUSTOMER,
        ),
        ({"category": "resolved"}, Status.SOLVED, None),
        ("submitted", Status.NEW, None),
        ({"category": "odd", "internal_label": "Odd"}, Status.IN_PROGRESS, None),
    ],
)
def test_a_tickets_state_is_known_by_its_category(
    state: Any, status: Status, reason: WaitReason | None
) -> None:
    found = fields_of(observation(INTERCOM, notice("ticket.state.updated", ticket(ticket_state=state))))

    assert (status, reason) == (found["status"], found.get("wait_reason"))


def test_the_sources_own_map_knows_a_label_better_than_its_category() -> None:
    state = {"category": "in_progress", "internal_label": "Beim Hersteller"}
    shown = INTERCOM.read(delivery(notice("ticket.state.updated", ticket(ticket_state=state))))
    own = {"beim hersteller": ShownStatus(Status.WAITING, WaitReason.VENDOR)}
    (found,) = observed(INTERCOM, shown, statuses=own)

    assert (Status.WAITING, WaitReason.VENDOR) == (found.fields.status, found.fields.wait_reason)


def test_a_ticket_that_is_no_longer_open_is_closed() -> None:
    assert Status.CLOSED == observation(INTERCOM, notice("ticket.closed", ticket(open=False))).fields.status
    resolved = ticket(open=False, ticket_state={"category": "resolved"})
    assert Status.SOLVED == observation(INTERCOM, notice("ticket.closed", resolved)).fields.status


def test_a_conversation_is_shown_by_its_id() -> None:
    found = observation(INTERCOM, notice("conversation.admin.assigned", talk()))

    assert ("desk:777", Activity.UPDATED, Actor.AGENT, UPDATED_AT) == (
        found.ticket, found.activity, found.actor, found.time
    )  # fmt: skip
    assert {
        "status": Status.IN_PROGRESS, "raw_status": "assigned", "priority": Priority.P3,
        "raw_priority": "not_priority", "queue": None, "assignee": "8", "requester": "a@example.com",
        "subject": "Printer on fire", "tags": ("hw",), "channel": Channel.MESSAGING,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip


@pytest.mark.parametrize(
    ("more", "status", "reason"),
    [
        ({"admin_assignee_id": None}, Status.NEW, None),
        ({"admin_assignee_id": 0}, Status.NEW, None),
        ({}, Status.IN_PROGRESS, None),
        ({"state": "snoozed"}, Status.WAITING, WaitReason.SCHEDULED),
        ({"state": "closed"}, Status.CLOSED, None),
        ({"state": None, "open": False}, Status.CLOSED, None),
    ],
)
def test_each_state_of_a_conversation_has_a_meaning(
    more: dict[str, Any], status: Status, reason: WaitReason | None
) -> None:
    found = fields_of(observation(INTERCOM, notice("conversation.admin.opened", talk(**more))))

    assert (status, reason) == (found["status"], found.get("wait_reason"))


def test_a_team_of_an_older_body_is_the_queue() -> None:
    item = {"type": "conversation", "id": "777", "assignee": {"type": "team", "id": "3", "name": "Tier 1"}}
    found = observation(INTERCOM, notice("conversation.admin.assigned", item)).fields

    assert ("Tier 1", None) == (found.queue, found.assignee)


def test_a_priority_conversation_is_high() -> None:
    found = observation(INTERCOM, notice("conversation.priority.updated", talk(priority="priority")))

    assert Priority.P2 == found.fields.priority


@pytest.mark.parametrize(
    ("topic", "item", "expected"),
    [
        ("conversation.user.created", talk(), (Activity.CREATED, Actor.CUSTOMER, Visibility.PUBLIC)),
        ("conversation.admin.single.created", talk(), (Activity.CREATED, Actor.AGENT, None)),
        ("conversation.user.replied", talk(), (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC)),
        ("conversation.admin.replied", talk(), (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        ("conversation.admin.replied", talk(**parts("user", "bot")),
         (Activity.AGENT_MESSAGE, Actor.BOT, Visibility.PUBLIC)),
        ("conversation.operator.replied", talk(**parts("bot")),
         (Activity.AGENT_MESSAGE, Actor.BOT, Visibility.PUBLIC)),
        ("conversation.admin.noted", talk(**parts("admin")),
         (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
        ("ticket.note.created", ticket(), (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
        ("conversation.admin.closed", talk(), (Activity.UPDATED, Actor.AGENT, None)),
        ("conversation.deleted", {"type": "conversation", "id": "777"}, (Activity.DELETED, None, None)),
        ("conversation.deleted", {"type": "conversation", "conversation_id": "777"}, (Activity.DELETED, None, None)),
        ("ticket.admin.replied", beside("comment", "admin"),
         (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        ("ticket.contact.replied", beside("comment", "user"),
         (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC)),
        ("ticket.note.created", beside("note", "admin"),
         (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
        ("ticket.admin.replied", beside("assignment", "admin"),
         (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
    ],
)  # fmt: skip
def test_the_topic_says_what_happened(topic: str, item: dict[str, Any], expected: Any) -> None:
    found = observation(INTERCOM, notice(topic, item))

    assert expected == (found.activity, found.actor, found.visibility)


def test_a_message_counts_from_when_it_was_written() -> None:
    found = observation(INTERCOM, notice("conversation.user.replied", talk(**parts("admin", "user"))))

    assert datetime(2026, 1, 2, 3, 4, 1, tzinfo=UTC) == found.time


def test_a_reply_beside_its_ticket_shows_the_ticket_and_counts_from_when_it_was_written() -> None:
    found = observation(INTERCOM, notice("ticket.admin.replied", beside("comment", "admin")))

    assert ("desk:42", datetime(2026, 1, 2, 3, 3, 50, tzinfo=UTC)) == (found.ticket, found.time)
    assert "Printer on fire" == found.fields.subject


def test_a_deletion_counts_from_its_notice() -> None:
    found = members(INTERCOM, notice("ticket.deleted", {"type": "ticket", "id": "900", "ticket_id": "42"}))

    assert ("42", datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)) == (found["id"], found["time"])


@pytest.mark.parametrize(
    ("topic", "item", "why"),
    [
        ("ping", {"type": "ping", "message": "something"}, "ping"),
        ("contact.created", {"type": "contact", "id": "c1"}, "no_ticket"),
        ("company.updated", {"type": "company", "id": "c1"}, "no_ticket"),
        ("conversation.admin.replied.translated", talk(), "translation"),
        (
            "ticket.contact.attached",
            {"ticket": {"type": "ticket", "id": 900}, "contact": {"id": "c1"}},
            "contacts",
        ),
        ("conversation.contact.detached", {"conversation": {"model": {"id": 777}}}, "contacts"),
    ],
)
def test_what_is_no_ticket_news_is_ignored(topic: str, item: dict[str, Any], why: str) -> None:
    assert why == ignored(INTERCOM, notice(topic, item))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"topic": "ticket.created", "data": {"item": {}}}'])
def test_a_body_without_a_ticket_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        INTERCOM.read(delivery(body))


def test_the_real_snoozed_conversation_waits_for_its_time(shared_data: Path) -> None:
    found = observation(INTERCOM, real(shared_data, "intercom", "conversation_admin_snoozed"))

    assert ("desk:21330067382", "notif_0530a65a-8052-4f67-9070-a50f1363dc68", Activity.UPDATED, Actor.AGENT) == (
        found.ticket, found.id, found.activity, found.actor
    )  # fmt: skip
    assert datetime(2019, 3, 23, 22, 0, 13, tzinfo=UTC) == found.time
    assert {
        "status": Status.WAITING, "wait_reason": WaitReason.SCHEDULED, "raw_status": "snoozed",
        "assignee": "cordelia@zulip.com", "requester": "jerryguitarist@gmail.com", "tags": (),
        "url": "https://app.intercom.io/a/apps/i6wc9ipe/conversations/21330067382",
        "created_at": datetime(2019, 3, 23, 21, 54, 42, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip


def test_the_real_ticket_is_submitted_and_nobodys(shared_data: Path) -> None:
    received_at = datetime(2026, 1, 11, 6, 50, 52, tzinfo=UTC)
    found = observation(INTERCOM, real(shared_data, "intercom", "ticket_created"), received_at=received_at)

    assert ("desk:66040342", "notif_381b4609-2b35-4720-8389-605f220e402a", Activity.CREATED, None) == (
        found.ticket, found.id, found.activity, found.actor
    )  # fmt: skip
    assert datetime(2026, 1, 11, 6, 50, 50, tzinfo=UTC) == found.time
    assert {
        "status": Status.NEW, "raw_status": "Submitted", "queue": None, "assignee": None,
        "requester": "f7c0bc1e-5ee2-46a0-b11a-ea473d1101a5", "category": "Tickets", "channel": Channel.CHAT,
        "subject": "Unclear user message 'erf' with pending email response",
        "created_at": datetime(2026, 1, 11, 6, 44, 28, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip
