from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from services.intake.core.arrival import FUTURE_TOLERANCE, Arrival, Defaults
from services.intake.core.definition import ShownStatus, SourceDefinition
from services.intake.core.normalise import Normalised, Normaliser
from services.intake.core.rejection import Reason, Rejection
from services.intake.core.ticket import EXPECTED, MEANT, MEMBER_TYPES
from shared.contracts.tickets import Activity, Channel, Kind, Observation, Priority, Status, WaitReason

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
ARRIVAL = Arrival.at(NOW)
DEFAULTS = Defaults("fresh")
DESK = SourceDefinition(
    tenant="acme",
    name="desk",
    statuses={
        "Awaiting User Info": ShownStatus(Status.WAITING, WaitReason.CUSTOMER),
        "closed": ShownStatus(Status.SOLVED),
        "2": ShownStatus(Status.IN_PROGRESS),
    },
    priorities={"1 - Critical": Priority.P1},
    siblings=frozenset({"desk", "tracker"}),
)


def normalise(
    ticket: dict[str, Any], definition: SourceDefinition = DESK, defaults: Defaults = DEFAULTS
) -> Normalised | Rejection:
    return Normaliser(definition).json(json.dumps(ticket).encode(), defaults, ARRIVAL)


def observed(ticket: dict[str, Any], definition: SourceDefinition = DESK) -> Observation:
    outcome = normalise({"id": "1", **ticket}, definition)
    assert isinstance(outcome, Normalised), outcome
    return outcome.observation


def refused(ticket: dict[str, Any]) -> Rejection:
    outcome = normalise({"id": "1", **ticket})
    assert isinstance(outcome, Rejection), outcome
    return outcome


def test_a_member_that_is_absent_says_nothing_and_null_clears() -> None:
    fields = observed({"queue": None, "subject": "x"}).fields

    assert (None, "x", UNSET) == (fields.queue, fields.subject, fields.assignee)


def test_every_field_of_a_ticket_can_be_cleared() -> None:
    names = {"status", "priority", "queue", "assignee", "channel", "kind", "segment", "category", "requester",
             "subject", "tags", "url", "created_at", "merged_into", "wait_reason"}  # fmt: skip
    fields = observed(dict.fromkeys(names)).fields

    assert dict.fromkeys(names) == {name: getattr(fields, name) for name in names}
    assert (None, None) == (fields.raw_status, fields.raw_priority)


@pytest.mark.parametrize(
    ("word", "status", "wait_reason"),
    [
        ("new", Status.NEW, UNSET),
        ("in_progress", Status.IN_PROGRESS, UNSET),
        ("waiting", Status.WAITING, WaitReason.INTERNAL),
        ("waiting/customer", Status.WAITING, WaitReason.CUSTOMER),
        ("Waiting/Vendor ", Status.WAITING, WaitReason.VENDOR),
        ("solved", Status.SOLVED, UNSET),
        ("Awaiting User Info", Status.WAITING, WaitReason.CUSTOMER),
        ("awaiting user info", Status.WAITING, WaitReason.CUSTOMER),
        ("closed", Status.SOLVED, UNSET),
        (2, Status.IN_PROGRESS, UNSET),
    ],
)
def test_a_status_word_goes_through_the_sources_map_first(
    word: Any, status: Status, wait_reason: Any
) -> None:
    fields = observed({"status": word}).fields

    assert (status, wait_reason, str(word)) == (fields.status, fields.wait_reason, fields.raw_status)


def test_a_wait_reason_counts_only_while_waiting() -> None:
    waiting = observed({"status": "waiting", "wait_reason": "vendor"}).fields
    solved = observed({"status": "solved", "wait_reason": "vendor"}).fields
    alone = observed({"wait_reason": "vendor"}).fields

    assert [WaitReason.VENDOR, UNSET, WaitReason.VENDOR] == [
        waiting.wait_reason,
        solved.wait_reason,
        alone.wait_reason,
    ]


def test_a_word_no_map_knows_is_absent_counted_and_kept_raw() -> None:
    outcome = normalise({"id": "1", "status": "Frozen", "priority": "Odd"})
    assert isinstance(outcome, Normalised)
    fields = outcome.observation.fields

    assert ("status", "priority") == outcome.unmapped
    assert (UNSET, "Frozen", UNSET, "Odd") == (
        fields.status,
        fields.raw_status,
        fields.priority,
        fields.raw_priority,
    )


def test_a_word_no_map_knows_takes_the_stated_default_and_is_counted_all_the_same() -> None:
    definition = SourceDefinition(
        status_default=ShownStatus(Status.IN_PROGRESS), priority_default=Priority.P3
    )
    outcome = normalise({"id": "1", "status": "Frozen", "priority": "Odd"}, definition)
    assert isinstance(outcome, Normalised)

    assert (Status.IN_PROGRESS, Priority.P3) == (
        outcome.observation.fields.status,
        outcome.observation.fields.priority,
    )
    assert ("status", "priority") == outcome.unmapped


