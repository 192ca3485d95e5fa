from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.intake.core.vendors.gitlab import GitLab
from services.intake.core.vendors.port import Unreadable, Untrusted, Verified
from shared.contracts.tickets import Activity, Actor, Priority, Status, Visibility
from tests.unit.intake.vendors.deliveries import (
    SECRET,
    VECTOR_AT,
    assert_refused,
    delivered,
    facts,
    observed,
    real,
    real_names,
    shown,
    spoiled,
    vector,
)

GITLAB = GitLab()
TOKEN = "x-gitlab-token"
STANDARD_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
STANDARD = {
    "webhook-id": "msg_1", "webhook-timestamp": "1767323045",
    "webhook-signature": "v1,r9WUmfTTSn/e5r1+s355cVX9FtVTz8owtwvdyxzaTTI=",
}  # fmt: skip


def issue(attributes: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "object_kind": "issue", "event_type": "issue", "user": {"id": 7, "username": "ann"},
        "project": {"id": 5, "path_with_namespace": "x/y"},
        "object_attributes": {
            "id": 1001, "iid": 42, "title": "Printer on fire", "state": "opened", "action": "open",
            "type": "Issue", "author_id": 7, "severity": "UNKNOWN", "created_at": "2026-01-01 00:00:00 UTC",
            "updated_at": "2026-01-02 03:04:05 UTC", "url": "https://gitlab.com/x/y/-/issues/42",
            **(attributes or {}),
        },
        "labels": [], "assignees": [], "changes": {}, **more,
    }  # fmt: skip


def note(
    attributes: dict[str, Any] | None = None, user: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "object_kind": "note", "event_type": "note", "user": user or {"id": 8, "username": "bob"},
        "project": {"path_with_namespace": "x/y"},
        "object_attributes": {
            "id": 9, "note": "Soon.", "noteable_type": "Issue", "author_id": 8, "system": False,
            "created_at": "2026-01-02 03:04:05 UTC", "updated_at": "2026-01-02 03:05:00 UTC",
            "url": "https://gitlab.com/x/y/-/issues/42#note_9", **(attributes or {}),
        },
        "issue": {
            "id": 1001, "iid": 42, "title": "Printer on fire", "state": "opened", "author_id": 7,
            "assignee_ids": [8], "labels": [{"title": "P1"}], "created_at": "2026-01-01 00:00:00 UTC",
            "updated_at": "2026-01-01 00:00:00 UTC",
        },
        **more,
    }  # fmt: skip


def test_the_token_is_compared_as_it_comes() -> None:
    good = delivered(issue(), {TOKEN: SECRET})

    assert Verified("secret:gitlab") == GITLAB.verify(good, ("last", SECRET))
    assert_refused(GITLAB, good, TOKEN)


def test_the_published_vector_of_standard_webhooks_is_accepted() -> None:
    good = vector(STANDARD)

    assert Verified("signature:gitlab") == GITLAB.verify(good, (SECRET, STANDARD_SECRET))
    assert_refused(GITLAB, good, "webhook-signature", STANDARD_SECRET)
    assert all(isinstance(GITLAB.verify(each, (STANDARD_SECRET,)), Untrusted) for each in spoiled(good))


def test_one_good_signature_of_several_is_enough() -> None:
    several = vector(STANDARD | {"webhook-signature": f"v1,AAAA {STANDARD['webhook-signature']}"})

    assert Verified("signature:gitlab") == GITLAB.verify(several, (STANDARD_SECRET,))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signed_request_of_another_time_is_refused(seconds: int) -> None:
    replayed = vector(STANDARD)._replace(received_at=VECTOR_AT + timedelta(seconds=seconds))

    assert Untrusted("the signed timestamp is too far from now") == GITLAB.verify(
        replayed, (STANDARD_SECRET,)
    )


def test_a_token_does_not_stand_in_for_a_signature_that_does_not_fit() -> None:
    both = vector(STANDARD | {"webhook-signature": "v1,AAAA", TOKEN: STANDARD_SECRET})

    assert Untrusted("the signature does not fit") == GITLAB.verify(both, (STANDARD_SECRET,))


