from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.intake.core.vendors.hubspot import HubSpot
from services.intake.core.vendors.port import Unreadable, Untrusted, Verified
from shared.contracts.tickets import Activity, Actor, Channel, Priority, Status, Visibility, WaitReason
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

HUBSPOT = HubSpot()
V3 = "x-hubspot-signature-v3"
GOOD = {
    V3: "EWJudyPfrmjWwW3BFlPQXHqu2tfCAP1KFB9FVaPZIrM=",
    "x-hubspot-request-timestamp": "1767323045000",
}
OLDER = "x-hubspot-signature"
V1 = {
    OLDER: "cb2fc5c5064ed519f73b5b9e9c518c25e25ab9f27ff92feb61e6a0894078ba25",
    "x-hubspot-signature-version": "v1",
}
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def event(verb: str = "propertyChange", **more: Any) -> dict[str, Any]:
    return {
        "eventId": 1, "subscriptionId": 2, "portalId": 3, "appId": 4, "occurredAt": 1767323045000,
        "subscriptionType": f"ticket.{verb}", "attemptNumber": 0, "objectId": 42, **more,
    }  # fmt: skip


def changed(name: str, value: object) -> dict[str, Any]:
    return event(propertyName=name, propertyValue=value, changeSource="CRM_UI")


def record(**properties: object) -> dict[str, Any]:
    return {
        "portalId": 3, "objectType": "TICKET", "objectTypeId": "0-5", "objectId": 42, "version": 7,
        "isDeleted": False, "properties": {name: {"value": value} for name, value in properties.items()},
    }  # fmt: skip


def test_the_published_vectors_are_accepted() -> None:
    good, older = vector(GOOD), vector(V1)

    assert Verified("signature:hubspot") == HUBSPOT.verify(good, ("last", SECRET))
    assert Verified("signature:hubspot") == HUBSPOT.verify(older, ("last", SECRET))
    for each, header in ((good, V3), (older, OLDER)):
        assert_refused(HUBSPOT, each, header)
        assert all(isinstance(HUBSPOT.verify(one, (SECRET,)), Untrusted) for one in spoiled(each))
    assert_refused(HUBSPOT, good, "x-hubspot-request-timestamp")


def test_an_older_signature_does_not_stand_in_for_one_that_does_not_fit() -> None:
    assert isinstance(HUBSPOT.verify(vector(V1 | {V3: "AAAA"}), (SECRET,)), Untrusted)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signed_request_of_another_time_is_refused(seconds: int) -> None:
    replayed = vector(GOOD)._replace(received_at=VECTOR_AT + timedelta(seconds=seconds))

    assert Untrusted("the signed timestamp is too far from now") == HUBSPOT.verify(replayed, (SECRET,))


def test_the_method_and_the_address_are_signed_with_the_documented_escapes_taken_back() -> None:
    good = vector(GOOD)

    assert isinstance(HUBSPOT.verify(good._replace(method="PUT"), (SECRET,)), Untrusted)
    assert isinstance(HUBSPOT.verify(good._replace(url=good.url + "%20"), (SECRET,)), Untrusted)
    assert Verified("signature:hubspot") == HUBSPOT.verify(
        good._replace(url="https%3a//intake.example.com%2Fhooks/x"), (SECRET,)
    )


def test_an_event_shows_one_property() -> None:
    assert {
        "id": "42", "event_id": "1:42:1767323045000:hs_pipeline_stage", "time": AT, "status": "2",
        "activity": Activity.UPDATED, "actor": Actor.AGENT,
    } == shown(HUBSPOT, delivered([changed("hs_pipeline_stage", "2")]))  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "status", "reason"),
    [
        ("1", Status.NEW, None),
        ("2", Status.WAITING, WaitReason.CUSTOMER),
        ("3", Status.IN_PROGRESS, None),
        ("4", Status.CLOSED, None),
        ("98765", Status.NEW, None),
    ],
)
def test_the_stages_of_the_default_pipeline_are_known(
    stage: str, status: Status, reason: WaitReason | None
) -> None:
    [observation] = observed(HUBSPOT, delivered([changed("hs_pipeline_stage", stage)]))

    assert {"status": status} | ({"wait_reason": reason} if reason else {}) == facts(
        observation, "status", "wait_reason"
    )


