"""What the parts of docs/channels.md mean, in the members that every ticket has."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from services.intake.api.document import TICKET
from services.intake.core.arrival import Arrival, Defaults
from services.intake.core.channels.parts import PART_EXPECTED, PART_MEMBER_TYPES, PARTS
from services.intake.core.definition import SourceDefinition
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.personal_data import Protection
from services.intake.core.rejection import Rejection
from shared.codec.decoding import decode
from shared.codec.encoding import to_outgoing
from shared.contracts.personal_data import Handling
from shared.contracts.records import Record
from shared.contracts.tickets import TAGS_MAX, Activity, Actor, Channel, Observation, Status, Visibility

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
NORMALISER = Normaliser(SourceDefinition(name="desk"))
FRESH = Defaults("fresh", is_fresh=True)

CUSTOMER = (Activity.CUSTOMER_MESSAGE, Actor.CUSTOMER, Visibility.PUBLIC)
AGENT = (Activity.AGENT_MESSAGE, Actor.AGENT, Visibility.PUBLIC)
BOT = (Activity.AGENT_MESSAGE, Actor.BOT, Visibility.PUBLIC)
NOTE = (Activity.INTERNAL_NOTE, Actor.AGENT, Visibility.INTERNAL)
OPENED = (Activity.CREATED, Actor.CUSTOMER, Visibility.PUBLIC)
NOBODY = (Activity.UPDATED, None, None)
BYSTANDER = (Activity.UPDATED, Actor.SYSTEM, Visibility.PUBLIC)


def at(clock: str) -> str:
    return f"2026-03-02T{clock}:00Z"


def instant(clock: str) -> datetime:
    return datetime.fromisoformat(at(clock))


def outcome(ticket: dict[str, Any], defaults: Defaults = FRESH) -> Normalised | Rejection:
    return NORMALISER.json(json.dumps(ticket).encode(), defaults, Arrival.at(NOW))


def observed(ticket: dict[str, Any], defaults: Defaults = FRESH) -> Observation:
    found = outcome({"id": "1", **ticket}, defaults)
    assert isinstance(found, Normalised), found
    return found.observation


def refused(ticket: dict[str, Any]) -> list[tuple[str, str]]:
    found = outcome({"id": "1", **ticket})
    assert isinstance(found, Rejection), found
    return [(fault.reason.value, fault.pointer) for fault in found.faults]


def spoken(one: Observation) -> tuple[Activity, Actor | None, Visibility | None]:
    return one.activity, one.actor, one.visibility


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"chat": {"by": "customer"}}, CUSTOMER),
        ({"chat": {"by": "agent"}}, AGENT),
        ({"chat": {"by": "bot"}}, BOT),
        ({"chat": {}}, NOBODY),
        ({"chat": {"by": "bot", "handed_over_at": at("09:00")}}, CUSTOMER),
        ({"phone": {"direction": "inbound"}}, CUSTOMER),
        ({"phone": {"direction": "inbound", "outcome": "missed"}}, CUSTOMER),
        ({"phone": {"direction": "inbound", "outcome": "voicemail"}}, CUSTOMER),
        ({"phone": {"direction": "inbound", "outcome": "answered"}}, AGENT),
        ({"phone": {"direction": "inbound", "answered_at": at("09:00")}}, AGENT),
        ({"phone": {"direction": "inbound", "ended_at": at("09:00")}}, CUSTOMER),
        ({"phone": {"direction": "outbound"}}, NOTE),
        ({"phone": {"direction": "outbound", "ended_at": at("09:00")}}, NOTE),
        ({"phone": {"direction": "outbound", "outcome": "voicemail"}}, AGENT),
        ({"phone": {"direction": "outbound", "answered_at": at("09:00")}}, AGENT),
        ({"web": {}}, OPENED),
        ({"messaging": {"provider": "sms", "by": "customer"}}, CUSTOMER),
        ({"messaging": {"provider": "sms", "by": "agent"}}, AGENT),
        ({"messaging": {"provider": "sms", "by": "agent", "failed": True}}, NOTE),
        ({"messaging": {"provider": "sms", "by": "agent", "failed": False}}, AGENT),
        ({"messaging": {"provider": "sms", "by": "bot"}}, BOT),
        ({"messaging": {"provider": "whatsapp", "by": "agent", "window_ends_at": at("09:59")}}, NOTE),
        ({"messaging": {"provider": "whatsapp", "by": "agent", "window_ends_at": at("10:00")}}, AGENT),
        (
            {
                "messaging": {
                    "provider": "whatsapp",
                    "by": "agent",
                    "template": True,
                    "window_ends_at": at("09:59"),
                }
            },
            AGENT,
        ),
        ({"social": {"network": "x", "by": "customer"}}, OPENED),
        ({"social": {"network": "x", "by": "customer", "reply": True}}, CUSTOMER),
        ({"social": {"network": "x", "by": "agent", "audience": "private"}}, AGENT),
        ({"social": {"network": "x", "by": "bystander", "audience": "public"}}, BYSTANDER),
    ],
)
def test_who_spoke_is_what_the_part_says_in_its_own_words(
    part: dict[str, Any], expected: tuple[Activity, Actor | None, Visibility | None]
) -> None:
    one = observed(part)

    assert expected == spoken(one)
    assert Channel(next(iter(part))) is one.fields.channel


def test_an_answered_call_happened_when_it_was_answered_and_was_waited_for_since_it_rang() -> None:
    one = observed(
        {"phone": {"direction": "inbound", "started_at": at("09:00"), "answered_at": at("09:02"), "ended_at": at("09:30")}}
    )  # fmt: skip

    assert (instant("09:02"), instant("09:00")) == (one.time, one.fields.created_at)
    assert not one.dated_by_receipt


def test_a_missed_call_happened_when_it_rang() -> None:
    rang = observed({"phone": {"direction": "inbound", "started_at": at("09:00"), "ended_at": at("09:01")}})
    only_ended = observed({"phone": {"direction": "inbound", "ended_at": at("09:01")}})

    assert [instant("09:00"), instant("09:01")] == [rang.time, only_ended.time]


def test_an_outbound_call_says_nothing_of_since_when_the_customer_waits() -> None:
    one = observed({"phone": {"direction": "outbound", "started_at": at("09:00")}})

    assert (instant("09:00"), UNSET) == (one.time, one.fields.created_at)


def test_a_chat_gives_its_id_its_order_and_since_when_somebody_waits() -> None:
    found = outcome({"chat": {"conversation": "c-1", "messages": 3, "waiting_since": at("09:00")}})
    assert isinstance(found, Normalised)
    one = found.observation

    assert ("desk:c-1", 3, instant("09:00"), NOW) == (
        one.ticket,
        one.sequence,
        one.fields.created_at,
        one.time,
    )


def test_a_handover_happened_when_the_bot_gave_up() -> None:
    assert instant("09:30") == observed({"chat": {"handed_over_at": at("09:30")}}).time


def test_a_messengers_conversation_is_a_ticket_that_does_not_show_the_number() -> None:
    part = {"messaging": {"provider": "sms", "conversation": "4915155501003"}}
    found, again = outcome(part), outcome(part)
    assert isinstance(found, Normalised)
    assert isinstance(again, Normalised)

    assert found.observation.ticket.startswith("desk:sms/")
    assert "4915155501003" not in repr(found)
    assert found.observation.ticket == again.observation.ticket


def test_where_requesters_are_hashed_a_conversations_id_is_too_so_that_trying_numbers_finds_nothing() -> None:
    part = json.dumps({"messaging": {"provider": "sms", "conversation": "4915155501003"}}).encode()
    keys = []
    for key in (b"", b"one key", b"another key"):
        protection = Protection(requester=Handling.HASHED if key else Handling.PLAIN, key=key)
        found = Normaliser(SourceDefinition(name="desk", protection=protection)).json(
            part, FRESH, Arrival.at(NOW)
        )
        assert isinstance(found, Normalised)
        keys.append(found.observation.ticket)

    assert 3 == len(set(keys))
    assert {len("desk:sms/") + 16} == {len(each) for each in keys}


def test_an_id_of_the_ticket_or_of_its_envelope_comes_before_that_of_the_part() -> None:
    chat = {"chat": {"conversation": "c-1", "handed_over_at": at("09:00")}}
    enveloped = outcome(chat, Defaults("e", ticket_id="E-1", time=instant("08:00")))
    assert isinstance(enveloped, Normalised)

    assert ("desk:1", instant("09:00")) == (observed(chat).ticket, observed(chat).time)
    assert ("desk:E-1", instant("08:00")) == (enveloped.observation.ticket, enveloped.observation.time)


def test_the_tickets_own_members_come_before_what_the_part_implies() -> None:
    own = {"time": at("08:00"), "created_at": at("07:00"), "activity": "internal_note", "actor": "bot",
           "visibility": "internal", "sequence": 9, "status": "solved"}  # fmt: skip
    one = observed({**own, "chat": {"by": "agent", "messages": 1, "waiting_since": at("07:30")}})

    assert (Activity.INTERNAL_NOTE, Actor.BOT, Visibility.INTERNAL) == spoken(one)
    assert (instant("08:00"), instant("07:00"), 9, Status.SOLVED) == (
        one.time, one.fields.created_at, one.sequence, one.fields.status,
    )  # fmt: skip


def test_a_forms_page_loses_its_query_and_an_unproved_requester_is_marked() -> None:
    page = "https://shop.example/returns?name=Kim#part"
    fields = observed(
        {"tags": ["parcel"], "web": {"form": "returns", "page": page, "verified": False}}
    ).fields

    assert ("returns", ("page:/returns", "unverified", "parcel")) == (fields.category, fields.tags)


def test_on_a_ticket_that_is_there_a_part_replaces_neither_tags_nor_category() -> None:
    fields = observed({"activity": "customer_message", "web": {"form": "returns", "verified": False}}).fields

    assert (UNSET, UNSET) == (fields.category, fields.tags)


def test_a_public_post_is_marked_so_that_a_policy_can_tell() -> None:
    public = observed({"social": {"network": "x", "by": "customer", "audience": "public"}})
    private = observed({"social": {"network": "x", "by": "customer", "audience": "private"}})

    assert [("public",), UNSET] == [public.fields.tags, private.fields.tags]


def test_a_ticket_full_of_tags_keeps_to_the_most_there_may_be() -> None:
    tags = [f"t{number}" for number in range(TAGS_MAX)]
    shown = observed({"tags": tags, "web": {"verified": False}}).fields.tags

    assert ("unverified", *tags[: TAGS_MAX - 1]) == shown


def test_null_is_no_part() -> None:
    assert NOBODY == spoken(observed(dict.fromkeys(PARTS)))


@pytest.mark.parametrize(
    ("ticket", "faults"),
    [
        ({"phone": {}}, [("missing_field", "/phone/direction")]),
        ({"phone": 7}, [("invalid_field", "/phone")]),
        ({"phone": {"direction": "inbund", "x": 1}}, [("invalid_field", "/phone/direction"), ("unknown_field", "/phone/x")]),
        ({"phone": {"direction": "inbound", "ended_at": "2026-03-02T09:00:00"}}, [("invalid_time", "/phone/ended_at")]),
        ({"phone": {"direction": "inbound", "ended_at": at("10:06")}}, [("invalid_time", "/phone/ended_at")]),
        (
            {"phone": {"direction": "inbound", "started_at": at("09:01"), "answered_at": at("09:00")}},
            [("invalid_field", "/phone/answered_at")],
        ),
        (
            {"phone": {"direction": "inbound", "outcome": "missed", "answered_at": at("09:00")}},
            [("invalid_field", "/phone/answered_at")],
        ),
        ({"chat": {"by": "agent", "handed_over_at": at("09:00")}}, [("invalid_field", "/chat/handed_over_at")]),
        ({"chat": {"messages": -1}}, [("invalid_field", "/chat/messages")]),
        ({"chat": {"conversation": "a\u0000"}}, [("invalid_text", "/chat/conversation")]),
        ({"chat": {"conversation": "x" * 201}}, [("invalid_field", "/chat/conversation")]),
        ({"web": {"page": "javascript:alert(1)"}}, [("invalid_field", "/web/page")]),
        ({"web": {"page": "http://["}}, [("invalid_field", "/web/page")]),
        ({"messaging": {"provider": "Whats App"}}, [("invalid_field", "/messaging/provider")]),
        ({"messaging": {"provider": "sms", "by": "customer", "failed": True}}, [("invalid_field", "/messaging/failed")]),
        ({"social": {"network": "x", "post": "@kim"}}, [("invalid_field", "/social/post")]),
        ({"social": {"network": "x", "by": "bystander", "audience": "private"}}, [("invalid_field", "/social/by")]),
        ({"chat": {}, "web": {}}, [("invalid_field", "/web")]),
        ({"channel": "email", "chat": {}}, [("invalid_field", "/channel")]),
        ({"channel": None, "chat": {}}, [("invalid_field", "/channel")]),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_is_refused_by_the_member_that_is_wrong(
    ticket: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    assert faults == refused(ticket)


def test_the_end_of_a_window_may_lie_ahead() -> None:
    ahead = (NOW + timedelta(hours=24)).isoformat()

    assert AGENT == spoken(
        observed({"messaging": {"provider": "sms", "by": "agent", "window_ends_at": ahead}})
    )


def test_the_api_document_describes_every_member_of_every_part() -> None:
    for name, expected in PART_EXPECTED.items():
        (part,) = [each for each in TICKET["properties"][name]["anyOf"] if "properties" in each]
        assert expected == {member: shown["description"] for member, shown in part["properties"].items()}


def test_every_member_of_every_part_is_described() -> None:
    assert {name: kinds.keys() for name, kinds in PART_MEMBER_TYPES.items()} == {
        name: expected.keys() for name, expected in PART_EXPECTED.items()
    }


_values = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(
        ["inbound", "outbound", "agent", "customer", "bot", "public", "sms", at("09:00"), "http://a/b?c", "answered", "@"]
    )
)  # fmt: skip


@given(
    st.fixed_dictionaries(
        {},
        optional={
            **{
                name: st.dictionaries(st.sampled_from([*members]) | st.text(max_size=5), _values, max_size=5)
                for name, members in PART_EXPECTED.items()
            },
            "tags": st.lists(st.text(min_size=1, max_size=5), max_size=TAGS_MAX),
            "activity": st.sampled_from([each.value for each in Activity]) | st.none(),
        },
    )
)
def test_any_part_is_an_observation_that_aging_can_read_or_a_rejection_that_can_be_told(
    ticket: dict[str, Any],
) -> None:
    found = outcome({"id": "1", **ticket})
    if isinstance(found, Rejection):
        assert found.detail.encode()
        return
    sent = to_outgoing(found.observation)
    assert found.observation == decode(Record(sent.topic, 0, 0, 0, sent.key, sent.value, sent.headers))
