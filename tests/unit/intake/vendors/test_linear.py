from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.intake.core.vendors.linear import Linear
from services.intake.core.vendors.port import Delivery, Unreadable, Untrusted, Verified
from shared.contracts.tickets import Activity, Actor, Priority, Status, Visibility, WaitReason
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

LINEAR = Linear()
SIGNATURE = "linear-signature"


def issue(action: str = "update", data: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "action": action, "type": "Issue", "createdAt": "2026-01-02T03:04:06.000Z",
        "actor": {"id": "u1", "type": "user"},
        "data": {
            "id": "uuid-1", "identifier": "SUP-42", "number": 42, "title": "Printer on fire", "priority": 2,
            "priorityLabel": "High", "state": {"id": "st1", "name": "In Dev", "type": "started"},
            "team": {"id": "t1", "key": "SUP"}, "assignee": {"id": "u2", "name": "B"},
            "creator": {"id": "u1", "name": "A"}, "labels": [{"name": "hw"}],
            "createdAt": "2026-01-01T00:00:00.000Z", "updatedAt": "2026-01-02T03:04:05.000Z", **(data or {}),
        },
        "url": "https://linear.app/x/issue/SUP-42", "webhookTimestamp": 1767323045000, **more,
    }  # fmt: skip


def comment(action: str = "create", data: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "action": action, "type": "Comment", "createdAt": "2026-01-02T03:05:00.000Z",
        "actor": {"id": "u2", "type": "user"},
        "data": {
            "id": "c1", "body": "Soon.", "issueId": "uuid-1", "createdAt": "2026-01-02T03:04:05.000Z",
            "updatedAt": "2026-01-02T03:04:05.000Z", "issue": {"id": "uuid-1", "title": "Printer on fire"},
            **(data or {}),
        },
        "url": "https://linear.app/x/issue/SUP-42/printer-on-fire#comment-c1", **more,
    }  # fmt: skip


def signed(body: dict[str, Any], at: datetime = VECTOR_AT) -> Delivery:
    bare = delivered(body, at=at)
    digest = hmac.new(SECRET.encode(), bare.body, hashlib.sha256).hexdigest()
    return bare._replace(headers={SIGNATURE: digest})


def test_the_published_vector_is_accepted() -> None:
    good = vector({SIGNATURE: "b08bcaa0870da32d38a7189ce454befff9482a115fc3c241fef44adfda316b73"})

    assert Verified("signature:linear") == LINEAR.verify(good, ("last", SECRET))
    assert_refused(LINEAR, good, SIGNATURE)
    assert all(isinstance(LINEAR.verify(each, (SECRET,)), Untrusted) for each in spoiled(good))


def test_a_request_sent_more_than_a_minute_from_now_is_refused() -> None:
    at = [VECTOR_AT + timedelta(seconds=seconds) for seconds in (-61, -60, 60, 61)]
    stale = Untrusted("the signed timestamp is too far from now")
    good = Verified("signature:linear")

    assert [stale, good, good, stale] == [LINEAR.verify(signed(issue(), each), (SECRET,)) for each in at]


def test_an_issue_is_shown_whole() -> None:
    assert {
        "id": "SUP-42", "event_id": "d-1", "subject": "Printer on fire", "status": ("In Dev", "started"),
        "priority": "High", "queue": "SUP", "assignee": "B", "requester": "A", "tags": ["hw"],
        "url": "https://linear.app/x/issue/SUP-42", "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "activity": Activity.CREATED, "actor": Actor.AGENT,
    } == shown(LINEAR, delivered(issue("create"), {"linear-delivery": "d-1"}))  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind", "status", "reason"),
    [
        ("Triage", "triage", Status.NEW, None),
        ("Todo", "unstarted", Status.NEW, None),
        ("In Review", "started", Status.IN_PROGRESS, None),
        ("Waiting for customer", "started", Status.WAITING, WaitReason.CUSTOMER),
        ("Done", "completed", Status.SOLVED, None),
        ("Won't do", "canceled", Status.CLOSED, None),
        ("Ideas", "unheard-of", Status.NEW, None),
    ],
)
def test_a_status_is_a_known_name_or_else_the_states_type(
    name: str, kind: str, status: Status, reason: WaitReason | None
) -> None:
    [observation] = observed(LINEAR, delivered(issue(data={"state": {"name": name, "type": kind}})))

    assert {"status": status} | ({"wait_reason": reason} if reason else {}) == facts(
        observation, "status", "wait_reason"
    )


