from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.intake.core.vendors.port import Unreadable, Untrusted, Verified
from services.intake.core.vendors.zendesk import Zendesk
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason
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
    real,
    refusals,
)

ZENDESK = Zendesk()
SIGNATURE = "x-zendesk-webhook-signature"
SIGNED = {
    SIGNATURE: "Vnsy2F1PyRVB/hAWcW2GBuxpT8L3UGt9XCvkqSjg4dc=",
    "x-zendesk-webhook-signature-timestamp": "2026-01-02T03:04:05Z",
}


def event(what: str, detail: dict[str, Any] | None = None, **told: Any) -> dict[str, Any]:
    shown = {
        "id": "42", "subject": "Printer on fire", "status": "PENDING", "priority": "HIGH",
        "requester_id": "7", "assignee_id": "8", "submitter_id": "7", "actor_id": "8", "group_id": "9",
        "tags": ["hw"], "type": "INCIDENT", "via": {"channel": "email"}, "external_id": None, "is_public": True,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    return {
        "account_id": 1, "id": "evt-1", "type": f"zen:event-type:ticket.{what}", "subject": "zen:ticket:42",
        "time": "2026-01-02T03:04:05.123456789Z", "zendesk_event_version": "2022-11-06",
        "event": {"meta": {"sequence": {"id": "s1", "position": 1}}, **told}, "detail": shown | (detail or {}),
    }  # fmt: skip


def comment(author: dict[str, Any], *, public: bool) -> dict[str, Any]:
    return event(
        "comment_added", comment={"id": "c1", "body": "smoke", "author": author, "is_public": public}
    )


def test_the_published_signature_is_verified_by_either_secret() -> None:
    good = delivery(SIGNED_BODY, SIGNED)

    assert Verified("signature:zendesk") == ZENDESK.verify(good, (SECRET,))
    assert Verified("signature:zendesk") == ZENDESK.verify(good, (OTHER, SECRET))


def test_what_is_forged_truncated_or_re_encoded_is_refused() -> None:
    assert [] == refusals(ZENDESK, SIGNED, SIGNATURE)


@pytest.mark.parametrize("off", [timedelta(minutes=6), timedelta(minutes=-6)])
def test_a_signed_timestamp_more_than_five_minutes_off_is_refused(off: timedelta) -> None:
    assert isinstance(
        ZENDESK.verify(delivery(SIGNED_BODY, SIGNED, received_at=RECEIVED + off), (SECRET,)), Untrusted
    )


def test_another_timestamp_than_the_signed_one_is_refused() -> None:
    later = {**SIGNED, "x-zendesk-webhook-signature-timestamp": "2026-01-02T03:04:06Z"}

    assert isinstance(ZENDESK.verify(delivery(SIGNED_BODY, later), (SECRET,)), Untrusted)


def test_an_event_shows_the_whole_ticket() -> None:
    found = observation(ZENDESK, event("status_changed"))

    assert ("desk:42", "evt-1", Activity.UPDATED, Actor.AGENT) == (
        found.ticket, found.id, found.activity, found.actor
    )  # fmt: skip
    assert datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC) == found.time
    assert {
        "status": Status.WAITING, "wait_reason": WaitReason.CUSTOMER, "raw_status": "PENDING",
        "priority": Priority.P2, "raw_priority": "HIGH", "queue": "9", "assignee": "8", "requester": "7",
        "category": "incident", "subject": "Printer on fire", "tags": ("hw",), "channel": Channel.EMAIL,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("NEW", Status.NEW, None),
        ("open", Status.IN_PROGRESS, None),
        ("Pending", Status.WAITING, WaitReason.CUSTOMER),
        ("HOLD", Status.WAITING, WaitReason.VENDOR),
        ("solved", Status.SOLVED, None),
        ("CLOSED", Status.CLOSED, None),
        ("a word nobody knows", Status.IN_PROGRESS, None),
    ],
)
def test_each_status_has_a_meaning(word: str, status: Status, reason: WaitReason | None) -> None:
    found = fields_of(observation(ZENDESK, event("status_changed", {"status": word})))

    assert (status, reason) == (found["status"], found.get("wait_reason"))


