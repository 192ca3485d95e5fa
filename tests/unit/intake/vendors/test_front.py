from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.intake.core.vendors.front import Front
from services.intake.core.vendors.port import Shaken, Unreadable, Untrusted, Verified
from shared.contracts.tickets import Activity, Actor, Channel, Status, Visibility, WaitReason
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
    observed,
    refusals,
)

FRONT = Front()
SIGNATURE = "x-front-signature"
STAMP = "x-front-request-timestamp"
BY_APP = {SIGNATURE: "a2SBw99Co74YIHDxJJYEUI5qT7pbEE9bmkeIuWHc1rQ=", STAMP: "1767323045000"}
BY_RULE = {SIGNATURE: "yvNZp7jc5/L0K6l/4EqLPH/zNjs="}
EMITTED_AT = datetime(2026, 1, 2, 3, 4, 5, 120000, tzinfo=UTC)


def event(what: str = "assign", conversation: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    shown = {
        "id": "cnv_42", "subject": "Printer on fire", "status": "assigned",
        "assignee": {"id": "tea_1", "email": "b@example.com"}, "recipient": {"handle": "a@example.com"},
        "tags": [{"id": "tag_1", "name": "hw"}], "created_at": 1767225600.0,
    }  # fmt: skip
    return {"id": "evt_1", "type": what, "emitted_at": 1767323045.12,
            "conversation": shown if conversation is None else conversation, **more}  # fmt: skip


def by_app(event: dict[str, Any]) -> dict[str, Any]:
    return {"type": event["type"], "authorization": {"id": "cmp_1"}, "payload": event}


@pytest.mark.parametrize("headers", [BY_APP, BY_RULE])
def test_the_published_signatures_are_verified_by_either_secret(headers: dict[str, str]) -> None:
    assert Verified("signature:front") == FRONT.verify(delivery(SIGNED_BODY, headers), (OTHER, SECRET))


@pytest.mark.parametrize("headers", [BY_APP, BY_RULE])
def test_what_is_forged_truncated_or_re_encoded_is_refused(headers: dict[str, str]) -> None:
    assert [] == refusals(FRONT, headers, SIGNATURE)


@pytest.mark.parametrize("off", [timedelta(minutes=6), timedelta(minutes=-6)])
def test_an_applications_timestamp_more_than_five_minutes_off_is_refused(off: timedelta) -> None:
    late = delivery(SIGNED_BODY, BY_APP, received_at=RECEIVED + off)

    assert isinstance(FRONT.verify(late, (SECRET,)), Untrusted)


@pytest.mark.parametrize("headers", [{SIGNATURE: BY_APP[SIGNATURE]}, BY_RULE | {STAMP: "1767323045000"}])
def test_the_signature_of_one_kind_does_not_pass_for_the_other(headers: dict[str, str]) -> None:
    assert isinstance(FRONT.verify(delivery(SIGNED_BODY, headers), (SECRET,)), Untrusted)


def test_the_challenge_of_a_new_webhook_is_answered() -> None:
    asked = delivery({"type": "sync", "authorization": {"id": "cmp_1"}}, {"x-front-challenge": 'x"1'})
    answer = FRONT.shake(asked, ())

    assert isinstance(answer, Shaken)
    assert (200, "application/json", {"challenge": 'x"1'}) == (
        answer.status, answer.content_type, json.loads(answer.body)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "challenge"),
    [
        ({"type": "sync"}, ""),
        ({"type": "assign"}, "x"),
        (b"{", "x"),
        ({"type": "sync"}, "x" * 513),
        ([], "x"),
    ],
)
def test_nothing_else_is_a_challenge(body: object, challenge: str) -> None:
    assert None is FRONT.shake(delivery(body, {"x-front-challenge": challenge}), ())


