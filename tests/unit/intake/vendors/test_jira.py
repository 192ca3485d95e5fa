from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.intake.core.definition import ShownStatus
from services.intake.core.vendors.jira import Jira
from services.intake.core.vendors.port import Unreadable, Untrusted, Verified
from shared.contracts.tickets import Activity, Actor, Kind, Priority, Status, Visibility, WaitReason
from tests.unit.intake.vendors.requests_of_desks import (
    OTHER,
    RECEIVED,
    SECRET,
    SIGNED_BODY,
    delivery,
    fields_of,
    ignored,
    observation,
    observed,
    real,
    refusals,
)

JIRA = Jira()
SIGNATURE = "x-hub-signature"
SIGNED = {SIGNATURE: "sha256=b08bcaa0870da32d38a7189ce454befff9482a115fc3c241fef44adfda316b73"}
ANA = {"accountId": "a1", "displayName": "Ana", "accountType": "atlassian"}
BEN = {"accountId": "a2", "displayName": "Ben", "accountType": "atlassian"}
CUE = {"accountId": "qm:1", "displayName": "Cue", "accountType": "customer"}
APP = {"accountId": "a9", "displayName": "Automation", "accountType": "app"}
DAN = {"accountId": "a4", "displayName": "Dan", "accountType": "atlassian"}


def issue(**fields: Any) -> dict[str, Any]:
    shown = {
        "summary": "Printer on fire", "priority": {"id": "2", "name": "High"}, "assignee": BEN, "reporter": ANA,
        "status": {"id": "3", "name": "In Progress", "statusCategory": {"key": "indeterminate"}},
        "labels": ["hw"], "issuetype": {"name": "Incident"}, "project": {"key": "SUP"},
        "created": "2026-01-01T00:00:00.000+0100", "updated": "2026-01-02T04:04:05.000+0100",
    }  # fmt: skip
    return {"id": "10042", "key": "SUP-42", "self": "https://x.atlassian.net/rest/api/2/issue/10042",
            "fields": shown | fields}  # fmt: skip


def event(
    name: str = "jira:issue_updated", fields: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "timestamp": 1767323046000,
        "webhookEvent": name,
        "user": BEN,
        "issue": issue(**(fields or {})),
    } | more


def comment(author: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "7", "author": author, "body": "smoke", "created": "2026-01-02T03:04:04.000+0000"} | more


