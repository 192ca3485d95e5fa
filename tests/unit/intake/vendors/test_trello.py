from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.intake.core.vendors.port import Shaken, Unreadable, Untrusted, Verified
from services.intake.core.vendors.trello import Trello
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason
from tests.unit.intake.vendors.deliveries import (
    SECRET,
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

TRELLO = Trello()
SIGNATURE = "x-trello-webhook"
GOOD = {SIGNATURE: "PBaN3Vr61py3izX5T9GTPdv9RC0="}
CARD = "6955b900aaaaaaaaaaaaaaaa"  # 0x6955b900 seconds are 2026-01-01T00:00:00Z


def action(
    kind: str, card: dict[str, Any] | None = None, data: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "action": {
            "id": "a1", "type": kind, "date": "2026-01-02T03:04:05.000Z", "idMemberCreator": "m1",
            "memberCreator": {"username": "bob"},
            "data": {
                "board": {"id": "b1", "name": "Support"},
                "card": {
                    "id": CARD, "idShort": 42, "shortLink": "Ab12", "name": "Printer on fire", **(card or {}),
                },
                **(data or {}),
            },
            **more,
        },
        "model": {"id": "b1", "name": "Support"},
    }  # fmt: skip


def test_the_published_vector_is_accepted_over_body_and_address() -> None:
    good = vector(GOOD)

    assert Verified("signature:trello") == TRELLO.verify(good, ("last", SECRET))
    assert_refused(TRELLO, good, SIGNATURE)
    assert all(isinstance(TRELLO.verify(each, (SECRET,)), Untrusted) for each in spoiled(good))


def test_another_address_than_the_registered_one_is_refused() -> None:
    assert isinstance(TRELLO.verify(vector(GOOD)._replace(url="https://x/"), (SECRET,)), Untrusted)


def test_head_is_answered_before_there_is_a_webhook() -> None:
    assert Shaken(200) == TRELLO.shake(delivered(b"", method="HEAD"), ())
    assert TRELLO.shake(delivered(action("createCard")), (SECRET,)) is None


def test_a_moved_card_takes_the_status_of_its_new_list() -> None:
    lists = {"listBefore": {"id": "l1", "name": "New"}, "listAfter": {"id": "l2", "name": "Doing"}}

    assert {
        "id": CARD, "event_id": "a1", "subject": "Printer on fire", "status": "Doing", "queue": "Support",
        "url": "https://trello.com/c/Ab12", "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "activity": Activity.UPDATED, "actor": Actor.AGENT,
    } == shown(TRELLO, delivered(action("updateCard", {"idList": "l2"}, lists)))  # fmt: skip


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("To Do", Status.NEW, None),
        ("Doing", Status.IN_PROGRESS, None),
        ("Blocked", Status.WAITING, WaitReason.INTERNAL),
        ("Waiting for customer", Status.WAITING, WaitReason.CUSTOMER),
        ("Done", Status.SOLVED, None),
        ("Some list", Status.NEW, None),
    ],
)
def test_a_list_is_a_status_and_an_unknown_one_is_new(
    word: str, status: Status, reason: WaitReason | None
) -> None:
    body = action("createCard", data={"list": {"id": "l1", "name": word}})
    [observation] = observed(TRELLO, delivered(body))

    assert {"status": status, "raw_status": word} | ({"wait_reason": reason} if reason else {}) == facts(
        observation, "status", "raw_status", "wait_reason"
    )


@pytest.mark.parametrize(
    ("card", "word"),
    [
        ({"closed": True}, "archived"),
        ({"closed": False}, "Doing"),
        ({"dueComplete": True}, "complete"),
        ({"dueComplete": False}, "Doing"),
    ],
)
def test_archiving_and_marking_complete_are_statuses_and_can_be_undone(
    card: dict[str, Any], word: str
) -> None:
    body = action("updateCard", card, {"list": {"id": "l2", "name": "Doing"}})

    assert word == shown(TRELLO, delivered(body))["status"]


def test_a_comment_on_an_archived_card_does_not_open_it() -> None:
    body = action("commentCard", data={"list": {"id": "l2", "name": "Doing"}, "text": "Soon."})
    members = shown(TRELLO, delivered(body))

    assert (False, Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC) == (
        "status" in members, members["activity"], members["actor"], members["visibility"],
    )  # fmt: skip


