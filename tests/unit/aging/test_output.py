"""What aging says of a record that it refuses, whatever that record is."""

from __future__ import annotations

import pytest

from services.aging.worker.output import Output
from shared.bus.port import RECORD_BYTES_MAX, Record, check_sizes
from shared.codec import Reason, Undecodable, decode
from shared.contracts.records import Headers
from shared.contracts.tickets import Rejected
from shared.contracts.topics import EVENTS

LARGEST = RECORD_BYTES_MAX - 100
ERROR = Undecodable(Reason.MALFORMED_JSON, "no JSON")


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"acme/desk:1", b"{" * LARGEST, ()),
        (b"acme/desk:1", b"{", (("ce_type", b"\xff" * LARGEST),)),
        (b"\xff" * LARGEST, b"{", ()),
    ],
    ids=["value", "headers", "key"],
)
def test_a_record_too_large_to_be_kept_whole_is_told_of_and_can_be_published(
    key: bytes, value: bytes, headers: Headers
) -> None:
    output = Output(0, 1, 1)
    output.undecodable(Record(EVENTS.name, 0, 7, 1, key, value, headers), ERROR)
    said = output.take()
    check_sizes(said)
    record = Record(said[0].topic, 0, 0, 1, said[0].key, said[0].value, said[0].headers)
    kept = decode(record)
    assert isinstance(kept, Rejected)
    assert ("malformed_json", "tickets.events.v1/0@7") == (kept.reason, kept.origin)


def test_a_record_that_fits_is_kept_whole() -> None:
    output = Output(0, 1, 1)
    output.undecodable(Record(EVENTS.name, 0, 7, 1, b"acme/desk:1", b"{", (("ce_type", b"x"),)), ERROR)
    said = output.take()[0]
    kept = decode(Record(said.topic, 0, 0, 1, said.key, said.value, said.headers))
    assert isinstance(kept, Rejected)
    assert (b"{", "acme", "desk") == (kept.body, kept.tenant, kept.source)
