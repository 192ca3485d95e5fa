"""A mapping is refused with the line and the mend, before a row is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from barometer.mapping import load_mapping
from shared.configuration.problems import ConfigurationInvalid

MAPPINGS = Path(__file__).parents[2] / "data" / "mappings"


def problem(tmp_path: Path, content: str) -> str:
    path = tmp_path / "m.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationInvalid) as caught:
        load_mapping(path)
    return str(caught.value).replace(str(path), "m.yaml")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("time: t", "m.yaml:1: `ticket` is missing in the file; add `ticket:`"),
        ("ticket: a\ntime: {column: t, fromat: x}", "m.yaml:2: unknown key `fromat` in `time`; did you mean `format`?"),
        (
            "ticket: a\ntime: t\nfields:\n  status:\n    column: s\n    map:\n      A: nwe\n",
            "m.yaml:7: `nwe` is no status; did you mean `new`?",
        ),
        ("ticket: a\ntime: t\nfields:\n  statu: x", "m.yaml:4: `fields.statu`: `statu` is not known; did you mean `status`?"),
        ("ticket: a\ntime: t\nfields: {priority: {value: p9}}", "m.yaml:3: `p9` is no priority; use one of p1, p2, p3, p4"),
        (
            "ticket: a\ntime: t\ntimezone: Mars/Base",
            "m.yaml:3: `timezone`: `Mars/Base` is no time zone; write an IANA name such as Europe/Rome or UTC",
        ),
        ("ticket: a\ntime: {value: now}", "m.yaml:2: a time is a column; write `column: NAME`"),
        (
            "ticket: a\ntime: t\nfields: {queue: {column: q, format: x}}",
            "m.yaml:3: only times have a format; take it out",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_line_and_mend(tmp_path: Path, content: str, expected: str) -> None:
    assert expected == problem(tmp_path, content)


def test_the_example_of_the_design_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        """
format: csv
source: servicenow
ticket: number
time: {column: sys_updated_at, format: "%d/%m/%Y %H:%M"}
sequence: sys_mod_count
fields:
  created_at: {column: opened_at, format: "%d/%m/%Y %H:%M"}
  priority: {column: priority, map: {"1 - Critical": p1, "2 - High": p2}, default: p3}
  queue: assignment_group
  status: {column: incident_state, map: {New: new, Active: in_progress, "Awaiting User Info": waiting/customer}}
missing: ["?", ""]
activity: {column: event, map: {Reply: agent_message}}
"""
    )
    assert "servicenow" == load_mapping(path).source


@pytest.mark.parametrize("name", ["servicenow.yaml", "helpdesk-italian.yaml"])
def test_the_mappings_of_the_real_logs_are_fine(name: str) -> None:
    assert load_mapping(MAPPINGS / name).fields
