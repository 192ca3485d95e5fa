"""Two aging processes share the partitions; one comes late, one is killed, one leaves in order.

Whoever owns a partition at any moment, what it all comes to is what one process on one machine comes to.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.harness import (
    COMMAND_S,
    Deployment,
    Process,
    command,
    composed,
    one_machine,
    running,
    surroundings,
    three_processes,
)
from tests.e2e.records import acknowledged
from tests.e2e.truth import Log, assert_same, known, live_figures_are_true, real_logs
from tests.servers.child import wait_until
from tests.servers.kafka import KafkaServer
from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

BATCH: Final = 100
DEADLINE_S: Final = 120.0


@pytest.fixture
def log(shared_data: Path) -> Log:
    return real_logs(shared_data)[0]


@contextmanager
def importing(deployment: Deployment, log: Log) -> Iterator[None]:
    """Import `log` in small batches beside the body."""
    arguments = deployment.import_arguments(log.path, log.mapping, "--batch", str(BATCH))
    with subprocess.Popen(
        command(*arguments), cwd=deployment.directory, env=surroundings(), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        try:
            yield
            _, complaints = child.communicate(timeout=COMMAND_S)
        finally:
            child.kill()
        assert 0 == child.returncode, complaints


def with_second_aging(deployment: Deployment, bus: str, database: str) -> Deployment:
    """Return `deployment` with another aging process beside the first."""
    settings = {
        **composed("aging"), "BAROMETER_BUS": bus, "BAROMETER_DATABASE": database, "BAROMETER_CONFIG": "",
        "BAROMETER_MEMBER": "aging-second",
    }  # fmt: skip
    settings.pop("PGPASSWORD", None)
    second = Process("aging-2", "aging", directory=deployment.directory, environment=settings)
    return replace(deployment, processes={**deployment.processes, "aging-2": second})


def taken_over(process: Process) -> set[int]:
    """Return the events partitions that `process` ever owned, by its log."""
    return {
        line["partition"]
        for line in process.lines()
        if line["event"] == "partition taken over" and line["topic"] == "tickets.events.v1"
    }


def test_two_aging_processes_share_the_work_and_survive_each_other(
    kafka_server: KafkaServer, postgres: PostgresServer, log: Log, tmp_path: Path
) -> None:
    (tmp_path / "calm").mkdir()
    with running(one_machine(tmp_path / "calm")) as calm:
        calm.import_log(log.path, log.mapping)
        expected = known(calm)

    urls = {service: postgres.new_database() for service in ("aging", "alerting")}
    bus = kafka_server.bus_url
    both = with_second_aging(three_processes(tmp_path, bus=bus, databases=urls), bus, urls["aging"])
    first, second = both.processes["aging"], both.processes["aging-2"]
    with running(both):
        with importing(both, log):
            wait_until(
                lambda: bool(taken_over(second)) and len(acknowledged(both)) > len(log.rows) // 4,
                "a quarter of the log, with both at work", deadline_s=DEADLINE_S,
            )  # fmt: skip
            first.kill9()
            wait_until(lambda: len(taken_over(second)) == 4, "the second to own all", deadline_s=DEADLINE_S)
            first.start().wait_ready(DEADLINE_S)
            assert 0 == second.stop()
        got = known(both)

        assert_same(expected, got)
        live_figures_are_true(both, [log])
    for url in urls.values():
        postgres.drop_database(url)
