"""Every event type: what is written is what is read, and the record around it says the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, inspect

from shared.codec import (
    EVENT_TYPES,
    EventType,
    decode,
    decode_data,
    encode,
    parse_structured,
    source_of,
    structured,
    to_cells,
    to_every_partition,
    to_outgoing,
    type_name,
)
from shared.contracts import topics
from shared.contracts.alerts import Alert, AlertState
from shared.contracts.backlog import Cell, CellKind, Fact, FactType, Flow, PartitionClock, TicketState
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.tickets import (
    Absorbed,
    Activity,
    Actor,
    MessageMark,
    Observation,
    Rejected,
    RunBegan,
    RunEnded,
    Status,
    TicketFields,
)
from shared.contracts.topics import partition_of
from tests.unit.contracts.events import as_read, events, header, is_sound_context

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
OTHER = timezone(timedelta(hours=5, minutes=30))
KINDS = st.sampled_from(sorted(EVENT_TYPES.values(), key=lambda kind: kind.name))
OBSERVED = Observation(tenant="acme", source="jira", ticket="jira:SUP-1", id="e1", time=AT, received_at=AT)
CELL = Cell(partition=3, epoch=2, version=9, at=AT, tenant="acme", queue="tier1")
FLOW = Flow(partition=3, epoch=2, version=9, at=AT, tenant="acme", queue="tier1")
CLOCK = PartitionClock(partition=3, partitions=4, epoch=2, version=9, at=AT, position=7)
FACT = Fact(
    id="f" * 32, turn=2, type=FactType.AGE_CROSSED, tenant="acme", ticket="jira:SUP-1", at=AT, stated_at=AT
)
ALERT = Alert(
    id="a1", fingerprint="p1", rule="old", severity="critical", state=AlertState.FIRING, labels={},
    measure="open", value=1.0, threshold=1.0, since=AT, fired_at=AT,
)  # fmt: skip


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=list(EVENT_TYPES))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_written_is_what_is_read(kind: EventType, data: st.DataObject) -> None:
    event = data.draw(events(kind))

    sent = to_outgoing(event, partition=0)
    read = decode(as_read(sent))

    assert event == read
    assert type(event) is type(read)
    assert kind.name == type_name(event) == header(sent, "ce_type")
    assert kind.topic.name == sent.topic


@settings(max_examples=100, deadline=None)
@given(data=st.data(), kind=KINDS)
def test_structured_mode_carries_the_same_event(data: st.DataObject, kind: EventType) -> None:
    event = data.draw(events(kind))
    sent = to_outgoing(event, partition=0)
    assume(is_sound_context(sent))

    document = structured(event)

    content_type = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
    assert event == decode(as_read(sent._replace(value=document, headers=content_type)))
    context = msgspec.json.decode(document)
    assert header(sent, "ce_id") == context["id"]
    assert header(sent, "ce_time") == context["time"]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=KINDS)
def test_the_same_event_always_makes_the_same_record(data: st.DataObject, kind: EventType) -> None:
    event = data.draw(events(kind))

    assert to_outgoing(event, partition=1) == to_outgoing(
        decode(as_read(to_outgoing(event, partition=1))), partition=1
    )


def test_absent_null_and_shown_stay_three_different_things() -> None:
    fields = TicketFields(queue=None, status=Status.NEW)
    event = msgspec.structs.replace(OBSERVED, fields=fields)

    read = decode(as_read(to_outgoing(event)))

    assert isinstance(read, Observation)
    assert read.fields.queue is None
    assert read.fields.assignee is UNSET
    assert read.fields.status is Status.NEW


def test_every_type_has_its_own_name_and_a_version() -> None:
    assert len(EVENT_TYPES) == len({kind.name for kind in EVENT_TYPES.values()})
    assert all(name.startswith("barometer.") and name.endswith(".v1") for name in EVENT_TYPES)


def test_every_member_that_is_a_time_is_brought_to_utc() -> None:
    for kind in EVENT_TYPES.values():
        value = moved(msgspec.to_builtins(sample(kind)))

        read = decode(
            as_read(to_outgoing(sample(kind), partition=0))._replace(value=msgspec.json.encode(value))
        )

        offsets = {instant.tzinfo for instant in instants(read)}
        assert {UTC} == offsets, kind.name
        assert sample(kind) == read


def sample(kind: EventType) -> Any:
    """Return an event of `kind` with every time it can have."""
    fixed = {} if kind.member is None else {kind.member: kind.value}
    return filled(kind.struct, fixed)


def filled(struct: Any, fixed: dict[str, Any]) -> Any:
    members: dict[str, Any] = {}
    for field in inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        members[field.name] = fixed.get(field.name, value_of(field.type))
    return struct(**members)


def value_of(info: Any) -> Any:
    match info:
        case inspect.UnionType():
            return value_of(next(each for each in info.types if not isinstance(each, inspect.NoneType)))
        case inspect.StructType():
            return filled(info.cls, {})
        case inspect.VarTupleType():
            return (value_of(info.item_type),)
        case inspect.EnumType():
            return next(iter(info.cls))
        case _:
            return PLAIN.get(type(info), 1)


PLAIN: dict[type, Any] = {
    inspect.DateTimeType: AT,
    inspect.DictType: {},
    inspect.BytesType: b"x",
    inspect.StrType: "x",
    inspect.BoolType: True,
}


def moved(value: Any) -> Any:
    """Return JSON with every time written with another offset; the instants are the same."""
    if isinstance(value, dict):
        return {key: moved(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [moved(each) for each in value]
    return AT.astimezone(OTHER).isoformat() if value == "2026-01-02T03:04:05.678901Z" else value


def instants(value: Any) -> list[datetime]:
    if isinstance(value, datetime):
        return [value]
    if isinstance(value, msgspec.Struct):
        return instants(list(msgspec.structs.asdict(value).values()))
    if isinstance(value, list | tuple):
        return [found for each in value for found in instants(each)]
    return []


def test_an_observation_is_keyed_by_its_ticket_and_comes_from_its_source() -> None:
    sent = to_outgoing(OBSERVED)

    assert b"acme/jira:SUP-1" == sent.key
    assert "e1" == header(sent, "ce_id")
    assert "/sources/acme/jira" == header(sent, "ce_source")
    assert "jira:SUP-1" == header(sent, "ce_subject")
    assert "2026-01-02T03:04:05.678901Z" == header(sent, "ce_time")
    assert "application/json" == header(sent, "content-type")
    assert sent.partition is None


def test_a_source_with_odd_characters_is_still_a_uri() -> None:
    assert "/sources/a%2Fb/z%C3%A4hler%20%231" == source_of("a/b", "zähler #1")


def test_an_absorbed_register_goes_to_its_survivor() -> None:
    event = Absorbed(tenant="acme", ticket="jira:1", survivor="jira:2", revision=4, at=AT)

    sent = to_outgoing(event)

    assert b"acme/jira:2" == sent.key
    assert "jira:2" == header(sent, "ce_subject")
    again = to_outgoing(msgspec.structs.replace(event, messages=(MessageMark(AT, Actor.AGENT),)))
    assert header(sent, "ce_id") == header(again, "ce_id")
    later = to_outgoing(msgspec.structs.replace(event, revision=5))
    assert header(sent, "ce_id") != header(later, "ce_id")


def test_a_fact_and_its_withdrawal_are_two_events_of_one_statement() -> None:
    asserted, withdrawn = to_outgoing(FACT), to_outgoing(msgspec.structs.replace(FACT, turn=3))

    assert "f" * 32 + ".2" == header(asserted, "ce_id")
    assert "f" * 32 + ".3" == header(withdrawn, "ce_id")
    assert "barometer.age.crossed.v1" == header(asserted, "ce_type")
    assert asserted.key == withdrawn.key == b"acme/jira:SUP-1"


def test_a_state_is_told_from_every_other_state_by_its_id() -> None:
    state = TicketState(
        tenant="acme", ticket="jira:1", source="jira", partition=3, epoch=2, version=9, status=Status.NEW,
        open=True, created_at=AT, updated_at=AT,
    )  # fmt: skip

    sent = to_outgoing(state)

    assert "3.2.9.acme/jira:1" == header(sent, "ce_id")
    assert b"acme/jira:1" == sent.key


def test_a_cell_lies_where_its_tenant_does_under_the_key_of_its_dimensions() -> None:
    sent = to_cells(CELL, 5)

    assert partition_of(b"acme", 5) == sent.partition
    assert sent.key.startswith(b"cell/3/")
    emptied = to_cells(msgspec.structs.replace(CELL, version=10, open=0), 5)
    assert emptied.key == sent.key
    assert header(emptied, "ce_id") != header(sent, "ce_id")


@pytest.mark.parametrize(
    "other",
    [
        msgspec.structs.replace(CELL, queue="", priority="tier1"),
        msgspec.structs.replace(CELL, kind=CellKind.ASSIGNEE),
        msgspec.structs.replace(CELL, value="tier1", queue=""),
        msgspec.structs.replace(CELL, partition=4),
        msgspec.structs.replace(CELL, tenant="acm", source="e"),
    ],
)
def test_cells_with_other_dimensions_have_other_keys(other: Cell) -> None:
    assert to_cells(CELL, 1).key != to_cells(other, 1).key


def test_a_flow_and_a_cell_of_the_same_dimensions_have_different_keys_and_ids() -> None:
    cell, flow = to_cells(CELL, 1), to_cells(FLOW, 1)

    assert flow.key.startswith(b"flow/3/")
    assert header(cell, "ce_id") != header(flow, "ce_id")


def test_a_clock_is_written_to_every_partition_as_one_event() -> None:
    sent = to_every_partition(CLOCK, 3)

    assert [0, 1, 2] == [each.partition for each in sent]
    assert {b"clock/3"} == {each.key for each in sent}
    assert {"3.2.9"} == {header(each, "ce_id") for each in sent}


@pytest.mark.parametrize(
    "event", [CELL, FLOW, CLOCK, RunBegan(run="r", at=AT), ConfigApplied(version=1, at=AT)]
)
def test_what_does_not_go_where_its_key_says_needs_a_partition(event: Any) -> None:
    with pytest.raises(AssertionError, match="partition"):
        to_outgoing(event)


def test_the_two_marks_of_a_run_are_two_types_of_one_shape() -> None:
    began, ended = RunBegan(run="r", at=AT), RunEnded(run="r", at=AT)

    assert "barometer.run.began.v1" == type_name(began)
    assert "barometer.run.ended.v1" == type_name(ended)
    assert isinstance(decode(as_read(to_outgoing(ended, partition=0))), RunEnded)
    assert header(to_outgoing(began, partition=0), "ce_id") != header(
        to_outgoing(ended, partition=0), "ce_id"
    )


def test_an_alert_that_resolves_is_another_event_at_another_time() -> None:
    over = msgspec.structs.replace(
        ALERT, state=AlertState.RESOLVED, resolved_at=AT + timedelta(hours=1), labels={"tenant": "acme"}
    )

    fired, resolved = to_outgoing(ALERT), to_outgoing(over)

    assert ("a1.firing", "a1.resolved") == (header(fired, "ce_id"), header(resolved, "ce_id"))
    assert "barometer.alert.resolved.v1" == header(resolved, "ce_type")
    assert "2026-01-02T04:04:05.678901Z" == header(resolved, "ce_time")
    assert (b"default/p1", b"acme/p1") == (fired.key, resolved.key)


def test_configuration_versions_sort_by_their_keys() -> None:
    keys = [
        to_outgoing(
            ConfigVersion(version=number, effective_from=AT, recorded_at=AT, digest="d", document={})
        ).key
        for number in (2, 10, 100)
    ]

    assert sorted(keys) == keys
    assert b"0000000002" == keys[0]


def test_rejected_input_keeps_its_bytes_and_names_who_refused_it() -> None:
    event = Rejected(
        id="x", tenant="acme", source="jira", stage="aging", reason="r", detail="d", received_at=AT,
        rejected_at=AT, content_type="text/plain", body=bytes(range(256)),
    )  # fmt: skip

    sent = to_outgoing(event)

    assert event == decode(as_read(sent))
    assert "/barometer/aging" == header(sent, "ce_source")
    assert b"acme/jira" == sent.key
    assert topics.REJECTED.name == sent.topic


def test_a_naive_time_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(AssertionError, match="offset"):
        to_outgoing(msgspec.structs.replace(OBSERVED, time=AT.replace(tzinfo=None)))


def test_headers_and_value_alone_are_the_same_as_in_the_record() -> None:
    sent = to_outgoing(OBSERVED)

    assert (sent.headers, sent.value) == encode(OBSERVED)


def test_structured_events_can_be_read_as_events_of_any_type() -> None:
    event = msgspec.structs.replace(OBSERVED, activity=Activity.CREATED)

    context = parse_structured(structured(event))

    assert ("e1", "/sources/acme/jira", "jira:SUP-1", AT) == (
        context.id,
        context.source,
        context.subject,
        context.time,
    )
    assert event == decode_data(context)