def test_an_opened_issue_is_shown_whole() -> None:
    body = issue(labels=[{"title": "priority::2"}], assignees=[{"username": "bob"}])
    headers = {"x-gitlab-event": "Issue Hook", "x-gitlab-event-uuid": "u-1", "idempotency-key": "k-1"}

    assert {
        "id": "x/y#42", "event_id": "k-1", "subject": "Printer on fire", "status": "assigned",
        "priority": "2", "queue": "x/y", "assignee": "bob", "requester": "7", "category": "Issue",
        "tags": ["priority::2"], "url": "https://gitlab.com/x/y/-/issues/42",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC), "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "activity": Activity.CREATED, "actor": Actor.CUSTOMER, "sequence": 0,
    } == shown(GITLAB, delivered(body, headers))  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "more", "status"),
    [
        ({}, {}, Status.NEW),
        ({}, {"assignees": [{"username": "bob"}]}, Status.IN_PROGRESS),
        ({"state": "closed", "action": "close"}, {"assignees": [{"username": "bob"}]}, Status.CLOSED),
    ],
)
def test_a_status_is_the_state_and_whether_somebody_has_it(
    attributes: dict[str, Any], more: dict[str, Any], status: Status
) -> None:
    [observation] = observed(GITLAB, delivered(issue(attributes, **more)))

    assert status == observation.fields.status


@pytest.mark.parametrize(
    ("label", "severity", "priority"),
    [
        ("P1", "UNKNOWN", Priority.P1),
        ("priority::high", "CRITICAL", Priority.P2),
        ("severity::4", "UNKNOWN", Priority.P4),
        ("hw", "CRITICAL", Priority.P1),
        ("hw", "LOW", Priority.P4),
        ("hw", "unknown", None),
    ],
)
def test_a_priority_is_a_label_or_else_an_incidents_severity(
    label: str, severity: str, priority: Priority | None
) -> None:
    [observation] = observed(GITLAB, delivered(issue({"severity": severity}, labels=[{"title": label}])))

    assert priority == observation.fields.priority


def test_what_an_event_does_not_show_stays_unshown() -> None:
    thin = {
        "object_kind": "issue", "project": {"path_with_namespace": "x/y"}, "object_attributes": {"iid": 42},
    }  # fmt: skip

    assert {"id": "x/y#42", "queue": "x/y", "activity": Activity.UPDATED, "sequence": 1} == shown(
        GITLAB, delivered(thin)
    )


@pytest.mark.parametrize(
    ("user", "activity", "actor"),
    [
        ({"id": 7, "username": "ann"}, Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER),
        ({"id": 8, "username": "bob"}, Activity.AGENT_MESSAGE, Actor.AGENT),
        ({"id": 9, "username": "project_5_bot_ab12"}, Activity.AGENT_MESSAGE, Actor.BOT),
    ],
)
def test_a_comment_is_a_message_of_its_time(user: dict[str, Any], activity: Activity, actor: Actor) -> None:
    members = shown(GITLAB, delivered(note(user=user)))

    assert (activity, actor, Visibility.PUBLIC, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == (
        members["activity"], members["actor"], members["visibility"], members["time"],
    )  # fmt: skip


def test_a_comment_shows_that_there_are_assignees_and_not_who() -> None:
    members = shown(GITLAB, delivered(note()))

    assert ("assigned", False, "p1", "https://gitlab.com/x/y/-/issues/42") == (
        members["status"], "assignee" in members, members["priority"], members["url"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        note({"internal": True}),
        note({"confidential": True}),
        note(event_type="confidential_note"),
    ],
)
def test_an_internal_comment_is_a_note(body: dict[str, Any]) -> None:
    members = shown(GITLAB, delivered(body))

    assert (Activity.INTERNAL_NOTE, Visibility.INTERNAL) == (members["activity"], members["visibility"])


def test_a_plain_comment_on_a_confidential_issue_is_a_message() -> None:
    body = note(event_type="confidential_note")
    body["issue"]["confidential"] = True

    assert Activity.AGENT_MESSAGE == shown(GITLAB, delivered(body))["activity"]


@pytest.mark.parametrize("attributes", [{"system": True}, {"action": "update"}])
def test_a_comment_of_the_system_or_an_edited_one_is_no_message(attributes: dict[str, Any]) -> None:
    members = shown(GITLAB, delivered(note(attributes)))

    assert (Activity.UPDATED, datetime(2026, 1, 2, 3, 5, tzinfo=UTC)) == (
        members["activity"], members["time"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {"object_kind": "push", "project": {"path_with_namespace": "x/y"}},
        {"event_name": "project_create"},
        note({"noteable_type": "MergeRequest"}),
        issue({"type": "Epic"}, object_kind="work_item"),
        {},
    ],
)
def test_what_is_no_news_of_a_ticket_is_ignored_with_its_reason(body: dict[str, Any]) -> None:
    assert ((), "no_ticket") == GITLAB.read(delivered(body))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff", b"[]", {"object_kind": "issue"}, issue({"iid": None}), issue(project=None),
        {"object_kind": "note", "object_attributes": {"noteable_type": "Issue"}},
        {"object_kind": "note", "issue": None},
    ],
)  # fmt: skip
def test_an_issue_that_cannot_be_named_is_unreadable(body: object) -> None:
    with pytest.raises(Unreadable):
        GITLAB.read(delivered(body))