def test_a_card_by_e_mail_is_the_customers() -> None:
    members = shown(TRELLO, delivered(action("emailCard", data={"list": {"name": "Inbox"}})))

    assert (Activity.CREATED, Actor.CUSTOMER, Channel.EMAIL) == (
        members["activity"], members["actor"], members["channel"],
    )  # fmt: skip


def test_a_member_who_comes_is_the_assignee_and_one_who_goes_leaves_none() -> None:
    member = {"member": {"id": "m2", "username": "cleo"}}

    assert "cleo" == shown(TRELLO, delivered(action("addMemberToCard", **member)))["assignee"]
    assert shown(TRELLO, delivered(action("removeMemberFromCard", **member)))["assignee"] is None


@pytest.mark.parametrize(
    ("kind", "label", "priority"),
    [
        ("addLabelToCard", "Priority: high", Priority.P2),
        ("addLabelToCard", "P1", Priority.P1),
        ("addLabelToCard", "hw", "unshown"),
        ("removeLabelFromCard", "P1", "unshown"),
    ],
)
def test_a_label_that_comes_may_be_the_priority(kind: str, label: str, priority: object) -> None:
    [observation] = observed(TRELLO, delivered(action(kind, data={"label": {"name": label}})))

    assert priority == facts(observation, "priority").get("priority", "unshown")


def test_a_deleted_card_is_deleted() -> None:
    assert Activity.DELETED == shown(TRELLO, delivered(action("deleteCard")))["activity"]


def test_a_card_on_another_board_is_in_another_queue() -> None:
    went = action("moveCardFromBoard", data={"boardTarget": {"id": "b2", "name": "Tier 2"}})
    came = action("moveCardToBoard", data={"board": {"name": "Tier 2"}, "list": {"name": "Inbox"}})

    assert "Tier 2" == shown(TRELLO, delivered(went))["queue"]
    assert ("Tier 2", "Inbox") == (
        shown(TRELLO, delivered(came))["queue"], shown(TRELLO, delivered(came))["status"],
    )  # fmt: skip


def test_an_id_that_holds_no_second_shows_no_creation() -> None:
    assert "created_at" not in shown(TRELLO, delivered(action("createCard", {"id": "x" * 24})))
    assert "created_at" not in shown(TRELLO, delivered(action("createCard", {"id": "f" * 24})))


@pytest.mark.parametrize("kind", ["createList", "updateBoard", "addMemberToBoard"])
def test_what_is_no_news_of_a_card_is_ignored_with_its_reason(kind: str) -> None:
    body = {"action": {"id": "a1", "type": kind, "data": {"board": {"name": "Support"}}}}

    assert ((), "no_ticket") == TRELLO.read(delivered(body))


@pytest.mark.parametrize("body", [
        b"", b"{}", b"[]", {"action": 1}, action("createCard", {"id": None}), {"action": {}},
        {"action": {"type": "updateCard", "data": {"board": {"name": "Support"}}}},
    ],
)  # fmt: skip
def test_a_card_that_cannot_be_named_is_unreadable(body: object) -> None:
    with pytest.raises(Unreadable):
        TRELLO.read(delivered(body))


def test_the_real_body_is_what_it_says(shared_data: Path) -> None:
    assert {"changing_cards_list.json"} == real_names(shared_data, "trello")
    [observation] = observed(TRELLO, real(shared_data, "trello", "changing_cards_list.json"))

    assert {
        "ticket": "trello:53582e2da0fac5676a71427f", "id": "572a340644ed9c7d8b6f9a30",
        "subject": "This is a card.", "raw_status": "Intermediate", "status": Status.NEW,
        "queue": "Welcome Board", "url": "https://trello.com/c/r33ylX2Z",
        "created_at": datetime(2014, 4, 23, 21, 18, 37, tzinfo=UTC),  # 0x53582e2d
        "time": datetime(2016, 5, 4, 17, 40, 22, 254_000, tzinfo=UTC),
        "activity": Activity.UPDATED, "actor": Actor.AGENT,
    } == facts(
        observation, "ticket", "id", "subject", "raw_status", "status", "queue", "url", "created_at", "time",
        "activity", "actor", "priority", "assignee",
    )  # fmt: skip
