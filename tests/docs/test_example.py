"""The example log of the README does what the README's picture shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from barometer.backtest.command import backtest
from barometer.check import check

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_example_shows_the_figures_and_the_alerts_of_the_picture(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = backtest(
        EXAMPLES / "helpdesk.csv",
        mapping=EXAMPLES / "helpdesk.mapping.yaml",
        config=EXAMPLES / "barometer.yaml",
        at=["2026-09-14T06:00:00Z", "2026-09-23T16:00:00Z", "2026-10-04T06:00:00Z"],
        json=True,
    )
    report = json.loads(capsys.readouterr().out)

    assert 0 == code
    assert [17, 105, 57] == [one["open"] for one in report["instants"]]
    assert [(0, 0), (5, 3), (9, 0)] == [(one["past_sla"], one["at_risk"]) for one in report["instants"]]
    assert {"resolution": {"met": 532, "breached": 22}} == report["sla"]
    assert [("billing-flooded", "2026-09-23T14:33:49Z"), ("urgent-unattended", "2026-09-23T17:48:36Z")] == [
        (alert["rule"], alert["fired_at"]) for alert in report["alerts"]
    ]


def test_the_example_configuration_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == check(EXAMPLES / "barometer.yaml")
    assert 0 == check(mapping=EXAMPLES / "helpdesk.mapping.yaml")
