"""The arithmetic of the benchmarks: nothing here measures time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import harness
from bench.figures import Figures, Spread, column, interleaved, percentile, ratio, spread
from bench.harness import Machine, Target, judged, keep, number, table


def test_the_median_stands_between_the_extremes() -> None:
    assert Spread(3, 1, 9) == spread([9, 1, 3])
    assert Spread(2.5, 1, 4) == spread([4, 1, 2, 3])


def test_a_ratio_compares_neighbouring_runs_not_medians() -> None:
    # The machine was half as fast in the second round, for both.
    assert Spread(2.0, 2.0, 2.0) == ratio([200, 100], [100, 50])


def test_runs_without_a_neighbour_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio([1, 2], [1])


def test_a_percentile_is_a_value_that_was_seen() -> None:
    values = [float(value) for value in range(100, 0, -1)]

    assert 50 == percentile(values, 0.5)
    assert 99 == percentile(values, 0.99)
    assert 100 == percentile(values, 1)
    assert 1 == percentile(values, 0)
    assert 7 == percentile([7.0], 0.99)


def test_sides_take_turns_and_none_always_comes_first() -> None:
    heard: list[str] = []

    def side(name: str) -> Figures:
        heard.append(name)
        return {"rate": len(heard)}

    runs = interleaved({"a": lambda: side("a"), "b": lambda: side("b")}, 3, lambda *_: None)

    assert ["a", "b", "b", "a", "a", "b"] == heard
    assert [1, 4, 5] == column(runs["a"], "rate")
    assert [2, 3, 6] == column(runs["b"], "rate")


def test_a_target_with_a_peer_is_judged_by_the_ratio() -> None:
    runs = {"ours": [{"rate": 75.0}, {"rate": 25.0}], "peer": [{"rate": 100.0}, {"rate": 50.0}]}
    targets = [("ours", Target("rate", 0.9, peer="peer")), ("ours", Target("rate", 50))]

    by_ratio, absolute = judged(targets, runs)

    assert Spread(0.625, 0.5, 0.75) == by_ratio.seen
    assert not by_ratio.met
    assert Spread(50, 25, 75) == absolute.seen
    assert absolute.met


def test_a_bound_from_above_is_met_below_it() -> None:
    target = Target("p99_ms", 300, at_most=True)

    assert target.met(300)
    assert not target.met(301)
    assert "p99_ms <= 300" == target.text()


def test_the_table_leaves_out_what_a_side_did_not_measure() -> None:
    text = table(
        {"ours": [{"rate": 1200, "p99_ms": 3.25}, {"rate": 1300, "p99_ms": 3.25}], "peer": [{"rate": 7}]}
    )

    assert (
        "| | rate | p99_ms |\n"
        "| --- | ---: | ---: |\n"
        "| ours | 1,250 (1,200 to 1,300) | 3.25 |\n"
        "| peer | 7 |  |\n"
    ) == text


def test_numbers_have_three_significant_digits() -> None:
    assert ["18,042", "0.951", "12.3", "250"] == [number(each) for each in (18_042.4, 0.9512, 12.34, 250.0)]


def test_a_busy_machine_says_so() -> None:
    quiet = Machine("2026-11-21T10:00:00+00:00", 2, "3.11.7", "Linux x86_64", 0.4)
    busy = Machine("2026-11-21T10:00:00+00:00", 2, "3.11.7", "Linux x86_64", 7.1)

    assert "BUSY" not in quiet.line()
    assert "BUSY" in busy.line()


def test_results_are_kept_run_by_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "results")
    machine = Machine("2026-11-21T10:00:00+00:00", 2, "3.11.7", "Linux x86_64", 0.4)
    runs = {"ours": [{"rate": 2.0}, {"rate": 3.0}]}

    path = keep("some", machine, runs, judged([("ours", Target("rate", 2))], runs))

    kept = json.loads(path.read_text())
    assert [{"rate": 2.0}, {"rate": 3.0}] == kept["runs"]["ours"]
    assert {"median": 2.5, "low": 2.0, "high": 3.0} == kept["targets"][0]["seen"]
    assert kept["targets"][0]["met"]