@pytest.mark.parametrize(
    ("shown_priority", "expected"),
    [
        ({"priority": 0, "priorityLabel": "No priority"}, None),
        ({"priority": 1, "priorityLabel": "Urgent"}, Priority.P1),
        ({"priority": 2, "priorityLabel": None}, Priority.P2),
        ({"priority": 3, "priorityLabel": "Normal"}, Priority.P3),
        ({"priority": 4, "priorityLabel": "Low"}, Priority.P4),
    ],
)
def test_priorities_run_from_one_and_zero_is_none(
    shown_priority: dict[str, Any], expected: Priority | None
) -> None:
    [observation] = observed(LINEAR, delivered(issue(data=shown_priority)))

    assert expected == observation.fields.priority


def test_an_assignee_who_was_and_is_not_shown_any_more_is_cleared() -> None:
    body = issue(updatedFrom={"assigneeId": "u2"})
    del body["data"]["assignee"]
    unshown = issue(updatedFrom={"title": "Smoke"})
    del unshown["data"]["assignee"]

    assert shown(LINEAR, delivered(body))["assignee"] is None
    assert "assignee" not in shown(LINEAR, delivered(unshown))


@pytest.mark.parametrize(
    ("body", "activity", "second"),
    [
        (issue("remove"), Activity.DELETED, 6),
        (issue(data={"trashed": True}), Activity.DELETED, 6),
        (issue(updatedFrom={"trashed": True}), Activity.RESTORED, 5),
        (issue(), Activity.UPDATED, 5),
    ],
)
def test_an_issue_is_removed_and_comes_back(body: dict[str, Any], activity: Activity, second: int) -> None:
    members = shown(LINEAR, delivered(body))

    assert (activity, datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC)) == (
        members["activity"], members["time"],
    )  # fmt: skip


def test_an_issue_that_changed_its_team_takes_what_it_was_along() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    moved, former = LINEAR.read(delivered(issue(data={"previousIdentifiers": ["WEB-7"]}))).tickets

    assert "SUP-42" == moved["id"]
    assert {"id": "WEB-7", "merged_into": "SUP-42", "activity": Activity.MERGED, "time": at} == former


@pytest.mark.parametrize(
    ("data", "actor_kind", "activity", "actor"),
    [
        ({}, "user", Activity.AGENT_MESSAGE, Actor.AGENT),
        ({}, "integration", Activity.AGENT_MESSAGE, Actor.BOT),
        ({"botActor": {"name": "x"}}, "user", Activity.AGENT_MESSAGE, Actor.BOT),
        ({"externalUser": {"name": "A"}}, "integration", Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER),
    ],
)
def test_a_comment_is_a_message_on_the_issue_that_its_address_names(
    data: dict[str, Any], actor_kind: str, activity: Activity, actor: Actor
) -> None:
    assert {
        "id": "SUP-42", "subject": "Printer on fire", "activity": activity, "actor": actor,
        "visibility": Visibility.PUBLIC, "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    } == shown(LINEAR, delivered(comment(data=data, actor={"type": actor_kind})))  # fmt: skip


@pytest.mark.parametrize("action", ["update", "remove"])
def test_a_comment_changed_or_removed_is_no_message_and_no_deletion(action: str) -> None:
    assert {
        "id": "SUP-42", "activity": Activity.UPDATED, "time": datetime(2026, 1, 2, 3, 5, tzinfo=UTC),
    } == shown(LINEAR, delivered(comment(action)))  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"type": "Project", "action": "update", "data": {"id": "p1"}},
        {"type": "IssueLabel", "action": "create", "data": {"id": "l1"}},
        {
            "type": "Comment",
            "action": "create",
            "data": {"id": "c1", "issueId": None, "projectUpdateId": "x"},
        },
    ],
)
def test_what_is_no_news_of_an_issue_is_ignored_with_its_reason(body: dict[str, Any]) -> None:
    assert ((), "no_ticket") == LINEAR.read(delivered(body))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", {"type": "Issue"}, comment(url=None)])
def test_an_issue_that_cannot_be_named_is_unreadable(body: object) -> None:
    with pytest.raises(Unreadable):
        LINEAR.read(delivered(body))