def test_a_default_for_unknown_words_is_not_shown_where_nothing_was_said() -> None:
    definition = SourceDefinition(
        status_default=ShownStatus(Status.IN_PROGRESS), priority_default=Priority.P3
    )
    fields = observed({}, definition).fields

    assert (UNSET, UNSET) == (fields.status, fields.priority)


def test_the_sources_channel_and_kind_are_shown_unless_the_ticket_says_otherwise() -> None:
    definition = SourceDefinition(channel=Channel.EMAIL, kind=Kind.TASK)

    assert (Channel.EMAIL, Kind.TASK) == (
        observed({}, definition).fields.channel,
        observed({}, definition).fields.kind,
    )
    assert Channel.CHAT == observed({"channel": "chat"}, definition).fields.channel
    assert observed({"channel": None}, definition).fields.channel is None


def test_times_come_out_in_utc_and_default_to_the_receive_time() -> None:
    shown = observed({"time": "2026-03-02T10:30:00+01:00", "created_at": "2026-03-01T00:00:00-05:00"})

    assert (datetime(2026, 3, 2, 9, 30, tzinfo=UTC), UTC) == (shown.time, shown.time.tzinfo)
    assert datetime(2026, 3, 1, 5, tzinfo=UTC) == shown.fields.created_at
    assert NOW == observed({}).time == observed({"time": None}).time


def test_up_to_five_minutes_ahead_is_taken_and_one_microsecond_more_is_not() -> None:
    ahead = NOW + FUTURE_TOLERANCE

    assert ahead == observed({"time": ahead.isoformat()}).time
    assert Reason.FUTURE_TIME == refused({"time": (ahead + timedelta(microseconds=1)).isoformat()}).reason


def test_a_retry_measures_the_future_from_now_and_keeps_the_receive_time() -> None:
    later = Arrival.at(NOW, now=NOW + timedelta(days=7))
    raw = b'{"id": "1", "time": "2026-03-04T00:00:00Z"}'
    outcome = Normaliser(DESK).json(raw, DEFAULTS, later)
    assert isinstance(outcome, Normalised)

    assert NOW == outcome.observation.received_at


@pytest.mark.parametrize(
    ("shown", "key"),
    [("7", "desk:7"), (7, "desk:7"), ("desk:7", "desk:7"), ("tracker:7", "tracker:7"), ("x:7", "desk:x:7")],
)
def test_a_merge_points_to_a_ticket_of_its_own_or_of_a_named_source(shown: Any, key: str) -> None:
    observation = observed({"merged_into": shown})

    assert (key, Activity.MERGED) == (observation.fields.merged_into, observation.activity)


def test_a_ticket_cannot_be_merged_into_itself() -> None:
    assert "/merged_into" == refused({"merged_into": "1"}).faults[0].pointer
    assert "/merged_into" == refused({"merged_into": "desk:1"}).faults[0].pointer


def test_the_tickets_own_members_win_over_its_envelope() -> None:
    defaults = Defaults("ce-1", "subject", NOW - timedelta(hours=1), 3)
    silent = normalise({}, defaults=defaults)
    loud = normalise(
        {"id": "1", "event_id": "own", "time": "2026-03-02T09:30:00Z", "sequence": 9}, defaults=defaults
    )
    assert isinstance(silent, Normalised)
    assert isinstance(loud, Normalised)

    assert ("ce-1", "desk:subject", NOW - timedelta(hours=1), 3) == (
        silent.observation.id, silent.observation.ticket, silent.observation.time, silent.observation.sequence,
    )  # fmt: skip
    assert ("own", "desk:1", 9) == (loud.observation.id, loud.observation.ticket, loud.observation.sequence)


def test_faults_of_shape_and_of_value_are_told_together_each_once() -> None:
    rejection = refused({"titel": "x", "queue": 7, "time": "9999-01-01T00:00:00Z", "subject": "a\x00"})

    assert ["/titel", "/queue", "/subject", "/time"] == [fault.pointer for fault in rejection.faults]
    assert rejection.detail.endswith("(and 3 more)")


def test_a_great_many_faults_are_cut() -> None:
    rejection = refused({f"member{number}": 1 for number in range(500)})

    assert 20 == len(rejection.faults)


def test_a_mapped_row_follows_the_same_rules() -> None:
    normaliser = Normaliser(DESK)
    row = {"id": 7, "status": "closed", "time": NOW, "created_at": NOW - timedelta(days=1), "tags": ("a",)}
    good = normaliser.fields(row, DEFAULTS, ARRIVAL)
    bad = normaliser.fields({"id": 7, "titel": "x", "subject": "a\tb"}, DEFAULTS, ARRIVAL)
    assert isinstance(good, Normalised)
    assert isinstance(bad, Rejection)

    assert ("desk:7", Status.SOLVED, ("a",)) == (
        good.observation.ticket,
        good.observation.fields.status,
        good.observation.fields.tags,
    )
    assert ["/titel", "/subject"] == [fault.pointer for fault in bad.faults]


