"""`barometer serve` as a process: a ticket in, the picture out, a real log beside it, a clean stop."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from barometer.cli import run
from tests.servers.child import Child, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

ROOT = Path(__file__).parents[2]
MAPPINGS = ROOT / "tests" / "data" / "mappings"


class Served:
    """A `barometer serve` of this test."""

    def __init__(self, data: Path, port: int, log: Path) -> None:
        self.data = data
        self.base = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "barometer", "serve", "--port", str(port), "--data", str(data)]
        environment = {"PYTHONPATH": str(ROOT), "BAROMETER_CONFIG": ""}
        self.child = Child(command, log, environment=environment, directory=data.parent)
        self.child.wait_ready(self.is_ready)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.base}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.base}{path}", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def post(self, ticket: dict[str, Any]) -> int:
        body = json.dumps(ticket).encode()
        request = urllib.request.Request(
            f"{self.base}/v1/events", body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)

    def open(self) -> int:
        count: int = self.get("/v1/backlog")["total"]["open"]
        return count


Starting = Callable[[], Served]


@pytest.fixture
def starting(tmp_path: Path, free_port: int) -> Iterator[Starting]:
    started: list[Served] = []

    def start() -> Served:
        started.append(Served(tmp_path / "data", free_port, tmp_path / "serve.log"))
        return started[-1]

    yield start
    for one in started:
        one.child.stop()


def test_a_ticket_is_in_the_picture_survives_a_restart_and_the_stop_is_clean(starting: Starting) -> None:
    first = starting()
    assert 202 == first.post({"id": "42", "subject": "Printer on fire", "queue": "hardware"})
    wait_until(lambda: first.open() == 1, "the ticket", deadline_s=20)
    assert 0 == first.child.stop()
    again = starting()
    assert ["default:42"] == [one["key"] for one in again.get("/v1/tickets")["tickets"]]
    assert 202 == again.post({"id": "42", "status": "solved"})
    wait_until(lambda: again.open() == 0, "the ticket's end", deadline_s=20)


def test_killed_at_once_it_still_has_what_it_acknowledged(starting: Starting) -> None:
    first = starting()
    for number in range(20):
        assert 202 == first.post({"id": str(number)})
    first.child.kill()
    again = starting()
    wait_until(lambda: again.open() == 20, "the acknowledged tickets", deadline_s=20)


def test_an_imported_log_comes_to_what_the_backtest_says(
    starting: Starting, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(shared_data / "event-logs" / "helpdesk-italian" / "helpdesk.csv.gz")
    mapping = ["--mapping", str(MAPPINGS / "helpdesk-italian.yaml")]
    served = starting()
    for part in ("2/2", "1/2"):
        into = ["--data", str(served.data), "--shuffle", "7", "--part", part]
        assert 0 == run(["import", log, *mapping, *into])
    capsys.readouterr()
    assert 0 == run(["backtest", log, *mapping, "--json"])
    expected = json.loads(capsys.readouterr().out)["instants"][0]
    wait_until(lambda: served.open() == expected["open"], "the imported tickets", deadline_s=60)
    total = served.get("/v1/backlog")["total"]
    for name in ("open", "not_started", "in_progress", "waiting"):
        assert expected[name] == total[name]
    assert [] == served.get("/v1/alerts")["alerts"]
