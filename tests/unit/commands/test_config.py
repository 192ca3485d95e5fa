"""`config apply` and `config diff`, against a real embedded log."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from barometer.bus import opened_bus
from barometer.cli import run
from barometer.config import told
from barometer.differences import differences
from barometer.foresight import foresee
from barometer.publication import WRITER, Published, publish
from shared.bus.port import Bus
from shared.configuration.facts import facts_digest, facts_document
from shared.configuration.loader import read
from shared.contracts.configuration import ConfigApplied, ConfigVersion
from shared.contracts.topics import CONFIG, EVENTS
from tests.unit.commands.embedded_log import on_bus

NOW = datetime(2026, 6, 1, tzinfo=UTC)

DESK = """
calendars:
  desk:
    timezone: Europe/Berlin
    weekly: {mon: [["09:00", "17:00"]]}
    holidays: [2026-12-24]
"""
GOLD = """
sla:
  policies:
    - name: gold
      match: {segment: gold}
      clocks: {first_response: {target: 30m}}
    - name: rest
      clocks: {first_response: {target: 4h}}
"""


def configure(tmp_path: Path, content: str) -> list[str]:
    path = tmp_path / "barometer.yaml"
    path.write_text(content)
    return ["--config", str(path)]


def versions(data: Path) -> list[ConfigVersion]:
    return [event for event in on_bus(data, CONFIG) if isinstance(event, ConfigVersion)]


def document(content: str) -> dict[str, Any]:
    return facts_document(read(content))


def texts(old: str, new: str) -> list[str]:
    return list(map(str, differences(document(old), document(new))))


def test_a_configuration_is_recorded_once_and_applied_to_every_partition(data: Path, tmp_path: Path) -> None:
    config = configure(tmp_path, "age: {edges: [24h, 72h]}")
    assert [0, 0] == [run(["config", "apply", *config]), run(["config", "apply", *config])]
    assert [(1, [86_400, 259_200])] == [(one.version, one.document["age"]["edges"]) for one in versions(data)]
    assert {1} == {event.version for event in on_bus(data, EVENTS) if isinstance(event, ConfigApplied)}


def test_changed_content_is_the_next_version_and_rules_are_no_change(data: Path, tmp_path: Path) -> None:
    for content in ("", "rules: []", "sources: [{name: a}]"):
        assert 0 == run(["config", "apply", *configure(tmp_path, content)])
    assert [1, 2] == [one.version for one in versions(data)]


def test_apply_takes_the_instant_from_which_it_counts(data: Path, tmp_path: Path) -> None:
    config = configure(tmp_path, "")
    assert 0 == run(["config", "apply", *config, "--effective-from", "2190-01-01T01:00:00+01:00"])
    (version,) = versions(data)
    assert datetime(2190, 1, 1, tzinfo=UTC) == version.effective_from


def test_an_instant_without_an_offset_is_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["config", "apply", *configure(tmp_path, ""), "--effective-from", "2190-01-01T00:00:00"]
    assert 2 == run(arguments)
    assert "add the offset, such as 2190-01-01T00:00:00Z" in capsys.readouterr().err


def test_two_that_publish_at_once_never_give_one_number_twice(data: Path) -> None:
    async def both() -> list[Published]:
        contents = [f"age: {{edges: [{hours}h], buckets: [{hours}h]}}" for hours in range(1, 5)]
        async with opened_bus(f"embedded:{data}", {}) as one, opened_bus(f"embedded:{data}", {}) as other:
            publications = (
                publish(bus, document(content), now=NOW + timedelta(seconds=at))
                for at, (bus, content) in enumerate(zip((one, other, one, other), contents, strict=True))
            )
            return list(await asyncio.gather(*publications))

    published = asyncio.run(both())
    assert [1, 2, 3, 4] == sorted(one.version.version for one in published)
    assert [1, 2, 3, 4] == [one.version for one in versions(data)]
    assert {one.digest for one in versions(data)} == {one.version.digest for one in published}


class Overtaken:
    """A bus on which somebody else publishes between our reading and our writing, once."""

    def __init__(self, bus: Bus, other: Bus) -> None:
        self._bus = bus
        self._other: Bus | None = other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def open_writer(self, name: str, epoch: int, *, blocks_in_flight_max: int) -> Any:
        writer = await self._bus.open_writer(name, epoch, blocks_in_flight_max=blocks_in_flight_max)
        if name == WRITER and self._other is not None:
            other, self._other = self._other, None
            await publish(other, document("age: {from: episode}"), now=NOW)
        return writer


def test_who_is_overtaken_takes_the_next_number_and_says_so(data: Path) -> None:
    async def overtaken() -> Published:
        async with opened_bus(f"embedded:{data}", {}) as bus, opened_bus(f"embedded:{data}", {}) as other:
            await publish(other, document(""), now=NOW)
            slow: Any = Overtaken(bus, other)
            return await publish(slow, document(DESK), now=NOW + timedelta(seconds=1))

    published = asyncio.run(overtaken())
    assert [1, 2, 3] == [one.version for one in versions(data)]
    assert [
        "version 3 recorded, counts from 2026-06-01T00:00:01Z",
        "version 2 was published by somebody else at the same time; this one replaces it",
    ] == told(published)


def test_diff_shows_what_would_change_and_from_when(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run(["config", "apply", *configure(tmp_path, "")])
    capsys.readouterr()
    assert 0 == run(["config", "diff", *configure(tmp_path, "age: {from: episode}")])
    assert [
        "age.from: created -> episode",
        "",
        "It counts from when it is applied. What was stated before stays.",
    ] == capsys.readouterr().out.splitlines()


def test_diff_changes_nothing(data: Path, tmp_path: Path) -> None:
    assert 0 == run(["config", "diff", *configure(tmp_path, DESK)])
    assert [] == versions(data)


def test_diff_ends_with_1_for_a_difference_if_it_is_asked_to(data: Path, tmp_path: Path) -> None:
    assert 1 == run(["config", "diff", *configure(tmp_path, ""), "--exit-code"])
    assert 0 == run(["config", "apply", *configure(tmp_path, "")])
    assert 0 == run(["config", "diff", *configure(tmp_path, "rules: []"), "--exit-code"])
    assert 1 == run(["config", "diff", *configure(tmp_path, DESK), "--exit-code"])


def test_diff_prints_one_json_document(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == run(["config", "apply", *configure(tmp_path, "")])
    capsys.readouterr()
    config = configure(tmp_path, "age: {from: episode}")
    assert 0 == run(["config", "diff", *config, "--json", "--effective-from", "2190-01-01T00:00:00Z"])
    told_changes = json.loads(capsys.readouterr().out)
    assert {
        "version": 1,
        "changes": [
            {
                "section": "age",
                "subject": "",
                "since": None,
                "path": "from",
                "before": "created",
                "after": "episode",
            }
        ],
        "counts_from": "2190-01-01T00:00:00Z",
        "retroactive": [],
        "notes": ["It counts from 2190-01-01T00:00:00Z. What was stated before stays."],
        "promises": None,
    } == told_changes


def test_differences_name_what_was_added_and_removed() -> None:
    assert ["a.x: 1 -> 2", "b.y: 3 -> (nothing)", "c.z: (nothing) -> 4"] == list(
        map(str, differences({"a": {"x": 1}, "b": {"y": 3}}, {"a": {"x": 2}, "c": {"z": 4}}))
    )


def test_a_calendar_is_compared_by_its_hours_and_dates() -> None:
    new = DESK.replace('"17:00"', '"18:00"').replace("2026-12-24", "2026-12-31")
    assert [
        "calendar desk: holidays: +2026-12-31 -2026-12-24",
        "calendar desk: weekly.mon: [['09:00', '17:00']] -> [['09:00', '18:00']]",
    ] == texts(DESK, new)


def test_of_many_holidays_a_few_are_shown_and_the_rest_is_counted() -> None:
    (line,) = texts(DESK, DESK.replace("[2026-12-24]", "[2026-12-24, {country: FR}]"))
    assert line.startswith("calendar desk: holidays: +2010-01-01 +2010-04-05")
    assert line.endswith(" more")


def test_a_calendar_and_a_version_of_it_are_told_as_added_and_removed() -> None:
    versioned = f"{DESK}    versions: [{{effective_from: 2027-01-01T00:00:00Z, timezone: UTC}}]\n"
    assert ["calendar desk: added"] == texts("", DESK)
    assert ["calendar desk from 2027-01-01T00:00:00Z: added"] == texts(DESK, versioned)
    assert ["calendar desk from 2027-01-01T00:00:00Z: removed"] == texts(versioned, DESK)


def test_a_policy_is_compared_by_name_and_its_place_apart() -> None:
    assert [
        "policy gold: clocks.first_response.targets.default: 30m -> 15m",
        "policy gold: clocks.first_response.warn: [80%] -> [50%, 5m left]",
    ] == texts(GOLD, GOLD.replace("{target: 30m}", "{target: 15m, warn: [50%, 5m]}"))


def test_a_policy_that_comes_goes_or_moves_is_told_so() -> None:
    assert ["policy old: added", "policy gold: removed"] == texts(
        GOLD, GOLD.replace("name: gold", "name: old")
    )
    old, new = document(GOLD), document(GOLD)
    new["sla"]["versions"][0]["policies"].reverse()
    assert ["policies: order: ['gold', 'rest'] -> ['rest', 'gold']"] == list(map(str, differences(old, new)))


def test_attention_is_compared_in_words() -> None:
    assert ["sla.attention.stuck_after: 72h -> 48h"] == texts("", "sla: {attention: {stuck_after: 2d}}")


def told_of(old: str, new: str, **options: datetime) -> list[str]:
    before = document(old)
    version = ConfigVersion(
        version=1, effective_from=NOW, recorded_at=NOW, digest=facts_digest(before), document=before
    )
    effective_from = options.get("effective_from")
    return foresee(version, document(new), now=NOW, effective_from=effective_from).notes


def test_hours_that_reach_back_are_named_with_their_reason() -> None:
    flood = "{effective_from: 2026-05-04T00:00:00Z, retroactive: Flood, overrides: {2026-05-04: []}}"
    notes = told_of(DESK, f"{DESK}    versions: [{flood}]\n")
    assert (
        "calendar desk reaches back to 2026-05-04T00:00:00Z: Flood. What was stated since is stated anew "
        "where it differs."
    ) == notes[-1]


def test_a_version_that_has_begun_already_counts_from_when_it_is_applied() -> None:
    notes = told_of(DESK, f"{DESK}    versions: [{{effective_from: 2026-05-04T00:00:00Z, timezone: UTC}}]\n")
    assert "has begun already. It counts from when it is applied; with `retroactive: REASON`" in notes[-1]


def test_policies_say_whom_they_reach() -> None:
    running = "{effective_from: 2027-01-01T00:00:00Z, apply: running, policies: []}"
    assert [
        "policies: for promises that begin from then on; those that run keep theirs.",
        (
            "policies from 2027-01-01T00:00:00Z: they reach promises that run already, with the time used "
            "and paused kept."
        ),
    ] == told_of("", f"{GOLD}  versions: [{running}]\n")[1:]


def test_an_instant_that_has_passed_is_said_to_count_from_applying() -> None:
    assert told_of(DESK, "", effective_from=NOW - timedelta(days=1))[0].startswith(
        "2026-05-31T00:00:00Z has passed, so it counts from when it is applied."
    )
