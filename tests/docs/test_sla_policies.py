"""What docs/sla-policies.md says of defaults and dates is what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shared.configuration.closed_dates import FIRST_HOLIDAY_YEAR, LAST_HOLIDAY_YEAR
from shared.configuration.default_policies import DEFAULT_POLICIES
from shared.configuration.facts import DOCUMENT_BYTES_MAX
from shared.configuration.loader import load
from shared.configuration.policies import DEFAULT_TARGET, Clock, Policy
from shared.contracts.tickets import Priority
from tests.architecture.tree import ROOT
from tests.docs.examples import examples

PAGE: Final = ROOT / "docs" / "sla-policies.md"
NAMES: Final = (*(one.value for one in Priority), DEFAULT_TARGET)


def targets(policy: Policy, clock: Clock) -> list[str]:
    """Return the targets by priority and for none; empty without such a promise."""
    if clock not in policy.clocks:
        return []
    written = policy.clocks[clock].targets
    return [str(written.get(name, written[DEFAULT_TARGET])) for name in NAMES]


def told(cell: str) -> list[str]:
    """Return what a cell says, such as `p1 1h, p2 4h, others 8h`, for p1 to p4 and none."""
    parts = [part.split() for part in cell.split(", ") if part]
    if len(parts) == len(NAMES):
        return [span for (span,) in parts]
    by_name = {part[0]: part[1] for part in parts if len(part) > 1}
    default = by_name.get("others") or (parts[0][0] if parts else "")
    return [by_name.get(name, default) for name in NAMES] if parts else []


def test_the_default_policies_told_are_those_of_the_code() -> None:
    table = PAGE.read_text("utf-8").partition("## The defaults")[2]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "|" in line][
        2:
    ]
    assert [policy.name for policy in DEFAULT_POLICIES] == [row[0] for row in rows]
    solved: list[str] = []
    for policy, (_, whom, first, following, resolution) in zip(DEFAULT_POLICIES, rows, strict=True):
        solved = solved if resolution == "the same" else told(resolution)
        assert {f"`{value}`" for values in policy.match.values() for value in values} == {
            word.strip(",") for word in whom.split() if "`" in word
        }
        assert targets(policy, Clock.FIRST_RESPONSE) == told(first)
        assert targets(policy, Clock.NEXT_RESPONSE) == told(following)
        assert targets(policy, Clock.RESOLUTION) == solved


def test_the_ical_example_gives_its_dates(tmp_path: Path) -> None:
    (written,), (file,) = examples("yaml ical"), examples("ical")
    (tmp_path / "company.ics").write_text(file.text, encoding="utf-8")
    (tmp_path / "barometer.yaml").write_text(written.text, encoding="utf-8")
    calendars = load(tmp_path / "barometer.yaml").calendars
    assert ["2026-07-04"] == calendars["desk"].history[0].document()["holidays"]


def test_the_years_and_the_size_told_are_those_of_the_code() -> None:
    assert f"{FIRST_HOLIDAY_YEAR} to {LAST_HOLIDAY_YEAR}" in PAGE.read_text("utf-8")
    assert f"{DOCUMENT_BYTES_MAX >> 20} MiB" in (ROOT / "docs" / "configuration.md").read_text("utf-8")