def jwt(claims: dict[str, Any], secret: str = SECRET, method: str = "HS256") -> dict[str, str]:
    def text(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    signed = f"{text(json.dumps({'alg': method, 'typ': 'JWT'}).encode())}.{text(json.dumps(claims).encode())}"
    signature = text(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())
    return {"authorization": f"Bearer {signed}.{signature}"}


def test_the_published_signature_is_verified_by_either_secret() -> None:
    assert Verified("signature:jira") == JIRA.verify(delivery(SIGNED_BODY, SIGNED), (OTHER, SECRET))


def test_what_is_forged_truncated_or_re_encoded_is_refused() -> None:
    assert [] == refusals(JIRA, SIGNED, SIGNATURE)


@pytest.mark.parametrize(
    "shown", ["sha1=caf359a7b8dce7f2f42ba97fe04a8b3c7ff3363b", "md5=1", "new=1", "x", "__doc__=1"]
)
def test_a_signature_by_a_method_that_is_not_taken_is_refused(shown: str) -> None:
    assert isinstance(JIRA.verify(delivery(SIGNED_BODY, {SIGNATURE: shown}), (SECRET,)), Untrusted)


def test_an_apps_token_is_verified_until_it_expires() -> None:
    expires_at = int(RECEIVED.timestamp()) + 60
    good = delivery(SIGNED_BODY, jwt({"iss": "app", "exp": expires_at}))

    assert Verified("signature:jira") == JIRA.verify(good, (SECRET,))
    late = good._replace(received_at=RECEIVED + timedelta(minutes=7))
    assert isinstance(JIRA.verify(late, (SECRET,)), Untrusted)


@pytest.mark.parametrize(
    "headers",
    [
        jwt({"exp": 4102444800}, secret=OTHER),
        jwt({"exp": 4102444800}, method="none"),
        jwt({}),
        {"authorization": "Bearer a.b.c"},
        {"authorization": "Bearer ..\udcff"},
        {"authorization": "Bearer "},
        {},
    ],
)
def test_another_token_is_refused(headers: dict[str, str]) -> None:
    assert isinstance(JIRA.verify(delivery(SIGNED_BODY, headers), (SECRET,)), Untrusted)


def test_an_automation_rules_own_header_proves_it() -> None:
    good = delivery(SIGNED_BODY, {"x-barometer-secret": SECRET})

    assert Verified("secret:jira") == JIRA.verify(good, (SECRET,))


def test_an_event_shows_the_whole_issue() -> None:
    found = observation(
        JIRA, event(changelog={"id": "900", "items": []}), {"x-atlassian-webhook-identifier": "w-1"}
    )

    assert ("desk:SUP-42", "w-1", Activity.UPDATED, Actor.AGENT, 900) == (
        found.ticket, found.id, found.activity, found.actor, found.sequence
    )  # fmt: skip
    assert datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) == found.time
    assert {
        "status": Status.IN_PROGRESS, "raw_status": "In Progress", "priority": Priority.P2,
        "raw_priority": "High", "queue": "SUP", "assignee": "Ben", "requester": "Ana", "category": "Incident",
        "kind": Kind.OPERATIONAL, "subject": "Printer on fire", "tags": ("hw",),
        "url": "https://x.atlassian.net/browse/SUP-42", "created_at": datetime(2025, 12, 31, 23, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "category", "status", "reason"),
    [
        ("To Do", "new", Status.NEW, None),
        ("Parked", "new", Status.NEW, None),
        ("In Review", "indeterminate", Status.IN_PROGRESS, None),
        ("Waiting for customer", "indeterminate", Status.WAITING, WaitReason.CUSTOMER),
        ("Waiting for support", "indeterminate", Status.NEW, None),
        ("On Hold", "indeterminate", Status.WAITING, WaitReason.INTERNAL),
        ("Done", "done", Status.SOLVED, None),
        ("Shipped", "done", Status.SOLVED, None),
        ("Won't Do", "done", Status.CLOSED, None),
        ("Parked", "undefined", Status.IN_PROGRESS, None),
        ("Parked", None, Status.IN_PROGRESS, None),
    ],
)
def test_a_status_is_known_by_name_or_by_its_category(
    name: str, category: str | None, status: Status, reason: WaitReason | None
) -> None:
    found = fields_of(
        observation(JIRA, event(fields={"status": {"name": name, "statusCategory": {"key": category}}}))
    )

    assert (status, reason, name) == (found["status"], found.get("wait_reason"), found["raw_status"])


def test_the_sources_own_map_knows_a_name_better_than_its_category() -> None:
    body = event(fields={"status": {"name": "Parked", "statusCategory": {"key": "done"}}})
    own = {"parked": ShownStatus(Status.WAITING, WaitReason.SCHEDULED)}
    (found,) = observed(JIRA, JIRA.read(delivery(body)), statuses=own)

    assert (Status.WAITING, WaitReason.SCHEDULED) == (found.fields.status, found.fields.wait_reason)


@pytest.mark.parametrize(
    ("name", "priority"),
    [("Highest", Priority.P1), ("Blocker", Priority.P1), ("High", Priority.P2), ("Medium", Priority.P3),
     ("Low", Priority.P4), ("Lowest", Priority.P4), ("Whenever", Priority.P3)],
)  # fmt: skip
def test_each_priority_has_a_meaning(name: str, priority: Priority) -> None:
    assert priority == observation(JIRA, event(fields={"priority": {"name": name}})).fields.priority


def test_null_clears_and_what_is_absent_says_nothing() -> None:
    found = fields_of(observation(JIRA, event(fields={"assignee": None, "priority": None})))
    assert (None, None) == (found["assignee"], found["priority"])

    thin = {"issue": {"key": "SUP-42", "fields": {"summary": "Printer on fire"}}}
    assert {"subject": "Printer on fire"} == fields_of(observation(JIRA, thin))


