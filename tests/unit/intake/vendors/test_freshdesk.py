from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.intake.core.vendors.freshdesk import Freshdesk
from services.intake.core.vendors.port import Unreadable, Untrusted, Verified
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason
from tests.unit.intake.vendors.requests_of_desks import (
    OTHER,
    RECEIVED,
    SECRET,
    SIGNED_BODY,
    delivery,
    fields_of,
    members,
    observation,
    real,
)

FRESHDESK = Freshdesk()


def body(event: str = "{ticket_action:created}", **fields: Any) -> dict[str, Any]:
    shown = {
        "triggered_event": event, "ticket_id": "42", "ticket_url": "https://x.freshdesk.com/helpdesk/tickets/42",
        "ticket_type": "Incident", "ticket_subject": "Printer on fire", "ticket_status": "Open",
        "ticket_priority": "High", "requester_name": "A", "requester_email": "a@example.com",
    }  # fmt: skip
    return {"freshdesk_webhook": shown | fields}


@pytest.mark.parametrize("headers", [{"x-barometer-secret": SECRET}, {"authorization": f"Bearer {SECRET}"}])
def test_the_rules_own_header_proves_it_by_either_secret(headers: dict[str, str]) -> None:
    assert Verified("secret:freshdesk") == FRESHDESK.verify(delivery(SIGNED_BODY, headers), (OTHER, SECRET))


@pytest.mark.parametrize("shown", ["", OTHER, SECRET[:-1], SECRET + "x", "\udcff"])
def test_another_secret_or_none_is_refused(shown: str) -> None:
    headers = {"x-barometer-secret": shown}

    assert isinstance(FRESHDESK.verify(delivery(SIGNED_BODY, headers), (SECRET,)), Untrusted)
    assert isinstance(FRESHDESK.verify(delivery(SIGNED_BODY), (SECRET,)), Untrusted)


def test_a_rule_shows_the_fields_that_its_administrator_chose() -> None:
    found = observation(
        FRESHDESK,
        body(ticket_group_name="Tier 1", ticket_tags="hw, vip", ticket_source="Portal", ticket_agent_name=""),
    )

    assert ("desk:42", Activity.CREATED, None, RECEIVED) == (
        found.ticket, found.activity, found.actor, found.time
    )  # fmt: skip
    assert {
        "status": Status.NEW, "raw_status": "Open", "priority": Priority.P2, "raw_priority": "High",
        "queue": "Tier 1", "assignee": None, "requester": "a@example.com", "category": "Incident",
        "subject": "Printer on fire", "tags": ("hw", "vip"), "channel": Channel.WEB,
        "url": "https://x.freshdesk.com/helpdesk/tickets/42",
    } == fields_of(found)  # fmt: skip


def test_an_open_ticket_with_an_agent_is_in_progress() -> None:
    found = observation(FRESHDESK, body(ticket_agent_email="b@example.com", ticket_agent_name="B")).fields

    assert (Status.IN_PROGRESS, "b@example.com") == (found.status, found.assignee)


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("Open", Status.NEW, None),
        ("2", Status.NEW, None),
        ("Pending", Status.WAITING, WaitReason.CUSTOMER),
        (3, Status.WAITING, WaitReason.CUSTOMER),
        ("Waiting on Third Party", Status.WAITING, WaitReason.VENDOR),
        ("Resolved", Status.SOLVED, None),
        ("4", Status.SOLVED, None),
        ("Closed", Status.CLOSED, None),
        ("5", Status.CLOSED, None),
        ("Em análise", Status.IN_PROGRESS, None),
    ],
)
def test_each_status_has_a_meaning(word: Any, status: Status, reason: WaitReason | None) -> None:
    found = fields_of(observation(FRESHDESK, body(ticket_status=word)))

    assert (status, reason) == (found["status"], found.get("wait_reason"))


@pytest.mark.parametrize(
    ("word", "priority"),
    [("Urgent", Priority.P1), ("4", Priority.P1), ("High", Priority.P2), (3, Priority.P2),
     ("Medium", Priority.P3), ("Low", Priority.P4), ("1", Priority.P4)],
)  # fmt: skip
def test_four_is_the_highest_priority(word: Any, priority: Priority) -> None:
    assert priority == observation(FRESHDESK, body(ticket_priority=word)).fields.priority


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("{note_type:public}", (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        ("{note_type:private}", (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
        ("{reply_sent:sent}", (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        ("{customer_reply:received}", (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC)),
        ("{ticket_action:deleted}", (Activity.DELETED, None, None)),
        ("{ticket_action:marked_spam}", (Activity.SPAM, None, None)),
        ("{status:{from:2,to:4}}", (Activity.UPDATED, None, None)),
        (
            "{status:{from:2,to:3}, note_type:public}",
            (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC),
        ),
        ("anything", (Activity.UPDATED, None, None)),
        (None, (Activity.UPDATED, None, None)),
    ],
)
def test_the_triggered_event_says_what_happened(event: Any, expected: tuple[Any, Any, Any]) -> None:
    found = observation(FRESHDESK, body(event))

    assert expected == (found.activity, found.actor, found.visibility)


def test_a_change_is_taken_from_the_event_where_no_field_shows_it() -> None:
    shown = {"freshdesk_webhook": {"ticket_id": "42", "triggered_event": "{status:{from:2,to:4}}"}}

    assert {"id": "42", "status": "4", "activity": Activity.UPDATED} == members(FRESHDESK, shown)


def test_times_count_if_the_administrator_adds_them() -> None:
    found = observation(
        FRESHDESK,
        body(ticket_created_at="2026-01-01T01:00:00+01:00", ticket_updated_at="2026-01-02T03:04:05Z"),
    )

    assert datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) == found.time
    assert datetime(2026, 1, 1, tzinfo=UTC) == found.fields.created_at


@pytest.mark.parametrize("shown", [b"", b"null", b"{}", b'{"freshdesk_webhook": []}'])
def test_a_body_without_a_ticket_is_unreadable(shown: bytes) -> None:
    with pytest.raises(Unreadable):
        FRESHDESK.read(delivery(shown))


def test_the_real_ticket_is_created_pending(shared_data: Path) -> None:
    found = observation(FRESHDESK, real(shared_data, "freshdesk", "ticket_created"))

    assert ("desk:11", Activity.CREATED, RECEIVED) == (found.ticket, found.activity, found.time)
    assert {
        "status": Status.WAITING, "wait_reason": WaitReason.CUSTOMER, "raw_status": "Pending",
        "priority": Priority.P2, "raw_priority": "High", "requester": "requester-bob@example.com",
        "category": "Incident", "subject": "Test ticket subject ☃",
        "url": "http://test1234zzz.freshdesk.com/helpdesk/tickets/11",
    } == fields_of(found)  # fmt: skip


def test_the_real_public_note_is_an_agents_message(shared_data: Path) -> None:
    found = observation(FRESHDESK, real(shared_data, "freshdesk", "public_note"))

    assert ("desk:11", Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC, Status.NEW, Priority.P3) == (
        found.ticket, found.activity, found.actor, found.visibility, found.fields.status, found.fields.priority
    )  # fmt: skip