@pytest.mark.parametrize("body", [event(), by_app(event())])
def test_an_event_shows_the_conversation(body: dict[str, Any]) -> None:
    found = observation(FRONT, body)

    assert ("desk:cnv_42", "evt_1", Activity.UPDATED, EMITTED_AT) == (
        found.ticket, found.id, found.activity, found.time
    )  # fmt: skip
    assert {
        "status": Status.IN_PROGRESS, "raw_status": "assigned", "assignee": "b@example.com",
        "requester": "a@example.com", "subject": "Printer on fire", "tags": ("hw",),
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "status", "reason"),
    [
        ({"status": "unassigned"}, Status.NEW, None),
        ({"status": "assigned"}, Status.IN_PROGRESS, None),
        ({"status": "archived"}, Status.SOLVED, None),
        ({"status": "assigned", "status_category": "open"}, Status.IN_PROGRESS, None),
        ({"status": "assigned", "status_category": "waiting"}, Status.WAITING, WaitReason.CUSTOMER),
        ({"status": "archived", "status_category": "resolved"}, Status.SOLVED, None),
        ({"status": "snoozed"}, Status.WAITING, WaitReason.SCHEDULED),
        ({"status": "odd"}, Status.IN_PROGRESS, None),
    ],
)
def test_each_status_has_a_meaning(shown: dict[str, Any], status: Status, reason: WaitReason | None) -> None:
    found = fields_of(observation(FRONT, event("tag", {"id": "cnv_42", **shown})))

    assert (status, reason) == (found["status"], found.get("wait_reason"))


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("inbound", (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC)),
        ("inbound_received", (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC)),
        ("outbound", (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        ("out_reply", (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        ("comment", (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
        ("mention", (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
        ("trash", (Activity.DELETED, None, None)),
        ("restore", (Activity.RESTORED, None, None)),
        ("reopen", (Activity.UPDATED, None, None)),
    ],
)
def test_an_event_says_what_happened(what: str, expected: Any) -> None:
    found = observation(FRONT, event(what))

    assert expected == (found.activity, found.actor, found.visibility)


@pytest.mark.parametrize(
    ("kind", "actor"), [("teammate", Actor.AGENT), ("rule", Actor.SYSTEM), ("odd", None)]
)
def test_who_acted_is_told_by_the_source(kind: str, actor: Actor | None) -> None:
    assert actor == observation(FRONT, event("archive", source={"_meta": {"type": kind}})).actor


def test_a_message_tells_its_inbox_and_its_channel() -> None:
    body = event(
        "inbound",
        source={"_meta": {"type": "inboxes"}, "data": [{"id": "inb_1", "name": "Support"}]},
        target={"_meta": {"type": "message"}, "data": {"id": "msg_1", "type": "sms"}},
    )
    found = observation(FRONT, body).fields

    assert ("Support", Channel.MESSAGING) == (found.queue, found.channel)


def test_a_preview_of_an_assignment_tells_the_assignee() -> None:
    target = {"_meta": {"type": "teammate"}, "data": {"id": "tea_2", "email": "c@example.com"}}
    shown = members(FRONT, by_app(event("assign", {"id": "cnv_42"}, target=target)))

    assert ("c@example.com", False) == (shown["assignee"], "status" in shown)
    assert None is members(FRONT, event("unassign", {"id": "cnv_42"}))["assignee"]
    assert "assignee" not in members(FRONT, event("assign", {"id": "cnv_42"}))


def test_a_preview_of_an_archived_conversation_tells_its_status() -> None:
    assert Status.SOLVED == observation(FRONT, event("conversation_archived", {"id": "cnv_42"})).fields.status


@pytest.mark.parametrize("gone", [["cnv_40", "cnv_41"], {"deleted_conversation_ids": ["cnv_40", "cnv_41"]}])
def test_a_merge_is_told_by_the_survivor(gone: Any) -> None:
    shown = FRONT.read(delivery(event("conversations_merged", target={"data": gone})))
    survivor, *merged = observed(FRONT, shown)

    assert ("desk:cnv_42", Activity.UPDATED) == (survivor.ticket, survivor.activity)
    assert [
        ("desk:cnv_40", Activity.MERGED, "desk:cnv_42"),
        ("desk:cnv_41", Activity.MERGED, "desk:cnv_42"),
    ] == [(each.ticket, each.activity, each.fields.merged_into) for each in merged]
    assert [EMITTED_AT, EMITTED_AT] == [each.time for each in merged]


@pytest.mark.parametrize(("word", "activity"), [("deleted", Activity.DELETED), ("spam", Activity.SPAM)])
def test_a_conversation_that_is_gone_has_no_status(word: str, activity: Activity) -> None:
    shown = members(FRONT, event("tag", {"id": "cnv_42", "status": word}))

    assert (activity, False) == (shown["activity"], "status" in shown)


def test_what_is_no_conversation_is_ignored() -> None:
    assert "no_ticket" == ignored(FRONT, {"type": "contact_updated", "payload": {"id": "crd_1"}})
    assert "handshake" == ignored(FRONT, {"type": "sync", "authorization": {"id": "cmp_1"}})


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"type": "assign", "conversation": {}}'])
def test_a_body_without_an_event_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        FRONT.read(delivery(body))
