"""CloudEvents on HTTP: three modes, and one answer for each event."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.codec import structured
from shared.contracts.tickets import Observation
from shared.http.cloudevents import (
    Bad,
    Good,
    Item,
    Limits,
    Mode,
    NotCloudEvents,
    RequestError,
    TooDeep,
    TooManyItems,
    Unreadable,
    mode_of,
    read,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LIMITS = Limits(items_max=3, depth_max=4)
BATCH = [(b"content-type", b"application/cloudevents-batch+json; charset=UTF-8")]
STRUCTURED = [(b"content-type", b"application/cloudevents+json")]
BINARY = [
    (b"ce-specversion", b"1.0"),
    (b"ce-id", b"1"),
    (b"ce-source", b"/s"),
    (b"ce-type", b"com.example.made"),
    (b"content-type", b"application/json"),
]
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/s",
    "type": "com.example.made",
    "data": {"a": 1},
}


def one(headers: list[tuple[bytes, bytes]], body: bytes) -> Item:
    (item,) = read(headers, body, LIMITS)
    return item


def good(headers: list[tuple[bytes, bytes]], body: bytes) -> Good:
    item = one(headers, body)
    assert isinstance(item, Good), item
    return item


def wrong(headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[str, str]:
    item = one(headers, body)
    assert isinstance(item, Bad), item
    return item.pointer, item.detail


def event(**members: Any) -> bytes:
    return json.dumps({**EVENT, **members}).encode()


@pytest.mark.parametrize(
    ("headers", "mode"),
    [
        (BINARY, Mode.BINARY),
        (STRUCTURED, Mode.STRUCTURED),
        (BATCH, Mode.BATCH),
        ([(b"content-type", b"Application/CloudEvents+JSON ; charset=utf-8")], Mode.STRUCTURED),
        ([*BINARY[:4], *STRUCTURED], Mode.STRUCTURED),
        ([(b"content-type", b"application/json")], None),
        ([(b"content-type", b"application/cloudevents+avro"), *BINARY[:4]], None),
        ([], None),
    ],
)
def test_the_mode_is_told_by_the_content_type_first(
    headers: list[tuple[bytes, bytes]], mode: Mode | None
) -> None:
    assert mode is mode_of(headers)


def test_what_is_no_cloudevent_is_said_to_be_none() -> None:
    with pytest.raises(NotCloudEvents):
        read([(b"content-type", b"application/json")], b"{}", LIMITS)


def test_a_structured_event_is_read_whole() -> None:
    item = good(
        STRUCTURED,
        event(
            subject="x",
            time="2026-01-02T04:04:05+01:00",
            dataschema="urn:x",
            sequence="7",
            n=3,
            flag=True,
            none=None,
        ),
    )

    read_event = item.event
    assert ("1", "/s", "com.example.made", "x") == (
        read_event.id,
        read_event.source,
        read_event.type,
        read_event.subject,
    )
    assert AT == read_event.time
    assert {"sequence": "7", "n": "3", "flag": "true"} == read_event.extensions
    assert {"a": 1} == json.loads(read_event.data or b"")
    assert "urn:x" == read_event.dataschema


def test_the_data_of_our_own_events_arrives_byte_for_byte() -> None:
    observed = Observation(tenant="t", source="s", ticket="s:1", id="e", time=AT, received_at=AT)

    item = good(STRUCTURED, structured(observed))

    assert b'{"tenant":"t","source":"s","ticket":"s:1","id":"e"' == (item.event.data or b"")[:50]


@pytest.mark.parametrize(
    ("members", "data"),
    [
        ({"data": None}, b"null"),
        ({"data": "text"}, b'"text"'),
        ({"data": "text", "datacontenttype": "text/plain"}, b"text"),
        ({"data": "ü\n", "datacontenttype": "text/plain; charset=utf-8"}, "ü\n".encode()),
        ({"data": "x", "datacontenttype": "application/vnd.x+json"}, b'"x"'),
        ({"data": [1], "datacontenttype": "text/plain"}, b"[1]"),
    ],
)
def test_data_is_json_unless_its_type_says_otherwise(members: dict[str, Any], data: bytes) -> None:
    assert data == good(STRUCTURED, event(**members)).event.data


def test_an_event_may_have_no_data() -> None:
    without = {name: value for name, value in EVENT.items() if name != "data"}

    assert good(STRUCTURED, json.dumps(without).encode()).event.data is None
    assert good(BINARY, b"").event.data is None


def test_binary_data_travels_as_base64() -> None:
    raw = bytes(range(256))
    without = {name: value for name, value in EVENT.items() if name != "data"}
    body = json.dumps({**without, "data_base64": b64encode(raw).decode(), "ext": "1"}).encode()

    assert raw == good(STRUCTURED, body).event.data


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"id": ""}, "/id"),
        ({"id": None}, "/id"),
        ({"id": 7}, "/id"),
        ({"source": ""}, "/source"),
        ({"type": None}, "/type"),
        ({"specversion": "0.3"}, "/specversion"),
        ({"specversion": None}, "/specversion"),
        ({"subject": ""}, "/subject"),
        ({"subject": "a\nb"}, "/subject"),
        ({"subject": "a\x85b"}, "/subject"),
        ({"time": "yesterday"}, "/time"),
        ({"time": "2026-01-02T03:04:05"}, "/time"),
        ({"time": 1767323045}, "/time"),
        ({"datacontenttype": 1}, "/datacontenttype"),
        ({"data_base64": "AAA="}, "/data_base64"),
        ({"data_base64": 5}, "/data_base64"),
        ({"my_ext": "x"}, "/my_ext"),
        ({"Ext": "x"}, "/Ext"),
        ({"a/b~c": "x"}, "/a~1b~0c"),
        ({"ext": {"a": 1}}, "/ext"),
        ({"ext": 1.5}, "/ext"),
    ],
)
def test_what_is_wrong_with_an_event_is_pointed_at(members: dict[str, Any], pointer: str) -> None:
    assert pointer == wrong(STRUCTURED, event(**members))[0]


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"", b'{"id":"\xff"}', b'{"a":"\\ud800"}'])
def test_a_structured_body_that_is_no_event_is_bad_as_a_whole(body: bytes) -> None:
    assert isinstance(one(STRUCTURED, body), Bad)


def test_base64_that_is_none_is_pointed_at() -> None:
    without = {name: value for name, value in EVENT.items() if name != "data"}

    assert ("/data_base64", "not base64") == wrong(
        STRUCTURED, json.dumps({**without, "data_base64": "*"}).encode()
    )


def test_one_bad_event_leaves_the_others_of_a_batch_alone() -> None:
    body = b"[" + event(id="a") + b"," + event(id="") + b"," + event(id="c") + b"]"

    items = read(BATCH, body, LIMITS)

    assert [Good, Bad, Good] == [type(item) for item in items]
    assert [0, 1, 2] == [item.index for item in items]
    assert event(id="") == items[1].raw
    assert event(id="c") == items[2].raw


def test_text_that_is_not_utf_8_spoils_only_its_own_event() -> None:
    body = b"[" + event(id="a") + b"," + event(id="b").replace(b'"b"', b'"\xff"') + b"]"

    assert [Good, Bad] == [type(item) for item in read(BATCH, body, LIMITS)]


def test_a_batch_may_be_empty() -> None:
    assert [] == read(BATCH, b"[]", LIMITS)


def test_things_that_are_no_events_are_bad_items() -> None:
    assert [Bad, Bad, Bad] == [type(item) for item in read(BATCH, b'[1, null, "x"]', LIMITS)]


@pytest.mark.parametrize("body", [b"{}", b"", b"[", b"[{}", b"[{},]", b"null"])
def test_a_batch_that_is_no_array_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(BATCH, body, LIMITS)


def test_a_batch_has_a_limit() -> None:
    with pytest.raises(TooManyItems) as caught:
        read(BATCH, b"[" + b",".join([event()] * 4) + b"]", LIMITS)

    assert (4, 3) == (caught.value.items, caught.value.limit)


@pytest.mark.parametrize(("headers", "wrap"), [(STRUCTURED, "%s"), (BATCH, "[%s]")])
def test_depth_is_counted_from_the_data_on(headers: list[tuple[bytes, bytes]], wrap: str) -> None:
    deepest, deeper = [[[[1]]]], [[[[[1]]]]]

    assert isinstance(one(headers, (wrap % json.dumps({**EVENT, "data": deepest})).encode()), Good)
    with pytest.raises(TooDeep):
        read(headers, (wrap % json.dumps({**EVENT, "data": deeper})).encode(), LIMITS)


def test_depth_is_limited_in_binary_mode_too() -> None:
    assert isinstance(one(BINARY, b"[[[[1]]]]"), Good)
    with pytest.raises(TooDeep):
        read(BINARY, b"[" * 100_000, LIMITS)


def test_brackets_in_data_that_is_no_json_mean_nothing() -> None:
    headers = [*BINARY[:4], (b"content-type", b"text/plain")]

    assert b"[" * 100 == good(headers, b"[" * 100).event.data


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        (b"%22quoted%22", '"quoted"'),
        (b'"quoted \\" pair"', 'quoted " pair'),
        (b"100%", "100%"),
        (b"a+b", "a+b"),
        (b"%2541", "%41"),
        ("ü".encode(), "ü"),
    ],
)
def test_headers_are_unquoted_and_percent_decoded_once(value: bytes, text: str) -> None:
    assert text == good([*BINARY, (b"ce-subject", value)], b"{}").event.subject


@pytest.mark.parametrize(
    ("header", "pointer"),
    [
        ((b"ce-subject", b"%FF"), "/subject"),
        ((b"ce-subject", b"\xff"), "/subject"),
        ((b"ce-subject", b"%00"), "/subject"),
        ((b"ce-time", b"soon"), "/time"),
        ((b"ce-id", b"2"), "/id"),
        ((b"ce-my_ext", b"x"), "/my_ext"),
        ((b"ce-", b"x"), "/"),
    ],
)
def test_what_is_wrong_with_a_header_is_pointed_at(header: tuple[bytes, bytes], pointer: str) -> None:
    assert pointer == wrong([*BINARY, header], b"{}")[0]


@pytest.mark.parametrize("missing", [b"ce-id", b"ce-source", b"ce-type"])
def test_binary_mode_needs_the_required_attributes(missing: bytes) -> None:
    headers = [each for each in BINARY if each[0] != missing]

    assert ("/" + missing.decode().removeprefix("ce-"), "is required") == wrong(headers, b"{}")


def test_another_charset_is_not_guessed_at() -> None:
    with pytest.raises(Unreadable, match="UTF-8"):
        read([(b"content-type", b"application/cloudevents+json; charset=ISO-8859-1")], b"{}", LIMITS)


@settings(max_examples=300, deadline=None)
@given(
    headers=st.sampled_from([BATCH, STRUCTURED, BINARY]),
    body=st.binary(max_size=50) | st.builds(lambda cut: event()[:cut], st.integers(0, 90)),
)
def test_any_body_gives_items_or_an_error_of_ours(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    try:
        read(headers, body, LIMITS)
    except RequestError:
        return
