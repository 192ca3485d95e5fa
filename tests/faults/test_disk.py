"""A disk that is full, or read-only, under the log or under the state of one machine.

The file of the one or the other lies on a small disk of its own (a symbolic link leads there; SQLite keeps its WAL
beside the real file). Remounting it read-only is only possible while nobody writes, so that fault is shown at start.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
import pytest

from shared.contracts.backlog import FactType
from tests.e2e.harness import Deployment, eventually, one_machine, running
from tests.e2e.records import acknowledged, facts, mark_orders
from tests.servers.child import Unavailable
from tests.servers.disk import SmallDisk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

FILES: Final = {"the log": "bus.db", "the state": "aging.db"}
BATCH: Final = 50
FULL_S: Final = 4.0
ACKNOWLEDGED_S: Final = 60.0
PACE_S: Final = 0.3
"""What is sent while it is full must find room afterwards."""
PADDING: Final = "x" * 900
USAGE: Final = 2


@pytest.fixture(params=FILES)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    """Give a small disk with one of the files of a deployment in `tmp_path`."""
    try:
        small = SmallDisk(tmp_path / "small")
    except Unavailable as missing:
        pytest.skip(str(missing))
    with small:
        name = FILES[request.param]
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / name).symlink_to(small.path / name)
        yield small


class Sender:
    """Sends batch after batch and remembers what was acknowledged."""

    def __init__(self, deployment: Deployment) -> None:
        self._url = deployment.url("intake", "/v1/events")
        self._number = 0
        self.acknowledged: set[str] = set()
        self.statuses: Counter[int] = Counter()

    def send(self) -> int:
        """Send one batch; return the status."""
        self._number += 1
        items = [{"id": f"{self._number}-{nth}", "event_id": "e", "subject": PADDING} for nth in range(BATCH)]
        answer = httpx2.post(self._url, json=items, timeout=30)
        self.statuses[answer.status_code] += 1
        if answer.status_code == 202:
            self.acknowledged |= {each["ticket"] for each in answer.json()["results"]}
        return answer.status_code


def test_a_full_disk_loses_nothing_and_is_over_once_there_is_room(
    disk: SmallDisk, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with running(one_machine(tmp_path)) as deployment:
        process = deployment.processes["aging"]
        sender = Sender(deployment)
        assert 202 == sender.send()
        disk.fill()
        end = time.monotonic() + FULL_S
        while time.monotonic() < end:
            assert sender.send() in {202, 503}
            time.sleep(PACE_S)
        made_room = time.monotonic()
        disk.make_room()
        eventually(sender.send, lambda status: status == 202, "a 202", deadline_s=ACKNOWLEDGED_S)
        again_s = time.monotonic() - made_room
        wanted = sender.acknowledged
        eventually(
            lambda: len(wanted - {ticket for ticket, _ in mark_orders(deployment)}),
            lambda missing: missing == 0,
            "everything acknowledged", deadline_s=ACKNOWLEDGED_S,
        )  # fmt: skip
        print(f"full: {dict(sender.statuses)}, acknowledged again {again_s:.1f} s after there was room, "
              f"all there after {time.monotonic() - made_room:.1f} s")  # fmt: skip
        eventually(process.ready, bool, "readiness")
        assert 1 == sum(line["event"] == "listening" for line in process.lines()), "it had ended"
        assert wanted <= {one.ticket for one in acknowledged(deployment)}
        opened = [fact for fact in facts(deployment) if fact.type is FactType.OPENED]
        assert wanted <= {fact.ticket for fact in opened}
        assert len({fact.ticket for fact in opened}) == len({fact.id for fact in opened})


def test_a_read_only_disk_is_refused_at_start_with_the_reason(disk: SmallDisk, tmp_path: Path) -> None:
    with running(one_machine(tmp_path)) as deployment:
        process = deployment.processes["aging"]
        sender = Sender(deployment)
        assert 202 == sender.send()
        eventually(lambda: len(mark_orders(deployment)), lambda seen: seen == BATCH, "the batch")
        assert 0 == process.stop()
        disk.read_only(on=True)
        process.start()
        assert process.child is not None
        assert USAGE == process.child.wait(ACKNOWLEDGED_S)
        [refusal] = [line for line in process.lines() if line["level"] == "critical"]
        print(refusal["reason"])
        disk.read_only(on=False)
        process.start().wait_ready()
        assert 202 == sender.send()
        eventually(lambda: len(mark_orders(deployment)), lambda seen: seen == 2 * BATCH, "both batches")