@pytest.mark.parametrize(
    ("person", "actor"),
    [(BEN, Actor.AGENT), (ANA, Actor.CUSTOMER), (CUE, Actor.CUSTOMER), (APP, Actor.BOT), (DAN, None)],
)
def test_who_acted_is_told_by_the_account_and_the_role_in_the_issue(person: Any, actor: Actor | None) -> None:
    found = observation(JIRA, event("jira:issue_created", user=person))

    assert (Activity.CREATED, actor) == (found.activity, found.actor)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (comment(ANA), (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC)),
        (comment(CUE, jsdPublic=True), (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC)),
        (comment(BEN, jsdPublic=True), (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        (comment(DAN), (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        (comment(BEN, jsdPublic=False), (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
        (comment(DAN, visibility={"type": "role", "value": "Team"}),
         (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
        (comment(APP), (Activity.AGENT_MESSAGE, Actor.BOT, Visibility.PUBLIC)),
        (comment({}), (Activity.UPDATED, None, None)),
    ],
)  # fmt: skip
def test_a_comment_says_who_wrote_and_who_reads(written: Any, expected: Any) -> None:
    for body in (
        event("comment_created", comment=written),
        event("jira:issue_updated", issue_event_type_name="issue_commented", comment=written),
    ):
        found = observation(JIRA, body)
        assert expected == (found.activity, found.actor, found.visibility)


def test_a_comment_counts_from_when_it_was_written() -> None:
    found = observation(JIRA, event("comment_created", comment=comment(BEN)))

    assert datetime(2026, 1, 2, 3, 4, 4, tzinfo=UTC) == found.time


def test_an_edited_comment_is_no_message() -> None:
    body = event("comment_updated", comment=comment(BEN, updateAuthor=BEN))
    found = observation(JIRA, body)

    assert (Activity.UPDATED, Actor.AGENT, datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)) == (
        found.activity, found.actor, found.time
    )  # fmt: skip


def test_a_deleted_issue_is_deleted_at_the_events_time() -> None:
    found = observation(JIRA, event("jira:issue_deleted"))

    assert (Activity.DELETED, datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)) == (found.activity, found.time)


def test_a_move_to_another_project_merges_the_old_ticket_into_the_new() -> None:
    item = {"field": "Key", "fieldtype": "jira", "fromString": "OLD-7", "toString": "SUP-42"}
    shown = JIRA.read(delivery(event(changelog={"id": "901", "items": [item]})))
    new, old = observed(JIRA, shown)

    assert ("desk:SUP-42", Activity.UPDATED) == (new.ticket, new.activity)
    assert ("desk:OLD-7", Activity.MERGED, "desk:SUP-42", new.time) == (
        old.ticket, old.activity, old.fields.merged_into, old.time
    )  # fmt: skip


def test_an_automation_rule_may_send_the_issue_alone() -> None:
    found = observation(JIRA, issue())

    assert ("desk:SUP-42", Status.IN_PROGRESS, None) == (found.ticket, found.fields.status, found.actor)


@pytest.mark.parametrize(
    "name", ["worklog_created", "sprint_started", "jira:version_released", "issuelink_created"]
)
def test_what_is_no_issue_is_ignored(name: str) -> None:
    assert "no_ticket" == ignored(
        JIRA, {"timestamp": 1767323045000, "webhookEvent": name, "worklog": {"id": "1"}}
    )


@pytest.mark.parametrize("body", [b"", b"3", b"{}", b'{"webhookEvent": "jira:issue_created", "issue": {}}'])
def test_a_body_without_an_issue_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        JIRA.read(delivery(body))


def test_the_real_raised_priority_is_high(shared_data: Path) -> None:
    found = observation(JIRA, real(shared_data, "jira", "webhook-issue-updated-raised-priority"))

    assert ("desk:TES-41", Activity.UPDATED, Actor.CUSTOMER, 10235) == (
        found.ticket, found.activity, found.actor, found.sequence
    )  # fmt: skip
    assert datetime(2019, 2, 16, 21, 15, 16, 37000, tzinfo=UTC) == found.time
    assert {
        "status": Status.NEW, "raw_status": "To Do", "priority": Priority.P2, "raw_priority": "High",
        "queue": "TES", "assignee": None, "requester": "Test User", "category": "Story", "kind": Kind.PROJECT,
        "subject": "Unit test summary 1", "tags": ("sad", "test-label"),
        "url": "https://some-instance-test.atlassian.net/browse/TES-41",
        "created_at": datetime(2019, 2, 16, 3, 1, 52, 971000, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip
