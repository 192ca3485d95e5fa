from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.intake.core.vendors.chatwoot import Chatwoot
from services.intake.core.vendors.port import Unreadable, Untrusted, Verified
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason
from tests.unit.intake.vendors.deliveries import (
    SECRET,
    VECTOR_AT,
    assert_refused,
    delivered,
    facts,
    observed,
    shown,
    spoiled,
    vector,
)

CHATWOOT = Chatwoot()
SIGNATURE = "x-chatwoot-signature"
GOOD = {
    SIGNATURE: "sha256=f87776a6236874cd0c4247ccb93a6c8e2c08aa1d0dbde83ec837c53c62bf91a7",
    "x-chatwoot-timestamp": "1767323045",
}


def conversation(**changed: Any) -> dict[str, Any]:
    return {
        "id": 42, "inbox_id": 1, "channel": "Channel::Email", "status": "resolved", "priority": "high",
        "labels": ["hw"], "additional_attributes": {"mail_subject": "Printer on fire"},
        "meta": {
            "sender": {"id": 7, "email": "a@example.com"}, "assignee": {"id": 8, "name": "B"},
            "team": {"id": 2, "name": "Tier 1"},
        },
        "created_at": 1767225600, "updated_at": 1767323045.123, "waiting_since": 0, **changed,
    }  # fmt: skip


def event(kind: str = "conversation_updated", **changed: Any) -> dict[str, Any]:
    return {"event": kind, **conversation(**changed)}


def message(kind: str = "message_created", **changed: Any) -> dict[str, Any]:
    return {
        "event": kind, "id": 900, "content": "Smoke!", "message_type": "incoming", "private": False,
        "created_at": "2026-01-02T03:04:04.000Z", "sender": {"id": 7, "type": "contact"},
        "content_attributes": {}, "conversation": conversation(), **changed,
    }  # fmt: skip


def test_the_published_vector_is_accepted_over_timestamp_and_body() -> None:
    good = vector(GOOD)

    assert Verified("signature:chatwoot") == CHATWOOT.verify(good, ("last", SECRET))
    assert_refused(CHATWOOT, good, SIGNATURE)
    assert_refused(CHATWOOT, good, "x-chatwoot-timestamp")
    assert all(isinstance(CHATWOOT.verify(each, (SECRET,)), Untrusted) for each in spoiled(good))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signed_request_of_another_time_is_refused(seconds: int) -> None:
    replayed = vector(GOOD)._replace(received_at=VECTOR_AT + timedelta(seconds=seconds))

    assert Untrusted("the signed timestamp is too far from now") == CHATWOOT.verify(replayed, (SECRET,))


def test_a_conversation_is_shown_whole() -> None:
    assert {
        "id": "42", "event_id": "d-1", "subject": "Printer on fire", "status": "resolved", "priority": "high",
        "queue": "Tier 1", "assignee": "B", "requester": "a@example.com", "channel": Channel.EMAIL,
        "tags": ["hw"], "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "time": datetime(2026, 1, 2, 3, 4, 5, 123_000, tzinfo=UTC), "activity": Activity.UPDATED,
    } == shown(
        CHATWOOT, delivered(event("conversation_status_changed"), {"x-chatwoot-delivery": "d-1"})
    )  # fmt: skip


@pytest.mark.parametrize(
    ("word", "assignee", "status", "reason"),
    [
        ("open", None, Status.NEW, None),
        ("open", {"name": "B"}, Status.IN_PROGRESS, None),
        ("pending", None, Status.WAITING, WaitReason.INTERNAL),
        ("snoozed", {"name": "B"}, Status.WAITING, WaitReason.SCHEDULED),
        ("resolved", {"name": "B"}, Status.SOLVED, None),
    ],
)
def test_a_status_is_the_word_and_whether_somebody_has_it(
    word: str, assignee: object, status: Status, reason: WaitReason | None
) -> None:
    [observation] = observed(CHATWOOT, delivered(event(status=word, meta={"assignee": assignee})))

    assert {"status": status} | ({"wait_reason": reason} if reason else {}) == facts(
        observation, "status", "wait_reason"
    )


