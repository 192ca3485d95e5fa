"""A row is an observation: what of strangers' logs is taken, what is refused, and what is one."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from barometer.log import LogReader
from barometer.mapping import LogMapping
from services.intake.core.arrival import Arrival
from services.intake.core.definition import ShownStatus, SourceDefinition
from shared.configuration.problems import ConfigurationInvalid
from shared.contracts.instants import LATEST
from shared.contracts.tickets import Activity, Channel, Observation, Priority, Status, WaitReason

CSV = """\
number,state,at,prio,who
1,New,29/2/2016 06:58,2 - High,?
1,Waiting,29/2/2016 07:10,9 - Odd,ann
2,Odd,29/2/2016 07:10,2 - High,bob
"""
MAPPING = {
    "source": "sn",
    "ticket": "number",
    "time": {"column": "at", "format": "%d/%m/%Y %H:%M"},
    "fields": {
        "status": {"column": "state", "map": {"New": "new", "Waiting": "waiting/customer"}},
        "priority": {"column": "prio", "map": {"2 - High": "p2"}, "default": "p3"},
        "assignee": "who",
        "channel": {"value": "phone"},
    },
    "missing": ["?", ""],
}


def reader(tmp_path: Path, content: str | bytes, **changes: object) -> LogReader:
    path = tmp_path / "log"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    mapping = LogMapping.model_validate({**MAPPING, **changes})
    return LogReader(
        path,
        mapping,
        definition=SourceDefinition(name=mapping.source),
        arrival_of=lambda at: Arrival(at, LATEST),
    )


def observations(log: LogReader) -> list[Observation]:
    return [one.observation for one in log]


def test_a_row_is_an_observation_with_canonical_and_raw_words(tmp_path: Path) -> None:
    first, second, _ = observations(reader(tmp_path, CSV))
    assert ("sn:1", datetime(2016, 2, 29, 6, 58, tzinfo=UTC)) == (first.ticket, first.time)
    assert (Status.NEW, "New", Priority.P2, Channel.PHONE) == (
        first.fields.status,
        first.fields.raw_status,
        first.fields.priority,
        first.fields.channel,
    )
    assert (Status.WAITING, WaitReason.CUSTOMER) == (second.fields.status, second.fields.wait_reason)
    assert "ann" == second.fields.assignee


def test_an_unknown_word_takes_the_default_or_is_absent_and_counted(tmp_path: Path) -> None:
    log = reader(tmp_path, CSV)
    _, second, third = observations(log)
    assert Priority.P3 == second.fields.priority
    assert ("Odd", False) == (third.fields.raw_status, isinstance(third.fields.status, Status))
    assert {("status", "Odd"): 1} == dict(log.statistics.unmapped)


def test_a_value_that_means_missing_says_nothing(tmp_path: Path) -> None:
    first, second, _ = observations(reader(tmp_path, CSV))
    assert (False, True) == (isinstance(first.fields.assignee, str), isinstance(second.fields.assignee, str))


def test_identical_rows_are_one_and_the_rest_keep_the_order_of_the_file(tmp_path: Path) -> None:
    lines = CSV.splitlines(keepends=True)
    log = reader(tmp_path, "".join([*lines, lines[1], lines[2]]))
    assert [0, 1, 2] == [one.sequence for one in observations(log)]
    assert (5, 3, 2) == (log.statistics.rows, log.statistics.observations, log.statistics.repeats)


def test_the_id_follows_from_the_content_and_not_from_the_place(tmp_path: Path) -> None:
    lines = CSV.splitlines(keepends=True)
    turned = "".join([lines[0], *reversed(lines[1:])])
    assert {one.id for one in observations(reader(tmp_path, CSV))} == {
        one.id for one in observations(reader(tmp_path, turned))
    }


def test_a_sequence_column_orders_rows_of_one_time(tmp_path: Path) -> None:
    log = reader(tmp_path, "number,at,n\n1,1/2/2016 01:00,7\n1,1/2/2016 01:00,x\n", sequence="n", fields={})
    assert [7] == [one.sequence for one in observations(log)]
    assert {"invalid_field": 1} == dict(log.statistics.rejected)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",New,29/2/2016 06:58,2 - High,?", "missing_field"),
        ("1,New,,2 - High,?", "missing_field"),
        ("1,New,30/2/2016 06:58,2 - High,?", "invalid_time"),
        ("1,New,2016-02-29,2 - High,?", "invalid_time"),
        ("1,New,29/2/2016 06:58", "malformed_csv"),
        ("1,New,29/2/1816 06:58,2 - High,?", "invalid_time"),
        (f"1,New,29/2/2016 06:58,2 - High,{'x' * 600}", "invalid_field"),
    ],
)
def test_an_unusable_row_is_counted_with_its_line_and_stops_nothing(
    tmp_path: Path, row: str, reason: str
) -> None:
    lines = CSV.splitlines()
    log = reader(tmp_path, "\n".join([*lines[:2], row, *lines[2:]]))
    assert 3 == len(observations(log))
    assert [(3, reason)] == [(one.line, one.reason) for one in log.statistics.rejections]


def test_bytes_of_another_encoding_are_refused_and_named(tmp_path: Path) -> None:
    content = CSV.replace("ann", "Jörg").encode("latin-1")
    log = reader(tmp_path, content)
    assert 2 == len(observations(log))
    assert {"invalid_utf8": 1} == dict(log.statistics.rejected)
    assert "Jörg" == observations(reader(tmp_path, content, encoding="latin-1"))[1].fields.assignee


def test_compression_is_seen_and_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    plain = observations(reader(tmp_path, CSV))
    assert plain == observations(reader(tmp_path, gzip.compress(b"\xef\xbb\xbf" + CSV.encode())))


def test_a_truncated_archive_is_a_problem_of_the_file(tmp_path: Path) -> None:
    cut = gzip.compress(CSV.encode() * 50)[:-20]
    with pytest.raises(ConfigurationInvalid, match="cannot be read"):
        observations(reader(tmp_path, cut))


def test_a_column_that_is_not_there_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="there is no column `numbr`; did you mean `number`"):
        observations(reader(tmp_path, CSV, ticket="numbr"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2012-10-28T02:30:00", "2012-10-28T00:30:00+00:00"),  # twice there: the first
        ("2012-03-25T02:30:00", "2012-03-25T01:30:00+00:00"),  # never there: as if summer had not begun
        ("2012-10-28T02:30:00+01:00", "2012-10-28T01:30:00+00:00"),
        ("2012-10-28T02:30:00Z", "2012-10-28T02:30:00+00:00"),
    ],
)
def test_naive_times_are_local_to_the_zone(tmp_path: Path, written: str, expected: str) -> None:
    log = reader(tmp_path, f"number,at\n1,{written}\n", time="at", fields={}, timezone="Europe/Rome")
    assert [expected] == [one.time.isoformat() for one in observations(log)]


def test_ndjson_shows_clears_and_looks_inside(tmp_path: Path) -> None:
    lines = [
        {"n": 7, "at": "2020-01-01T00:00:00Z", "who": {"name": "ann"}, "labels": ["a", "b"], "q": None},
        {"n": 7, "at": "2020-01-02T00:00:00Z", "event": "Reply"},
    ]
    content = "\n".join([json.dumps(lines[0]), "", "{oops", "[1]", json.dumps(lines[1])])
    log = reader(
        tmp_path,
        content,
        format="ndjson",
        ticket="n",
        time="at",
        fields={"assignee": "who.name", "tags": "labels", "queue": "q"},
        activity={"column": "event", "map": {"Reply": "agent_message"}},
    )
    first, second = observations(log)
    assert ("sn:7", "ann", ("a", "b"), None) == (
        first.ticket,
        first.fields.assignee,
        first.fields.tags,
        first.fields.queue,
    )
    assert (Activity.UPDATED, Activity.AGENT_MESSAGE) == (first.activity, second.activity)
    assert {"malformed_json": 2} == dict(log.statistics.rejected)


def test_the_words_of_a_source_are_used_where_the_mapping_has_no_map(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("n,at,s\n1,2020-01-01T00:00:00Z,Pending\n")
    mapping = LogMapping.model_validate({"ticket": "n", "time": "at", "fields": {"status": "s"}})
    definition = SourceDefinition(statuses={"Pending": ShownStatus(Status.WAITING, WaitReason.VENDOR)})
    log = LogReader(path, mapping, definition=definition, arrival_of=lambda at: Arrival(at, LATEST))
    assert [WaitReason.VENDOR] == [one.fields.wait_reason for one in observations(log)]
