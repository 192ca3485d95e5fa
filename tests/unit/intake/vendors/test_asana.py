from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.intake.core.vendors.asana import Asana
from services.intake.core.vendors.port import Shaken, Unreadable, Untrusted, Verified
from shared.contracts.tickets import Activity, Actor, Status, Visibility
from tests.unit.intake.vendors.deliveries import (
    SECRET,
    assert_refused,
    delivered,
    observed,
    shown,
    spoiled,
    vector,
)

ASANA = Asana()
SIGNATURE = "x-hook-signature"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def task(action: str, **more: Any) -> dict[str, Any]:
    return {
        "action": action, "created_at": "2026-01-02T03:04:05.000Z",
        "user": {"gid": "7", "resource_type": "user"},
        "resource": {"gid": "42", "resource_type": "task", "resource_subtype": "default_task"},
        "parent": None, **more,
    }  # fmt: skip


def changed(field: str, **value: Any) -> dict[str, Any]:
    return task("changed", change={"field": field, "action": "changed", **value})


def story(subtype: str, **more: Any) -> dict[str, Any]:
    return {
        "action": "added", "created_at": "2026-01-02T03:04:05.000Z",
        "user": {"gid": "7", "resource_type": "user"},
        "resource": {"gid": "900", "resource_type": "story", "resource_subtype": subtype},
        "parent": {"gid": "42", "resource_type": "task"}, **more,
    }  # fmt: skip


def only(event: dict[str, Any]) -> dict[str, Any]:
    return shown(ASANA, delivered({"events": [event]}))


def test_the_published_vector_is_accepted() -> None:
    good = vector({SIGNATURE: "b08bcaa0870da32d38a7189ce454befff9482a115fc3c241fef44adfda316b73"})

    assert Verified("signature:asana") == ASANA.verify(good, ("of another webhook", SECRET))
    assert_refused(ASANA, good, SIGNATURE)
    assert all(isinstance(ASANA.verify(each, (SECRET,)), Untrusted) for each in spoiled(good))


def test_the_handshake_sends_the_secret_back() -> None:
    asked = delivered(
        b"{}", {"x-hook-secret": "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"}
    )

    assert Shaken(
        200,
        {"X-Hook-Secret": "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81"},
    ) == ASANA.shake(asked, ())


@pytest.mark.parametrize("secret", ["", "x" * 513, "a\r\nset-cookie: b", "é"])
def test_what_cannot_be_a_secret_is_not_sent_back(secret: str) -> None:
    assert ASANA.shake(delivered(b"{}", {"x-hook-secret": secret}), ()) is None


@pytest.mark.parametrize(
    ("event", "activity"),
    [
        (task("added", parent={"gid": "1", "resource_type": "project"}), Activity.CREATED),
        (task("added", parent={"gid": "1", "resource_type": "section"}), Activity.UPDATED),
        (task("removed", parent={"gid": "1", "resource_type": "project"}), Activity.UPDATED),
        (task("deleted"), Activity.DELETED),
        (task("undeleted"), Activity.RESTORED),
        (changed("name"), Activity.UPDATED),
    ],
)
def test_a_task_is_shown_by_its_id_and_what_became_of_it(event: dict[str, Any], activity: Activity) -> None:
    assert {"id": "42", "time": AT, "activity": activity} == only(event)


def test_the_change_of_an_assignee_names_the_new_one() -> None:
    assert "8" == only(changed("assignee", new_value={"gid": "8", "resource_type": "user"}))["assignee"]
    assert only(changed("assignee", new_value=None))["assignee"] is None
    assert "assignee" not in only(changed("assignee"))


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (story("marked_complete"), Status.SOLVED),
        (story("marked_incomplete"), Status.NEW),
        (story("marked_duplicate"), Status.CLOSED),
        (changed("completed", new_value=True), Status.SOLVED),
    ],
)
def test_a_status_is_what_a_story_or_a_change_tells(event: dict[str, Any], status: Status) -> None:
    [observation] = observed(ASANA, delivered({"events": [event]}))

    assert ("asana:42", status) == (observation.ticket, observation.fields.status)


def test_a_comment_is_an_agents_message() -> None:
    assert {
        "id": "42", "time": AT, "activity": Activity.AGENT_MESSAGE, "actor": Actor.AGENT,
        "visibility": Visibility.PUBLIC,
    } == only(story("comment_added"))  # fmt: skip


def test_a_story_of_nobody_clears_the_assignee() -> None:
    assert only(story("unassigned"))["assignee"] is None


def test_an_event_without_a_user_is_the_systems() -> None:
    assert Actor.SYSTEM == only(task("changed", user=None))["actor"]


def test_every_event_of_a_request_is_read() -> None:
    tickets = ASANA.read(
        delivered({"events": [task("added"), story("liked"), story("comment_added")]})
    ).tickets

    assert [Activity.CREATED, Activity.AGENT_MESSAGE] == [each["activity"] for each in tickets]


def test_a_task_without_its_id_is_shown_without_one_so_that_the_others_are_kept() -> None:
    lost = task("changed", resource={"resource_type": "task"})
    tickets = ASANA.read(delivered({"events": [lost, 5, task("changed")]})).tickets

    assert [None, None, "42"] == [each.get("id") for each in tickets]


def test_a_request_without_events_is_a_heartbeat() -> None:
    assert ((), "heartbeat") == ASANA.read(delivered({"events": []}))


@pytest.mark.parametrize(
    "event",
    [
        {"action": "changed", "resource": {"gid": "1", "resource_type": "project"}},
        story("comment_added", parent={"gid": "1", "resource_type": "project"}),
        story("comment_added", action="removed"),
        story("due_date_changed"),
    ],
)
def test_what_is_no_news_of_a_task_is_ignored_with_its_reason(event: object) -> None:
    assert ((), "no_ticket") == ASANA.read(delivered({"events": [event]}))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", {"events": {}}])
def test_a_request_that_holds_no_list_is_unreadable(body: object) -> None:
    with pytest.raises(Unreadable):
        ASANA.read(delivered(body))
