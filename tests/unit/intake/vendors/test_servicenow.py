from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.intake.core.vendors.port import Unreadable, Untrusted, Verified
from services.intake.core.vendors.servicenow import ServiceNow
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason
from tests.unit.intake.vendors.requests_of_desks import (
    OTHER,
    SECRET,
    SIGNED_BODY,
    delivery,
    fields_of,
    members,
    observation,
    refusals,
)

SERVICENOW = ServiceNow()
SIGNATURE = "x-hub-signature-256"
SIGNED = {SIGNATURE: "sha256=b08bcaa0870da32d38a7189ce454befff9482a115fc3c241fef44adfda316b73"}


def record(**columns: Any) -> dict[str, Any]:
    shown = {
        "event_id": "f1:3", "table": "incident", "operation": "update", "sys_id": "f1", "number": "INC0010042",
        "short_description": "Printer on fire", "state": "2", "priority": "2", "caller_id": "u1",
        "assigned_to": "u2", "assignment_group": "g1", "category": "hardware", "contact_type": "email",
        "opened_at": "2026-01-01 00:00:00", "sys_created_on": "2026-01-01 00:00:10",
        "sys_updated_on": "2026-01-02 03:04:05", "sys_mod_count": "3", "resolved_at": "",
    }  # fmt: skip
    return shown | columns


@pytest.mark.parametrize("headers", [{"x-barometer-secret": SECRET}, {"authorization": f"Bearer {SECRET}"}])
def test_the_rules_own_header_proves_it_by_either_secret(headers: dict[str, str]) -> None:
    assert Verified("secret:servicenow") == SERVICENOW.verify(delivery(SIGNED_BODY, headers), (OTHER, SECRET))


@pytest.mark.parametrize("headers", [{}, {"x-barometer-secret": OTHER}, {"authorization": "Bearer "}])
def test_another_secret_or_none_is_refused(headers: dict[str, str]) -> None:
    assert isinstance(SERVICENOW.verify(delivery(SIGNED_BODY, headers), (SECRET,)), Untrusted)


def test_a_rule_may_sign_the_body() -> None:
    assert Verified("signature:servicenow") == SERVICENOW.verify(delivery(SIGNED_BODY, SIGNED), (SECRET,))
    assert [] == refusals(SERVICENOW, SIGNED, SIGNATURE)


def test_a_bad_signature_is_not_saved_by_a_good_secret_beside_it() -> None:
    headers = {SIGNATURE: "sha256=00", "x-barometer-secret": SECRET}

    assert isinstance(SERVICENOW.verify(delivery(SIGNED_BODY, headers), (SECRET,)), Untrusted)


def test_the_documented_body_shows_the_record() -> None:
    found = observation(SERVICENOW, record())

    assert ("desk:INC0010042", "f1:3", Activity.UPDATED, None, 3) == (
        found.ticket, found.id, found.activity, found.actor, found.sequence
    )  # fmt: skip
    assert datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) == found.time
    assert {
        "status": Status.IN_PROGRESS, "raw_status": "2", "priority": Priority.P2, "raw_priority": "2",
        "queue": "g1", "assignee": "u2", "requester": "u1", "category": "hardware", "channel": Channel.EMAIL,
        "subject": "Printer on fire", "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "status", "reason"),
    [
        ({"state": "1"}, Status.NEW, None),
        ({"state": 2}, Status.IN_PROGRESS, None),
        ({"state": "3"}, Status.WAITING, WaitReason.INTERNAL),
        ({"state": "3", "hold_reason": "1"}, Status.WAITING, WaitReason.CUSTOMER),
        ({"state": "3", "hold_reason": "Awaiting Vendor"}, Status.WAITING, WaitReason.VENDOR),
        ({"state": "Awaiting User Info"}, Status.WAITING, WaitReason.CUSTOMER),
        ({"state": "6"}, Status.SOLVED, None),
        ({"state": "7"}, Status.CLOSED, None),
        ({"state": "8"}, Status.CLOSED, None),
        ({"state": "99"}, Status.IN_PROGRESS, None),
        ({"table": "sn_customerservice_case", "state": "3"}, Status.CLOSED, None),
        ({"table": "sn_customerservice_case", "state": "18"}, Status.WAITING, WaitReason.CUSTOMER),
        ({"table": "sc_task", "state": "-5"}, Status.WAITING, WaitReason.INTERNAL),
        ({"table": "sc_task", "state": "3"}, Status.CLOSED, None),
        ({"table": "u_own", "state": "3"}, Status.IN_PROGRESS, None),
    ],
)
def test_a_state_means_what_its_table_says(
    columns: dict[str, Any], status: Status, reason: WaitReason | None
) -> None:
    found = fields_of(observation(SERVICENOW, record(**columns)))

    assert (status, reason) == (found["status"], found.get("wait_reason"))


@pytest.mark.parametrize(
    ("word", "priority"),
    [
        ("1", Priority.P1),
        ("1 - Critical", Priority.P1),
        ("3", Priority.P3),
        (4, Priority.P4),
        ("5", Priority.P4),
    ],
)
def test_one_is_the_highest_priority(word: Any, priority: Priority) -> None:
    assert priority == observation(SERVICENOW, record(priority=word)).fields.priority


def test_an_empty_text_clears() -> None:
    found = observation(SERVICENOW, record(assigned_to="", assignment_group="", category="")).fields

    assert (None, None, None) == (found.assignee, found.queue, found.category)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"operation": "insert"}, (Activity.CREATED, None, None)),
        ({"operation": "insert", "user": "u1"}, (Activity.CREATED, Actor.CUSTOMER, None)),
        ({"operation": "insert", "user": "u2"}, (Activity.CREATED, Actor.AGENT, None)),
        ({"operation": "delete"}, (Activity.DELETED, None, None)),
        (
            {"element": "comments", "user": "u1"},
            (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC),
        ),
        ({"element": "comments", "user": "u2"}, (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        ({"element": "comments"}, (Activity.UPDATED, None, None)),
        ({"element": "work_notes", "user": "u2"}, (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
    ],
)
def test_the_body_says_what_happened(columns: dict[str, Any], expected: tuple[Any, Any, Any]) -> None:
    found = observation(SERVICENOW, record(**columns))

    assert expected == (found.activity, found.actor, found.visibility)


def test_a_column_may_be_an_object() -> None:
    found = observation(
        SERVICENOW,
        record(
            assignment_group={"value": "g1", "display_value": "Tier 1", "link": "https://x"},
            state={"value": "6", "display_value": "Gelöst"},
            caller_id={"link": "https://x", "value": "u1"},
        ),
    ).fields

    assert ("Tier 1", Status.SOLVED, "u1") == (found.queue, found.status, found.requester)


def test_a_thin_body_shows_only_what_it_has() -> None:
    assert {"id": "CS1", "activity": Activity.UPDATED} == members(SERVICENOW, {"number": "CS1"})


@pytest.mark.parametrize("body", [b"", b"7", b"{}", b'{"number": ""}'])
def test_a_body_without_a_number_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        SERVICENOW.read(delivery(body))
