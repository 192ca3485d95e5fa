"""Records that are broken, and records that are only unknown here."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.codec import (
    EVENT_TYPES,
    CodecError,
    Reason,
    Undecodable,
    UnknownType,
    decode,
    read_record,
    structured,
    to_outgoing,
)
from shared.codec.errors import DETAIL_CHARACTERS_MAX
from shared.contracts.backlog import Fact, FactType
from shared.contracts.records import Headers, Record
from shared.contracts.tickets import Observation, TicketFields
from tests.unit.contracts.events import as_read

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OBSERVED = Observation(tenant="t", source="s", ticket="s:1", id="e1", time=AT, received_at=AT)
STRUCTURED = (("content-type", b"application/cloudevents+json"),)


def record(value: bytes | None, headers: Headers | None = None) -> Record:
    read = as_read(to_outgoing(OBSERVED))
    return read._replace(value=value, headers=read.headers if headers is None else headers)


def reason_of(read: Record) -> Reason:
    with pytest.raises(Undecodable) as caught:
        decode(read)
    return caught.value.reason


def shown(**members: object) -> bytes:
    return msgspec.json.encode({**msgspec.to_builtins(OBSERVED), **members})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.NO_VALUE),
        (b"", Reason.MALFORMED_JSON),
        (b"{", Reason.MALFORMED_JSON),
        (b"\x00\x00\x00\x00\x07{}", Reason.MALFORMED_JSON),
        (b"[]", Reason.WRONG_SHAPE),
        (b"{}", Reason.WRONG_SHAPE),
        (shown(time="2026-01-02T03:04:05"), Reason.WRONG_SHAPE),
        (shown(time="2016-12-31T23:59:60Z"), Reason.WRONG_SHAPE),
        (shown(time="0001-01-01T00:00:00+05:00"), Reason.WRONG_SHAPE),
        (shown(time=1767323045), Reason.WRONG_SHAPE),
        (shown(activity="danced"), Reason.WRONG_SHAPE),
        (shown(tenant=""), Reason.WRONG_SHAPE),
        (shown(tenant=None), Reason.WRONG_SHAPE),
        (shown(fields={"queue": ["a"]}), Reason.WRONG_SHAPE),
        (shown(tenant="x").replace(b'"x"', b'"\xff"'), Reason.INVALID_UTF8),
        (shown(tenant="x").replace(b'"x"', b'"\\ud800"'), Reason.MALFORMED_JSON),
        (shown()[:-1] + b',"extra":' + b"[" * 100_000 + b"]" * 100_000 + b"}", Reason.TOO_DEEP),
    ],
)
def test_a_broken_value_says_what_is_wrong(value: bytes | None, reason: Reason) -> None:
    assert reason == reason_of(record(value))


def test_a_schema_registrys_prefix_is_named() -> None:
    with pytest.raises(Undecodable, match="schema registry"):
        decode(record(b"\x00\x00\x00\x00\x07{}"))


def test_a_detail_has_an_end() -> None:
    with pytest.raises(Undecodable) as caught:
        decode(record(shown(activity="x" * 100_000)))

    assert DETAIL_CHARACTERS_MAX >= len(caught.value.detail)


def test_unknown_members_are_ignored() -> None:
    assert OBSERVED == decode(record(shown(colour="blue", deep={"er": [1]})))


def test_an_event_of_a_later_version_is_unknown_and_not_broken() -> None:
    headers = tuple(
        (name, b"barometer.ticket.observed.v2" if name == "ce_type" else value)
        for name, value in to_outgoing(OBSERVED).headers
    )

    with pytest.raises(UnknownType) as caught:
        decode(record(b"whatever", headers))

    assert "barometer.ticket.observed.v2" == caught.value.name


@pytest.mark.parametrize("headers", [(), (("content-type", b"application/json"),), (("ce_type", b""),)])
def test_a_record_without_a_type_is_broken(headers: Headers) -> None:
    assert Reason.MISSING_TYPE == reason_of(record(b"{}", headers))


def test_the_order_of_headers_does_not_matter() -> None:
    headers = tuple(reversed(to_outgoing(OBSERVED).headers))

    assert OBSERVED == decode(record(shown(), headers))


def test_headers_that_are_null_are_as_if_absent() -> None:
    headers: list[tuple[str, bytes | None]] = [(name, None) for name, _ in to_outgoing(OBSERVED).headers]

    assert Reason.MISSING_TYPE == reason_of(record(b"{}", tuple(headers)))  # type: ignore[arg-type]


def test_a_header_that_is_no_text_is_told() -> None:
    assert Reason.INVALID_UTF8 == reason_of(record(b"{}", (("ce_type", b"\xff"), ("ce_id", b"1"))))


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("ce_id", Reason.BAD_ENVELOPE),
        ("ce_source", Reason.BAD_ENVELOPE),
        ("ce_specversion", Reason.UNSUPPORTED_VERSION),
    ],
)
def test_a_foreign_event_needs_the_required_attributes(missing: str, reason: Reason) -> None:
    headers = tuple(reversed([each for each in to_outgoing(OBSERVED).headers if each[0] != missing]))

    assert reason == reason_of(record(b"{}", headers))


def test_another_version_of_cloudevents_is_refused() -> None:
    headers = (
        ("ce_specversion", b"0.3"),
        *(h for h in to_outgoing(OBSERVED).headers if h[0] != "ce_specversion"),
    )

    assert Reason.UNSUPPORTED_VERSION == reason_of(record(b"{}", headers))


def test_a_type_and_a_member_that_disagree_are_broken() -> None:
    fact = Fact(id="f", turn=0, type=FactType.OPENED, tenant="t", ticket="s:1", at=AT, stated_at=AT)
    read = as_read(to_outgoing(fact))
    headers = (("ce_type", b"barometer.ticket.closed.v1"), *read.headers[1:])

    assert Reason.WRONG_SHAPE == reason_of(read._replace(headers=headers))


def test_the_mode_is_decided_by_the_content_type_and_not_by_ce_headers() -> None:
    headers = (*STRUCTURED, ("ce_type", b"some.other.type"), ("ce_id", b"other"))

    assert OBSERVED == decode(record(structured(OBSERVED), headers))


@pytest.mark.parametrize(
    ("value", "content_type", "reason"),
    [
        (None, b"application/cloudevents+json", Reason.NO_VALUE),
        (b"{", b"application/cloudevents+json", Reason.BAD_ENVELOPE),
        (b"[]", b"application/cloudevents-batch+json", Reason.BAD_ENVELOPE),
        (
            b'{"specversion":"0.3","id":"1","source":"s","type":"t"}',
            b"application/cloudevents+json",
            Reason.UNSUPPORTED_VERSION,
        ),
        (
            b'{"specversion":"1.0","id":"1","source":"s"}',
            b"application/cloudevents+json",
            Reason.BAD_ENVELOPE,
        ),
        (
            b'{"specversion":"1.0","id":"1","source":"s","type":"barometer.ticket.state.v1"}',
            b"Application/CloudEvents+JSON",
            Reason.NO_VALUE,
        ),
    ],
)
def test_broken_structured_records_say_what_is_wrong(
    value: bytes | None, content_type: bytes, reason: Reason
) -> None:
    assert reason == reason_of(record(value, (("content-type", content_type),)))


def test_a_foreign_event_is_read_with_its_extensions() -> None:
    headers = (
        ("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/x"), ("ce_type", b"com.example.made"),
        ("ce_traceparent", "00-ä".encode()), ("content-type", b"text/plain"),
    )  # fmt: skip

    event = read_record(record(b"hello", headers))

    assert ("com.example.made", {"traceparent": "00-ä"}, "text/plain", b"hello") == (
        event.type, event.extensions, event.datacontenttype, event.data,
    )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    value=st.none() | st.binary(max_size=60) | st.just(shown()) | st.just(structured(OBSERVED)),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                ["ce_type", "ce_id", "ce_source", "ce_specversion", "content-type", "ce_time", "ce_X"]
            ),
            st.sampled_from(
                [
                    *(name.encode() for name in sorted(EVENT_TYPES)),
                    b"1.0",
                    b"application/json",
                    b"application/cloudevents+json",
                ]
            )
            | st.binary(max_size=8),
        ),
        max_size=7,
    ),
)
def test_whatever_lies_in_the_log_gives_an_event_or_one_of_two_errors(
    value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    try:
        decode(record(value, tuple(headers)))
    except CodecError:
        return


def test_fields_shown_as_null_are_kept_apart_from_fields_not_shown() -> None:
    read = decode(record(shown(fields={"queue": None})))

    assert isinstance(read, Observation)
    assert TicketFields(queue=None) == read.fields
