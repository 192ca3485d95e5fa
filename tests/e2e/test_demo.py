"""`barometer serve --demo`: somebody who just looks sees a desk at work within a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.harness import Deployment, Process, eventually, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

WITHIN_S: Final = 60.0


def test_within_a_minute_there_are_tickets_of_every_age_and_an_alert(tmp_path: Path) -> None:
    process = Process("demo", "serve", "--demo", directory=tmp_path)
    deployment = Deployment(tmp_path, "", {}, {"aging": process, "alerting": process})
    with running(deployment):

        def look() -> tuple[dict[str, Any], int]:
            firing = deployment.ask("alerting", "/v1/alerts", state="firing")["alerts"]
            return deployment.backlog(), len(firing)

        def shows_something(seen: tuple[dict[str, Any], int]) -> bool:
            return all(seen[0]["by_bucket"].values()) and seen[1] > 0

        total, _ = eventually(look, shows_something, "tickets of every age and an alert", deadline_s=WITHIN_S)
        assert total["open"] == sum(total["by_bucket"].values())
        assert {"new", "in_progress", "waiting"} == {one["status"] for one in deployment.tickets()}
        assert 0 == process.stop()
        assert [] == [line for line in process.lines() if line["level"] in {"error", "critical", "warning"}]
