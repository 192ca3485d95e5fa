"""kill -9, again and again, in the middle of the work: nothing acknowledged is lost, nothing happens twice.

A real log is sent over HTTP by senders that try again until they are answered, and another one is imported
beside it in small batches, while processes are killed and started again. What it comes to must be what the
same comes to where nobody is killed.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import Any, Final

import httpx2
import pytest

from tests.e2e.harness import (
    COMMAND_S,
    Deployment,
    command,
    one_machine,
    running,
    surroundings,
    three_processes,
)
from tests.e2e.records import LOOK_EVERY_S, acknowledged
from tests.e2e.truth import Known, Log, assert_same, known, live_figures_are_true, real_logs
from tests.servers.child import wait_until
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

KILLS_EACH: Final = 5
SENDERS: Final = 2
BATCH: Final = 50
TRIES_S: Final = 120.0
_STATUSES: Final = {
    "not_started": "new", "in_progress": "in_progress", "waiting": "waiting/customer", "gone": "solved",
}  # fmt: skip


@pytest.fixture(scope="module")
def logs(shared_data: Path) -> list[Log]:
    """Give both logs; of the one that is sent over HTTP every second ticket."""
    italian, servicenow = real_logs(shared_data)
    half = [row for row in italian.rows if zlib.crc32(row.ticket.encode()) % 2]
    return [replace(italian, rows=half), servicenow]


class Senders:
    """Send a log over HTTP in batches, each again and again until it is acknowledged."""

    def __init__(self, deployment: Deployment, log: Log) -> None:
        self._deployment = deployment
        self._waiting: SimpleQueue[list[dict[str, Any]]] = SimpleQueue()
        tickets = [ticket(number, log) for number in range(len(log.rows))]
        for begin in range(0, len(tickets), BATCH):
            self._waiting.put(tickets[begin : begin + BATCH])
        self.batches = self._waiting.qsize()
        self.allowed = 1.0
        """Which part may be taken up."""
        self.acknowledged: set[str] = set()
        self.tried_again = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]

    @property
    def done(self) -> float:
        """Which part was taken up."""
        return 1 - self._waiting.qsize() / self.batches

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Send while the body runs, then to the end."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            for thread in self._threads:
                thread.join(TRIES_S)
        assert [] == self.failures
        assert not any(thread.is_alive() for thread in self._threads)

    def _send(self) -> None:
        with httpx2.Client(timeout=30) as client:
            while True:
                wait_until(
                    lambda: self.done < self.allowed or self.done >= 1, "leave to go on", deadline_s=TRIES_S
                )
                try:
                    batch = self._waiting.get_nowait()
                except Empty:
                    return
                try:
                    wait_until(lambda: self._answered(client, batch), "an answer", deadline_s=TRIES_S)  # noqa: B023
                except (AssertionError, TimeoutError) as error:
                    self.failures.append(str(error))
                    return

    def _answered(self, client: httpx2.Client, batch: list[dict[str, Any]]) -> bool:
        try:
            answer = client.post(self._deployment.url("intake", "/v1/events"), json=batch)
        except httpx2.TransportError:
            self.tried_again += 1
            return False
        assert answer.status_code in {202, 429, 503}, answer.text
        if answer.status_code != 202:
            self.tried_again += 1
            return False
        results = answer.json()["results"]
        self.acknowledged.update(each["event_id"] for each in results)
        return True


def ticket(number: int, log: Log) -> dict[str, Any]:
    """Return row `number` as a sender would write it."""
    row = log.rows[number]
    shown = {} if row.state is None else {"status": _STATUSES[row.state]}
    return {
        "id": row.ticket, "event_id": f"row-{number}", "time": row.time.isoformat(), "sequence": row.number,
        "created_at": row.reported.isoformat(), **shown,
    }  # fmt: skip


@contextmanager
def importing(deployment: Deployment, log: Log) -> Iterator[None]:
    """Import a quarter of `log` in small batches beside the body."""
    arguments = deployment.import_arguments(log.path, log.mapping, "--batch", str(BATCH), "--part", "1/4")
    with subprocess.Popen(
        command(*arguments), cwd=deployment.directory, env=surroundings(), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        try:
            # One that begins while the bus is away says so and ends: that is another story.
            wait_until(
                lambda: any(one.run for one in acknowledged(deployment)),
                "the import", deadline_s=TRIES_S, poll_s=LOOK_EVERY_S,
            )  # fmt: skip
            yield
            _, complaints = child.communicate(timeout=COMMAND_S)
        finally:
            child.kill()
        assert 0 == child.returncode, complaints


def assert_killed(deployment: Deployment, killed: Sequence[str], senders: Senders) -> None:
    """Make sure that the kills were felt: each process began again, and senders noticed."""
    for service, kills in Counter(killed).items():
        if service not in deployment.processes:
            continue
        lines = deployment.processes[service].lines()
        assert 1 + kills == sum(line["event"] == "listening" for line in lines)
    assert "intake" not in killed or senders.tried_again > 0


Parts = Mapping[str, KafkaServer | PostgresServer]
"""What is not ours and can be killed too."""


def kill(deployment: Deployment, parts: Parts, name: str) -> None:
    """Kill `name` and start it again."""
    if name in parts:
        parts[name].kill9()
        parts[name].start()
        return
    process = deployment.processes[name]
    process.kill9()
    process.start().wait_ready()


def brought_in(
    deployment: Deployment,
    logs: Sequence[Log],
    killed: Sequence[str] = (),
    parts: Parts = MappingProxyType({}),
) -> Known:
    """Bring in both logs, killing `killed` in turn on the way; return what that comes to."""
    italian, servicenow = logs
    senders = Senders(deployment, italian)
    step = 1 / (len(killed) + 1)
    senders.allowed = 1.5 * step if killed else 1.0
    with importing(deployment, servicenow), senders.at_work():
        for number, name in enumerate(killed, 1):
            part = number * step
            wait_until(lambda: senders.done >= part, f"{part:.0%} of the log", deadline_s=TRIES_S)  # noqa: B023
            kill(deployment, parts, name)
            senders.allowed = (number + 1.5) * step
    assert_killed(deployment, killed, senders)

    got = known(deployment)
    on_the_bus = acknowledged(deployment)
    assert senders.acknowledged == {one.id for one in on_the_bus if one.source == "default"}
    assert len(italian.rows) == len(senders.acknowledged)
    assert len({(one.ticket, one.id) for one in on_the_bus}) == len(got.marks)
    default = Log(italian.path, italian.mapping, "default", italian.rows)
    live_figures_are_true(deployment, [default])
    return got


@pytest.fixture(scope="module")
def calm(logs: list[Log], tmp_path_factory: pytest.TempPathFactory) -> Known:
    """Give what it comes to where nobody is killed."""
    with running(one_machine(tmp_path_factory.mktemp("calm"))) as deployment:
        return brought_in(deployment, logs)


def test_one_machine_killed_five_times_comes_to_the_same(
    calm: Known, logs: list[Log], tmp_path: Path
) -> None:
    with running(one_machine(tmp_path)) as deployment:
        assert_same(calm, brought_in(deployment, logs, ["intake"] * KILLS_EACH))


def test_each_of_three_processes_killed_five_times_comes_to_the_same(
    kafka_server: KafkaServer, postgres: PostgresServer, calm: Known, logs: list[Log], tmp_path: Path
) -> None:
    urls = {service: postgres.new_database() for service in ("aging", "alerting")}
    killed = list(islice(cycle(["aging", "intake", "alerting"]), 3 * KILLS_EACH))
    with running(three_processes(tmp_path, bus=kafka_server.bus_url, databases=urls)) as deployment:
        assert_same(calm, brought_in(deployment, logs, killed))
    for url in urls.values():
        postgres.drop_database(url)


def test_an_import_that_was_killed_is_made_good_by_the_same_command(
    shared_data: Path, tmp_path: Path
) -> None:
    log = real_logs(shared_data)[0]
    with running(one_machine(tmp_path)) as deployment:
        arguments = deployment.import_arguments(log.path, log.mapping, "--batch", str(BATCH))
        with subprocess.Popen(
            command(*arguments),
            cwd=tmp_path,
            env=surroundings(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as child:
            wait_until(
                lambda: len(acknowledged(deployment)) > len(log.rows) // 10,
                "a tenth", deadline_s=TRIES_S, poll_s=LOOK_EVERY_S,
            )  # fmt: skip
            child.kill()
        assert -signal.SIGKILL == child.returncode, "it had ended before"
        deployment.import_log(log.path, log.mapping)
        got = known(deployment)
        assert len(got.tickets) == len({row.ticket for row in log.rows})
        live_figures_are_true(deployment, [log])


def test_a_broker_and_a_database_that_are_killed_are_waited_for(
    kafka_server: KafkaServer, calm: Known, logs: list[Log], tmp_path: Path
) -> None:
    with PostgresServer() as postgres:
        urls = {service: postgres.new_database() for service in ("aging", "alerting")}
        parts: Parts = {"kafka": kafka_server, "postgres": postgres}
        with running(three_processes(tmp_path, bus=kafka_server.bus_url, databases=urls)) as deployment:
            pids = [process.child and process.child.pid for process in deployment.distinct]
            assert_same(calm, brought_in(deployment, logs, ["kafka", "postgres"], parts))
            assert pids == [process.child and process.child.pid for process in deployment.distinct]
            assert all(process.alive and process.ready() for process in deployment.distinct)