def test_the_opening_comes_before_everything_else_of_its_second() -> None:
    bodies = (issue(), issue({"action": "update"}), note(), note({"system": True}))

    assert [0, 1, 1, 1] == [shown(GITLAB, delivered(body))["sequence"] for body in bodies]


def test_an_issue_that_does_not_say_what_it_is_is_known_by_its_header() -> None:
    body = issue(object_kind=None)

    assert "x/y#42" == shown(GITLAB, delivered(body, {"x-gitlab-event": "Confidential Issue Hook"}))["id"]


# ------------------------------------------------------------------------------------------ real bodies
REAL: dict[str, dict[str, Any]] = {
    "goplayground.comment-issue-event.json": {
        "ticket": "gitlab:gitlab-org/gitlab-test#17", "subject": "test", "status": Status.CLOSED,
        "priority": None, "assignee": None, "requester": "1", "tags": ("Afterpod", "Element"),
        "url": "http://example.com/gitlab-org/gitlab-test/issues/17",
        "created_at": datetime(2015, 4, 12, 14, 53, 17, tzinfo=UTC),
        "time": datetime(2015, 5, 17, 17, 6, 40, tzinfo=UTC),
        "activity": Activity.CUSTOMER_MESSAGE, "actor": Actor.CUSTOMER, "visibility": Visibility.PUBLIC,
    },
    "goplayground.confidential-issue-event.json": {
        "ticket": "gitlab:gitlabhq/gitlab-test#23", "subject": "New API: create/update/delete file",
        "status": Status.IN_PROGRESS, "assignee": "user1", "requester": "51",
        "url": "http://example.com/diaspora/issues/23",
        "created_at": datetime(2013, 12, 3, 17, 15, 43, tzinfo=UTC),
        "time": datetime(2013, 12, 3, 17, 15, 43, tzinfo=UTC),
        "activity": Activity.CREATED, "actor": None, "visibility": None,
    },
    "goplayground.issue-event.json": {
        "ticket": "gitlab:gitlabhq/gitlab-test#23", "subject": "New API: create/update/delete file",
        "status": Status.IN_PROGRESS, "assignee": "user1", "requester": "51",
        "url": "http://example.com/diaspora/issues/23",
        "created_at": datetime(2013, 12, 3, 17, 15, 43, tzinfo=UTC),
        "time": datetime(2013, 12, 3, 17, 15, 43, tzinfo=UTC),
        "activity": Activity.CREATED, "actor": None, "visibility": None,
    },
    "hookdeck.Issue_Hook.json": {
        "ticket": "gitlab:hookdeckwrite/hookdeck-write#1", "id": "3e241fee-25e7-48ae-9d58-a1c88528f92f",
        "subject": "test tissue", "status": Status.NEW, "priority": None, "assignee": None,
        "requester": "13576927", "tags": (),
        "url": "https://gitlab.com/hookdeckwrite/hookdeck-write/-/issues/1",
        "created_at": datetime(2023, 2, 20, 19, 43, 43, 306_000, tzinfo=UTC),
        "time": datetime(2023, 2, 20, 19, 43, 43, 306_000, tzinfo=UTC),
        "activity": Activity.UPDATED, "actor": Actor.CUSTOMER, "visibility": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_a_real_issue_is_what_its_body_says(shared_data: Path, name: str) -> None:
    [observation] = observed(GITLAB, real(shared_data, "gitlab", name))
    members = (
        "ticket", "subject", "status", "priority", "assignee", "requester", "tags", "url", "created_at",
        "time", "activity", "actor", "visibility", *(["id"] if "id" in REAL[name] else []),
    )  # fmt: skip

    assert REAL[name] == facts(observation, *members)


def test_every_other_real_body_is_ignored_with_its_reason(shared_data: Path) -> None:
    others = real_names(shared_data, "gitlab") - set(REAL)

    assert dict.fromkeys(others, ((), "no_ticket")) == {
        name: GITLAB.read(real(shared_data, "gitlab", name)) for name in others
    }
