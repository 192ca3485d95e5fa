"""The official SDK as an oracle, where it is right (release 2.2.0).

Left out on purpose: structured Kafka records that also carry `ce_` headers, events without data, list
data in binary mode, batches, repeated headers. In each of these the SDK is wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import http as sdk_http
from cloudevents.core.bindings import kafka as sdk_kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as SdkEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.codec import EVENT_TYPES, EventType, decode, decode_data, read_record, structured, to_outgoing
from shared.contracts.records import Record
from shared.http.cloudevents import Good, Limits, read
from tests.unit.contracts.events import INSTANTS, as_read, events, is_sound_context

LIMITS = Limits(items_max=1, depth_max=32)
CONTEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JSON = st.dictionaries(
    CONTEXT,
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | CONTEXT | st.lists(CONTEXT, max_size=2),
    max_size=4,
)


@st.composite
def sdk_events(draw: st.DrawFn) -> SdkEvent:
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": draw(CONTEXT),
        "source": draw(CONTEXT),
        "type": draw(CONTEXT),
        "subject": draw(CONTEXT),
        "time": draw(INSTANTS),
        "datacontenttype": "application/json",
        "ourextension": draw(CONTEXT),
    }
    return SdkEvent(attributes, draw(JSON))


def same(ours: Any, theirs: Any) -> bool:
    data = JSONFormat().read_data(ours.data, "application/json")
    return (ours.id, ours.source, ours.type, ours.subject, ours.time, ours.extensions["ourextension"], data) == (
        theirs.get_id(), theirs.get_source(), theirs.get_type(), theirs.get_subject(), theirs.get_time(),
        theirs.get_extension("ourextension"), theirs.get_data(),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(event=sdk_events())
def test_we_read_what_the_sdk_sends_over_http(event: SdkEvent) -> None:
    for message in (sdk_http.to_binary_event(event), sdk_http.to_structured_event(event)):
        headers = [(name.lower().encode(), value.encode()) for name, value in message.headers.items()]

        (item,) = read(headers, message.body, LIMITS)

        assert isinstance(item, Good), item
        assert same(item.event, event)


@settings(max_examples=60, deadline=None)
@given(event=sdk_events())
def test_we_read_what_the_sdk_sends_over_kafka(event: SdkEvent) -> None:
    for message in (sdk_kafka.to_binary_event(event), sdk_kafka.to_structured_event(event)):
        record = Record("tickets.inbox.v1", 0, 0, 0, b"", message.value, tuple(message.headers.items()))

        assert same(read_record(record), event)


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=list(EVENT_TYPES))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_the_sdk_reads_what_we_send_over_kafka(kind: EventType, data: st.DataObject) -> None:
    event = data.draw(events(kind))
    sent = to_outgoing(event, partition=0)
    if not is_sound_context(sent):
        return

    theirs = sdk_kafka.from_binary_event(sdk_kafka.KafkaMessage(dict(sent.headers), None, sent.value or b""))

    headers = {name: value.decode() for name, value in sent.headers}
    assert (headers["ce_id"], headers["ce_type"], headers["ce_source"]) == (
        theirs.get_id(), theirs.get_type(), theirs.get_source(),
    )  # fmt: skip
    assert headers.get("ce_subject") == theirs.get_subject()
    assert JSONFormat().read_data(sent.value or b"", "application/json") == theirs.get_data()
    assert theirs.get_time() == read_record(as_read(sent)).time


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=list(EVENT_TYPES))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_the_sdk_reads_our_structured_events(kind: EventType, data: st.DataObject) -> None:
    event = data.draw(events(kind))
    if not is_sound_context(to_outgoing(event, partition=0)):
        return

    message = sdk_http.HTTPMessage({"content-type": "application/cloudevents+json"}, structured(event))
    theirs = sdk_http.from_structured_event(message)

    again = sdk_kafka.to_structured_event(theirs)
    record = Record("tickets.inbox.v1", 0, 0, 0, b"", again.value, tuple(again.headers.items()))
    assert event == decode(record) == decode_data(read_record(record))