def test_a_mapped_row_may_bring_canonical_values_beside_the_raw_words() -> None:
    outcome = Normaliser(DESK).fields(
        {
            "id": 7,
            "status": "waiting/customer",
            "raw_status": "Warten",
            "priority": "p1",
            "raw_priority": "Hoch",
        },
        DEFAULTS,
        ARRIVAL,
    )
    assert isinstance(outcome, Normalised)
    fields = outcome.observation.fields

    assert (Status.WAITING, "Warten", Priority.P1, "Hoch") == (
        fields.status, fields.raw_status, fields.priority, fields.raw_priority,
    )  # fmt: skip


def test_text_of_any_language_is_plain_text() -> None:
    for text in ("Drucker brennt – Raum 12", "プリンター", "טלפון", "a\u00a0b\u3000c", "🖨️🔥", "e\u0301"):
        assert text == observed({"subject": text}).fields.subject


def test_every_member_is_described_and_every_hint_leads_to_one() -> None:
    assert MEMBER_TYPES.keys() == EXPECTED.keys()
    assert set(MEANT.values()) <= MEMBER_TYPES.keys()
    assert not MEANT.keys() & MEMBER_TYPES.keys()


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_members = st.dictionaries(st.sampled_from([*MEMBER_TYPES, *MEANT]) | st.text(), _values, max_size=6)


@pytest.mark.parametrize(
    ("words", "status", "unmapped"),
    [
        (("2", "closed"), Status.IN_PROGRESS, ()),
        (("Parked", "closed"), Status.SOLVED, ()),
        (("Parked", "new"), Status.NEW, ()),
        (("Parked", "Shelved"), UNSET, ("status",)),
    ],
)
def test_of_several_words_for_a_status_the_first_that_a_map_knows_counts(
    words: tuple[str, ...], status: Status, unmapped: tuple[str, ...]
) -> None:
    outcome = Normaliser(DESK).fields({"id": "1", "status": words}, DEFAULTS, ARRIVAL)

    assert isinstance(outcome, Normalised)
    shown = outcome.observation.fields
    assert (status, words[0], unmapped) == (shown.status, shown.raw_status, outcome.unmapped)


@given(_members)
def test_any_object_is_an_observation_that_can_be_written_or_a_rejection_that_can_be_told(
    members: dict[str, Any],
) -> None:
    raw = json.dumps(members).encode()
    outcome = Normaliser(DESK).json(raw, DEFAULTS, ARRIVAL)

    if isinstance(outcome, Rejection):
        outcome.detail.encode()
        assert all(fault.pointer.encode() is not None and fault.detail.encode() for fault in outcome.faults)
    else:
        from shared.codec.decoding import decode
        from shared.codec.encoding import to_outgoing
        from shared.contracts.records import Record

        sent = to_outgoing(outcome.observation)
        record = Record(sent.topic, 0, 0, 0, sent.key, sent.value, sent.headers)
        assert outcome.observation == decode(record)


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(raw: bytes) -> None:
    outcome = Normaliser(DESK).json(raw, DEFAULTS, ARRIVAL)

    assert isinstance(outcome, Rejection) or outcome.observation.tenant == "acme"


@given(_members)
def test_a_row_in_memory_is_judged_as_the_same_ticket_in_json(members: dict[str, Any]) -> None:
    normaliser = Normaliser(DESK)
    row = normaliser.fields(members, DEFAULTS, ARRIVAL)
    sent = normaliser.json(json.dumps(members).encode(), DEFAULTS, ARRIVAL)

    assert isinstance(row, Rejection) == isinstance(sent, Rejection)


@pytest.mark.parametrize(
    ("ticket", "defaults", "dated_by_receipt"),
    [
        ({"event_id": "e1"}, Defaults("fresh", is_fresh=True), True),
        ({}, Defaults("their-key"), True),
        ({}, Defaults("fresh", is_fresh=True), False),
        ({"event_id": "e1", "time": "2026-03-02T09:00:00Z"}, Defaults("fresh", is_fresh=True), False),
        ({}, Defaults("e1", time=NOW), False),
    ],
)
def test_an_event_with_an_id_and_no_time_is_dated_by_its_receipt(
    ticket: dict[str, Any], defaults: Defaults, dated_by_receipt: bool
) -> None:
    outcome = normalise({"id": "1", **ticket}, defaults=defaults)
    assert isinstance(outcome, Normalised)

    assert dated_by_receipt is outcome.observation.dated_by_receipt
