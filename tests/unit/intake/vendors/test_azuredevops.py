from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.intake.core.vendors.azuredevops import AzureDevOps
from services.intake.core.vendors.port import Unreadable, Verified
from shared.contracts.tickets import Activity, Actor, Priority, Status, Visibility, WaitReason
from tests.unit.intake.vendors.deliveries import (
    SECRET,
    assert_refused,
    delivered,
    facts,
    observed,
    real,
    real_names,
    shown,
)

AZURE = AzureDevOps()

FIELDS = {
    "System.Title": "Printer on fire", "System.State": "Active", "System.WorkItemType": "Issue",
    "System.AreaPath": "Support", "System.AssignedTo": "B <b@example.com>",
    "System.CreatedBy": {"displayName": "A", "uniqueName": "a@example.com"},
    "System.ChangedBy": "B <b@example.com>", "System.CreatedDate": "2026-01-01T00:00:00Z",
    "System.ChangedDate": "2026-01-02T03:04:05Z", "System.Tags": "hw; urgent",
    "Microsoft.VSTS.Common.Priority": 2, "Microsoft.VSTS.Common.Severity": "1 - Critical",
}  # fmt: skip
HTML = {"html": {"href": "https://dev.azure.com/x/y/_workitems/edit/42"}}


def event(kind: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "subscriptionId": "s1", "notificationId": 3, "id": "e1", "eventType": f"workitem.{kind}",
        "publisherId": "tfs", "createdDate": "2026-01-02T03:04:06Z", "resource": resource,
    }  # fmt: skip


def item(kind: str, **changed: Any) -> dict[str, Any]:
    return event(kind, {"id": 42, "rev": 3, "fields": {**FIELDS, **changed}, "_links": HTML})


def updated(changes: dict[str, Any], **now: Any) -> dict[str, Any]:
    fields = {name: value for name, value in {**FIELDS, **now}.items() if value is not None}
    return event(
        "updated",
        {
            "id": 2, "workItemId": 42, "rev": 4, "revisedDate": "9999-01-01T00:00:00Z", "fields": changes,
            "_links": HTML, "revision": {"id": 42, "rev": 4, "fields": fields},
        },
    )  # fmt: skip


@pytest.mark.parametrize("headers", [{"x-barometer-secret": SECRET}, {"authorization": f"Bearer {SECRET}"}])
def test_the_secret_that_the_subscription_was_given_is_checked(headers: dict[str, str]) -> None:
    good = delivered(item("created"), headers)

    assert Verified("secret:azuredevops") == AZURE.verify(good, ("last", SECRET))
    assert_refused(AZURE, good, next(iter(headers)))


def test_an_update_is_of_the_item_and_not_of_the_updates_number() -> None:
    changes = {"System.State": {"oldValue": "New", "newValue": "Active"}}

    assert {
        "id": "42", "event_id": "e1", "subject": "Printer on fire", "status": "Active", "priority": "2",
        "queue": "Support", "category": "Issue", "assignee": "b@example.com", "requester": "a@example.com",
        "tags": ["hw", "urgent"], "url": "https://dev.azure.com/x/y/_workitems/edit/42",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC), "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "sequence": 4, "activity": Activity.UPDATED, "actor": Actor.AGENT,
    } == shown(AZURE, delivered(updated(changes)))  # fmt: skip


def test_an_update_without_its_item_shows_what_changed() -> None:
    body = event("updated", {"id": 2, "workItemId": 42, "fields": {"System.State": {"newValue": "Closed"}}})

    assert {"id": "42", "event_id": "e1", "status": "Closed", "activity": Activity.UPDATED} == shown(
        AZURE, delivered(body)
    )


def test_what_a_change_leaves_without_a_value_is_cleared() -> None:
    changes = {"System.AssignedTo": {"oldValue": "B <b@example.com>"}, "System.Tags": {"oldValue": "hw"}}
    body = updated(changes, **{"System.AssignedTo": None, "System.Tags": None})
    members = shown(AZURE, delivered(body))

    assert (None, []) == (members["assignee"], members["tags"])


