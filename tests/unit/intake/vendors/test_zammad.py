from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.intake.core.vendors.port import Unreadable, Untrusted, Verified
from services.intake.core.vendors.zammad import Zammad
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason
from tests.unit.intake.vendors.requests_of_desks import (
    OTHER,
    SECRET,
    SIGNED_BODY,
    delivery,
    fields_of,
    observation,
    observed,
    refusals,
)

ZAMMAD = Zammad()
SIGNATURE = "x-hub-signature"
SIGNED = {SIGNATURE: "sha1=caf359a7b8dce7f2f42ba97fe04a8b3c7ff3363b"}


def ticket(**members: Any) -> dict[str, Any]:
    shown = {
        "id": 42, "number": "10042", "title": "Printer on fire", "state": "open", "article_count": 3,
        "priority": {"id": 2, "name": "2 normal"}, "group": {"id": 1, "name": "Users"},
        "owner": {"login": "b", "email": "b@example.com"}, "customer": {"email": "a@example.com"},
        "updated_by": {"login": "b", "roles": ["Agent"]}, "organization": None, "tags": ["hw"],
        "create_article_type": "email", "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-02T03:04:05.000Z", "close_at": None,
    }  # fmt: skip
    return shown | members


def body(article: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return {"ticket": ticket(**members), "article": article or {}}


def article(sender: Any, *, internal: bool = False) -> dict[str, Any]:
    return {
        "id": 9,
        "internal": internal,
        "sender": sender,
        "type": "email",
        "created_at": "2026-01-02T03:04:04.000Z",
    }


def test_the_published_signature_is_verified_by_either_secret() -> None:
    assert Verified("signature:zammad") == ZAMMAD.verify(delivery(SIGNED_BODY, SIGNED), (OTHER, SECRET))


def test_what_is_forged_truncated_or_re_encoded_is_refused() -> None:
    assert [] == refusals(ZAMMAD, SIGNED, SIGNATURE)


def test_a_bearer_token_proves_a_webhook_that_does_not_sign() -> None:
    good = delivery(SIGNED_BODY, {"authorization": f"Bearer {SECRET}"})

    assert Verified("secret:zammad") == ZAMMAD.verify(good, (SECRET,))
    assert isinstance(ZAMMAD.verify(good, (OTHER,)), Untrusted)


def test_a_request_shows_the_whole_ticket() -> None:
    found = observation(ZAMMAD, body(), {"x-zammad-delivery": "d-1"})

    assert ("desk:10042", "d-1", Activity.UPDATED, Actor.AGENT) == (
        found.ticket, found.id, found.activity, found.actor
    )  # fmt: skip
    assert datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) == found.time
    assert {
        "status": Status.IN_PROGRESS, "raw_status": "open", "priority": Priority.P3, "raw_priority": "2 normal",
        "queue": "Users", "assignee": "b@example.com", "requester": "a@example.com", "channel": Channel.EMAIL,
        "subject": "Printer on fire", "tags": ("hw",), "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    } == fields_of(found)  # fmt: skip


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        ("new", Status.NEW, None),
        ("open", Status.IN_PROGRESS, None),
        ({"id": 2, "name": "open"}, Status.IN_PROGRESS, None),
        ("pending reminder", Status.WAITING, WaitReason.SCHEDULED),
        ("pending close", Status.WAITING, WaitReason.SCHEDULED),
        ("closed", Status.CLOSED, None),
        ("in Rückfrage", Status.IN_PROGRESS, None),
    ],
)
def test_each_state_has_a_meaning(state: Any, status: Status, reason: WaitReason | None) -> None:
    found = fields_of(observation(ZAMMAD, body(state=state)))

    assert (status, reason) == (found["status"], found.get("wait_reason"))


@pytest.mark.parametrize(("state", "activity"), [("merged", Activity.MERGED), ("removed", Activity.DELETED)])
def test_a_merged_or_removed_ticket_is_over(state: str, activity: Activity) -> None:
    found = observation(ZAMMAD, body(state=state))

    assert (activity, False) == (found.activity, "status" in fields_of(found))


@pytest.mark.parametrize(
    ("word", "priority"),
    [("1 low", Priority.P4), ({"name": "2 normal"}, Priority.P3), ({"name": "3 high"}, Priority.P2),
     ({"name": "9 odd"}, Priority.P3)],
)  # fmt: skip
def test_three_is_the_highest_priority_of_zammad(word: Any, priority: Priority) -> None:
    assert priority == observation(ZAMMAD, body(priority=word)).fields.priority


@pytest.mark.parametrize("owner", [{"id": 1, "login": "-"}, "-", None])
def test_the_owner_dash_is_nobody(owner: Any) -> None:
    assert None is fields_of(observation(ZAMMAD, body(owner=owner)))["assignee"]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (article("Customer"), (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC)),
        (article("Agent"), (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        (article({"name": "Agent"}), (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)),
        (article("Agent", internal=True), (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)),
        (article("System"), (Activity.AGENT_MESSAGE, Actor.SYSTEM, Visibility.PUBLIC)),
    ],
)
def test_an_article_is_a_message_at_its_own_time(shown: dict[str, Any], expected: Any) -> None:
    state, message = observed(ZAMMAD, ZAMMAD.read(delivery(body(shown))))

    assert expected == (message.activity, message.actor, message.visibility)
    assert (datetime(2026, 1, 2, 3, 4, 4, tzinfo=UTC), {}) == (message.time, fields_of(message))
    assert (Activity.UPDATED, "desk:10042", "desk:10042") == (state.activity, state.ticket, message.ticket)


def test_an_article_of_an_unknown_sender_is_no_message() -> None:
    assert Activity.UPDATED == observation(ZAMMAD, body(article("Robot"))).activity


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (article("Customer"), (Activity.CREATED, Actor.CUSTOMER, Visibility.PUBLIC)),
        (article("Agent", internal=True), (Activity.CREATED, Actor.AGENT, Visibility.INTERNAL)),
    ],
)
def test_the_first_article_creates_the_ticket(shown: dict[str, Any], expected: Any) -> None:
    found = observation(ZAMMAD, body(shown, article_count=1, created_at="2026-01-02T03:04:03.900Z"))

    assert expected == (found.activity, found.actor, found.visibility)


def test_a_later_change_with_the_first_article_creates_nothing() -> None:
    state, message = observed(ZAMMAD, ZAMMAD.read(delivery(body(article("Customer"), article_count=1))))

    assert (Activity.UPDATED, Activity.CUSTOMER_MESSAGE) == (state.activity, message.activity)


@pytest.mark.parametrize(
    ("person", "actor"),
    [
        ({"login": "b", "roles": ["Admin", "Agent"]}, Actor.AGENT),
        ({"login": "a", "roles": ["Customer"]}, Actor.CUSTOMER),
        ({"login": "-", "roles": []}, Actor.SYSTEM),
        ("b@example.com", None),
    ],
)
def test_who_acted_is_told_by_the_roles(person: Any, actor: Actor | None) -> None:
    assert actor == observation(ZAMMAD, body(updated_by=person)).actor


@pytest.mark.parametrize("shown", [b"", b"[]", b"{}", b'{"ticket": {"id": 42}}'])
def test_a_body_without_a_ticket_is_unreadable(shown: bytes) -> None:
    with pytest.raises(Unreadable):
        ZAMMAD.read(delivery(shown))