@pytest.mark.parametrize(
    ("word", "priority"),
    [("URGENT", Priority.P1), ("high", Priority.P2), ("NORMAL", Priority.P3), ("low", Priority.P4)],
)
def test_each_priority_has_a_meaning(word: str, priority: Priority) -> None:
    assert priority == observation(ZENDESK, event("priority_changed", {"priority": word})).fields.priority


def test_what_is_null_is_cleared() -> None:
    found = observation(
        ZENDESK, event("agent_assignment_changed", {"assignee_id": None, "priority": None})
    ).fields

    assert (None, None) == (found.assignee, found.priority)


@pytest.mark.parametrize(
    ("author", "public", "expected"),
    [
        ({"id": "7", "is_staff": False}, True, (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC)),
        ({"id": "7", "is_staff": False}, False, (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.INTERNAL)),
        ({"id": "8", "is_staff": True}, True, (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        ({"id": "8", "is_staff": True}, False, (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
        ({"id": "-1", "is_staff": True}, True, (Activity.AGENT_MESSAGE, Actor.SYSTEM, Visibility.PUBLIC)),
        ({"id": "-1", "is_staff": True}, False, (Activity.INTERNAL_NOTE, Actor.SYSTEM, Visibility.INTERNAL)),
    ],
)  # fmt: skip
def test_a_comment_says_who_wrote_and_who_reads(
    author: dict[str, Any], public: bool, expected: tuple[Activity, Actor, Visibility]
) -> None:
    found = observation(ZENDESK, comment(author, public=public))

    assert expected == (found.activity, found.actor, found.visibility)


def test_a_comment_of_nobody_knows_whom_is_an_update() -> None:
    assert Activity.UPDATED == observation(ZENDESK, comment({}, public=True)).activity


@pytest.mark.parametrize(
    ("what", "activity"),
    [
        ("created", Activity.CREATED),
        ("marked_as_spam", Activity.SPAM),
        ("soft_deleted", Activity.DELETED),
        ("permanently_deleted", Activity.DELETED),
        ("undeleted", Activity.RESTORED),
        ("brand_changed", Activity.UPDATED),
    ],
)
def test_an_event_says_what_happened(what: str, activity: Activity) -> None:
    assert activity == observation(ZENDESK, event(what)).activity


@pytest.mark.parametrize(
    ("detail", "actor"),
    [
        ({"actor_id": "7"}, Actor.CUSTOMER),
        ({"actor_id": "8"}, Actor.AGENT),
        ({"actor_id": "-1"}, Actor.SYSTEM),
        ({"actor_id": "5", "submitter_id": "5"}, Actor.AGENT),
        ({"actor_id": "5"}, None),
        ({"actor_id": None}, None),
    ],
)
def test_who_acted_is_told_by_the_ids(detail: dict[str, Any], actor: Actor | None) -> None:
    assert actor == observation(ZENDESK, event("created", detail)).actor


def test_a_merge_points_to_the_survivor() -> None:
    found = observation(ZENDESK, event("merged", target_ticket_id="43"))

    assert (Activity.MERGED, "desk:43") == (found.activity, found.fields.merged_into)


def test_events_of_users_and_articles_are_ignored() -> None:
    body = {"type": "zen:event-type:user.created", "id": "e", "subject": "zen:user:7", "detail": {"id": "7"}}

    assert "no_ticket" == ignored(ZENDESK, body)


def test_a_trigger_sends_the_names_of_placeholders() -> None:
    body = {"ticket": {"id": 42, "title": "Printer on fire", "status": "Open", "priority": "Urgent",
                       "group": "Tier 1", "assignee": "", "requester": "a@example.com", "tags": "hw vip",
                       "via": "Web Form", "type": "Incident", "link": "https://x.zendesk.com/tickets/42",
                       "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T03:04:05Z"}}  # fmt: skip
    found = observation(ZENDESK, body, {"x-zendesk-webhook-invocation-id": "inv-1"})

    assert ("desk:42", "inv-1", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == (
        found.ticket,
        found.id,
        found.time,
    )
    assert {
        "status": Status.IN_PROGRESS, "raw_status": "Open", "priority": Priority.P1, "raw_priority": "Urgent",
        "queue": "Tier 1", "assignee": None, "requester": "a@example.com", "category": "Incident",
        "subject": "Printer on fire", "tags": ("hw", "vip"), "url": "https://x.zendesk.com/tickets/42",
        "channel": Channel.WEB, "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip


def test_a_flat_body_of_a_trigger_shows_only_what_it_has() -> None:
    assert {"id": "42", "status": "solved"} == members(ZENDESK, {"ticket_id": "42", "status": "solved"})


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"type": "zen:event-type:ticket.created"}', b'{"id": null}']
)
def test_a_body_without_a_ticket_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        ZENDESK.read(delivery(body))


def test_the_real_private_comment_of_a_visitor_is_the_customers(shared_data: Path) -> None:
    found = observation(ZENDESK, real(shared_data, "zendesk", "ticket.comment_added"))

    assert ("desk:342757", "comment-8659716087550") == (found.ticket, found.id)
    assert (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.INTERNAL) == (
        found.activity, found.actor, found.visibility
    )  # fmt: skip
    assert datetime(2025, 1, 15, 6, 13, 26, 962242, tzinfo=UTC) == found.time
    assert {
        "status": Status.IN_PROGRESS, "raw_status": "OPEN", "priority": None, "raw_priority": None,
        "queue": "7489429060734", "assignee": "7489421176190", "requester": "8659716080510", "category": None,
        "subject": "Conversation with Visitor 49333687", "tags": ("zopim_chat",), "channel": Channel.CHAT,
        "created_at": datetime(2025, 1, 15, 6, 13, 26, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip


def test_the_real_merge_names_its_survivor(shared_data: Path) -> None:
    found = observation(ZENDESK, real(shared_data, "zendesk", "ticket.merged"))

    assert ("desk:78729", Activity.MERGED, "desk:78731", Status.CLOSED, None, Actor.AGENT) == (
        found.ticket, found.activity, found.fields.merged_into, found.fields.status, found.fields.priority,
        found.actor,
    )  # fmt: skip
    assert datetime(2025, 1, 15, 2, 34, 54, 47487, tzinfo=UTC) == found.time
    assert datetime(2025, 1, 15, 2, 33, 53, tzinfo=UTC) == found.fields.created_at


def test_the_real_change_of_a_priority_is_urgent(shared_data: Path) -> None:
    found = observation(ZENDESK, real(shared_data, "zendesk", "ticket.priority_changed"))

    assert ("desk:389", Status.IN_PROGRESS, Priority.P1, Actor.AGENT, "8443647220350") == (
        found.ticket, found.fields.status, found.fields.priority, found.actor, found.fields.assignee
    )  # fmt: skip
    assert datetime(2025, 1, 10, 18, 51, 42, 809125, tzinfo=UTC) == found.time
    assert datetime(2025, 1, 10, 18, 51, 42, tzinfo=UTC) == found.fields.created_at


def test_the_real_change_of_a_status_is_open(shared_data: Path) -> None:
    found = observation(ZENDESK, real(shared_data, "zendesk", "ticket.status_changed"))

    assert ("desk:1244", Status.IN_PROGRESS, None, Actor.AGENT, "incident", None) == (
        found.ticket, found.fields.status, found.fields.priority, found.actor, found.fields.category,
        found.fields.tags,
    )  # fmt: skip
    assert datetime(2025, 1, 10, 17, 27, 48, 105316, tzinfo=UTC) == found.time