@pytest.mark.parametrize(
    ("word", "priority"),
    [
        ("urgent", Priority.P1),
        ("high", Priority.P2),
        ("medium", Priority.P3),
        ("low", Priority.P4),
        (None, None),
    ],
)
def test_a_priority_is_a_word_or_none(word: str | None, priority: Priority | None) -> None:
    [observation] = observed(CHATWOOT, delivered(event(priority=word)))

    assert priority == observation.fields.priority


def test_what_is_shown_to_be_empty_is_cleared_and_what_is_not_shown_is_not() -> None:
    empty = shown(CHATWOOT, delivered(event(meta={"assignee": None, "team": None}, priority=None)))
    thin = shown(CHATWOOT, delivered({"event": "conversation_created", "id": 42}))

    assert (None, None, None) == (empty["assignee"], empty["queue"], empty["priority"])
    assert {"id": "42", "activity": Activity.CREATED} == thin


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("Channel::WebWidget", Channel.CHAT),
        ("Channel::Whatsapp", Channel.MESSAGING),
        ("Channel::FacebookPage", Channel.SOCIAL),
        ("Channel::Api", Channel.API),
    ],
)
def test_a_channel_is_that_of_the_inbox(channel: str, expected: Channel) -> None:
    assert expected == shown(CHATWOOT, delivered(event(channel=channel)))["channel"]


PUBLIC, INTERNAL = Visibility.PUBLIC, Visibility.INTERNAL


@pytest.mark.parametrize(
    ("changed", "activity", "actor", "visibility"),
    [
        ({}, Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, PUBLIC),
        ({"message_type": 0}, Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, PUBLIC),
        (
            {"message_type": "outgoing", "sender": {"type": "user"}},
            Activity.AGENT_MESSAGE,
            Actor.AGENT,
            PUBLIC,
        ),
        (
            {"message_type": "outgoing", "sender": {"type": "agent_bot"}},
            Activity.AGENT_MESSAGE,
            Actor.BOT,
            PUBLIC,
        ),
        (
            {"message_type": "outgoing", "content_attributes": {"automation_rule_id": 3}},
            Activity.AGENT_MESSAGE,
            Actor.BOT,
            PUBLIC,
        ),
        ({"message_type": "outgoing", "private": True}, Activity.INTERNAL_NOTE, Actor.AGENT, INTERNAL),
        ({"message_type": "template"}, Activity.AGENT_MESSAGE, Actor.BOT, PUBLIC),
        ({"message_type": "activity"}, Activity.UPDATED, Actor.SYSTEM, None),
    ],
)
def test_a_message_is_of_who_wrote_it(
    changed: dict[str, Any], activity: Activity, actor: Actor, visibility: Visibility | None
) -> None:
    [observation] = observed(CHATWOOT, delivered(message(**changed)))

    assert ("chatwoot:42", activity, actor, visibility, datetime(2026, 1, 2, 3, 4, 4, tzinfo=UTC)) == (
        observation.ticket, observation.activity, observation.actor, observation.visibility, observation.time,
    )  # fmt: skip


def test_a_changed_message_is_no_message() -> None:
    members = shown(CHATWOOT, delivered(message("message_updated")))

    assert (Activity.UPDATED, datetime(2026, 1, 2, 3, 4, 5, 123_000, tzinfo=UTC)) == (
        members["activity"], members["time"],
    )  # fmt: skip


def test_an_older_message_that_hides_the_assignee_shows_no_status() -> None:
    older = {"id": 42, "status": "open", "timestamp": 0, "channel": "Channel::Api"}

    assert "status" not in shown(CHATWOOT, delivered(message(conversation=older)))


def test_an_older_conversation_is_of_the_time_of_its_last_activity() -> None:
    body = {"event": "conversation_updated", "id": 42, "timestamp": 1767323045}

    assert datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) == shown(CHATWOOT, delivered(body))["time"]


@pytest.mark.parametrize("kind", ["contact_created", "webwidget_triggered", "conversation_typing_on"])
def test_what_is_no_news_of_a_conversation_is_ignored_with_its_reason(kind: str) -> None:
    assert ((), "no_ticket") == CHATWOOT.read(delivered({"event": kind, "id": 7}))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", {"event": "conversation_created"}, {"event": "message_created", "id": 1}]
)
def test_a_conversation_that_cannot_be_named_is_unreadable(body: object) -> None:
    with pytest.raises(Unreadable):
        CHATWOOT.read(delivered(body))