@pytest.mark.parametrize(
    ("name", "value", "member", "expected"),
    [
        ("subject", "Printer on fire", "subject", "Printer on fire"),
        ("hs_ticket_priority", "HIGH", "priority", "HIGH"),
        ("hs_ticket_priority", "", "priority", None),
        ("hubspot_owner_id", "8", "assignee", "8"),
        ("hubspot_owner_id", "", "assignee", None),
        ("hs_pipeline", "0", "queue", "0"),
        ("hs_ticket_category", "BILLING", "category", "BILLING"),
        ("source_type", "EMAIL", "channel", Channel.EMAIL),
        ("createdate", "1767225600000", "created_at", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_property_is_a_member_and_an_emptied_one_clears(
    name: str, value: str, member: str, expected: object
) -> None:
    assert expected == shown(HUBSPOT, delivered([changed(name, value)]))[member]


@pytest.mark.parametrize(
    ("word", "priority"),
    [("URGENT", Priority.P1), ("HIGH", Priority.P2), ("MEDIUM", Priority.P3), ("LOW", Priority.P4)],
)
def test_priorities_are_four_words(word: str, priority: Priority) -> None:
    [observation] = observed(HUBSPOT, delivered([changed("hs_ticket_priority", word)]))

    assert priority == observation.fields.priority


@pytest.mark.parametrize("value", [None, "", "x"])
def test_a_property_that_no_ticket_has_is_an_update_and_nothing_more(value: str | None) -> None:
    assert {"id", "event_id", "time", "activity", "actor"} == set(
        shown(HUBSPOT, delivered([changed("my_property", value)]))
    )


def test_a_property_without_its_value_clears_nothing() -> None:
    assert "assignee" not in shown(HUBSPOT, delivered([event(propertyName="hubspot_owner_id")]))


@pytest.mark.parametrize(
    ("name", "activity", "actor"),
    [
        ("hs_last_message_received_at", Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER),
        ("hs_last_message_sent_at", Activity.AGENT_MESSAGE, Actor.AGENT),
    ],
)
def test_when_the_last_message_came_or_went_is_a_message(name: str, activity: Activity, actor: Actor) -> None:
    members = shown(HUBSPOT, delivered([changed(name, "1767323044000")]))

    assert (activity, actor, Visibility.PUBLIC, datetime(2026, 1, 2, 3, 4, 4, tzinfo=UTC)) == (
        members["activity"], members["actor"], members["visibility"], members["time"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "activity"),
    [
        ("creation", Activity.CREATED),
        ("deletion", Activity.DELETED),
        ("restore", Activity.RESTORED),
    ],
)
def test_a_ticket_is_made_deleted_and_restored(verb: str, activity: Activity) -> None:
    assert {"id": "42", "event_id": "1:42:1767323045000", "time": AT, "activity": activity} == shown(
        HUBSPOT, delivered([event(verb)])
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (42, [("43", "42"), ("44", "42")]),
        (99, [("43", "99"), ("44", "99"), ("42", "99")]),
    ],
)
def test_merged_tickets_name_their_survivor(made: int, expected: list[tuple[str, str]]) -> None:
    body = [event("merge", primaryObjectId=42, mergedObjectIds=[43, 44], newObjectId=made)]
    tickets = HUBSPOT.read(delivered(body)).tickets

    assert expected == [(each["id"], each["merged_into"]) for each in tickets]
    assert {Activity.MERGED} == {each["activity"] for each in tickets}


def test_events_of_any_object_are_tickets_by_their_type_id() -> None:
    of_object = {"subscriptionType": "object.creation", "objectTypeId": "0-5", "objectId": 42}
    of_contact = {"subscriptionType": "object.creation", "objectTypeId": "0-1", "objectId": 43}
    tickets = HUBSPOT.read(delivered([of_contact, of_object])).tickets

    assert ["42"] == [each["id"] for each in tickets]


def test_a_ticket_without_its_id_is_shown_without_one_so_that_the_others_are_kept() -> None:
    tickets = HUBSPOT.read(delivered([event(objectId=None), 5, event()])).tickets

    assert [None, None, "42"] == [each.get("id") for each in tickets]


def test_a_record_of_a_workflow_is_shown_whole() -> None:
    body = record(
        subject="Printer on fire", hs_pipeline_stage="3", hs_ticket_priority="HIGH", hs_pipeline="0",
        hubspot_owner_id="8", source_type="CHAT", createdate="1767225600000",
        hs_lastmodifieddate="1767323045000", hs_last_message_sent_at="1767323000000", hs_num_blockers="0",
    )  # fmt: skip

    assert {
        "id": "42", "subject": "Printer on fire", "status": "3", "priority": "HIGH", "queue": "0",
        "assignee": "8", "channel": Channel.CHAT, "created_at": datetime(2026, 1, 1, tzinfo=UTC), "time": AT,
        "sequence": 7, "activity": Activity.UPDATED,
    } == shown(HUBSPOT, delivered(body))  # fmt: skip


def test_a_record_with_a_closing_date_is_closed_in_a_pipeline_that_nobody_knows() -> None:
    body = record(hs_pipeline_stage="98765", closed_date="1767323045000")
    [observation] = observed(HUBSPOT, delivered(body))

    assert Status.CLOSED == observation.fields.status


def test_a_deleted_record_is_deleted() -> None:
    assert Activity.DELETED == shown(HUBSPOT, delivered(record() | {"isDeleted": True}))["activity"]


@pytest.mark.parametrize(
    "body",
    [
        [],
        [{"subscriptionType": "contact.creation", "objectId": 42}],
        [event("associationChange")],
        {"objectType": "DEAL", "objectTypeId": "0-3", "objectId": 42, "properties": {}},
    ],
)
def test_what_is_no_news_of_a_ticket_is_ignored_with_its_reason(body: object) -> None:
    assert ((), "no_ticket") == HUBSPOT.read(delivered(body))


@pytest.mark.parametrize("body", [b"", b"null", b'"x"', b"[{]"])
def test_what_is_neither_events_nor_a_record_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        HUBSPOT.read(delivered(body))


def test_every_real_body_is_of_another_object_and_ignored(shared_data: Path) -> None:
    names = real_names(shared_data, "hubspot")

    assert {"hookdeck.COMPANY.json": ((), "no_ticket"), "hookdeck.DEAL.json": ((), "no_ticket")} == {
        name: HUBSPOT.read(real(shared_data, "hubspot", name)) for name in names
    }