def test_what_an_item_does_not_show_stays_unshown() -> None:
    thin = event("created", {"id": 42, "rev": 1})

    assert {"id": "42", "event_id": "e1", "sequence": 1, "activity": Activity.CREATED} == shown(
        AZURE, delivered(thin)
    )


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        ("New", Status.NEW, None),
        ("To Do", Status.NEW, None),
        ("Committed", Status.IN_PROGRESS, None),
        ("Blocked", Status.WAITING, WaitReason.INTERNAL),
        ("Resolved", Status.SOLVED, None),
        ("Done", Status.SOLVED, None),
        ("Closed", Status.CLOSED, None),
        ("Removed", Status.CLOSED, None),
        ("In Dev", Status.IN_PROGRESS, None),
    ],
)
def test_states_of_every_process_are_known_and_others_are_in_progress(
    state: str, status: Status, reason: WaitReason | None
) -> None:
    [observation] = observed(AZURE, delivered(item("created", **{"System.State": state})))

    assert {"status": status, "raw_status": state} | ({"wait_reason": reason} if reason else {}) == facts(
        observation, "status", "raw_status", "wait_reason"
    )


@pytest.mark.parametrize(
    ("priority", "severity", "expected"),
    [
        (1, "4 - Low", Priority.P1),
        (4, "1 - Critical", Priority.P4),
        (None, "2 - High", Priority.P2),
    ],
)
def test_a_priority_counts_before_a_severity(priority: int | None, severity: str, expected: Priority) -> None:
    body = item(
        "created",
        **{"Microsoft.VSTS.Common.Priority": priority, "Microsoft.VSTS.Common.Severity": severity},
    )
    [observation] = observed(AZURE, delivered(body))

    assert expected == observation.fields.priority


@pytest.mark.parametrize(
    ("author", "activity", "actor"),
    [
        ("A <a@example.com>", Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER),
        ("B <b@example.com>", Activity.AGENT_MESSAGE, Actor.AGENT),
    ],
)
def test_a_comment_is_a_message_of_who_wrote_it(author: str, activity: Activity, actor: Actor) -> None:
    members = shown(AZURE, delivered(item("commented", **{"System.ChangedBy": author})))

    assert (activity, actor, Visibility.PUBLIC) == (
        members["activity"], members["actor"], members["visibility"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "activity"), [("deleted", Activity.DELETED), ("restored", Activity.RESTORED)]
)
def test_an_item_is_deleted_and_restored_at_the_time_of_the_event(kind: str, activity: Activity) -> None:
    members = shown(AZURE, delivered(item(kind)))

    assert (activity, datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)) == (members["activity"], members["time"])


def test_a_revision_that_no_ticket_holds_is_left_out() -> None:
    body = event("created", {"id": 42, "rev": 2**63, "fields": FIELDS})

    assert "sequence" not in shown(AZURE, delivered(body))


@pytest.mark.parametrize("kind", ["build.complete", "git.push", "workitem.unheard-of", "ms.vss-code"])
def test_what_is_no_news_of_an_item_is_ignored_with_its_reason(kind: str) -> None:
    assert ((), "no_ticket") == AZURE.read(delivered({"eventType": kind, "resource": {"id": 1}}))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", event("created", {}), event("updated", {"id": 2, "revision": {}})]
)
def test_an_item_that_cannot_be_named_is_unreadable(body: object) -> None:
    with pytest.raises(Unreadable):
        AZURE.read(delivered(body))


# ------------------------------------------------------------------------------------------ real bodies
COMMENTED = "workitem.commented.json"


def test_the_real_item_is_what_its_body_says(shared_data: Path) -> None:
    [observation] = observed(AZURE, real(shared_data, "azuredevops", COMMENTED))

    assert {
        "ticket": "azuredevops:5", "id": "fb2617ed-60df-4518-81fa-749faa6c5cd6",
        "subject": "Some great new idea!", "status": Status.NEW, "priority": Priority.P3,
        "queue": "FabrikamCloud", "category": "Bug", "requester": "Jamal Hartnett",
        "url": "https://dev.azure.com/fabrikam-fiber-inc/DefaultCollection/_apis/wit/workItems/5",
        "created_at": datetime(2014, 7, 15, 17, 42, 44, 663_000, tzinfo=UTC),
        "time": datetime(2014, 7, 15, 17, 42, 44, 663_000, tzinfo=UTC), "sequence": 4,
        "activity": Activity.CUSTOMER_MESSAGE, "actor": Actor.CUSTOMER, "visibility": Visibility.PUBLIC,
    } == facts(
        observation, "ticket", "id", "subject", "status", "priority", "queue", "category", "assignee",
        "requester", "tags", "url", "created_at", "time", "sequence", "activity", "actor", "visibility",
    )  # fmt: skip


def test_every_other_real_body_is_ignored_with_its_reason(shared_data: Path) -> None:
    others = real_names(shared_data, "azuredevops") - {COMMENTED}

    assert dict.fromkeys(others, ((), "no_ticket")) == {
        name: AZURE.read(real(shared_data, "azuredevops", name)) for name in others
    }
